"""Look up known vulnerabilities of everything that is installed here: `make audit`, or `python tools/audit.py`.

pip-audit asks for each package by name and version. Where it gets no answer, it reports success, but for what it had
to skip; so here a package that could not be looked up counts as a fault, too. The course itself needs nothing of this.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

OURS = "cnnlib"  # which no list knows
SERVICES = ("pypi", "osv")  # both are asked for what the first does not know
FOUND, UNKNOWN = 1, 2  # what the program ends with


def ask(service):
    """Ask a service; return what it knows: name → (version, list of vulnerabilities), None where it did not answer."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "found.json")
        options = ["--local", "--skip-editable", "--progress-spinner=off", "--format=json", f"--output={file}"]
        command = [sys.executable, "-m", "pip_audit", f"--vulnerability-service={service}", *options]
        said = subprocess.run(command, capture_output=True, text=True)
        if not file.exists():
            if "No module named pip_audit" in said.stderr:
                sys.exit("pip-audit is missing. Install it: python -m pip install pip-audit")
            return {}
        known = json.loads(file.read_text(encoding="utf-8"))["dependencies"]
    return {one["name"]: (one.get("version", "?"), one.get("vulns")) for one in known if one["name"] != OURS}


def judge(answers):
    """Return (exit code, lines to print) for the answers of the services, one dict each."""
    known, names = {}, {name for answer in answers for name in answer}
    for answer in answers:
        for name, (version, vulns) in answer.items():
            if vulns is not None and name not in known:
                known[name] = (version, vulns)
    lines = []
    for name, (version, vulns) in sorted(known.items()):
        for one in vulns:
            fixed = ", ".join(one.get("fix_versions", ())) or "no version yet"
            lines.append(f"{name} {version}: {one['id']}, fixed in {fixed}")
    if not known:
        return UNKNOWN, [
            "Nothing could be looked up: this machine does not reach the lists of known vulnerabilities. "
            "Run `make audit` where there is a network."
        ]
    missing = sorted(names - set(known))
    if missing:
        lines.append(f"Not looked up: {', '.join(missing)}. No list answered for these.")
    lines.append(
        f"{len(known)} packages were looked up, {sum(bool(vulns) for _, vulns in known.values())} are vulnerable."
    )
    return FOUND if any(vulns for _, vulns in known.values()) else UNKNOWN if missing else 0, lines


def main():
    """Ask, print, and end with 0 (all is well), 1 (something is vulnerable) or 2 (not everything is known)."""
    answers = []
    for service in SERVICES:
        answers.append(ask(service))
        if answers[-1] and all(vulns is not None for _, vulns in answers[-1].values()):
            break
    code, lines = judge(answers)
    print("\n".join(lines))
    return code


if __name__ == "__main__":
    sys.exit(main())
