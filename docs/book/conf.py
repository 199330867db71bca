"""Sphinx's settings for the book: `make book`. The pages are prepared by book.py, so that nothing needs a network."""

project = "cnnlib: classic convolutional networks, live"
author = "the authors of cnnlib"
language = "en"

extensions = ["myst_nb"]
nb_execution_mode = "off"  # the stored outputs are shown
myst_heading_anchors = 3
suppress_warnings = ["misc.highlighting_failure"]

html_theme = "furo"
html_title = "cnnlib"
html_static_path = ["book.css"]
html_css_files = ["book.css"]
html_show_copyright = html_show_sphinx = html_copy_source = html_show_sourcelink = False
html_show_search_summary = False  # it would fetch pages, which a browser does not do for files
html_domain_indices = html_use_index = False
html_scaled_image_link = False
