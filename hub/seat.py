"""Take a seat: runs as the student, within the student's limits, before their server starts.

    python seat.py FOLDER_WITH_NOTEBOOKS COMMAND …

The first time the student finds a copy of the notebooks. What they changed stays as it is; a notebook that they deleted
or renamed comes back fresh at the next start, and one that has changed in the course since lies beside theirs.
"""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "cnnlib" / "course"))  # without the library and PyTorch

from copies import copy_chapters  # noqa: E402

if __name__ == "__main__":
    os.umask(0o077)  # nobody else reads what the student writes
    copy_chapters(Path(sys.argv[1]), Path.home() / "notebooks")
    os.execv(sys.argv[2], sys.argv[2:])
