"""The hub's settings: bound to this machine, closed without a password, shared out evenly, each student apart."""

import json
import os
import runpy
import stat
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("jupyterhub", reason="pip install -e .[hub]")
pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the hub's limits are Linux's")

from jupyterhub.authenticators.shared import SharedPasswordAuthenticator  # noqa: E402
from jupyterhub.spawner import SimpleLocalProcessSpawner  # noqa: E402
from traitlets.config import Config  # noqa: E402

HUB = Path(__file__).parents[1] / "hub"
GIB = 2**30


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Return a function that loads the configuration with some variables set, as an ordinary user or as root."""
    for name in [name for name in os.environ if name.startswith("CNNLIB_HUB_")]:
        monkeypatch.delenv(name)
    proxy = tmp_path / "bin" / "configurable-http-proxy"
    proxy.parent.mkdir()
    proxy.write_text("#!/bin/sh\n")
    proxy.chmod(0o755)
    monkeypatch.setenv("PATH", f"{proxy.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("CNNLIB_HUB_FOLDER", str(tmp_path / "class"))

    def run(root=False, password="long enough", **variables):
        monkeypatch.setattr(os, "geteuid", lambda: 0 if root else 1000)
        for name, value in {"PASSWORD": password, **variables}.items():
            monkeypatch.setenv(f"CNNLIB_HUB_{name}", value)
        config = Config()
        given = {"get_config": lambda: config}
        try:
            run.names = runpy.run_path(str(HUB / "jupyterhub_config.py"), given)
        except SystemExit as stop:
            if not (root and "cannot read" in str(stop)):  # these tests may well lie where others cannot read
                raise
            run.refused = str(stop)
        return config

    return run


@pytest.fixture
def config(load):
    return load(SEATS="2")


@pytest.mark.parametrize("password", ["", "short"])
def test_without_a_long_password_it_does_not_start(load, password):
    with pytest.raises(SystemExit, match="at least 8"):
        load(password=password)


def test_it_listens_on_this_machine_alone_unless_told(load):
    assert load().JupyterHub.bind_url == "http://127.0.0.1:8000"
    assert load(ADDRESS="10.0.0.7:80").JupyterHub.bind_url == "http://10.0.0.7:80"


def test_a_name_is_a_folder_and_nothing_else(config):
    door = SharedPasswordAuthenticator(config=config)
    names = ["anna", "Anna-B", "b2", "../anna", "a b", "ünal", "", "2b"]
    assert [door.validate_username(door.normalize_username(name)) for name in names] == [True] * 3 + [False] * 5


def test_root_makes_accounts_that_no_login_can_confuse_with_others(load):
    config = load(root=True)
    door = config.JupyterHub.authenticator_class(config=config)
    assert door.normalize_username("Root") == door.normalize_username("class-root") == "class-root"
    assert door.validate_username("class-root") and door.create_system_users
    assert "HOME_MODE=0700" in door.add_user_cmd
    assert config.JupyterHub.spawner_class in ("systemd", "localprocess")


def test_root_is_told_when_students_could_not_read_the_course(load, tmp_path):
    (tmp_path / "book").mkdir(mode=0o700)
    (tmp_path / "book" / "01.ipynb").touch()
    load(root=True, NOTEBOOKS=str(tmp_path / "book"))
    assert f"cannot read {tmp_path / 'book'}" in load.refused


def test_without_root_each_student_has_a_folder_of_their_own(load, tmp_path):
    config = load()
    template = SimpleLocalProcessSpawner(config=config).home_dir_template
    assert template.format(username="anna") == str(tmp_path / "class" / "students" / "anna")
    assert stat.S_IMODE((tmp_path / "class").stat().st_mode) == 0o700


@pytest.mark.parametrize("wish, cores, memory, expected", [
    ("", 16, 64, (28, 64 * 0.9 / 28, 1)),
    ("4", 16, 64, (4, 64 * 0.9 / 4, 4)),
    ("40", 16, 64, (40, 64 * 0.9 / 40, 1)),
    ("1", 1, 2, (1, 1.8, 1)),
])  # fmt: skip
def test_a_machine_is_shared_out_evenly(load, wish, cores, memory, expected):
    load()
    seats, data, threads = load.names["shares"](wish, cores, memory * GIB)
    assert (seats, data / GIB, threads) == (expected[0], pytest.approx(expected[1]), expected[2])
    assert seats * data <= 0.9 * memory * GIB


@pytest.mark.parametrize("wish, trouble", [("100", "hold 46 students"), ("0", "whole number"), ("many", "'many'")])
def test_more_students_than_it_holds_are_refused(load, wish, trouble):
    load()
    with pytest.raises(SystemExit, match=trouble):
        load.names["shares"](wish, 16, 64 * GIB)


def run_as_student(config, code, tmp_path):
    """Run a line of Python within the limits of a student; return what came of it."""
    command = config.Spawner.cmd[: config.Spawner.cmd.index("--") + 1] + [sys.executable, "-c", code]
    environment = os.environ | config.Spawner.environment | {"HOME": str(tmp_path)}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)


def test_memory_ends_at_the_students_share(config, tmp_path):
    config.Spawner.cmd = [f"--data={GIB}" if "--data" in part else part for part in config.Spawner.cmd]
    assert run_as_student(config, "bytearray(2**29)", tmp_path).returncode == 0
    refused = run_as_student(config, "bytearray(2**30)", tmp_path)
    assert refused.stderr.strip().endswith("MemoryError")


def test_threads_end_at_the_students_share(load, tmp_path):
    config = load(SEATS="2")
    for name in ("OMP_NUM_THREADS", "OMP_THREAD_LIMIT"):
        config.Spawner.environment[name] = "1"
    code = "import time, torch; torch.set_num_threads(8); A = torch.rand(900, 900); A @ A; "  # older ones start threads
    code += "before = time.process_time(), time.thread_time(); [A @ A for _ in range(9)]; "
    code += "print(time.process_time() - before[0], time.thread_time() - before[1])"
    whole, main = map(float, run_as_student(config, code, tmp_path).stdout.split())
    assert whole < 1.2 * main, "other threads computed as well"


def test_the_hub_answers_before_the_students_compute(config, tmp_path):
    assert int(run_as_student(config, "import os; print(os.nice(0))", tmp_path).stdout) >= min(os.nice(0) + 10, 19)


def test_seats_end_at_the_wish(config):
    assert config.JupyterHub.active_server_limit == 2


def test_a_student_takes_a_seat_that_nobody_else_reads(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    command = [sys.executable, str(HUB / "seat.py"), str(HUB.parent / "notebooks"), sys.executable, "-c"]
    environment = os.environ | {"HOME": str(home)}
    subprocess.run([*command, "open('mine', 'w')"], cwd=home, env=environment, check=True, timeout=60)
    assert stat.S_IMODE((home / "notebooks").stat().st_mode) == 0o700
    assert stat.S_IMODE((home / "mine").stat().st_mode) == 0o600
    assert (home / "notebooks" / "01_lenet.ipynb").stat().st_mode & stat.S_IWUSR


def test_the_students_settings_are_where_jupyter_looks(config):
    folder = Path(config.Spawner.environment["JUPYTER_CONFIG_PATH"])
    settings = json.loads((folder / "jupyter_server_config.json").read_text())
    assert settings["MappingKernelManager"]["cull_idle_timeout"] > 0
    assert json.loads((folder / "labconfig" / "default_setting_overrides.json").read_text())
