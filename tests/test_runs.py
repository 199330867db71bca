"""The list of runs: names, colours, the table, files out and in, and what a damaged file may not do."""

import base64
import csv
import io
import json
import re
import threading
from dataclasses import asdict, replace
from datetime import UTC, datetime
from xml.etree import ElementTree

import pytest
from panels import STEPS, earlier_names, fork, go, mark, pause, press, run
from panels import panel as panel
from torch import nn

from cnnlib import History, Trainer
from cnnlib.figures.chart_picture import draw_chart
from cnnlib.figures.style import COLOURS, EARLIER
from cnnlib.widgets import choice, runs, slider, switch
from cnnlib.widgets.display import close_tree
from cnnlib.widgets.moments import Moment
from cnnlib.widgets.run_chart import RunChart
from cnnlib.widgets.runs import LONGEST, SHOWN, RunBook
from cnnlib.widgets.runs_page import links

AWKWARD = """<b>"R&D"</b> 'ü' \\ /x"""
CONTROLS = {"lr": "0.1", "activation": "ReLU"}


def record(steps=4, loss=1.0, **options):
    """Return a record of so many steps, half of whose predictions are right."""
    settings = {"num_batches": 4, "network": "Sequential"}
    columns = {"loss": [loss] * steps, "lr": [0.1] * steps, "correct": [5] * steps, "size": [10] * steps}
    return History(**{"settings": settings, **columns, **options})


@pytest.fixture
def book():
    """Return a book that notes what it asks of a panel."""
    asked = []
    book = RunBook(
        lambda: asked.append("changed"),
        lambda run, moment: asked.append((run, moment)),
        lambda text: asked.append(text),
    )
    book.asked = asked
    yield book
    close_tree(book.widget)


def point(step, label):
    """Return a moment without a state."""
    return Moment(step, label, {}, {})


def begin(book, *, keep=True, settings=CONTROLS, moments=(), **options):
    """Begin a run as a panel does."""
    book.archive(keep)
    book.begin(record(**options), settings, list(moments))
    return book.current


def rows_of(book):
    """Return the table's cells, row by row, as text, and the line below it."""
    table, _, caption = book.table.value.partition("</table>")
    root = ElementTree.fromstring(table + "</table>")
    return [["".join(cell.itertext()).strip() for cell in row] for row in root], caption


def file_of(history, name="run.json"):
    """Return a file as the upload widget hands it over."""
    return upload(history.to_json(), name)


def upload(content, name="run.json"):
    content = content.encode() if isinstance(content, str) else content
    about = {"type": "application/json", "size": len(content), "last_modified": datetime.now(UTC)}
    return {"name": name, **about, "content": memoryview(content)}


# Names, colours, hiding


def test_runs_are_counted(book):
    assert book.table.value == "<i>No run yet.</i>" and book.pick.value is None
    for number in (1, 2, 3):
        assert begin(book).name == f"run {number}" and book.current is book.runs[-1]
        assert book.pick.value is book.current and book.name.value == f"run {number}"
    assert [r.name for r in book.earlier] == ["run 1", "run 2"]
    assert begin(book, keep=False).name == "run 3", "a run that is forgotten leaves no gap"
    assert [r.name for r in book.runs] == ["run 1", "run 2", "run 3"]
    for _ in range(2):
        book.archive(True)
        assert book.current is None and len(book.earlier) == 3


@pytest.mark.parametrize(
    "typed, name",
    [("  wide\t net \n", "wide net"), ("", "run 1"), (" \n ", "run 1"), ("x" * 99, "x" * LONGEST), (AWKWARD, AWKWARD)],
)
def test_renaming(book, typed, name):
    run = begin(book)
    book.name.value = typed
    assert run.name == name == book.name.value and book.asked.count("changed") >= 1
    assert rows_of(book)[0][1][1] == name and "<b>" not in book.table.value
    assert book.pick.options[0][0] == f"1: {name}"


