"""The command `cnnlib`, as `make lab` calls it and as a wheel brings it."""

import io
import json
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from torch_backend import choose

from cnnlib.course import command, copies, doctor

ROOT = Path(__file__).parents[1]


def test_lab_copies_the_chapters_and_becomes_jupyterlab(tmp_path, monkeypatch, capsys):
    called = []
    monkeypatch.setattr(os, "execvp", lambda program, arguments: called.append(arguments))
    monkeypatch.setattr(os, "name", "posix")
    command.main(["lab", str(tmp_path / "mine"), "--open", "05_resnet", "--no-browser", "--port=1"])
    assert {path.name for path in (tmp_path / "mine").glob("*.ipynb")} == {
        path.name for path in (ROOT / "notebooks").glob("*.ipynb")
    }
    assert called[0][-2:] == ["--no-browser", "--port=1"] and set(command.GUARD) < set(called[0])
    assert f"--ServerApp.root_dir={tmp_path / 'mine'}" in called[0]
    assert "--LabApp.default_url=/lab/tree/05_resnet.ipynb" in called[0]
    (tmp_path / "mine" / "01_lenet.ipynb").write_text("mine")
    command.main(["lab", str(tmp_path / "mine")])
    assert (tmp_path / "mine" / "01_lenet.ipynb").read_text() == "mine", "what the reader changed stays"
    assert "Opening 01_lenet" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ["lab", "{}", "--open", "07_more"],
            "there is no chapter '07_more'. The chapters are 00_convolution, 01_lenet",
        ),
        (["lab", "{}/file/work"], "your copies of the chapters cannot be written"),
        (["book", "--fast"], "unrecognized arguments: --fast"),
        (["open"], "invalid choice"),
    ],
)
def test_what_goes_wrong_is_said_in_a_sentence(tmp_path, capsys, arguments, told):
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit) if "rec" in told or "inv" in told else io.StringIO():
        assert command.main([part.replace("{}", str(tmp_path)) for part in arguments]) == 1
    assert told in capsys.readouterr().err


def test_chapters_are_found_where_they_were_installed(tmp_path, monkeypatch):
    placed = tmp_path / "share" / "cnnlib" / "notebooks" / "01_lenet.ipynb"
    file = type("File", (), {"name": "01_lenet.ipynb", "locate": lambda self: placed})()
    monkeypatch.setattr(copies, "__file__", str(tmp_path / "lib" / "cnnlib" / "course" / "copies.py"))
    monkeypatch.setattr(copies, "files", lambda name: [file])
    with pytest.raises(FileNotFoundError, match="has no chapters"):
        copies.find_chapters()
    placed.parent.mkdir(parents=True)
    placed.touch()
    assert copies.find_chapters() == placed.parent


def test_the_doctor_finds_what_keeps_a_slider_from_a_running_cell(tmp_path, monkeypatch):
    monkeypatch.setenv("JUPYTERLAB_SETTINGS_DIR", str(tmp_path))
    said = io.StringIO()
    assert doctor.examine(said) == 0, said.getvalue()
    assert "60,000 training pictures" in said.getvalue() and "TO DO" not in said.getvalue()
    plugin, _, name = doctor.SETTING.partition(":")
    place = tmp_path / plugin / f"{name}.jupyterlab-settings"
    place.parent.mkdir(parents=True)
    place.write_text(json.dumps({"commsOverSubshells": "disabled"}))
    monkeypatch.setattr(doctor, "version", lambda name: {"ipykernel": "6.17.1"}.get(name, "99.0"))
    said = io.StringIO()
    assert doctor.examine(said) == 2
    assert "ipykernel 6.17.1, and 7.1 is needed" in said.getvalue()
    assert "choose “One subshell per comm-target”" in said.getvalue()


