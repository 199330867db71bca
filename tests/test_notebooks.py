"""The notebooks as files: freshly run, in the house's rhythm, and one with the library whose code they show."""

import ast
import builtins
import importlib
import re

import hosted
import nbformat
import other_seeds
import pytest
import torch
from chapter_pages import CHAPTERS, names_in
from refresh import library_source

import cnnlib
from cnnlib.course.claims import claim
from cnnlib.exercises.core import TIERS, Exercise

REASONS = (
    "fit(", "time_epoch(", "animator", "draw_confusions", "show_images(pictures[surest]",
    "growth_table(", "full_results(", "Playground(", "compare(", ".reveal(", "time_contract(", "lr {lr}:",
)  # fmt: skip
IMPORTED = r"from cnnlib\.exercises import (\w+) as exercises"

chapters = pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)


def read(path):
    return nbformat.read(path, as_version=4)


def code_cells(path):
    """Return a chapter's code cells, without the one for hosted kernels."""
    return [cell for cell in read(path).cells if cell.cell_type == "code" and not is_hosted(cell)]


def is_hosted(cell):
    return hosted.TAG in cell.metadata.get("tags", [])


def without_docstrings(source):
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node):
            del node.body[0]
    return ast.dump(tree)


@chapters
def test_freshly_run_and_clean(path):
    notebook = read(path)
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert not [o for cell in cells for o in cell.outputs if o.output_type == "error" or o.get("name") == "stderr"]
    assert "widgets" not in notebook.metadata


@chapters
def test_a_chapter_opens_in_colab(path):
    """By a link and a cell that `tools/hosted.py` writes; here the cell does nothing."""
    cells = read(path).cells
    assert hosted.colab(path.stem) in cells[2].source
    assert [cell.source for cell in cells if is_hosted(cell)] == [hosted.hosted_cell()] == [cells[1].source]
    assert cells[1].outputs == []


@chapters
def test_cells_that_show_the_library_are_the_library(path):
    shown = [cell for cell in code_cells(path) if "cnnlib" in cell.metadata]
    assert shown or path.stem == "00_convolution", "a chapter shows its own network"
    for cell in shown:
        assert without_docstrings(cell.source) == without_docstrings(library_source(cell.metadata["cnnlib"]))


@chapters
def test_rhythm(path):
    """Short cells, at most two in a row, more prose than code, one cell of imports."""
    cells = read(path).cells
    in_a_row = 0
    for cell in cells:
        in_a_row = in_a_row + 1 if cell.cell_type == "code" else 0
        assert in_a_row <= 2, f"three code cells in a row: {cell.source}"
        lines = [line for line in cell.source.splitlines() if line.strip()]
        if cell.cell_type == "code" and not is_hosted(cell) and "hide-input" not in cell.metadata.get("tags", []):
            assert len(lines) <= (30 if "cnnlib" in cell.metadata else 14), cell.source
    code = code_cells(path)
    imports = [cell for cell in code if "import " in cell.source]
    assert imports == code[:1]
    words = sum(len(cell.source.split()) for cell in cells if cell.cell_type == "markdown")
    assert 1200 <= words <= 3000


@chapters
def test_only_live_cells_are_not_compared(path):
    """A cell whose stored output is ignored has a reason: its output is live, timed, or hangs on rounding."""
    for cell in code_cells(path):
        tags = cell.metadata.get("tags", [])
        assert set(tags) <= {"nbval-ignore-output", "hide-input"}, "no cell is skipped"
        if "nbval-ignore-output" in tags:
            assert any(reason in cell.source for reason in REASONS), cell.source
            printed = " ".join(output.get("text", "") for output in cell.outputs)
            assert "True" not in printed and "False" not in printed, "a claim must be compared"


@chapters
def test_every_claim_holds(path):
    """A cell that checks a bound prints True; the stored page shows no claim that failed."""
    for cell in code_cells(path):
        for output in cell.outputs:
            assert "False" not in output.get("text", "")


@chapters
def test_exercises_stand_on_the_page_as_the_library_asks_them(path):
    text = "\n".join(cell.source for cell in read(path).cells)
    module = importlib.import_module(f"cnnlib.exercises.{re.search(IMPORTED, text)[1]}")
    names = [name for name, value in vars(module).items() if isinstance(value, Exercise)]
    shown = [name for name in names if f"exercises.{name}.check(" in text]
    assert len(shown) >= 6
    assert {getattr(module, name).tier for name in shown} == set(TIERS)
    for name in shown:
        assert getattr(module, name).question in text


