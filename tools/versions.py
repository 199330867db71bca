"""Run the tests with other versions of what the course needs: `make versions`, or `python tools/versions.py [SET …]`.

Each set gets an environment of its own under build/versions/, made by uv, which unpacks a package once and links it
into every environment that needs it; an environment that is there is used again. Arguments after `--` go to pytest:

    python tools/versions.py oldest -- tests/test_training.py -x
    python tools/versions.py colab                # chapters, a slider and a panel with what Colab has
    python tools/versions.py --notebooks          # all sets, and every chapter too
    python tools/versions.py --exact newest       # make its environment anew first
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "build" / "versions"
SHOWN = ("torch", "torchvision", "matplotlib", "ipykernel", "ipywidgets")
SETS = {  # Python, what uv is told beside the extra `test`, and why it is of interest
    "oldest": ("3.11", ["--resolution=lowest-direct"], "the lower bounds of pyproject.toml"),
    "kernel": ("3.12", ["ipykernel==7.3.*"], "the last kernel that needs no routing, the rest newest"),
    "newest": ("3.13", [], "the newest of everything, which need routing"),
    "coming": ("3.13", ["--prerelease=allow", "jupyterlab>=4.6.0a0"], "what is about to be published"),
}
HOSTED = {  # what hosted kernels fix, as they publish it, and what the tests of tests/test_hosted.py need beside it
    "colab": ["torch==2.11.*", "torchvision==0.26.*", "ipykernel==6.17.1", "ipywidgets==7.7.1", "ipython==7.34.0",
              "jupyter_client==7.4.9", "notebook==6.5.7", "anywidget==0.9.21"],
    "kaggle": ["torch==2.10.*", "torchvision==0.25.*", "ipykernel==6.17.1", "ipywidgets==8.1.5", "ipython==7.34.0",
               "jupyter_client==7.4.9", "notebook==6.5.7", "anywidget==0.9.21"],
}  # fmt: skip
DRIVERS = [
    "-e",
    ".",
    "pytest>=8.3",
    "nbclient",
    "nbformat",
    "playwright>=1.50",
    "setuptools<81",
]  # notebook 6: pkg_resources
SETS |= {
    name: ("3.13", [*versions, *DRIVERS], f"what {name.title()} publishes: ipykernel 6")
    for name, versions in HOSTED.items()
}
USUAL = ("oldest", "kernel", "newest", *HOSTED)
NOTEBOOKS = ["--nbval", "--nbval-current-env", "--nbval-cell-timeout=900", "--nbval-sanitize-with=tests/nbval.cfg"]
CLOSING = r"\d (passed|failed|error)"  # of pytest's last line


def find_python(version):
    """Return the path of a Python of this version, or None; what pyenv has is looked through as well."""
    places = [shutil.which(f"python{version}"), *Path.home().glob(f".pyenv/versions/{version}.*/bin/python")]
    ask = ["-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    for place in filter(None, [*places, sys.executable, shutil.which("python3")]):
        if subprocess.run([place, *ask], capture_output=True, text=True).stdout.strip() == version:
            return str(place)
    return None


def make(name, anew=False):
    """Make the environment of a set, unless it is there; return its Python, or a sentence why there is none."""
    (version, options, _), folder = SETS[name], FOLDER / name
    inside = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if anew:
        shutil.rmtree(folder, ignore_errors=True)
    if (folder / "whole").exists():
        return inside
    python = find_python(version)
    if python is None:
        return f"there is no Python {version} on this machine"
    own = subprocess.run([sys.executable, "-m", "uv", "--version"], capture_output=True).returncode == 0
    uv = [sys.executable, "-m", "uv"] if own else ["uv"]
    wanted = [] if name in HOSTED else ["-e", ".[test]"]
    install = ["pip", "install", "--quiet", "--compile-bytecode", "--python", inside, *options, *wanted]
    try:
        for command in (["venv", "--quiet", "--clear", "--python", python, folder], install):
            subprocess.run([*uv, *command], cwd=ROOT, check=True)
    except FileNotFoundError:
        return "uv is missing. Install it: python -m pip install uv"
    except subprocess.CalledProcessError:
        return "the environment could not be made"
    (folder / "whole").touch()
    return inside


def versions_of(python):
    """Return the versions of Python and of what matters most, as one line."""
    ask = f"import sys; from importlib.metadata import version as v; print(sys.version.split()[0], *map(v, {SHOWN!r}))"
    said = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=True).stdout.split()
    return ", ".join(f"{name} {version.split('+')[0]}" for name, version in zip(("Python", *SHOWN), said, strict=True))


def run(python, arguments):
    """Run pytest in an environment; return its closing line."""
    environment, last = os.environ | {"OMP_NUM_THREADS": "1"}, ""
    command = [python, "-m", "pytest", "-p", "no:cacheprovider", *arguments]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            print(line, end="", flush=True)
            last = line.strip(" =\n") or last
    return last if re.search(CLOSING, last) else f"pytest ended with {process.returncode}"


def main():
    """Make the environments, run the tests, print the table; return how many sets failed."""
    end = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    own, given = sys.argv[1:end], sys.argv[end + 1 :]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*", metavar="SET", help=f"{', '.join(SETS)}; {', '.join(USUAL)} if left out")
    parser.add_argument("--notebooks", action="store_true", help="run the chapters as well")
    parser.add_argument("--exact", action="store_true", help="make the environments anew")
    options = parser.parse_args(own)
    if unknown := set(options.sets) - set(SETS):
        parser.error(f"there is no set {', '.join(sorted(unknown))}, only {', '.join(SETS)}")
    failed = 0
    for name in options.sets or USUAL:
        python = make(name, options.exact)
        tests = (given or ["-q", "tests"]) + [*NOTEBOOKS, "notebooks"] * options.notebooks
        if name in HOSTED:
            tests = ["-q", "-m", "", *(given or ["tests/test_hosted.py"])]
        result = python if isinstance(python, str) else run(python, tests)
        about = SETS[name][2] if isinstance(python, str) else versions_of(python)
        failed += not re.search(r"\d passed", result) or bool(re.search("failed|error", result))
        print(f"\n| {name} | {about} | {result} |\n")
    return failed


if __name__ == "__main__":
    sys.exit(main())
