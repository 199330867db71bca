"""The teacher's page, held to the chapters: sections, quotes, controls, minutes and exercises are really there.

Every check returns its complaints about one chapter of the page, so that a spoilt page can show that it complains.
"""

import ast
import importlib
import json
import math
import re
from functools import cache

import pytest
from chapter_pages import CHAPTERS, ROOT, cells_of, names_in
from ipywidgets import ToggleButtons
from torch import nn

from cnnlib.course.claims import claim
from cnnlib.exercises.core import Exercise
from cnnlib.models import cifar_resnet
from cnnlib.training.loop import Trainer
from cnnlib.widgets import (
    Convolution,
    GradientSum,
    Lesions,
    Playground,
    explore_features,
    explore_shapes,
    guess,
    switch,
)
from cnnlib.widgets.live import Controls
from cnnlib.widgets.run_chart import RunChart

PAGE = (ROOT / "docs" / "teaching.md").read_text(encoding="utf-8")
PARTS = ("45 minutes", "90 minutes", "Short of time", "Misconceptions", "Questions and answers", "Exercises",
         "What may go wrong")  # fmt: skip
COLUMNS = ("Minute", "Show", "Ask", "Move", "They see", "Wait")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
INSTRUMENTS = ("explore_shapes", "explore_features")
PART = 2  # how far a whole section may lie above the waits of its rows: the longer plan leaves a little out

# What the page says, taken apart


def chapters_of(page):
    """Return each chapter's number and text."""
    pieces = re.split(r"^## Chapter (\d) · ", page, flags=re.MULTILINE)
    return {int(number): text for number, text in zip(pieces[1::2], pieces[2::2], strict=True)}


def parts_of(text):
    """Return what stands under each heading of a chapter, and before the first one under ''."""
    pieces = re.split(r"^### (.+)\n", text, flags=re.MULTILINE)
    return {"": pieces[0]} | dict(zip(pieces[1::2], pieces[2::2], strict=True))


def rows_of(text):
    """Return the rows of the table in a text, the head first."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in rows if not set("".join(row)) <= set("-: ")]


def plan_of(text, minutes):
    """Return the rows of a plan, each a dict by the columns' names."""
    return [dict(zip(COLUMNS, row, strict=True)) for row in rows_of(parts_of(text)[f"{minutes} minutes"])[1:]]


def sections_in(text):
    return re.findall(r"§(\d+\.\d+)", text)


def quotes_in(text):
    return re.findall(r"`([^`]+)`", text)


def bullets(text):
    return [line for line in text.splitlines() if line.startswith("- ")]


# What the chapters say


def titles(number):
    return [section for section in dict.fromkeys(section for section, _ in cells_of(number)) if section]


@cache
def text_of(section, kind=None):
    """Return all that a section says and stores, in one line without backticks, but no output that is not compared."""
    texts = []
    for where, cell in cells_of(int(section.split(".")[0])):
        if where == section and kind in (None, cell.cell_type):
            texts.append(cell.source)
            if kind is None and "nbval-ignore-output" not in cell.metadata.get("tags", []):
                texts += [output.get("text", "") for output in cell.get("outputs", [])]
                texts += [output.get("data", {}).get("text/plain", "") for output in cell.get("outputs", [])]
    return " ".join(" ".join(texts).replace("`", "").split())


def says(text, quote):
    """Tell whether a quote stands in a text, as whole words and whole numbers."""
    before = r"(?<![\w.,])" if quote[0].isdigit() else r"(?<!\w)" if quote[0].isalpha() else ""
    after = r"(?!\w|[.,]\d)" if quote[-1].isalnum() else ""
    return bool(re.search(before + re.escape(quote) + after, text))


@cache
def needs(number):
    """Return for each section the earlier ones whose names its code uses."""
    owner, need = {}, {}
    for section, cell in cells_of(number):
        if cell.cell_type == "code":
            made, used = names_in(cell.source)
            found = {owner[name] for name in used - made if name in owner}
            need.setdefault(section, set()).update(found - {"", section})
            owner |= dict.fromkeys(made, section)
    return need


@cache
def measured(number):
    """Return what each section took on one core where the book was made, in seconds."""
    times = json.loads((ROOT / "cnnlib" / "course" / "times.json").read_text(encoding="utf-8"))
    (chapter,) = (times[name] for name in times if name.startswith(f"{number:02d}_"))
    return {heading.split(" ")[0]: seconds for heading, seconds in chapter["1"]["sections"].items()}


def words_of(widget):
    """Return the labels in a tree of widgets, and the words that its choices offer."""
    labels, offers = {getattr(widget, "description", "")}, set(getattr(widget, "_options_labels", ()))
    if isinstance(widget, ToggleButtons):  # tabs
        labels |= offers
    for child in getattr(widget, "children", ()):
        more, others = words_of(child)
        labels, offers = labels | more, offers | others
    return labels, offers