def test_a_name_is_that_of_the_picked_run(book):
    first, second = begin(book), begin(book)
    book.pick.value = first
    assert book.name.value == "run 1" and book.asked == []
    book.name.value = "old"
    assert (first.name, second.name) == ("old", "run 2") and book.pick.value is first
    book.rename(second, "run 1")
    assert [text for text, _ in book.pick.options] == ["2: run 1", "1: old"], "the newest is in front"


def test_colours_differ_while_fewer_than_five_are_shown(book):
    for _ in range(5):
        begin(book)
    assert book.current.colour == COLOURS[0] and len(EARLIER) == 4
    assert sorted(r.colour for r in book.earlier) == sorted(EARLIER)
    assert not set(COLOURS[:2]) & set(EARLIER), "the first two are the present run's"
    hidden = book.earlier[1]
    book.show(hidden, False)
    begin(book)
    assert book.earlier[-1].colour == hidden.colour, "the colour of a hidden run is free"
    for one in book.earlier[2:4]:
        book.show(one, False)
    book.show(hidden, True)
    shown = [r.colour for r in book.earlier if r.shown]
    assert len(shown) == len(set(shown)) == 3, "a run that is shown again takes a free one"


def test_the_oldest_are_hidden_but_what_the_reader_shows_stays(book):
    for number in range(1, 12):
        begin(book)
        visible = [r.name for r in book.earlier if r.shown]
        assert visible == [f"run {i}" for i in range(max(1, number - SHOWN), number)]
    assert book.current.shown and len(book.runs) == 11
    rows, _ = rows_of(book)
    assert [row[1] for row in rows[1:]] == [f"run {i} (hidden)" if i <= 4 else f"run {i}" for i in range(1, 12)]
    assert book.table.value.count("background:transparent") == 4
    book.pick.value = book.runs[0]
    assert not book.visible.value and not book.visible.disabled
    book.visible.value = True
    assert book.runs[0].shown and book.asked == ["changed"] and book.visible.value
    book.pick.value = book.runs[5]
    book.visible.value = False
    assert not book.runs[5].shown and "run 6 <i>(hidden)</i>" in book.table.value
    book.pick.value = book.current
    assert book.visible.disabled, "the present run is always there"


# The table


def test_the_table_shows_only_settings_that_differ(book):
    begin(book, settings={"lr": "0.1", "width": "16", "norm": "on"}, steps=60, loss=0.5)
    book.current.history.loss[:] = [9.0] * 10 + [0.5] * 50
    rows, caption = rows_of(book)
    assert rows == [["", "run", "steps", "train loss, last 50", "test accuracy"], ["", "run 1", "60", "0.500", "–"]]
    assert caption.endswith("in all, at the end: lr 0.1, width 16, norm on</div>")
    begin(book, settings={"lr": "0.1", "width": "32", "norm": "on"}, steps=1_200, test_acc=[0.1, 0.7654])
    begin(book, settings={"lr": "0.1", "<img src=x>": AWKWARD}, steps=0)
    rows, caption = rows_of(book)
    assert rows == [
        ["", "run", "width", "norm", "<img src=x>", "steps", "train loss, last 50", "test accuracy"],
        ["", "run 1", "16", "on", "–", "60", "0.500", "–"],
        ["", "run 2", "32", "on", "–", "1,200", "1.000", "0.765"],
        ["", "run 3", "–", "–", AWKWARD, "0", "–", "–"],
    ]
    assert caption.endswith("in all, at the end: lr 0.1</div>") and book.table.value.count("font-weight:bold") == 8
    assert "<img" not in book.table.value and "<b>" not in book.table.value


def test_swatches_are_the_colours_of_the_chart(panel):
    pg = panel()
    for _ in range(3):
        go(pg, 6)
        press(pg, "reset")
    colours = [kept.colour for kept in pg.chart.chart.kept]
    assert colours == [r.colour for r in pg.book.earlier] == list(EARLIER[:3])
    assert all(f"background:{colour}" in pg.book.table.value for colour in (*colours, COLOURS[0]))
    assert earlier_names(pg) == ["run 1", "run 2", "run 3"]
    pg.book.pick.value = pg.book.runs[1]
    pg.book.name.value = "second"
    assert earlier_names(pg) == ["run 1", "second", "run 3"]
    pg.book.visible.value = False
    assert earlier_names(pg) == ["run 1", "run 3"] and pg.page.chart.chart is pg.chart.chart


