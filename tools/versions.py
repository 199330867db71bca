"""Run the tests with other versions of what the course needs: `make versions`, or `python tools/versions.py [SET …]`.

Each set gets an environment of its own under build/versions/, made by uv, which unpacks a package once and links it
into every environment that needs it; an environment that is there is used again. Arguments after `--` go to pytest:

    python tools/versions.py oldest -- tests/test_training.py -x
    python tools/versions.py --notebooks          # all sets, and every chapter too
    python tools/versions.py --exact newest       # in the first place, make its environment anew
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "build" / "versions"
SHOWN = ("torch", "torchvision", "matplotlib", "jupyterlab", "ipykernel", "ipywidgets")


@dataclass(frozen=True)
class Versions:
    """One set: its Python, what uv is told beside the extra `test`, and why it is of interest."""

    python: str
    options: tuple
    why: str


SETS = {
    "oldest": Versions("3.11", ("--resolution=lowest-direct",), "the lower bounds of pyproject.toml"),
    "kernel": Versions("3.12", ("ipykernel==7.3.*",), "the last kernel that needs no routing, the rest newest"),
    "newest": Versions("3.13", (), "the newest of everything, which need routing"),
    "coming": Versions("3.13", ("--prerelease=allow", "jupyterlab>=4.6.0a0"), "what is about to be published"),
}
USUAL = ("oldest", "kernel", "newest")


def find_python(version):
    """Return the path of a Python of this version, or None; what pyenv has is looked through as well."""
    places = [shutil.which(f"python{version}"), *Path.home().glob(f".pyenv/versions/{version}.*/bin/python")]
    places += [sys.executable, shutil.which("python3")]
    for place in filter(None, places):
        asked = subprocess.run(
            [place, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"], capture_output=True, text=True
        )
        if asked.stdout.strip() == version:
            return str(place)
    return None


def uv(*arguments):
    """Run uv, of this environment or of the path; return its exit code."""
    here = [sys.executable, "-m", "uv"]
    if subprocess.run([*here, "--version"], capture_output=True).returncode:
        if not shutil.which("uv"):
            sys.exit("uv is missing. Install it: python -m pip install uv")
        here = ["uv"]
    return subprocess.run([*here, *arguments], cwd=ROOT).returncode


def python_of(folder):
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def make(name, anew=False):
    """Make the environment of a set, unless it is there; return its Python, or a sentence why there is none."""
    versions, folder = SETS[name], FOLDER / name
    if anew:
        shutil.rmtree(folder, ignore_errors=True)
    if (folder / "whole").exists():
        return python_of(folder)
    python = find_python(versions.python)
    if python is None:
        return f"there is no Python {versions.python} on this machine"
    if uv("venv", "--quiet", "--clear", "--python", python, str(folder)):
        return "the environment could not be made"
    if uv("pip", "install", "--quiet", "--python", str(python_of(folder)), *versions.options, "-e", ".[test]"):
        return "its packages could not be installed"
    (folder / "whole").touch()
    return python_of(folder)


def versions_of(python):
    """Return the versions of Python and of what matters most, as one line."""
    ask = f"import sys; from importlib.metadata import version as v; print(sys.version.split()[0], *map(v, {SHOWN!r}))"
    said = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=True).stdout.split()
    return ", ".join(f"{name} {version.split('+')[0]}" for name, version in zip(("Python", *SHOWN), said, strict=True))


def run(python, arguments):
    """Run pytest in an environment; return its closing line."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [python, "-m", "pytest", "-p", "no:cacheprovider", *arguments]
    last = ""
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            print(line, end="", flush=True)
            last = line.strip(" =\n") or last
    return last if re.search(r"\d (passed|failed|error)", last) else f"pytest ended with {process.returncode}"


def main():
    """Make the environments, run the tests, print the table; return how many sets failed."""
    end = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    own, given = sys.argv[1:end], sys.argv[end + 1 :]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*", metavar="SET", help=f"{', '.join(SETS)}; {', '.join(USUAL)} if left out")
    parser.add_argument("--notebooks", action="store_true", help="run the chapters as well")
    parser.add_argument("--exact", action="store_true", help="make the environments anew")
    options = parser.parse_args(own)
    for name in options.sets:
        if name not in SETS:
            parser.error(f"there is no set {name!r}, only {', '.join(SETS)}")
    tests = given or ["-q", "tests"]
    if options.notebooks:
        tests += ["--nbval", "--nbval-current-env", "--nbval-cell-timeout=900", "notebooks"]
    rows = []
    for name in options.sets or USUAL:
        python = make(name, options.exact)
        if isinstance(python, str):
            rows.append((name, SETS[name].why, python))
            continue
        rows.append((name, versions_of(python), run(python, tests)))
    print()
    for row in rows:
        print(" | ".join(("", *row, "")).strip())
    return sum(bool(re.search("failed|error|no Python|could not|ended with", result)) for *_, result in rows)


if __name__ == "__main__":
    sys.exit(main())
