"""Sphinx's settings for the book: `make book`. The pages are prepared by book.py, so that nothing needs a network."""

project = "cnnlib: classic convolutional networks, live"
author = "the authors of cnnlib"
language = "en"

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
default_role = "code"  # of docstrings: a name between two accents is code
autodoc_typehints = "none"
autodoc_preserve_defaults = True  # as the source has them: `optimizer=torch.optim.SGD`
napoleon_use_ivar = True  # attributes stand once
nb_execution_mode = "off"  # the stored outputs are shown
nb_render_markdown_format = "gfm"  # as JupyterLab and GitHub render outputs; CommonMark has no tables
smartquotes = False  # it would turn the ... of code that stands between HTML's own tags into one letter
myst_heading_anchors = 3
myst_enable_extensions = ["strikethrough"]  # as in JupyterLab
suppress_warnings = ["misc.highlighting_failure", "myst.strikethrough"]  # the latter: HTML alone has it

html_theme = "furo"
html_title = "cnnlib"
templates_path = ["templates"]
html_static_path = ["book.css", "search.js", "recorded.js"]
html_css_files = ["book.css"]
html_js_files = [("recorded.js", {"defer": "defer"})]
html_show_copyright = html_show_sphinx = html_copy_source = html_show_sourcelink = False
html_domain_indices = html_use_index = False
html_scaled_image_link = False


def setup(app):
    """Leave out of signatures what a dataclass fills in by itself: it would read as HTML."""
    app.connect("autodoc-process-signature", lambda *call: (call[5] and call[5].replace("=<factory>", ""), call[6]))
