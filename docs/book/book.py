"""Build the book, a folder of static pages: `make book`, or `python docs/book/book.py [FOLDER]`.

Sphinx with myst-nb reads notebooks with their stored outputs, splits nothing, numbers nothing, and writes a search that
works from files (the index is a script, not fetched). The theme, furo, has light and dark colours, previous and next,
both tables of contents, and no font from the network.
"""

import re
import shutil
import sys
import tempfile
from pathlib import Path

import nbformat
from offline import DIAGRAMS, offline

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "tools"))
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


def build(folder):
    """Write the book of all chapters into a folder, in place of what was there; return Sphinx's status, 0 if well."""
    from slides import chapters
    from sphinx.cmd.build import build_main

    with tempfile.TemporaryDirectory() as source:
        source = Path(source)
        for name in ("conf.py", "book.css"):
            shutil.copy(HERE / name, source)
        paths = chapters()
        for path in paths:
            nbformat.write(offline(nbformat.read(path, as_version=4)), source / path.name)
        readme = (ROOT / "README.md").read_text(encoding="utf-8")
        (source / "index.md").write_text(front_page(readme, [path.stem for path in paths]), encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        status = build_main(["-q", "-W", "--keep-going", "-d", str(source / "doctrees"), str(source), str(folder)])
    shutil.copytree(DIAGRAMS, Path(folder, "diagrams"))
    return status


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build" / "book"
    if build(target):
        sys.exit("The book has the faults that are named above.")
    print(f"The book is at {target / 'index.html'}; open it in a browser.")