@cache
def words_on_pages():
    """Return for each kind of live cell the labels of its controls and the words of its choices."""
    from cnnlib.datasets import load_data_fashion_mnist

    train_iter, test_iter = load_data_fashion_mnist(8, resize=14, num_train=16, num_test=16)
    X, y = next(train_iter.epoch(0))
    net = nn.Sequential(nn.Flatten(), nn.Linear(196, 10))
    controls = Controls(Trainer(net, train_iter, test_iter, 0.1), RunChart(2, 1))
    panel = Playground("teaching", lambda s: net, lambda s: None, [switch(name) for name in "abcde"], lr=0.1)
    question, lesions = guess("?", ["yes", "no"]), Lesions({"net": cifar_resnet(8, 4)}, test_iter)
    parts, walk = GradientSum(X, y, num_blocks=2), explore_shapes(net, (1, 14, 14))
    maps, slid = explore_features(cifar_resnet(8, 4), test_iter), Convolution(X[0, 0], {"mean": [[1]], "spot": [[1]]})
    for widget in (question, lesions, parts, walk, maps, slid):
        widget._build()
    words = {
        "fit(": words_of(controls.box), "Playground(": words_of(panel.box),
        "= guess(": ({"your guess"}, set(question.options)),
        "Lesions(": words_of(lesions._widget), "GradientSum(": words_of(parts._widget),
        "\nConvolution(": words_of(slid._widget),
        "explore_shapes(": words_of(walk._widget), "explore_features(": words_of(maps._widget),
    }  # fmt: skip
    controls.close()
    panel.close()
    return words


def words_of_section(section):
    """Return the labels of a section's controls, and the words of its choices."""
    source = "\n".join(cell.source for where, cell in cells_of(int(section.split(".")[0]))
                       if where == section and cell.cell_type == "code")  # fmt: skip
    labels, offers = set(), set()
    for call, (more, others) in words_on_pages().items():
        if call in source:
            labels, offers = labels | more, offers | others
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("slider", "choice", "switch"):
            named = {keyword.arg: keyword.value for keyword in node.keywords}
            labels.add(ast.literal_eval(named.get("label", node.args[0])))
        if isinstance(node, ast.Dict):
            offers |= {key.value for key in node.keys if isinstance(key, ast.Constant)}
    return labels - {""}, offers


# The checks: each returns its complaints


def check_parts(number, text):
    parts = parts_of(text)
    found = [f"no part {name!r}" for name in PARTS if name not in parts]
    found += [f"no {word!r}" for word in ("**Question.**", "**Tell it before they do.**") if word not in parts[""]]
    if found:
        return found
    counts = {"": 2, "Misconceptions": 5, "Questions and answers": 4, "What may go wrong": 1}
    found += [f"{name!r}: fewer than {n}" for name, n in counts.items() if len(bullets(parts[name])) < n]
    found += [f"no section answers {line}" for line in bullets(parts["Misconceptions"]) if not sections_in(line)]
    return found + [f"no columns {COLUMNS}" for m in (45, 90) if tuple(rows_of(parts[f"{m} minutes"])[0]) != COLUMNS]


def check_sections(number, text):
    plans = "".join(row["Show"] for minutes in (45, 90) for row in plan_of(text, minutes))
    found = [f"§{s} is not of this chapter" for s in sections_in(plans) if s not in titles(number)]
    everywhere = [section for chapter in range(7) for section in titles(chapter)]
    return found + [f"§{s} is nowhere" for s in sections_in(text) if s not in everywhere]


def check_minutes(number, text):
    found = []
    for minutes in (45, 90):
        at = 0
        for row in plan_of(text, minutes):
            start, end = map(int, row["Minute"].split("–"))
            if start != at or end <= start:
                found.append(f"{minutes} minutes: {row['Minute']} after minute {at}")
            at = end
        if at != minutes:
            found.append(f"a plan of {minutes} minutes ends at {at}")
    return found


def check_waits(number, text):
    found = []
    for row in (row for minutes in (45, 90) for row in plan_of(text, minutes)):
        start, end = map(int, row["Minute"].split("–"))
        wait = 0 if row["Wait"] == "–" else int(row["Wait"].removesuffix(" s"))
        if wait > 30 * (end - start):
            found.append(f"{row['Minute']}: {wait} s of waiting is more than half of it")
    planned, took = {}, measured(number)
    for row in plan_of(text, 90):
        if not row["Show"].startswith("Read") and row["Wait"] != "–":
            for section in sections_in(row["Show"]):
                planned[section] = planned.get(section, 0) + int(row["Wait"].removesuffix(" s"))
    return found + [f"{wait} s for §{section}, which took {took[section]} s" for section, wait in planned.items()
                    if took[section] > PART * wait]  # fmt: skip