def test_what_is_on_the_chart_stays_when_runs_are_renamed(panel):
    pg = panel()
    go(pg, 2 * STEPS + 3)
    before = [list(ys) for ys in pg.chart.chart.ys]
    pg.book.name.value = "another"
    assert [list(ys) for ys in pg.chart.chart.ys] == before and len(before[2]) == 2


# The page


def test_refresh_triggers_nothing(book):
    moments = [point(0, "start"), point(1_234, AWKWARD)]
    for _ in range(4):
        begin(book, moments=moments)
    book.show(book.runs[1], False)
    book.asked.clear()
    before = [asdict(replace(r, history=History(), moments=[])) for r in book.runs]
    for picked in book.runs:
        book.pick.value = picked
        for moment in moments:
            book.moment.value = moment
            book.refresh()
            assert book.moment.value is moment and book.pick.value is picked
    assert book.asked == [] and [asdict(replace(r, history=History(), moments=[])) for r in book.runs] == before
    assert [text for text, _ in book.moment.options] == ["step 0: start", f"step 1,234: {AWKWARD}"]


def test_refresh_beside_the_reader_leaves_the_page_listening(book):
    for _ in range(3):
        begin(book)
    with book._filling():  # in the thread that trains
        reader = book._filling()  # who picks a run meanwhile
        reader.__enter__()
    reader.__exit__(None, None, None)
    book.name.value = "heard"
    assert book.current.name == "heard"


def test_a_new_moment_is_chosen_unless_the_reader_chose_an_earlier_one(book):
    moments = [point(step, "here") for step in (0, 7, 9, 11)]
    run = begin(book, moments=moments[:1])
    for number in (2, 3):
        run.moments = moments[:number]
        book.refresh()
        assert book.moment.value is moments[number - 1]
    book.moment.value = moments[1]
    run.moments = moments
    book.refresh()
    assert book.moment.value is moments[1] and len(book.moment.options) == 4
    run.moments = [moments[0], moments[3]]  # memory is short
    book.refresh()
    assert book.moment.value is moments[3]


def test_a_new_run_is_picked_but_no_other_refresh_picks(book):
    first, second = begin(book), begin(book)
    assert book.pick.value is second
    book.pick.value = first
    book.refresh()
    book.load(record().to_json())
    assert book.pick.value is first
    third = begin(book)
    assert book.pick.value is third


def test_fork_and_mark_ask_for_the_picked_moment(book):
    moments = [point(0, "start"), point(7, "mark 1")]
    first = begin(book, moments=moments)
    begin(book)
    loaded = book.load(record().to_json())
    book.asked.clear()
    for one in (book.current, loaded):
        book.pick.value = one
        assert book.fork.disabled and book.moment.disabled, "there is nothing to go back to"
        book.fork.click()
    book.pick.value = first
    assert not book.fork.disabled and book.moment.value is moments[1]
    book.moment.value = moments[0]
    for button in (book.fork, book.mark, book.mark):
        button.click()
    assert book.asked == [(first, moments[0]), "mark 1", "mark 2"]


# Files


def decoded(link):
    kind, data = re.search(r"href='data:([\w/]+);base64,([^']*)'", link).groups()
    return kind, base64.b64decode(data).decode()


def test_export_loads_again_equal(panel):
    controls = [slider("width", 4, 64, 16), choice("activation", {"S-shaped": nn.Sigmoid}), switch("norm", True)]
    pg = panel(controls=controls)
    go(pg, STEPS + 3)
    mark(pg)
    pg.book.rename(pg.book.current, "wide & deep")
    history, before = pg.runner.trainer.history, dict(pg.runner.trainer.history.settings)
    pg.book.export.click()
    (kind, text), (other, _) = map(decoded, links(pg.book.current))
    assert (kind, other) == ("application/json", "text/csv")
    assert all(link in pg.book.note.value for link in links(pg.book.current))
    words = {"learning rate": "0.1", "width": "16", "activation": "S-shaped", "norm": "on"}
    again = History.from_json(text)
    assert again == replace(history, settings={**before, "run": "wide & deep", "controls": words})
    assert history.settings == before, "the export changed the run itself"
    loaded = pg.book.load(text)
    assert (loaded.name, loaded.settings, loaded.history) == ("wide & deep", words, again)
    assert replace(loaded.record(), settings=before) == history