@pytest.mark.parametrize(
    ("system", "chosen", "has_gpu", "reach", "expected", "told"),
    [
        ("Linux", "", False, True, "auto", "0.5 GB"),
        ("Linux", "", False, False, "", "cannot be reached"),
        ("Linux", "", True, True, "auto", "with CUDA"),
        ("Linux", "cu128", True, True, "cu128", "as UV_TORCH_BACKEND says"),
        ("Windows", "", False, True, "", "without CUDA"),
        ("Darwin", "", False, True, "", "0.5 GB"),
    ],
)
def test_the_build_of_pytorch_is_what_the_machine_can_use(system, chosen, has_gpu, reach, expected, told):
    backend, text = choose(system, chosen, has_gpu, lambda: reach)
    assert backend == expected and told in text


def test_jupyterlabs_setting_comes_with_the_package():
    files = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["data-files"]
    assert files["share/jupyter/lab/settings/overrides.d"] == ["docs/settings/cnnlib.json"]
    setting = json.loads((ROOT / "docs" / "settings" / "cnnlib.json").read_text(encoding="utf-8"))
    assert setting == {doctor.SETTING: {"commsOverSubshells": "perCommTarget"}}


# From the wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Build the wheel from a copy of what git would hand out, so that nothing is written beside the sources."""
    if not (ROOT / ".git").exists() or not shutil.which("git"):
        pytest.skip("this is no clone")
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    said = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in said.splitlines():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, source / name)
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", str(out), str(source)]
    subprocess.run(build, check=True)
    return next(out.glob("*.whl"))


@pytest.mark.thorough
def test_the_wheel_brings_chapters_data_and_what_writes_the_book(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    for path in (ROOT / "notebooks").rglob("[0-9a-z]*.ipynb"):
        if "checkpoints" not in str(path):
            assert any(name.endswith(f"share/cnnlib/{path.relative_to(ROOT).as_posix()}") for name in names), path
    for part in (
        "docs/book/book.py",
        "docs/book/conf.py",
        "docs/your_own.md",
        "docs/exercises.md",
        "docs/book/templates/search.html",
        "README.md",
    ):
        assert any(name.endswith(f"share/cnnlib/{part}") for name in names), part
    assert any(name.endswith("overrides.d/cnnlib.json") for name in names)
    assert any(name.startswith("cnnlib/datasets/data/") for name in names)
    assert wheel.stat().st_size < 60e6


@pytest.mark.thorough
def test_a_machine_without_make_opens_chapter_1_from_the_wheel(wheel, tmp_path):
    """In an environment of its own, made from the wheel with what it asks for; uv has most of it in its cache."""
    from lab import chromium, serving

    uv, place = [sys.executable, "-m", "uv"], tmp_path / "env"
    if subprocess.run([*uv, "--version"], capture_output=True).returncode:
        pytest.skip("uv is missing: python -m pip install uv")
    python = place / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    subprocess.run([*uv, "venv", "--quiet", "--python", sys.executable, place], check=True)
    wanted = f"cnnlib[lab] @ {wheel.as_uri()}"
    subprocess.run([*uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", python, wanted], check=True)
    program, home = python.with_name("cnnlib"), tmp_path / "home"
    home.mkdir()
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("JUPYTER", "PYTHONPATH", "CNNLIB"))}
    environment["HOME"] = str(home)
    said = subprocess.run([program, "doctor"], env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert said.returncode == 0, said.stdout + said.stderr
    with serving([program, "lab"], environment, home, cwd=tmp_path) as address, chromium() as page:
        page.goto(f"{address}/lab/tree/01_lenet.ipynb")
        page.wait_for_function("window.jupyterapp?.shell?.currentWidget?.sessionContext?.session?.kernel?.status === "
                               "'idle'", timeout=120_000)  # fmt: skip
        assert (tmp_path / command.FOLDER / "01_lenet.ipynb").exists()
        shown = page.evaluate("window.jupyterapp.shell.currentWidget.content.model.cells.length")
        assert shown > 50