def check_order(number, text):
    """A plan runs what it needs, in its own order."""
    found = []
    for minutes in (45, 90):
        run = set()
        for row in plan_of(text, minutes):
            for section in [] if row["Show"].startswith("Read") else sections_in(row["Show"]):
                missing = needs(number).get(section, set()) - run - {section}
                found += [f"{minutes} minutes: §{section} needs §{s}" for s in sorted(missing)]
                run.add(section)
    return found


def check_quotes(number, text):
    """What stands in code type stands in the sections that the line names, or else somewhere in the chapter."""
    found = []
    for line in text.splitlines():
        if line.startswith("### "):
            continue
        places = sections_in(line) or titles(number)
        found += [f"not in {places}: {q}" for q in quotes_in(line) if not any(says(text_of(s), q) for s in places)]
    for row in (row for minutes in (45, 90) for row in plan_of(text, minutes)):
        for quote in quotes_in(row["Show"]):
            if not any(quote in text_of(s, "code") for s in sections_in(row["Show"])):
                found.append(f"{row['Minute']}: no code {quote}")
    return found


def check_numbers(number, text):
    """A number that somebody measured stands in code type, where `check_quotes` finds it."""
    found = []
    for name, part in parts_of(text).items():
        lines = [] if name == "Exercises" else part.splitlines()
        for line in lines:
            if line.startswith("|"):
                line = "|".join(line.strip("|").split("|")[1:-1])
            bare = re.sub(r"`[^`]*`|§\d+\.\d+", "", line)
            found += [f"{hit} in {line}" for hit in re.findall(r"\d+[.,]\d+|\d\s?%|\d{3,}", bare)]
    return found


def check_controls(number, text):
    found = []
    for row in (row for minutes in (45, 90) for row in plan_of(text, minutes)):
        labels, offers = set(), set()
        for section in sections_in(row["Show"]):
            more, others = words_of_section(section)
            labels, offers = labels | more, offers | others
        named = re.findall(r"\*\*(.+?)\*\*", row["Move"])
        chosen = re.findall(r"\*(.+?)\*", re.sub(r"\*\*.+?\*\*", "", row["Move"]))
        found += [f"{row['Minute']}: no control {name!r}" for name in named if name not in labels]
        found += [f"{row['Minute']}: no choice {name!r}" for name in chosen if name not in offers]
    return found


def check_exercises(number, text):
    code = "\n".join(cell.source for _, cell in cells_of(number))
    name = re.search(r"from cnnlib\.exercises import (\w+) as exercises", code)[1]
    module = importlib.import_module(f"cnnlib.exercises.{name}")
    asked = {name: thing.tier for name, thing in vars(module).items()
             if isinstance(thing, Exercise) and f"exercises.{name}.check(" in code}  # fmt: skip
    rows = rows_of(parts_of(text)["Exercises"])[1:]
    told = {name.strip("`"): tier for name, tier, *_ in rows}
    found = [f"page and chapter differ in {name}, {tier}" for name, tier in sorted(told.items() ^ asked.items())]
    found += [f"{row[0]}: {row[3]}?" for row in rows if row[3] not in ("class", "homework")]
    asking = next(s for s, cell in cells_of(number) if ".check(" in cell.source and cell.cell_type == "code")
    slots = [row["Minute"].split("–") for row in plan_of(text, 90) if asking in sections_in(row["Show"])]
    time, taken = sum(int(end) - int(start) for start, end in slots), sum(int(r[2]) for r in rows if r[3] == "class")
    return found + ([] if 0 < taken <= time else [f"{taken} minutes of exercises in {time} of the longer plan"])


CHECKS = (check_parts, check_sections, check_minutes, check_waits, check_order, check_quotes, check_numbers,
          check_controls, check_exercises)  # fmt: skip


def test_every_chapter_is_there():
    assert list(chapters_of(PAGE)) == [int(path.name[:2]) for path in CHAPTERS]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("number", range(7))
def test_page_keeps_to_the_chapter(check, number):
    assert check(number, chapters_of(PAGE)[number]) == []


SPOILT = [
    (check_parts, 2, "### Misconceptions", "### Mistakes"),
    (check_parts, 2, "| They see |", "| See |"),
    (check_sections, 1, "Leave out §1.6", "Leave out §1.16"),
    (check_minutes, 1, "| 6–10 |", "| 7–10 |"),
    (check_waits, 5, "| 35 s |", "| 300 s |"),
    (check_waits, 1, "at the left edge | 60 s |", "at the left edge | 5 s |"),
    (check_order, 6, "§6.2 `through`", "§6.1 `skew`"),
    (check_quotes, 1, "`150` against", "`15` against"),
    (check_quotes, 4, "`rate_guess`, `by_rate`", "`rate_guess`, `rates_by`"),
    (check_numbers, 1, "`150` against", "150 against"),
    (check_controls, 2, "**dropout** to 0", "**drop-out** to 0"),
    (check_controls, 6, "*post-activation*", "*after-activation*"),
    (check_exercises, 1, "| `output_size` | recall |", "| `output_shape` | recall |"),
    (check_exercises, 1, "| `conv2d` | build | 15 | homework |", "| `conv2d` | build | 15 | class |"),
]