def test_links_have_names_that_any_system_takes(book):
    run = begin(book)
    for name, stem in ((AWKWARD, "b_R_D_b_ü_x"), ("../..", "run"), ("tiny - 2", "tiny_-_2"), ("'><script>", "script")):
        run.name = name
        first, second = links(run)
        assert f"download='{stem}.json'" in first and f"download='{stem}.csv'" in second
        for link in (first, second):
            assert ElementTree.fromstring(link).attrib.keys() == {"download", "href"}


@pytest.mark.parametrize("ending", ["json", "csv"])
def test_export_while_training_is_whole(book, ending):
    """A record that grows meanwhile must not come out with one column longer than another."""

    class Growing(list):
        """Grows while it is read, as it may where another thread trains."""

        def __iter__(self):
            yield from list.__iter__(self)
            if not grown:
                grown.append(True)
                for column, value in ((self, 0.5), (history.lr, 0.1), (history.correct, 5), (history.size, 10)):
                    column.append(value)

    grown, history = [], begin(book, steps=6).history
    history.loss = Growing(history.loss)
    text = decoded(links(book.current)[ending == "csv"])[1]
    steps = History.from_json(text).steps if ending == "json" else len(text.splitlines()) - 1
    assert steps in (6, 7)


def test_csv_has_a_row_a_step(noise, dense):
    history = record(5, test_acc=[0.25, 0.5], epoch_ends=[2, 4])
    history.loss[:], history.correct[3], history.lr[4] = [2.5, 1.25, 1e-9, 0.1, 3.0], 1, 0.05
    history.marks = [(1, "width 32"), (5, 'lr 0.05, "fast"'), (5, "dropout 0.3"), (6, "after the end")]
    text = history.to_csv()
    assert "\r" not in text and History().to_csv() == text.splitlines(keepends=True)[0]
    head, *rows = csv.reader(io.StringIO(text))
    expected = "step, loss, train accuracy, learning rate, examples, test accuracy, changed before"
    assert head == expected.split(", ")
    columns = [list(column) for column in zip(*rows, strict=True)]
    assert columns[0] == list("12345") and [float(loss) for loss in columns[1]] == history.loss
    assert columns[2] == ["0.5", "0.5", "0.5", "0.1", "0.5"] and columns[3][4] == "0.05"
    assert columns[4] == ["10"] * 5 and columns[5] == ["", "0.25", "", "0.5", ""]
    assert columns[6] == ["width 32", "", "", "", 'lr 0.05, "fast"; dropout 0.3']
    trainer = Trainer(dense(), noise(), noise(shuffle=False), lr=0.1)
    trainer.fit(2)
    _, *rows = csv.reader(io.StringIO(trainer.history.to_csv()))
    assert [float(row[1]) for row in rows] == trainer.history.loss and len(rows) == 6
    assert [float(row[5]) for row in rows if row[5]] == trainer.history.test_acc


# Loading


def test_a_loaded_run_is_shown_beside_the_others(panel):
    pg = panel()
    elsewhere = record(40, settings={"num_batches": 20, "run": "from elsewhere"})
    pg.book.upload.value = (file_of(elsewhere),)  # before any run began
    assert "Loaded <b>from elsewhere</b>" in pg.book.note.value and pg.book.upload.value == ()
    assert earlier_names(pg) == ["from elsewhere"]
    (loaded,) = pg.book.earlier
    assert loaded.colour == EARLIER[0] and loaded.history.steps == 40
    go(pg, 6)
    assert pg.book.current is pg.book.runs[1]
    pg.book.upload.value = (file_of(elsewhere),)
    press(pg, "reset")
    go(pg, 2)
    assert [r.name for r in pg.book.runs] == ["from elsewhere", "run 2", "from elsewhere", "run 4"]
    assert len({r.colour for r in pg.book.runs}) == 4


