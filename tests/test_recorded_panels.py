"""Recorded panels: whole, light, made anew by their command, and alive without a kernel."""

import base64
import sys
from pathlib import Path

import nbformat
import pytest
import torch
from lab import chromium, page_of
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from cnnlib.course.panels import __main__ as command
from cnnlib.course.panels import recorded_panel
from cnnlib.course.panels.grids import GRIDS, settings_of
from cnnlib.course.panels.shown import FOLDER
from cnnlib.figures.vega import MIME

BOOK = Path(__file__).parents[1] / "docs" / "book"
HIGHLIGHT = "path[stroke-width='2.6']"


@pytest.mark.parametrize("chapter", GRIDS)
def test_every_choice_of_the_controls_was_run(chapter):
    panel = recorded_panel(chapter)
    names = list(panel.grid.controls)
    found = [tuple(row[name] for name in names) for row in panel.rows]
    assert found == [tuple(vars(s).values()) for s in settings_of(panel.grid)]
    assert (FOLDER / f"{chapter}.json").stat().st_size < 400_000
    assert f"Made by python -m cnnlib.course.panels {chapter}" in panel.provenance and "CPU" in panel.provenance
    for row in panel.rows:
        if "diverged" not in row:
            assert len(row["gradients"]) == len(row["looks"]) and len({len(values) for values in row["gradients"]}) == 1
        assert len(row.get("loss", [])) == len(row.get("steps", []))


def test_a_run_of_the_command_gives_what_is_stored():
    grid = GRIDS["06_residual_gradients"]
    number = 20
    again, stored = command.record(grid, settings_of(grid)[number]), recorded_panel(grid.chapter).rows[number]
    assert torch.tensor(again["gradients"]) == pytest.approx(torch.tensor(stored["gradients"]), rel=0.02)


def test_what_ended_is_not_run_again(tmp_path, monkeypatch):
    grid, runs = GRIDS["06_residual_gradients"], []
    monkeypatch.setattr(command, "FOLDER", tmp_path)
    monkeypatch.setattr(command, "record", lambda grid, s: runs.append(s) or {**vars(s), "gradients": [], "looks": []})
    for _ in range(2):
        command.main([grid.chapter, "--out", str(tmp_path / "runs")])
    assert len(runs) == len(settings_of(grid)) and (tmp_path / f"{grid.chapter}.json").exists()


def stored_chapter(folder):
    """Write a notebook that has all recorded panels as outputs, and a kernel that is not there; return its path."""
    cells = [new_markdown_cell("# Recorded")]
    for chapter in GRIDS:
        data, metadata = recorded_panel(chapter)._repr_mimebundle_()
        cell = new_code_cell(f'recorded_panel("{chapter}")')
        data["image/png"] = base64.b64encode(data["image/png"]).decode()
        cell.outputs = [new_output("execute_result", data=data, metadata=metadata, execution_count=1)]
        cells.append(cell)
    path = Path(folder, "recorded.ipynb")
    kernel = {"kernelspec": {"name": "none", "display_name": "none", "language": "python"}}
    nbformat.write(new_notebook(cells=cells, metadata=kernel), path)
    return path


def drawn(place):
    """Return the shapes of the highlighted lines of a chart."""
    return place.locator(HIGHLIGHT).evaluate_all("all => all.map(path => path.getAttribute('d'))")


def move_each_control(page, panels):
    """Choose every value of every control; the highlighted lines must change with each control."""
    for panel in range(panels):
        place = page.locator(".vega-embed").nth(panel)
        place.locator(HIGHLIGHT).first.wait_for(state="attached")
        for control in place.locator(".vega-bind").all():
            seen = [drawn(place)]
            for option in control.locator("input[type=radio]").all():
                option.check()
                page.wait_for_timeout(150)
                seen.append(drawn(place))
            for slider in control.locator("input[type=range]").all():
                slider.fill(slider.get_attribute("max"))
                page.wait_for_timeout(150)
                seen.append(drawn(place))
            assert len({str(one) for one in seen}) > 1, control.text_content()
            for first in control.locator("input[type=radio]").all()[:1]:
                first.check()


@pytest.mark.thorough
def test_they_answer_in_the_book_without_a_network(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [str(BOOK), *sys.path])
    import book

    book.build(tmp_path / "book", [stored_chapter(tmp_path)])
    for width in (1280, 390):
        with chromium(width, 900) as page:
            page.context.set_offline(True)
            page.goto((tmp_path / "book" / "recorded.html").as_uri())
            move_each_control(page, len(GRIDS))
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert page.errors == []


@pytest.mark.thorough
def test_they_answer_in_jupyterlab_without_a_kernel(tmp_path):
    stored_chapter(tmp_path)
    with page_of(tmp_path) as page:
        page.goto(f"{page.address}/lab/tree/recorded.ipynb")
        page.locator(".vega-embed").nth(len(GRIDS) - 1).wait_for(state="attached", timeout=60_000)
        page.keyboard.press("Escape")  # the question which kernel to take
        move_each_control(page, len(GRIDS))


def test_the_parts_of_a_chart_filter_by_its_controls():
    data, metadata = recorded_panel("05_resnet")._repr_mimebundle_()
    specification = data[MIME]
    assert [param["name"] for param in specification["params"]] == [*GRIDS["05_resnet"].controls, "look"]
    chosen = specification["concat"][0]["layer"][1]["transform"][0]["filter"]
    assert all(f"datum['{name}'] === {name}" in chosen for name in GRIDS["05_resnet"].controls)
    assert "image/png" in data and metadata[MIME]["embed_options"]["renderer"] == "svg"


@pytest.mark.parametrize("chapter", GRIDS)
def test_no_line_of_the_picture_goes_back(chapter):
    """A run that is chosen is not among the others as well: its line would begin anew where it ended."""
    for axes in recorded_panel(chapter).picture().figure.axes:
        for line in axes.lines:
            xs = list(line.get_xdata())
            assert xs == sorted(xs)
