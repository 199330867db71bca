"""Open the playground in a browser: `make playground`.

Voilà can ask for a token, but opens its page without it. So this is Voilà with a page opened as JupyterLab does it: by
a file that only the reader can read, as whoever else works on this machine could read an address on a command line.
"""

import os
import tempfile
import threading
import webbrowser
from pathlib import Path

from voila.app import Voila


class Playground(Voila):
    """Voilà that asks for a token, made anew at each start, and opens its page with it."""

    def initialize(self, argv=None):
        """Read the settings; none of them, nor an option, can do without the token."""
        super().initialize(argv)
        self.token, self.auto_token = None, True

    def launch_browser(self):
        """Open the page where there is a browser; the address is in the terminal in any case."""
        handle, path = tempfile.mkstemp(suffix=".html")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(f'<!doctype html><meta http-equiv="refresh" content="0; url={self.display_url}">')
        threading.Thread(target=webbrowser.open, args=(Path(path).as_uri(),), daemon=True).start()


if __name__ == "__main__":
    Playground.launch_instance()