@pytest.mark.parametrize(("check", "number", "old", "new"), SPOILT)
def test_each_check_can_fail(check, number, old, new):
    text = chapters_of(PAGE)[number]
    assert text.count(old) >= 1, "the page has changed: spoil something else"
    assert check(number, text.replace(old, new, 1))


# The general part


def general():
    return PAGE.split("## Chapter 0")[0]


def check_commands(text):
    """Targets, variables, chapters and names that the general part tells the teacher to use."""
    library = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "cnnlib").rglob("*.py"))
    named = re.findall(r"`(?:CNNLIB_\w+=\w+ )?make ([\w-]+)", text)
    found = [f"no target {name}" for name in named if not re.search(rf"^{name}\b.*:", MAKEFILE, re.MULTILINE)]
    found += [f"no variable {name}" for name in re.findall(r"\bCNNLIB_\w+", text) if f'"{name}"' not in library]
    given = re.findall(r"`make [\w-]+ (\w+)=", text)
    found += [f"no variable {name}" for name in given if f"$({name})" not in MAKEFILE]
    chapters = re.findall(r"CHAPTER=(\w+)", text)
    found += [f"no chapter {name}" for name in chapters if not (ROOT / "notebooks" / f"{name}.ipynb").exists()]
    functions = set(re.findall(r"`(?:exercises\.)?\.?(\w+)[(`]", text)) - {"NameError", "uint8", "Code"}
    return found + [f"no {name}" for name in functions if not re.search(rf"\b{name}\b", library)]


def check_general_controls(text):
    """Whatever is bold and no sentence is a control of some live cell."""
    labels = set().union(*(labels for labels, _ in words_on_pages().values()))
    named = set(re.findall(r"\*\*([^*]+)\*\*", text)) - {"Bold", "no network is needed"}
    return [f"no control {name!r}" for name in sorted(named) if name not in labels and not name.endswith(".")]


def check_places(text):
    """The two explorers stand in the sections that the page names, and in no others."""
    found = []
    for name in INSTRUMENTS:
        told = {s for line in bullets(text) if line.startswith(f"- `{name}`") for s in sections_in(line)}
        there = {s for number in range(7) for s in titles(number) if f"{name}(" in text_of(s, "code")}
        found += [f"{name} is not in §{s}" for s in sorted(told - there)]
        found += [f"{name} is in §{s} as well" for s in sorted(there - told)]
    return found


@pytest.mark.parametrize("check", [check_commands, check_general_controls, check_places])
def test_general_part_names_what_there_is(check):
    assert check(general()) == []


@pytest.mark.parametrize(
    ("check", "old", "new"),
    [
        (check_commands, "`make lab`", "`make laboratory`"),
        (check_commands, "`CNNLIB_BUDGET=laptop make lab`", "`CNNLIB_MONEY=laptop make lab`"),
        (check_commands, "CHAPTER=01_lenet", "CHAPTER=07_lenet"),
        (check_commands, "`progress(forget=True)`", "`advance(forget=True)`"),
        (check_general_controls, "**Stop**", "**Halt**"),
        (check_places, "§1.2, §2.2", "§1.2, §2.3"),
    ],
)
def test_each_general_check_can_fail(check, old, new):
    assert old in general(), "the page has changed: spoil something else"
    assert check(general().replace(old, new))


def test_own_pictures_train(capsys):
    (listing,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(listing, {})
    assert "finished after 1 epochs" in capsys.readouterr().out


def test_stopped_in_the_first_epoch_a_check_prints_false(noise, dense, capsys):
    """The page says so: there is no test accuracy yet, and the cell after the run fails nowhere."""
    trainer = Trainer(dense(), noise(), noise(shuffle=False), 0.1)
    trainer.listeners.append(lambda trainer: trainer.stop())
    history = trainer.fit(1)
    assert math.isnan(history.last_test_acc)
    lines = [line for number in range(1, 7) for _, cell in cells_of(number) for line in cell.source.splitlines()
             if re.match(r"(print|claim)\(.*\bhistory\.\w*test_acc", line)]  # fmt: skip
    assert len(lines) >= 4
    for line in lines:
        capsys.readouterr()
        exec(line, {"history": history, "claim": claim})
        assert capsys.readouterr().out.endswith("False\n"), line