def names_missing(source, page):
    """Return the names that a solution uses, and that neither it nor the page above it makes."""
    made = set().union(*(names_in(piece)[0] for piece in (source, *page)))
    return names_in(source)[1] - made - set(dir(builtins))


@chapters
def test_a_solution_runs_where_it_is_shown(path):
    page = [cell.source for cell in code_cells(path)]
    module = importlib.import_module(f"cnnlib.exercises.{re.search(IMPORTED, page[0])[1]}")
    for place, cell in enumerate(page):
        for name in re.findall(r"exercises\.(\w+)\.check\(", cell):
            solution = repr(getattr(module, name).solution())
            assert not names_missing(solution, page[:place]), name


def test_a_name_that_is_missing_is_found():
    solution = "def f(X):\n    def g(Y):\n        return F.relu(Y) + len(X) + bias\n    return g(X)"
    assert names_missing(solution, ["import torch\nbias = 1"]) == {"F"}


# With other seeds


def notebook_of(*sources, outputs=()):
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    cells[-1].outputs = list(outputs)
    return nbformat.v4.new_notebook(cells=cells)


def test_all_seeds_of_a_chapter_move(monkeypatch):
    """Also where they are given by place, by name, or not at all."""
    seen = []
    monkeypatch.setattr(cnnlib, "train_over_seeds", lambda build, *rest, **named: seen.append((*rest, named)))
    before, names = torch.get_rng_state(), {}
    notebook = notebook_of(
        "import torch\nfrom cnnlib import train_over_seeds\nfrom cnnlib.datasets import load_data_fashion_mnist",
        "torch.manual_seed(1)\nfirst = torch.initial_seed()\ngenerator = torch.Generator().manual_seed(2)",
        "data, _ = load_data_fashion_mnist(8, num_train=8)\ndata.reseed(first - first)",
        "train_over_seeds(None, 1, 2, 3, 4)\ntrain_over_seeds(None, 1, 2, 3, 4, (5, 6), steps=7)",
        "train_over_seeds(None, 1, 2, 3, lr=4, seeds=(8,))",
    )
    for cell in other_seeds.moved(notebook, 100).cells:
        exec(cell.source, names)
    torch.set_rng_state(before)
    assert (names["first"], names["generator"].initial_seed(), names["data"].seed) == (101, 102, 100)
    assert [rest[4] for rest in seen] == [(100, 101, 102), (105, 106), (108,)]
    assert all(rest[:4] == (1, 2, 3, 4) for rest in seen) and [rest[5] for rest in seen] == [{}, {"steps": 7}, {}]


def test_claims_are_read_from_what_is_printed(capsys):
    claim("lower at 56 layers by", [0.75, 1.5], over=0.5)
    claim("ratio", [0.5, 4, 1234.5], over=0.25, under=1e4)
    claim("loss", 0.75, under=0.5)
    claim("higher by", [0.25, 0.75], over=0, mean=True)
    text = "loss below 1:        True\nnothing claimed\nTrue to its word, 5\nof 2, each seed: False\nno claim: no\n"
    said = nbformat.v4.new_output("stream", name="stdout", text=text + capsys.readouterr().out)
    broken = nbformat.v4.new_output("error", ename="ValueError", evalue="no", traceback=[])
    assert other_seeds.claims(notebook_of("1", outputs=[said, broken])) == [
        ("loss below 1", True, None), ("of 2, each seed", False, None),
        ("lower at 56 layers by …, over 0.5", True, 0.25), ("ratio …, between 0.25 and 10,000", True, 0.25),
        ("loss …, under 0.5", False, -0.25), ("higher by …, over 0", True, 0.5), ("ValueError: no", False, None),
    ]  # fmt: skip


def test_a_claim_is_close_to_its_bound_if_it_lies_elsewhere_with_each_seed():
    assert other_seeds.spreads([1.0, 2.0, 3.0]) == 2 and other_seeds.spreads([-1.0, 0.0, 1.0]) == 0
    assert other_seeds.spreads([2.0] * 3) == float("inf") and other_seeds.spreads([-1.0] * 3) == -float("inf")
    inf = float("inf")
    assert other_seeds.spreads([1.0, 2.0, 3.0, inf]) == 2 and other_seeds.spreads([inf] * 2) == inf
    assert other_seeds.spreads([1.0, 2.0, -inf]) == other_seeds.spreads([1.0, float("nan")]) == -inf


@chapters
def test_the_claims_of_a_chapter_are_found(path):
    found = other_seeds.claims(nbformat.v4.new_notebook(cells=code_cells(path)))
    assert len(found) >= 9 and all(holds for _, holds, _ in found)