def test_many_loaded_runs_hide_the_oldest(book):
    for number in range(SHOWN + 2):
        book.load(record(settings={"run": f"no. {number}"}).to_json())
    assert [r.shown for r in book.runs] == [False] * 2 + [True] * SHOWN


@pytest.mark.parametrize(
    "settings, name, controls",
    [
        ({}, "run 1", {}),
        ({"run": 7, "controls": {"lr": 0.1, "deep": None}}, "7", {"lr": "0.1", "deep": "None"}),
        ({"run": "x" * 99, "controls": [1, 2]}, "x" * LONGEST, {}),
        ({"run": " \n ", "controls": "much"}, "run 1", {}),
        ({"run": AWKWARD, "controls": {AWKWARD: AWKWARD}}, AWKWARD, {AWKWARD: AWKWARD}),
    ],
    ids=["neither", "numbers", "long", "blank", "awkward"],
)
def test_names_and_settings_of_a_loaded_run(book, settings, name, controls):
    book.upload.value = (file_of(record(settings=settings)),)
    (run,) = book.runs
    assert (run.name, run.settings) == (name, controls) and book.asked == ["changed"]
    assert "<b>" not in book.note.value.replace("Loaded <b>", "")
    assert "<b>" not in book.table.value and rows_of(book)[0][1][1] == name


def changed(**changes):
    return json.dumps({**json.loads(record().to_json()), **changes})


WRONG = {
    "nothing": "",
    "a text": "step,loss\n1,2.3\n",
    "a picture": bytes(range(256)),
    "a notebook": '{"nbformat": 4, "cells": []}',
    "a list": "[1, 2, 3]",
    "truncated": record().to_json()[:-9],
    "nested deeply": "[" * 100_000,
    "nested deeply inside": changed(settings={}).replace('"settings": {}', '"settings": ' + '{"a":' * 50_000),
    "a later format": changed(**{"cnnlib history": 2}),
    "a column missing": changed().replace('"loss"', '"losses"', 1),
    "a column too many": changed(extra=1),
    "a column of another kind": changed(loss={"0": 1.0}),
    "words among the numbers": changed(loss=["low"] * 4),
    "nothing among the numbers": changed(lr=[None] * 4),
    "a list among the numbers": changed(test_acc=[[0.5]]),
    "columns of different length": changed(lr=[0.1]),
    "marks of another kind": changed(marks=[[1, 2]]),
    "marks at no step": changed(marks=[["one", "lr 0.1"]]),
    "settings of another kind": changed(settings=[]),
    "no step": History().to_json(),
    # what the columns say cannot be
    "batches of nothing": changed(size=[0] * 4),
    "more tests than epochs": changed(test_acc=[0.5, 0.6], epoch_ends=[4]),
    "epochs of no batch": changed(settings={"num_batches": 0}, test_acc=[0.5], epoch_ends=[4]),
    "epochs of words": changed(settings={"num_batches": "many"}),
    "losses that are no numbers": record().to_json().replace("[1.0, 1.0", "[NaN, Infinity"),
    "too large": record(100).to_json(),
}


def test_a_file_that_is_no_run_is_refused(panel, monkeypatch):
    monkeypatch.setattr(runs, "LARGEST", len(max(WRONG.values(), key=len)))
    pg = panel()
    go(pg, 3)
    before = pg.book.table.value, pg.book.pick.options, pg.chart, list(pg.book.runs)
    for kind, text in WRONG.items():
        with monkeypatch.context() as patch, pytest.raises(ValueError, match="my file") as caught:
            if kind == "too large":
                patch.setattr(runs, "LARGEST", len(text) - 1)
            pg.book.load(text, "my file")
        assert len(str(caught.value)) < 400, kind
        assert (pg.book.table.value, pg.book.pick.options, pg.chart, pg.book.runs) == before, kind
    assert f"{len(text):,} bytes; a run has at most {len(text) - 1:,}" in str(caught.value)
    pg.book.upload.value = (upload("junk", "<i>my file</i>"),)
    assert "role='alert'" in pg.book.note.value and "&lt;i&gt;my file&lt;/i&gt;" in pg.book.note.value
    assert "<i>" not in pg.book.note.value and pg.book.upload.value == ()
    go(pg, 2)
    assert pg.runner.state == "paused", repr(pg.runner.error)
    pg.book.upload.value = (upload("junk"), file_of(record(), "good"))
    assert pg.book.note.value == "Loaded <b>run 2</b>." and len(pg.book.runs) == 2


