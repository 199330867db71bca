"""Build the book, a folder of static pages: `make book`, or `python docs/book/book.py [FOLDER]`.

Sphinx with myst-nb reads notebooks with their stored outputs, splits nothing and numbers nothing. The theme, furo, has
light and dark colours, previous and next, both tables of contents, and no font from the network. Sphinx's own search
finds pages and fetches them for their excerpts, which a browser does not do for files; a page here is a chapter, so
search.js looks through the text of the sections instead, which comes as a script.
"""

import json
import re
import shutil
import sys
import tempfile
from pathlib import Path

import nbformat
from bs4 import BeautifulSoup
from nbformat.v4 import new_markdown_cell
from offline import DIAGRAMS, offline
from recorded import vega_script, with_controls
from reference import first_uses, links, reference_page

from cnnlib.course.claims import claims_page

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "tools"))
MORE = ("your_own", "exercises")  # pages of docs/ for teachers who adapt the course
FRONT = """# cnnlib: classic convolutional networks, live

{introduction}

These pages show the chapters as they were last run. To run them, and to move a slider while a network trains, type
`make lab` in the course's folder.

{table}
## All sections

```{{toctree}}
:maxdepth: 2

{names}
```
"""


def front_page(readme, names):
    """Return the front page: the README's first paragraph and its table of chapters with their questions."""
    table = re.search(r"^## Chapters\n+((?:\|.*\n)+)", readme, re.MULTILINE)
    if table is None:
        raise ValueError('README.md has no table below "## Chapters", which the front page of the book shows.')
    introduction = readme.split("\n\n")[1]
    return FRONT.format(introduction=introduction, table=table[1].replace("](notebooks/", "]("), names="\n".join(names))


def sections_of(page):
    """Return [title, anchor, text] of every section of a built page, in their order; a text is without its subsections.

    A title says where the section stands: "1 · LeNet › 1.10 Exercises › Recall".
    """
    found = []
    for section in reversed(
        BeautifulSoup(page, "html.parser").select("[role=main] section[id]")
    ):  # the inner ones first
        above = [section, *section.find_parents("section")]
        titles = [one.find(re.compile("^h[1-6]$")) for one in above]
        titles = [title.get_text().rstrip("¶").strip() for title in titles]
        titles[-1] = titles[-1].partition(":")[0]  # the chapter's name alone
        section.find(re.compile("^h[1-6]$")).extract()
        found.append([" › ".join(reversed(titles)), section["id"], " ".join(section.get_text().split())])
        section.extract()
    return found[::-1]


def build(folder, paths=None):
    """Write the book of all chapters, or of other notebooks, and the appendix of claims into a folder, in place of what
    was there.

    Returns
    -------
    int
        Sphinx's status, 0 if well.
    """
    from slides import chapters
    from sphinx.cmd.build import build_main

    with tempfile.TemporaryDirectory() as source:
        source = Path(source)
        for name in ("conf.py", "book.css", "search.js"):
            shutil.copy(HERE / name, source)
        shutil.copytree(HERE / "templates", source / "templates")
        whole, paths = paths is None, chapters() if paths is None else paths
        recorded, notebooks = False, {path.stem: nbformat.read(path, as_version=4) for path in paths}
        first = first_uses(notebooks) if whole else {}
        for path in paths:
            notebook = offline(notebooks[path.stem])
            recorded |= with_controls(notebook)
            if first.get(path.stem):
                notebook.cells.append(new_markdown_cell(links(first[path.stem]), id="reference"))
            for cell in notebook.cells:
                cell.source = cell.source.replace("](../docs/claims.md)", "](claims.md)")
            nbformat.write(notebook, source / path.name)
        more = [*MORE, "reference"] if whole else []
        for name in more[:-1]:
            text = (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")
            (source / f"{name}.md").write_text(text, encoding="utf-8")
        if whole:
            (source / "reference.rst").write_text(reference_page(first), encoding="utf-8")
        (source / "recorded.js").write_text(vega_script() if recorded else "", encoding="utf-8")
        readme = (ROOT / "README.md").read_text(encoding="utf-8")
        (source / "claims.md").write_text(claims_page(), encoding="utf-8")
        names = [*notebooks, "claims", *more]
        (source / "index.md").write_text(front_page(readme, names), encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        status = build_main(["-q", "-W", "--keep-going", "-d", str(source / "doctrees"), str(source), str(folder)])
    shutil.copytree(DIAGRAMS, Path(folder, "diagrams"))
    pages = [Path(folder, name + ".html") for name in names]
    for page in pages:  # what can be scrolled can be reached by keyboard
        text = page.read_text(encoding="utf-8").replace("<pre>", '<pre tabindex="0">')
        page.write_text(text.replace('display="block"', 'display="block" tabindex="0"'), encoding="utf-8")
    sections = [
        [title, f"{page.name}#{anchor}", text]
        for page in pages
        for title, anchor, text in sections_of(page.read_text(encoding="utf-8"))
    ]
    script = f"const sections = {json.dumps(sections, ensure_ascii=False)};\n"
    Path(folder, "_static", "sections.js").write_text(script, encoding="utf-8")
    return status


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build" / "book"
    if build(target):
        sys.exit("The book has the faults that are named above.")
    print(f"The book is at {target / 'index.html'}; open it in a browser.")
