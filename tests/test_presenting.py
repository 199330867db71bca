"""The course as slides, as a deck, as a book and as an app: laid out by the rule, whole, and without a network."""

import ast
import importlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import unquote, urlsplit
from urllib.request import urlopen

import nbformat
import pytest
import slides
from bs4 import BeautifulSoup, NavigableString
from lab import chromium, jupyterlab, new_page, open_notebook, press, wait_for_status
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

ROOT = Path(__file__).parents[1]
BOOK, NOTEBOOKS = ROOT / "docs" / "book", ROOT / "notebooks"
CHAPTERS = sorted(NOTEBOOKS.glob("[0-9]*.ipynb"))
APP = NOTEBOOKS / "apps" / "playground.ipynb"
chapters = pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)


def read(path):
    return nbformat.read(path, as_version=4)


def kinds_of(notebook):
    return [cell.metadata.get("slideshow", {}).get("slide_type", "-") for cell in notebook.cells]


def text(source):
    return new_markdown_cell(source)


def code(source, picture=None, lines=0):
    outputs = [new_output("stream", text="line\n" * lines)] if lines else []
    if picture:
        size = {"image/png": {"width": 1000, "height": picture}}
        outputs.append(new_output("display_data", {"image/png": ""}, metadata=size))
    return new_code_cell(source, outputs=outputs)


# The rule


@chapters
def test_chapters_are_laid_out_by_the_rule(path):
    notebook = read(path)
    assert kinds_of(notebook) == slides.slide_types(notebook.cells), "run: python tools/slides.py"


@chapters
def test_every_slide_has_something_to_show_and_nearly_all_of_them_fit(path):
    cells, kinds = read(path).cells, kinds_of(read(path))
    assert kinds[0] == "slide"
    assert set(kinds) <= {"slide", "subslide", "fragment", "skip", "-"}
    heights = []
    for cell, kind in zip(cells, kinds, strict=True):
        if kind in ("slide", "subslide"):
            heights.append(0)
        if kind != "skip":
            heights[-1] += slides.height(cell)
    assert min(heights) >= slides.PROSE
    too_high = [height for height in heights if height > 1080]
    assert len(too_high) <= 3 and max(heights) < 1300, f"cut these cells: {too_high}"


@chapters
def test_what_is_skipped_is_for_working_alone(path):
    cells = read(path).cells
    shown = [cell.source for cell, kind in zip(cells, kinds_of(read(path)), strict=True) if kind != "skip"]
    assert not [source for source in shown if "exercises." in source and ".check(" in source]
    assert any(source.startswith("## Sources") for source in shown)
    assert any("import " in source for source in shown), "a live presentation has to run them"


