"""What a stranger may try: text that is code, files that are bombs, a server that everybody reaches, a network asked.

Each place that shows a reader's text is given harmless words and hostile ones: the page must be made of the same
elements both times, and show the hostile words as words.
"""

import ast
import io
import json
import os
import re
import shutil
import subprocess
import sys
import time
import zlib
from collections import OrderedDict
from contextlib import contextmanager
from functools import cache
from http.client import HTTPConnection
from pathlib import Path
from types import SimpleNamespace

import ipywidgets
import nbformat
import numpy as np
import pytest
import torch
from lab import chromium, jupyterlab, open_notebook, outputs, run_cell, serving, write_notebook
from markdown_it import MarkdownIt
from markup import Structure
from panels import go
from panels import panel as panel
from PIL import Image
from torch import nn
from uploads import png

from cnnlib import compare, growth_table
from cnnlib.course.command import lab_command
from cnnlib.exercises import lenet as exercises
from cnnlib.exercises import progress
from cnnlib.exercises.core import Verdict, exercise
from cnnlib.figures import draw_lesions
from cnnlib.figures.chart import Chart, Panel
from cnnlib.figures.drawing import Drawing, Words
from cnnlib.page import frontend, progress_file
from cnnlib.page.announce import alert
from cnnlib.page.escape import clean, inert_markdown, one_line
from cnnlib.probes import layer_table
from cnnlib.training.history import History
from cnnlib.widgets import choice, explore_features, explore_shapes, guess
from cnnlib.widgets.columns import LivePicture
from cnnlib.widgets.pictures import grey_picture
from cnnlib.widgets.runs import RunBook
from cnnlib.widgets.views import Blueprint

ROOT = Path(__file__).parents[1]
PYTHON = [p for folder in ("cnnlib", "notebooks", "docs", "benchmarks") for p in (ROOT / folder).rglob("*.py")]
NOTEBOOKS = [*(ROOT / "notebooks").glob("*.ipynb"), *(ROOT / "notebooks" / "apps").glob("*.ipynb")]

# Code that runs what it reads


@cache
def codes():
    """Return the name and the syntax tree of every source file, and of every cell of code."""
    return list(_codes())


def _codes():
    for path in PYTHON:
        yield path.name, ast.parse(path.read_text(encoding="utf-8"))
    for path in NOTEBOOKS:
        for number, cell in enumerate(nbformat.read(path, as_version=4).cells):
            if cell.cell_type == "code":
                yield f"{path.stem}, cell {number}", ast.parse(cell.source)


UNSAFE = {"pickle", "cPickle", "cloudpickle", "dill", "joblib", "shelve", "marshal", "multiprocessing", "yaml"}
HARMLESS_PARTS = {"multiprocessing.get_context", "multiprocessing.parent_process"}  # processes of our own
RUNS_TEXT = {"eval", "exec", "compile", "__import__"}


