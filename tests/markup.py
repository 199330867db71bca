"""What a page is made of, told from the words that it shows."""

from html.parser import HTMLParser

TEXTS = ("aria-label", "title", "alt")
RISKY = ("src", "href", "style", "class", "id", "role", "data", "srcdoc", "action", "target", "download")


class Structure(HTMLParser):
    """What a page is made of: its elements with their attributes, and its words."""

    def __init__(self, page):
        super().__init__()
        self.parts, self.words = [], []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attributes):
        """Note an element with its attributes; sizes may follow from the text, and it may end a piece of `code`."""
        if tag != "code" or attributes:
            self.parts.append((tag, *[(name, value if name in RISKY else "") for name, value in sorted(attributes)]))
        self.words += [value for name, value in attributes if name in TEXTS]

    def handle_data(self, data):
        """Note words."""
        self.words.append(data)

    def handle_comment(self, data):
        """Note a comment."""
        self.parts.append("comment")

    handle_decl = handle_pi = unknown_decl = handle_comment