LAYOUTS = {  # the cells below the title, and what they are
    "headings start slides, and code stays on them": (
        [code("import torch"), text("## One"), code("a = 1"), text("so"), text("### Not this")],
        ["-", "slide", "-", "-", "-"],
    ),
    "a comment in a listing is no heading": ([text("so:\n\n```\n# a comment\n```")], ["-"]),
    "a question stands alone, and its answer waits": (
        [code("g = guess('?', [])\ng"), code("fit()"), code("g.reveal('a')")],
        ["subslide", "subslide", "fragment"],
    ),
    "prose goes to the next slide with its code": (
        [code("x\n" * 20), text("The picture:"), code("draw()", picture=380)],
        ["-", "subslide", "-"],
    ),
    "long prose after a large picture": ([code("draw()", picture=380), text("word " * 150)], ["-", "subslide"]),
    "exercises and endless tables are skipped up to the next heading": (
        [
            text("All of them:"), code("claims()", lines=100), text("## 1.9 Exercises"), text("### Recall"),
            code("x = ..."), text("## Sources"),
        ],
        [*["skip"] * 5, "slide"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", LAYOUTS)
def test_the_rule(case):
    cells, kinds = LAYOUTS[case]
    assert slides.slide_types([text("# Title"), *cells]) == ["slide", *kinds]


def test_layout_touches_nothing_else():
    notebook = read(CHAPTERS[0])
    before = json.loads(json.dumps(notebook))
    for cell in before["cells"]:
        cell["metadata"].pop("slideshow", None)
    after = json.loads(json.dumps(slides.lay_out(notebook)))
    assert [cell["metadata"].pop("slideshow", None) for cell in after["cells"]][0] == {"slide_type": "slide"}
    assert after == before


def test_a_chapter_that_is_not_there_is_named():
    with pytest.raises(ValueError, match="there is no chapter 99_nothing; there are 00_convolution, 01_lenet"):
        slides.chapters(["99_nothing"])


# Formulas


def needs_the_extra(*packages):
    """Skip a test where the packages of the extra that makes the book are not installed."""
    for package in packages:
        pytest.importorskip(package, reason="needs the extra `book`: pip install -e '.[book]'")


@pytest.fixture
def offline():
    needs_the_extra("latex2mathml")
    return importlib.import_module("offline")


def test_formulas_become_mathml_but_code_stays(offline):
    made = offline.offline_text("Let $x_i$ be\n\n$$y = x + F(x)$$\n\nand `$HOME` or\n\n```\n$$no$$\n```\n")
    assert made.count("<math") == 2 and 'display="block"' in made
    assert "`$HOME`" in made and "$$no$$" in made
    assert offline.offline_text("5 $ and 6 $ are dollars") == "5 $ and 6 $ are dollars"


# Deck and book


class Links(HTMLParser):
    """Collect what a page loads, what it links to, and its anchors."""

    def __init__(self, page):
        super().__init__()
        self.loads, self.links, self.anchors, self.silent = [], [], set(), 0
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.anchors |= {attributes.get("id"), attributes.get("name")}
        if tag == "a":
            self.links.append(attributes.get("href") or "")
        else:
            here = attributes.get("src"), attributes.get("href"), attributes.get("data"), attributes.get("poster")
            self.silent += tag == "img" and not attributes.get("alt")
            self.loads += [address for address in here if address]


FETCHED = re.compile(
    r"""(?:@import\s+(?:url\()?|url\(|import\s+\w+\s+from\s+|import\(|fetch\()\s*["']?(https?:[^"')]+)"""
)


def assert_whole_and_local(folder):
    """Every link and picture of every page is there, and nothing is loaded from the network."""
    pages = {path: Links(path.read_text(encoding="utf-8")) for path in folder.rglob("*.html")}
    for path, page in pages.items():
        assert not page.silent, f"{path.name} has pictures without words"
        for address in page.loads + [link for link in page.links if not link.startswith(("http", "mailto:"))]:
            parts = urlsplit(address)
            assert parts.scheme in ("", "data"), f"{path.name} loads {address}"
            if parts.scheme == "data":
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            assert target.exists(), f"{path.name} points to {address}, which is not there"
            if parts.fragment and target in pages and not parts.fragment.startswith("/"):
                assert unquote(parts.fragment) in pages[target].anchors, f"{path.name} points to {address}"
    for path in folder.rglob("*"):
        if path.suffix in (".html", ".css", ".js"):
            assert not FETCHED.findall(path.read_text(encoding="utf-8")), path


@pytest.fixture(scope="module")
def deck(tmp_path_factory):
    needs_the_extra("latex2mathml", "sphinx_revealjs")
    folder = tmp_path_factory.mktemp("deck")
    importlib.import_module("deck").build(folder)
    return folder


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    needs_the_extra("latex2mathml", "myst_nb", "furo")
    folder = tmp_path_factory.mktemp("book")
    run = subprocess.run([sys.executable, BOOK / "book.py", folder], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    return folder


@pytest.mark.thorough
def test_deck_has_every_chapter_and_needs_no_network(deck):
    assert [path.name for path in sorted(deck.glob("*.html"))] == [f"{path.stem}.slides.html" for path in CHAPTERS]
    assert_whole_and_local(deck)
    for path in deck.glob("*.html"):
        page = path.read_text(encoding="utf-8")
        assert "$$" not in page and "```" not in page and page.count("<section") > 20
        assert ".check(" not in page


def test_paragraphs_are_laid_out_one_by_one():
    needs_the_extra("sphinx_revealjs")
    paragraphs = importlib.import_module("deck").paragraphs
    assert paragraphs("one\ntwo\n\nthree\n\n```\na\n\nb\n```\nfour") == ["one\ntwo", "three", "```\na\n\nb\n```\nfour"]


def test_a_slide_with_a_picture_has_as_title_what_it_shows():
    needs_the_extra("sphinx_revealjs")
    deck = importlib.import_module("deck")
    picture, claim = code("draw()", picture=380), deck.TITLES[0]
    cells = [text("# Title"), text("## 1.1 Section"), picture, text(f"In short, {claim}."), text("word " * 900)]
    notebook = nbformat.v4.new_notebook(cells=[*cells, code("draw()", picture=380), text("## 1.2 Next"), text(claim)])
    deck.enlarge(notebook.cells)
    for cell, kind in zip(
        notebook.cells, ["slide", "slide", "subslide", "-", "subslide", "subslide", "slide", "-"], strict=True
    ):
        cell.metadata["slideshow"] = {"slide_type": kind}
    made = [cell.source.splitlines()[-1] for cell in deck.with_titles(notebook.cells) if cell.id.endswith("-title")]
    assert made == [f"## {claim}", "## 1.1 Section", "## 1.1 Section"]
    size = picture.outputs[0].metadata["image/png"]
    assert slides.picture_height(picture) == pytest.approx(380 * 1.8, abs=2) and size["width"] / size["height"] > 2.5


def test_titles_of_the_deck_are_sentences_of_the_chapters():
    """Nearly all: a sentence that its chapter no longer has leaves its slide with the title of the section."""
    needs_the_extra("sphinx_revealjs")
    titles = importlib.import_module("deck").TITLES
    prose = " ".join(" ".join(cell.source for path in CHAPTERS for cell in read(path).cells).split())
    lost = [title for title in titles if title not in prose]
    assert len(lost) <= len(titles) / 10, f"no longer in the chapters: {lost}"


@pytest.mark.thorough
def test_book_has_every_chapter_and_needs_no_network(book):
    assert {path.stem for path in CHAPTERS} < {path.stem for path in book.glob("*.html")}
    assert_whole_and_local(book)
    front = (book / "index.html").read_text(encoding="utf-8")
    for path in CHAPTERS:
        page = (book / f"{path.stem}.html").read_text(encoding="utf-8")
        assert f'href="{path.stem}.html"' in front
        for number in re.findall(r"^## (\d+\.\d+) ", "\n".join(cell.source for cell in read(path).cells), re.MULTILINE):
            assert f">{number} " in page and f">{number} " in front
        assert "$$" not in page
        wanted = sum("image/png" in o.get("data", {}) for c in read(path).cells for o in c.get("outputs", ()))
        assert page.count("<img") >= wanted
    assert "6.9" in front and "Why does a deeper network learn less" in front
    assert "A picture of a live panel" in (book / "05_resnet.html").read_text(encoding="utf-8")


RAW = re.compile(
    r"\*\*|`|\$|~~|\|.*\||\]\(|\\[a-zA-Z(\[]|^ *#{1,6} |^ *[-*] \S|^ *\d+\. |^ *>|(?<!\w)[*_][^\s*_][^*_]*[*_](?!\w)"
    r"|<[a-z/!]|&#?\w+;|\x1b|\[\d+m",
    re.MULTILINE,
)


def raw(page):
    """Return the texts of a page, code and formulas apart, in which Markdown, HTML or a terminal's codes are left."""
    soup = BeautifulSoup(page, "html.parser")
    for part in soup.select("code, pre, dt.sig, .field-list strong, script, style, math, svg, title"):
        part.extract()
    return [text for text in soup.find_all(string=True) if type(text) is NavigableString and RAW.search(text)]


def outputs_of(path):
    return [(cell, output) for cell in read(path).cells for output in cell.get("outputs", ())]


def no_words(page):
    """Return the pictures of a page that say nothing to who does not see them."""
    pictures = BeautifulSoup(page, "html.parser").select("img")
    return [p for p in pictures if re.match(r"$|<|_images|No description", p.get("alt", ""))]


@pytest.mark.thorough
@pytest.mark.parametrize("kind", ["book", "deck"])
def test_nothing_on_a_page_is_left_raw(request, kind):
    pages = {path.name: path.read_text(encoding="utf-8") for path in request.getfixturevalue(kind).glob("*.html")}
    assert len(pages) >= len(CHAPTERS)
    assert not {name: found for name, page in pages.items() if (found := raw(page))}
    assert not [name for name, page in pages.items() if no_words(page)]
    if kind == "book":
        for path in CHAPTERS:
            stored = [output.get("data", {}).get("text/markdown", "") for _, output in outputs_of(path)]
            tables = BeautifulSoup(pages[f"{path.stem}.html"], "html.parser").select(".cell_output table.docutils")
            assert len(tables) == sum("\n| --- |" in source for source in stored)
            assert len(tables) >= (1 if path.stem.startswith("00") else 2)


MARKDOWN = """## Heading

A `word`, **bold**, *italic*, ~~gone~~, <b>HTML</b>, [link](https://example.org) and
$x_i^2$: put it in place of <code>...</code>

| name | value |
| --- | --: |
| `a` | $\\frac{1}{2}$ |
| **b** | &#60; 1 &#124; 2<br>3 |

- one
  1. inner

> said

$$y = \\sum_i x_i$$
"""
SVG = "<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'><text>9</text></svg>"
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
LIVE = {"application/vnd.jupyter.widget-view+json": {"model_id": "1"}}
OUTPUTS = {  # what a cell leaves, and what a page shows of it
    "markdown": (new_output("display_data", {"text/markdown": MARKDOWN, "text/plain": "said"}),
                 ("<strong>bold", "<em>italic", "<code>...</code>", "<table", "<math", "<mfrac>", "<li>")),
    "formula": (new_output("display_data", {"text/latex": r"$\displaystyle \frac{a}{b}$"}), ("<mfrac>",)),
    "bare formula": (new_output("display_data", {"text/latex": r"\frac{a}{b}"}), ("<mfrac>",)),
    "html": (new_output("display_data", {"text/html": "<table><tr><td>3 &lt; 4</td></tr></table>"}), ("<td>3 &lt; 4",)),
    "png": (new_output("display_data", {"image/png": PNG, "text/plain": "A dot"}), ('alt="A dot"',)),
    "svg": (new_output("display_data", {"image/svg+xml": SVG, "text/plain": "A nine"}), ('alt="A nine"',)),
    "panel": (new_output("display_data", LIVE | {"image/png": PNG, "text/plain": "A panel"}),
              ('alt="A panel"', "<em>A picture of a live panel. To use it: ")),
    "question": (new_output("display_data", LIVE | {"text/markdown": "**Predict**"}), ("<strong>Predict",)),
    "widget": (new_output("display_data", LIVE | {"text/plain": "IntSlider(value=0)"}), ("IntSlider(value=0)",)),
    "stdout": (new_output("stream", text="\x1b[31mred\x1b[0m | **a** | `b`\n"), ("red", " | **a** | `b`")),
    "stderr": (new_output("stream", name="stderr", text="Warning: `b`\n"), ("Warning: `b`",)),
    "error": (new_output("error", ename="ValueError", evalue="", traceback=["\x1b[0;31mValueError\x1b[0m: of `x`"]),
              ("ValueError", "of `x`")),
    "value": (new_output("execute_result", {"text/plain": "[1.]  # **a**"}, execution_count=1), ("[1.]  # **a**",)),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore")  # Sphinx's own of its extensions
@pytest.mark.parametrize("kind", ["book", "deck"])
def test_every_kind_of_output_is_rendered(tmp_path, kind):
    needs_the_extra("latex2mathml", "myst_nb", "furo", "sphinx_revealjs")
    code = [new_code_cell(name.replace(" ", "_"), outputs=[output]) for name, (output, _) in OUTPUTS.items()]
    metadata = {"language_info": {"name": "python"}}
    notebook = nbformat.v4.new_notebook(cells=[text("# 7 · Outputs\n\n" + MARKDOWN), *code], metadata=metadata)
    path = tmp_path / "07_outputs.ipynb"
    nbformat.write(notebook, path)
    if kind == "book":
        importlib.import_module("book").build(tmp_path / "book", [path])
        page = (tmp_path / "book" / "07_outputs.html").read_text(encoding="utf-8")
    else:
        page = importlib.import_module("deck").slides_of(read(path))
    assert not raw(page) and not no_words(page)
    cells = BeautifulSoup(page, "html.parser").select(".cell" if kind == "book" else ".jp-CodeCell")
    for cell, (name, (_, shown)) in zip(cells, OUTPUTS.items(), strict=True):
        for part in shown:
            assert part in str(cell) or part in cell.get_text(), (name, part)


@pytest.mark.thorough
def test_search_knows_a_word_of_each_chapter(book):
    script = (book / "_static" / "sections.js").read_text(encoding="utf-8")
    assert script.startswith("const sections = "), "a script, not a file to be fetched"
    sections = json.loads(script.removeprefix("const sections = ").rstrip().rstrip(";"))
    for path, word in zip(
        CHAPTERS, ("equivariant", "plateau", "dropout", "pool", "momentum", "degrad", "Jacobian"), strict=False
    ):
        found = [address for title, address, text in sections if word in text]
        assert any(address.startswith(f"{path.stem}.html#") for address in found), word
    pages = {
        name: Links((book / name).read_text(encoding="utf-8")) for name in {a.split("#")[0] for _, a, _ in sections}
    }
    assert all(anchor in pages[name].anchors for name, anchor in (address.split("#") for _, address, _ in sections))


def test_front_page_needs_the_table_of_chapters():
    needs_the_extra("latex2mathml")
    with pytest.raises(ValueError, match="no table below"):
        importlib.import_module("book").front_page("# Title\n\nNothing.\n", [])


# The app


def panel_code(path):
    """Return the code that makes a notebook's playground, as dumps of its statements."""
    wanted = []
    for cell in read(path).cells:
        if cell.cell_type == "code" and ("Playground(" in cell.source or cell.source.startswith("def build(s)")):
            wanted += [
                node for node in ast.parse(cell.source).body if not isinstance(node, ast.Import | ast.ImportFrom)
            ]
    dumps = []
    for node in wanted:
        for call in ast.walk(node):
            if isinstance(call, ast.Call):
                call.keywords = [keyword for keyword in call.keywords if keyword.arg != "preview"]
        dumps.append(ast.dump(node))
    return dumps


def test_app_shows_the_panel_of_chapter_5():
    chapter, app = panel_code(NOTEBOOKS / "05_resnet.ipynb"), panel_code(APP)
    own = [dump for dump in app if dump not in chapter]
    assert [dump for dump in chapter if dump in app] == chapter
    assert len(own) == 1 and "id='SGD'" in own[0], "the chapter makes its optimizer further up"


def test_app_runs_and_has_no_outputs():
    cells = read(APP).cells
    assert [cell.cell_type for cell in cells].count("markdown") == 1 and "\n" not in cells[0].source
    scope = {}
    for cell in cells:
        if cell.cell_type == "code":
            assert not cell.outputs and cell.execution_count is None
            exec(cell.source, scope)
    panel = scope["panel"]
    assert set(panel.inputs) >= {"residual", "depth", "lr", "norm"}
    assert panel.runner.trainer is None, "nobody has pressed Start"
    panel.close()


# In a browser


def only_local(page):
    """Block the network; return a list of what was asked for in vain."""
    asked = []

    def guard(route):
        if route.request.url.startswith(("file:", "data:", "blob:")) or "//127.0.0.1" in route.request.url:
            route.continue_()
        else:
            asked.append(route.request.url)
            route.abort()

    page.route("**/*", guard)
    page.on("requestfailed", lambda request: asked.append(request.url))
    return asked


@pytest.fixture(scope="module")
def browser():
    with chromium(1920, 1080) as page:
        yield page


SLIDE = """() => {
    const slide = Reveal.getCurrentSlide(), seen = [...slide.querySelectorAll("*")].filter(
        e => e.getClientRects().length && !e.closest("math, details:not([open]) > :not(summary)"));
    const words = seen.filter(e => [...e.childNodes].some(node => node.nodeType === 3 && node.data.trim()));
    const size = e => parseFloat(getComputedStyle(e).fontSize) * Reveal.getScale();
    const out = box => box.right > innerWidth + 1 || box.bottom > innerHeight + 1;
    const cut = seen.filter(e => out(e.getBoundingClientRect())).map(e => e.outerHTML.slice(0, 99));
    return {height: slide.scrollHeight, letters: Math.min(...words.map(size)), shows: words.length,
            title: slide.querySelector("h1, h2, h3")?.innerText, cut,
            code: seen.filter(e => e.matches(".jp-Cell-inputWrapper .highlight")).length};
}"""


@pytest.mark.thorough
def test_deck_in_a_browser(deck, browser):
    """On a small projector each slide has a title, nothing is cut, and C shows the code instead of what it left."""
    asked = only_local(browser)
    browser.set_viewport_size({"width": 1280, "height": 800})
    for path in CHAPTERS[5:]:
        browser.goto((deck / f"{path.stem}.slides.html").as_uri())
        browser.wait_for_function("window.Reveal && Reveal.isReady()")
        places = browser.evaluate("Reveal.getSlides().map(slide => Reveal.getIndices(slide))")
        assert len(places) > 20
        for place in places:
            browser.evaluate("place => Reveal.slide(place.h, place.v, 99)", place)
            folded = browser.locator(".code-key").is_visible()
            shown = [browser.evaluate(SLIDE)]
            browser.keyboard.press("c")
            shown.append(browser.evaluate(SLIDE))
            browser.keyboard.press("c")
            for slide in shown:
                assert slide["height"] <= 1081 and slide["letters"] >= 13 and slide["shows"], (path.stem, place, slide)
                assert slide["title"] and not slide["cut"], (path.stem, place, slide)
            assert (shown[1]["code"] > shown[0]["code"]) == folded
            assert browser.evaluate(SLIDE) == shown[0]
        assert browser.locator("math").count()
        assert all(browser.evaluate("[...document.images].map(image => image.naturalWidth > 0)"))
    assert not asked and not browser.errors


@pytest.mark.thorough
def test_book_in_a_browser(book, browser):
    asked = only_local(browser)
    for width in (1280, 390):
        browser.set_viewport_size({"width": width, "height": 844})
        for path in [book / "index.html", *(book / f"{path.stem}.html" for path in CHAPTERS)]:
            browser.goto(path.as_uri())
            assert browser.evaluate("document.documentElement.scrollWidth") <= width, path.name
    browser.goto((book / "06_residual_gradients.html").as_uri())
    assert browser.locator("math[display=block]").first.bounding_box()["height"] > 20
    browser.set_viewport_size({"width": 1280, "height": 844})
    colours = []
    for scheme in ("light", "dark"):
        browser.emulate_media(color_scheme=scheme)
        browser.goto((book / "05_resnet.html").as_uri())
        colours.append(browser.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert colours[0] != colours[1]
    assert not asked and not browser.errors


@pytest.mark.thorough
@pytest.mark.parametrize(
    "query, chapter, section, excerpt",
    [
        ("degradation", "05_resnet", "5 · ResNet › 5.1 Deeper, and worse", "That is degradation"),
        ("Degrades", "05_resnet", "5 · ResNet › 5.1 Deeper, and worse", "That is degradation"),
        ("cannot come back", "01_lenet", "1 · LeNet › 1.7 Steer it yourself", "cannot come back"),
        ("conv2d(X, K)", "01_lenet", "1 · LeNet › 1.11 Exercises › Build", "conv2d(X, K)"),
        ("<b>xyzzy</b>", None, None, None),
    ],
)
def test_search_finds_sections_from_files(book, browser, query, chapter, section, excerpt):
    asked = only_local(browser)
    browser.errors.clear()
    browser.set_viewport_size({"width": 1280, "height": 844})
    browser.goto((book / "index.html").as_uri())
    browser.locator("input[name=q]").first.fill(query)
    browser.keyboard.press("Enter")
    browser.locator("#search-status").filter(has_text=query).wait_for(timeout=10_000)
    if section is None:
        assert "No section" in browser.locator("#search-status").text_content()
    else:
        item = browser.locator("#search-results li").filter(has_text=section)
        assert excerpt in item.locator("p").text_content() and item.locator("p mark").count()
        item.get_by_role("link").click()
        browser.wait_for_url(f"**/{chapter}.html#*")
        heading = browser.locator(":target").locator("h2, h3").first
        assert section.split(" › ")[-1] in heading.text_content()
        browser.wait_for_function("e => e.getBoundingClientRect().y < 844", arg=heading.element_handle())  # it glides
    assert not asked and not browser.errors


def start_panel(page):
    """Start the panel and move its slider with the keyboard; the run has a mark of it."""
    page.locator(".cnnlib-playground").get_by_role("button", name="Start").focus()
    page.keyboard.press("Enter")
    wait_for_status(page, "training.*step [1-9]")
    page.locator(".cnnlib-lr .noUi-handle").focus()
    page.keyboard.press("ArrowRight")
    page.locator(".cnnlib-lr").get_by_text("0.0314").wait_for(timeout=10_000)
    press(page, "Pause")
    wait_for_status(page, "paused")
    assert not page.errors


@pytest.mark.thorough
def test_slides_live(tmp_path, browser):
    """The panel on a slide of jupyterlab-slideshow, with the settings of `make slides`: it trains and answers."""
    if not Path(sys.prefix, "share", "jupyter", "labextensions", "jupyterlab-slideshow").exists():
        pytest.skip("needs the extra `present`: pip install -e '.[present]'")
    home = tmp_path / ".home"
    shutil.copytree(BOOK / "live", home / "CONFIG_DIR")
    shutil.copytree(BOOK / "live" / "lab" / "user-settings", home / "settings")
    themes = json.loads((home / "settings/@jupyterlab/apputils-extension/themes.jupyterlab-settings").read_text())
    notebook = read(APP)
    notebook.cells.insert(1, new_markdown_cell("## Another slide"))
    nbformat.write(slides.lay_out(notebook), tmp_path / "app.ipynb")
    with jupyterlab(tmp_path, {"themes": themes}) as address:
        page = new_page(browser.context.browser, 1920, 1080)
        open_notebook(page, address, "app.ipynb")
        page.locator(".jp-Deck").wait_for()
        shown = page.locator(".jp-Cell.jp-deck-mod-visible")
        assert shown.count() == 1 and "Deeper networks" in shown.text_content()
        size = shown.locator("p").evaluate("e => parseFloat(getComputedStyle(e).fontSize)")
        assert size >= 24
        for _ in range(len(notebook.cells)):
            page.keyboard.press("Shift+Enter")
            page.wait_for_timeout(300)
        page.locator(".cnnlib-playground").wait_for(timeout=60_000)
        on_slide = ".jp-deck-mod-visible"
        code = page.locator(f"{on_slide} .jp-CodeCell .jp-InputArea, {on_slide}.jp-CodeCell .jp-InputArea")
        code.last.wait_for()
        page.keyboard.press("Alt+C")
        code.last.wait_for(state="hidden")
        page.keyboard.press("Alt+Shift+C")
        code.last.wait_for()
        start_panel(page)
        page.close()


@pytest.mark.thorough
def test_playground_in_voila(browser):
    pytest.importorskip("voila", reason="needs the extra `present`: pip install -e '.[present]'")
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    command = [sys.executable, "-m", "voila", "--no-browser", "--Voila.ip=127.0.0.1", f"--port={port}"]
    environment = os.environ | {"JUPYTER_PATH": str(BOOK / "app")}
    server = subprocess.Popen(
        [*command, "--template=playground", "--theme=light", APP], env=environment, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        for _ in range(120):
            try:
                urlopen(f"http://127.0.0.1:{port}/static/nothing", timeout=30)
            except HTTPError:
                break
            except OSError:
                assert server.poll() is None, "Voilà ended at once"
                time.sleep(0.25)
        asked = only_local(browser)
        browser.errors.clear()
        browser.set_viewport_size({"width": 1920, "height": 1080})
        browser.goto(f"http://127.0.0.1:{port}/")
        browser.locator(".cnnlib-playground").wait_for(timeout=60_000)
        assert browser.locator(".highlight").count() == 0, "nothing but the panel and one line"
        size = browser.locator(".cnnlib-playground button").first.evaluate(
            "e => parseFloat(getComputedStyle(e).fontSize)"
        )
        assert size >= 24
        start_panel(browser)
        assert not asked
    finally:
        server.terminate()
        server.wait(30)