def faults(tree):
    """Yield what a syntax tree does that could run what somebody else wrote."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            module = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
            names = {f"{module}{a.name}" for a in node.names} - HARMLESS_PARTS
            yield from (f"imports {name}" for name in names if name.partition(".")[0] in UNSAFE)
        if not isinstance(node, ast.Call):
            continue
        called, given = ast.unparse(node.func), {k.arg: ast.unparse(k.value) for k in node.keywords}
        if called in RUNS_TEXT or called in ("os.system", "os.popen", "torch.hub.load"):
            yield f"calls {called}"
        if called == "torch.load" and given.get("weights_only") != "True":
            yield "calls torch.load without weights_only=True"
        if given.get("allow_pickle", "False") != "False" or given.get("shell", "False") != "False":
            yield f"calls {called} with allow_pickle or shell"


def test_nothing_runs_what_it_reads():
    found = [f"{name} {fault}" for name, tree in codes() for fault in faults(tree)]
    assert found == [] and len(codes()) > 200


@pytest.mark.parametrize(
    "source",
    ["import pickle", "from joblib import load", "eval(x)", "torch.load(x)", "torch.load(x, weights_only=False)",
     "np.load(f, allow_pickle=True)", "subprocess.run(x, shell=True)", "import yaml", "os.system(x)"],
)  # fmt: skip
def test_what_would_run_what_it_reads_is_found(source):
    assert list(faults(ast.parse(source)))
    assert not list(faults(ast.parse("net.eval(); torch.load(x, weights_only=True); subprocess.run(['ls'])")))


# The network

LOADS = re.compile(
    r"""(?: (?:src|srcset|poster|data|action|background)\s*=\s*\\?["']?\s*(?:https?:)?// | <link\b[^>]*https?: |
    @import\s*(?:url\()?\s*["']?\s*(?:https?:)?// | url\(\s*["']?\s*(?:https?:)?// | \bfrom\s*["']https?: |
    \b(?:import|fetch|open|importScripts|WebSocket|EventSource|Worker)\(\s*["'`](?:https?:|wss?:)?// |
    \bsendBeacon\( | !\[[^\]]*\]\(\s*(?:https?:)?// )""",
    re.VERBOSE | re.IGNORECASE,
)
PICTURE = re.compile(r"[A-Za-z0-9+/=\\]{400,}")  # in base64
ASKS = {"urllib.request", "requests", "httpx", "aiohttp", "http.client", "ftplib", "torch.hub", "socket"}
SOURCES = (".py", ".ipynb", ".html", ".j2", ".css", ".js", ".json", ".svg", ".md")


def test_no_page_and_no_source_loads_from_the_network():
    folders = ("cnnlib", "notebooks", "docs")
    paths = [p for folder in folders for p in (ROOT / folder).rglob("*") if p.suffix in SOURCES and p.is_file()]
    found = {path.name: LOADS.findall(PICTURE.sub("", path.read_text(encoding="utf-8"))) for path in paths}
    assert {name: addresses for name, addresses in found.items() if addresses} == {} and len(paths) > 100


@pytest.mark.parametrize(
    "text",
    ['<img src="https://a.b/c.png">', '"<script src=\\"//a.b/c.js\\">"', "@import url('https://a.b')", "![x](http://a.b)",
     'fetch("https://a.b")', "import * as x from 'https://a.b'", '<link rel="stylesheet" href="https://a.b/c.css">'],
)  # fmt: skip
def test_what_loads_from_the_network_is_found(text):
    assert LOADS.search(text) and not LOADS.search('<a href="https://a.b">see</a> xmlns="http://www.w3.org/2000/svg"')


def test_the_library_and_the_chapters_ask_no_server():
    for name, tree in codes():
        for node in ast.walk(tree):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            assert not ASKS & set(names), f"{name} imports {names}"
            if isinstance(node, ast.keyword) and node.arg in ("download", "pretrained"):
                assert ast.unparse(node.value) in ("False", "None"), name


# Text that is code

EVIL = {
    "element": "<img src=x onerror=alert(1)>",
    "end of attribute": "\"'><script>alert(1)</script>",
    "end of drawing": "</text></svg></div><b>bold</b>",
    "entity": "&amp; &lt;i&gt; &#60;b&#62;",
    "link": "[press](javascript:alert(1)) ![x](x) <javascript:alert(1)>",
    "table": "a | b | <i>c</i>",
    "code": "`` ` ``` <i>d</i> `",
    "escape": "\\` <i>e</i> ` \\<i>f</i>",
    "emphasis": "**bold** _it_ ~~gone~~",
    "math": "$\\href{javascript:alert(1)}{x}$ $\\oops$",
    "control characters": "a\0b\x08c\x1b[31md\x7f<b>\x85",
    "direction": "a\u202e<b>exe\u2066.png\u200f",
    "half a character": "a\ud800<b>",
    "lines": "a\n\n<b>b</b>\n- c\n# d\r\n\t<i>e",
    "long": "<i>" * 3000,
}
HARMLESS = "harmless"


def squeezed(text):
    return "".join(text.split())


def rendered(markdown):
    return MarkdownIt("commonmark", {"html": True}).enable("table").render(markdown)


def values(widget):
    """Return the HTML of a widget and of what is in it."""
    own = [widget.value] if isinstance(widget, ipywidgets.HTML | LivePicture) else []
    return "\n".join(own + [values(child) for child in getattr(widget, "children", ())])


def class_of(evil, *bases):
    """Return a class of this name, as far as Python takes it for one."""
    return type(evil.replace("\0", "").encode("utf-8", "ignore").decode(), bases, {})


def net_of(evil):
    odd = class_of(evil, nn.ReLU)()
    layers = [("conv", nn.Conv2d(1, 2, 3)), (evil.replace(".", ""), odd), ("flat", nn.Flatten())]
    return nn.Sequential(OrderedDict([*layers, ("end", nn.Linear(2 * 26 * 26, 10))]))


def record(**changes):
    columns = dict(loss=[1.0] * 4, lr=[0.1] * 4, correct=[1] * 4, size=[2] * 4)
    return History(**{**columns, "epoch_ends": [4], "test_acc": [0.5], **changes})


def book_with(evil):
    """A list of runs: one is renamed, another is of a file that somebody else made."""
    book = RunBook(lambda: None, lambda run, moment: None, lambda label: None)
    book.begin(record(marks=[(2, evil)]), {"lr": "0.1"}, [SimpleNamespace(step=1, label=evil)])
    book.rename(book.current, evil)
    book.load(record(settings={"run": evil, "controls": {"lr": evil, "kind": evil}}, marks=[(2, evil)]).to_json())
    book._take([{"name": "a.json", "content": record(settings={"run": evil}).to_json().encode()}])
    book.export.click()
    return book


def damaged_upload(evil):
    book = RunBook(lambda: None, lambda run, moment: None, lambda label: None)
    book._take([{"name": evil, "content": b"junk"}])
    return values(book.widget)


def a_guess(evil):
    asked = guess(evil, [evil, "b"])
    asked._build()
    asked._set(0)
    return asked


def explored(evil):
    torch.manual_seed(0)
    images = [(torch.rand(12, 1, 28, 28), torch.arange(12) % 2)]
    explorer = explore_features(net_of(evil), images, classes=(evil, "b"))
    page = [values(explorer.widget)]
    for content in (PNG, b"no picture"):
        explorer._receive([{"name": evil, "content": memoryview(content)}])
        page.append(explorer.image.value)
    return "\n".join(page)


def walked(evil):
    walk = explore_shapes(net_of(evil), (1, 28, 28), quiz=True)
    walk._build()
    walk.typed.value = evil
    walk.number = 2
    walk._check()
    return values(walk._widget)


def a_failing_view(evil):
    def build(settings=None):
        raise class_of(evil, RuntimeError)(evil)

    view = Blueprint((1, 28, 28))
    view.settle(SimpleNamespace(build=build))
    return view.widget.value


def a_file(evil):
    entry = {"tier": evil, "solved": evil, "tries": 3, "hints": 2, "solution": True}
    guesses = {
        evil: {"chapter": "01_lenet", "guess": evil, "outcome": evil, "right": False},
        evil + "2": {"chapter": "01_lenet", "guess": [evil], "outcome": {evil: evil}, "off_by": evil},
    }
    return json.dumps(
        {"format": progress_file.FORMAT, "about": evil, "exercises": {"lenet": {"conv2d": entry}}, "guesses": guesses}
    )


def read_progress(evil):
    place = progress_file.place()
    place.write_text(a_file(evil), encoding="utf-8")
    return progress("01_lenet")._repr_html_()


def judged(evil):
    @exercise("build", question="?", hints=("a", "b"), check=lambda answer, solve: answer.check())
    def right():
        return 1

    class Answer:
        def check(self):
            raise RuntimeError(evil)

    kind = class_of(evil, Answer)
    verdicts = [right.check(kind()), exercises.conv2d.check(evil), exercises.conv2d.check(kind())]
    return "\n\n".join(rendered(verdict._repr_markdown_()) for verdict in verdicts)


def grown(evil):
    folder = progress_file.place().parent
    (folder / "results").mkdir(exist_ok=True)
    row = {"network": evil, "parameters": 1, "multiply_adds": 1, "epochs": 1, "seconds": 1, "low": 0.5, "high": 0.5}
    (folder / "results" / "chapter01.json").write_text(json.dumps(row), encoding="utf-8")
    cost = SimpleNamespace(parameters=1, multiply_adds=1)
    return rendered(growth_table(2, evil, cost, record(), folder / "results")._repr_markdown_())


def told_aside(evil):
    return rendered(Verdict(True, "", evil)._repr_markdown_())


PLACES = {
    "an error": lambda evil: alert(ValueError(evil)),
    "an error of a class": lambda evil: alert(class_of(evil, Exception)(evil)),
    "a drawing": lambda evil: Drawing([Words(1, 2, evil), Words(3, 4, evil, turned=True)], 9, 9, evil).svg(),
    "a list of runs": lambda evil: values(book_with(evil).widget).split("Save: ")[0],
    "a damaged run": damaged_upload,
    "a guess": lambda evil: a_guess(evil)._widget.children[0].html,
    "a question": lambda evil: a_guess(evil).card(),
    "an outcome": lambda evil: a_guess(evil).card(a_guess(evil).reveal(evil, evil)._result()),
    "the feature explorer": explored,
    "the shape walk": walked,
    "a view that fails": a_failing_view,
    "a progress file": read_progress,
    "a verdict": judged,
    "an aside": told_aside,
    "a comparison": lambda evil: rendered(compare({evil: record(), "b": record()})._repr_markdown_()),
    "a table that grows": grown,
    "a table of layers": lambda evil: rendered(layer_table(net_of(evil), (1, 28, 28))._repr_markdown_()),
    "lesions": lambda evil: draw_lesions(0.5, [0.5], 0, evil).svg(),
}


@pytest.fixture
def reader(tmp_path, monkeypatch):
    """Let a reader be there, with a progress file of their own."""
    monkeypatch.setenv("CNNLIB_LIVE", "1")
    monkeypatch.setenv("CNNLIB_PROGRESS", str(tmp_path / "progress.json"))
    monkeypatch.setattr(frontend, "kernel", lambda: SimpleNamespace())
    return tmp_path


@pytest.mark.parametrize("place", PLACES)
def test_text_brings_no_markup(place, reader):
    def show(text):
        return re.sub(r"\bguess-[0-9a-f]{8}\b", "guess", PLACES[place](text))  # a card has a hash of its words

    expected = Structure(show(HARMLESS))
    for name, evil in EVIL.items():
        page = show(evil)
        page.encode("utf-8")  # what cannot be sent would stop the page
        shown = Structure(page)
        assert shown.parts == expected.parts, f"{place}, {name}: {page}"
        words = squeezed("".join(shown.words))
        start = squeezed(clean(evil))[:12]
        assert start in words or name in ("code", "escape", "long", "lines", "table"), (
            f"{place} does not show {name}: {page}"
        )
        assert not re.search("[\0\x08\x1b\u202e\u2066]", page)


def test_files_to_save_are_named_by_letters(reader):
    for evil in EVIL.values():
        links = Structure(book_with(evil).note.value)
        assert [tag for tag, *_ in links.parts] == ["a", "a"]
        for _, (_, name), (_, address) in links.parts:
            assert re.fullmatch(r"[\w-]{1,40}\.(json|csv)", name) and re.fullmatch(
                r"data:[\w/]+;base64,[\w+/=]+", address
            )


def test_a_panel_shows_settings_and_errors_as_text(panel):
    """The status line, the listing, and what is drawn: labels on a chart are no formulas."""
    for evil in EVIL.values():

        def build(s, evil=evil):
            raise class_of(evil, RuntimeError)(evil)

        pg = panel(build, controls=[choice("kind", {evil + "1": 1, evil + "2": 2}, label=evil)])
        go(pg, 1)
        assert pg.runner.state == "failed"
        assert [tag for tag, *_ in Structure(pg.status.value).parts] == ["div", "b", "br"], pg.status.value
        pg._write_code()


def test_labels_on_a_chart_are_no_formulas():
    chart, words = Chart([Panel(("loss",), "loss")], "epoch", (0, 1)), [text[:200] for text in EVIL.values()]
    for place, text in enumerate(words):
        chart.mark(place / len(words), text)
        chart.band(0, 0.1, 0.2, text)
        chart.keep(0, [0, 1], [0, 1], label=text)
    chart.footer(" ".join(words))
    assert chart.picture().png(1)[:4] == b"\x89PNG"
    assert Drawing([Words(5, 5, text) for text in words], 20, 20, "").picture().png(1)[:4] == b"\x89PNG"


def test_descriptions_of_controls_are_text(reader, panel):
    """ipywidgets takes HTML in a description only where it is told so, and nobody tells it."""
    assert not [path for path in (ROOT / "cnnlib").rglob("*.py") if "allow_html" in path.read_text(encoding="utf-8")]
    pg = panel(controls=[choice("kind", {"<i>a</i>": 1, "<i>b</i>": 2}, label="<b>kind</b>")])
    for widget in pg.inputs.values():
        assert widget.description_allow_html is False


def test_markdown_of_ours_stays_what_it_is():
    assert inert_markdown("**bold**, `x_1 < 2` and *it*.") == "**bold**, <code>x&#95;1 &#60; 2</code> and *it*."
    assert one_line(" a\n b\u202e\0 ") == "a b" and clean("x" * 9, 4) == "xxx…"


# Files that are bombs


PIXELS = (b"\0" + b"\x80" * 4) * 4  # of a grey picture of 4 × 4
PNG = png(4, 4, PIXELS)


@pytest.mark.thorough
def test_a_picture_that_unpacks_to_very_much_is_refused(pace):
    bomb = png(4, 4, PIXELS, (b"zTXt", b"Comment\0\0" + zlib.compress(bytes(200 * 2**20), 9)))
    assert len(bomb) < 2**20
    began = time.perf_counter()
    with pytest.raises(ValueError, match="mine.png is damaged"):
        grey_picture(bomb, "mine.png", 28, 28)
    assert time.perf_counter() - began < pace.bar(2)


def test_of_a_picture_that_moves_the_first_is_taken():
    file, frames = io.BytesIO(), [Image.fromarray(np.full((8, 8), grey, np.uint8)) for grey in (51, 255)]
    frames[0].save(file, "PNG", save_all=True, append_images=frames[1:])
    assert b"acTL" in file.getvalue()
    assert torch.allclose(grey_picture(file.getvalue(), "a.png", 2, 2), torch.full((2, 2), 0.2))


def test_what_was_to_be_seen_stays_beside_the_reason_of_a_refusal(reader):
    explorer = explore_features(net_of("a"), [(torch.rand(12, 1, 28, 28), torch.arange(12) % 2)])
    before = [explorer.widget, explorer.image.value][1]
    explorer._receive([{"name": "a.png", "content": memoryview(b"junk")}])
    assert explorer.image.value.startswith("<div role='alert'") and explorer.image.value.endswith(before)
    assert explorer.upload is None and before.startswith("<svg")


# The server


def command_of(target, program, *options):
    """Return what `make TARGET` runs last, for a server of this environment; it takes more options at its end."""
    if not shutil.which("make") or not Path("/proc/net/tcp").exists():
        pytest.skip("needs make, and Linux to tell who listens")
    given = " ".join(("--no-browser", *options))
    call = ["make", "-n", "--no-print-directory", "-o", f"{sys.prefix}/{program}", target, f"VENV={sys.prefix}"]
    call.append("WORK=notebooks")  # nothing is copied
    said = subprocess.run(
        [*call, f"LAB_OPTIONS={given}", f"VOILA_OPTIONS={given}"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return said.stdout.replace("\\\n", " ").strip().splitlines()[-1]


def listening(port):
    """Return the addresses on which somebody on this machine waits at a port."""
    found = set()
    for name, ours in (("tcp", "0100007F"), ("tcp6", "00000000000000000000000001000000")):
        for line in Path("/proc/net", name).read_text().splitlines()[1:]:
            address, _, number = line.split()[1].partition(":")
            if int(number, 16) == port and line.split()[3] == "0A":
                found.add("this machine" if address == ours else address)
    return found


def answer(port, path, **headers):
    """Return the status that the server answers with; 302 leads to the page that asks for the token."""
    connection = HTTPConnection("127.0.0.1", port, timeout=120)
    try:
        connection.request("GET", path, headers=headers)
        return connection.getresponse().status
    finally:
        connection.close()


LOOSE = {
    "ServerApp": {"ip": "0.0.0.0", "allow_remote_access": True, "allow_origin": "*", "disable_check_xsrf": True},
    "Voila": {"ip": "0.0.0.0", "token": ""},
}


@contextmanager
def let_in(command, folder):
    """Start a server for a reader whose own settings let everybody in; yield its port, and what it said."""
    for name in ("jupyter_config", "jupyter_server_config", "jupyter_lab_config", "voila"):
        (folder / f"{name}.json").write_text(json.dumps(LOOSE), encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("JUPYTER")}
    environment |= {f"JUPYTER_{name}_DIR": str(folder) for name in ("CONFIG", "DATA", "RUNTIME")} | {
        "HOME": str(folder)
    }
    shell = ["sh", "-c", f'exec env {command} "$@"', "sh"]
    with serving(shell, environment, folder, cwd=ROOT, options=()) as address:
        yield int(address.rpartition(":")[2]), (folder / "log").read_text(encoding="utf-8")


@pytest.mark.thorough
def test_make_lab_answers_this_machine_and_those_who_have_the_token(tmp_path):
    command = command_of("lab", "lab", "--allow-root", "--ServerApp.port_retries=0")
    with let_in(command, tmp_path) as (port, said):
        token = re.search(rf"http://127.0.0.1:{port}/lab/tree/01_lenet.ipynb\?token=(\w{{32,}})", said)[1]
        assert listening(port) == {"this machine"}
        assert [answer(port, path) for path in ("/api/contents", "/api/kernels", "/files/01_lenet.ipynb")] == [
            403,
            403,
            302,
        ]
        assert answer(port, f"/api/contents?token={token}") == 200
        assert answer(port, f"/api/contents?token={token[:-1]}x") == 403
        assert answer(port, f"/api/contents?token={token}", Host="elsewhere.example") == 403  # a name that leads here


def test_make_slides_starts_jupyterlab_as_make_lab_does():
    lab, slides = (command_of(target, program) for target, program in (("lab", "lab"), ("slides", "present")))
    assert all("-m cnnlib.course.command lab" in command for command in (lab, slides))
    assert {"--ServerApp.ip=127.0.0.1", "--LabApp.default_url=/lab/tree/a.ipynb"} < set(lab_command("work", "a"))


@pytest.mark.thorough
def test_make_playground_answers_this_machine_and_those_who_have_the_token(tmp_path):
    pytest.importorskip("voila", reason="needs the extra `present`: pip install -e '.[present]'")
    with let_in(command_of("playground", "present"), tmp_path) as (port, said):
        token = re.search(r"token=(\w{32,})", said)[1]
        assert listening(port) == {"this machine"}
        assert answer(port, "/") in (302, 403) and answer(port, f"/?token={token[:-1]}x") in (302, 403)
        assert answer(port, f"/?token={token}") == 200


# In a browser

SHOWN = """
import os
os.environ["CNNLIB_PROGRESS"] = "progress.json"
import torch, ipywidgets
from IPython.display import display
from torch import nn
from cnnlib import compare
from cnnlib.exercises import lenet, progress
from cnnlib.training.history import History
from cnnlib.probes import layer_table
from cnnlib.page.announce import alert
from cnnlib.widgets import Playground, choice, explore_features, explore_shapes, guess
from cnnlib.widgets.runs import RunBook

def show(evil):
    odd = type(evil, (nn.ReLU,), {})()
    net = nn.Sequential(nn.Conv2d(1, 2, 3), odd, nn.Flatten(), nn.Linear(1352, 10))
    run = History(loss=[1.0], lr=[0.1], correct=[1], size=[2], settings={"run": evil, "controls": {"lr": evil}})
    book = RunBook(lambda: None, lambda run, moment: None, lambda label: None)
    book.load(run.to_json())
    book.rename(book.load(run.to_json()), evil)
    asked = guess(evil, [evil, "b"])
    asked.answer = evil
    walk = explore_shapes(net, (1, 28, 28), quiz=True)
    display(walk)
    walk.typed.value = evil
    class Answer:
        def check(self):
            raise RuntimeError(evil)
    def fail(s):
        raise RuntimeError(evil)
    panel = Playground(evil, fail, lambda s: None, [choice("kind", {evil: 1, "b": 2}, label=evil)], lr=0.1)
    panel.runner.start()
    panel.runner.wait()
    features = explore_features(net, [(torch.rand(4, 1, 28, 28), torch.arange(4) % 2)], classes=(evil, "b"))
    features.widget
    features._receive([{"name": evil, "content": memoryview(b"junk")}])
    display(book.widget, asked, asked.reveal(evil, evil), panel, features, ipywidgets.HTML(alert(evil)))
    display(compare({evil: run}), layer_table(net, (1, 28, 28)), lenet.conv2d.check(odd), lenet.conv2d.check(evil))

for evil in EVILS:
    show(evil)
display(progress("01_lenet"))
"""
PRESSED = """() => {
    const parts = [...document.querySelectorAll('.jp-OutputArea *')];
    const odd = part => [...part.attributes].some(a => /^on/i.test(a.name)
        || /^\\s*javascript:/i.test(a.value));
    return parts.filter(part => odd(part) || part.matches('script, iframe, img[src$="/x"], b.evil'))
        .map(part => part.outerHTML.slice(0, 200));
}"""


@pytest.mark.thorough
def test_in_a_browser_no_text_runs_and_no_other_host_is_asked(tmp_path):
    evils = [  # more of them, and JupyterLab hides what comes after 50 outputs
        "<img src=x onerror=alert(1)> $\\href{javascript:alert(2)}{x}$",
        "\"'><script>alert(3)</script><iframe srcdoc='<script>alert(4)</script>'>",
        "</svg><svg onload=alert(5)> [press](javascript:alert(6)) <b class=evil>",
        "` <img src=x onerror=alert(7)> `",
    ]
    (tmp_path / "progress.json").write_text(a_file(evils[0]), encoding="utf-8")
    write_notebook(tmp_path / "evil.ipynb", [f"EVILS = {evils!r}\n{SHOWN}"])
    dialogs, asked = [], []
    with jupyterlab(tmp_path) as address, chromium() as page:
        page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
        page.context.on("request", lambda request: asked.append(request.url))
        open_notebook(page, address, "evil.ipynb")
        run_cell(page, 0)
        assert not [output["traceback"] for output in outputs(page, 0) if output["output_type"] == "error"]
        page.locator(".cnnlib-progress").wait_for(state="attached", timeout=30_000)
        page.wait_for_timeout(1500)  # a picture that cannot be loaded takes a moment to say so
        for kind in (".cnnlib-runs", ".cnnlib-guess", ".cnnlib-walk", ".cnnlib-features", ".cnnlib-playground"):
            assert page.locator(kind).count() >= len(evils), kind
        assert dialogs == [] and page.evaluate(PRESSED) == []
        hosts = {re.match(r"\w+:(//[^/:]+)?", url)[0] for url in asked}
        assert hosts <= {"http://127.0.0.1", "ws://127.0.0.1", "data:", "blob:", f"blob:{address}"}, hosts
