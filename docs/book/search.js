// The book's search: which sections hold all the words, each with an excerpt. It works from files: nothing is fetched.
// `sections` comes from sections.js (book.py), `Stemmer` and `stopwords` from Sphinx's language_data.js.

const query = (new URLSearchParams(location.search).get("q") ?? "").trim();
const escape = text => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

// A word is found where a word begins with it, or with its stem: "degrades" by "degradation".
function wanted(query) {
  const words = query.toLowerCase().split(/[^\p{L}\p{N}_.×]+/u).filter(word => word);
  const telling = words.filter(word => !stopwords.has(word));
  const stemmer = new Stemmer();
  return (telling.length ? telling : words).map(word =>
    new RegExp(`(?<![\\p{L}\\p{N}])(?:${escape(word)}|${escape(stemmer.stemWord(word))})[\\p{L}\\p{N}]*`, "giu"));
}

// The words one after another.
const phrase = patterns => new RegExp(patterns.map(one => one.source).join("[^\\p{L}\\p{N}]+"), "giu");

// What stands in a title counts most, then the words as a phrase; after that, how often they come.
function find(patterns) {
  const times = (text, pattern) => text.match(pattern)?.length ?? 0;
  const scored = sections.map(([title, address, text]) => {
    const counts = patterns.map(one => 20 * times(title, one) + times(text, one));
    const score = counts.reduce((a, b) => a + b) + 20 * Math.min(1, times(text, phrase(patterns)));
    return {title, address, text, score: counts.every(count => count) ? score : 0};
  });
  return scored.filter(one => one.score).sort((a, b) => b.score - a.score);
}

// Return the text around the phrase, or around the place where most of the words stand close together, in whole words.
function excerpt(text, patterns, before = 80, length = 260) {
  const whole = text.search(phrase(patterns));
  const places = whole < 0 ? patterns.map(one => [...text.matchAll(one)].map(found => found.index)) : [[whole]];
  const near = start => places.filter(some => some.some(i => i >= start && i < start + length - before)).length;
  const start = places.flat().sort((a, b) => near(b) - near(a) || a - b)[0] ?? 0;
  const from = start > before ? text.indexOf(" ", start - before) + 1 : 0;
  const to = from + length < text.length ? text.lastIndexOf(" ", from + length) : text.length;
  return (from ? "… " : "") + text.slice(from, to) + (to < text.length ? " …" : "");
}

function mark(element, text, patterns) {
  const any = new RegExp(patterns.map(one => one.source).join("|"), "giu");
  let end = 0;
  for (const found of text.matchAll(any)) {
    element.append(text.slice(end, found.index), Object.assign(document.createElement("mark"), {textContent: found[0]}));
    end = found.index + found[0].length;
  }
  element.append(text.slice(end));
  return element;
}

for (const input of document.querySelectorAll("input[name=q]")) input.value = query;
if (query) {
  const patterns = wanted(query), found = patterns.length ? find(patterns) : [];
  document.getElementById("search-status").textContent = found.length
    ? `${found.length} ${found.length === 1 ? "section has" : "sections have"} “${query}”.`
    : `No section has “${query}”. A section is found if it has all of the words.`;
  for (const {title, address, text} of found) {
    const item = document.createElement("li");
    const link = Object.assign(document.createElement("a"), {href: address});
    item.append(mark(link, title, patterns), mark(document.createElement("p"), excerpt(text, patterns), patterns));
    document.getElementById("search-results").append(item);
  }
}
