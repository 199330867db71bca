"""A small table for notebooks, GitHub and terminals."""

from dataclasses import dataclass

from cnnlib.page.escape import markdown_text, printable


@dataclass(frozen=True)
class Table:
    """Rows of plain text under a head. The first `left` columns are aligned left, the others right."""

    head: list
    rows: list
    left: int = 1

    def _repr_markdown_(self):
        rule = ["---" if i < self.left else "--:" for i in range(len(self.head))]
        head, *rows = [list(map(markdown_text, row)) for row in [self.head, *self.rows]]
        return "\n".join("| " + " | ".join(row) + " |" for row in [head, rule, *rows])

    def __repr__(self):
        table = [self.head, *self.rows]
        widths = [max(len(row[i]) for row in table) for i in range(len(self.head))]
        lines = []
        for row in table:
            cells = [
                c.ljust(w) if i < self.left else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))
            ]
            lines.append("  ".join(cells).rstrip())
        return printable("\n".join(lines))