# A panel's runs


def test_short_runs_are_forgotten_and_others_kept(panel):
    pg = panel()
    for steps, kept in ((STEPS // 10, 0), (STEPS // 10 + 1, 1), (1, 1), (5, 2)):
        go(pg, steps)
        press(pg, "reset")
        assert len(pg.book.earlier) == kept
    assert [r.name for r in pg.book.runs] == ["run 1", "run 2", "run 3"]


def test_a_name_and_a_hidden_run_survive_a_fork(panel):
    pg = panel()
    go(pg, 8)
    moment = mark(pg)
    go(pg, 8)
    original = pg.book.current
    pg.book.rename(original, "the first")
    fork(pg, moment, original)
    pg.book.show(original, False)
    go(pg, 8)
    assert (original.name, original.shown, original.history.steps) == ("the first", False, 16)
    assert pg.book.current.name == "run 2" and pg.book.current.shown
    assert pg.book.current.history.loss == original.history.loss
    pg.book.pick.value = original
    assert [text for text, _ in pg.book.moment.options] == ["step 0: start", "step 8: mark 1"]


def test_the_reader_renames_and_hides_while_it_trains(panel):
    pg = panel()
    go(pg, 6)
    press(pg, "reset")
    run(pg)
    first, errors = pg.book.runs[0], []

    def reader():
        for number in range(10):
            try:
                pg.book.pick.value = first
                pg.book.name.value = f"name {number}"
                pg.book.visible.value = number % 2 == 0
                pg.book.mark.click()
            except Exception as error:
                errors.append(error)

    thread = threading.Thread(target=reader)
    thread.start()
    thread.join(10)
    assert not thread.is_alive() and not errors
    pause(pg)
    assert pg.runner.error is None and first.name.startswith("name ")


# The chart of a run that is over


def names_on(chart):
    """Return (panel, name, place, side) of each name that the picture of a chart has beside its earlier lines."""
    figure, _ = draw_chart(chart.chart)
    return [
        (number, text.get_text().strip(), text.xy, text.get_horizontalalignment())
        for number, axes in enumerate(figure.axes)
        for text in axes.texts
    ]


def test_a_kept_run_has_its_name_at_its_end_where_there_is_room():
    chart = RunChart(4, 3)
    chart.keep(record(8, test_acc=[0.5, 0.75], epoch_ends=[4, 8]), "#123456", "old")
    assert names_on(chart) == [(0, "old", (2.0, 1.0), "left"), (1, "old", (2.0, 0.75), "left")]
    assert {kept.colour for kept in chart.chart.kept} == {"#123456"}
    chart = RunChart(4, 2)
    chart.keep(record(8), "#123456", "to the end")
    chart.keep(record(8))
    assert names_on(chart) == [(0, "to the end", (2.0, 1.0), "right")], "no test and no name: none is drawn"


def test_the_name_of_a_run_that_diverged_stands_at_its_last_point():
    chart, history = RunChart(4, 3), record(4)
    history.loss[:] = [2.0, 1.5, float("inf"), float("nan")]
    chart.keep(history, "#123456", "diverged")
    history.loss[:] = [float("nan")] * 4
    chart.keep(history, "#123456", "from the start")
    assert names_on(chart) == [(0, "diverged", (0.5, 1.5), "left")]


@pytest.mark.parametrize("settings, end", [({"num_batches": 5}, 2), ({}, 0.5)])
def test_a_kept_run_is_drawn_in_its_own_epochs(settings, end):
    chart = RunChart(20, 3)
    chart.keep(record(10, settings=settings))
    (kept,) = chart.chart.kept
    assert kept.xs[-1] == end and kept.xs == sorted(set(kept.xs))
