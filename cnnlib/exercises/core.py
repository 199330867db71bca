"""What an exercise is: a question that checks its answer, gives hints one at a time, and shows its solution.

An exercise is written as its solution, an ordinary function whose docstring holds the question and the hints;
`docs/exercises.md` shows how. Nothing is printed: what `check`, `hint` and `solution` return shows itself, in a
notebook as Markdown, elsewhere as plain text. After the example of Kaggle's learntools, without its global state. Where
a reader is, what came of it is noted in their own file, see `cnnlib.page.progress_file`; no verdict depends on it.
"""

import ast
import inspect
import re
import textwrap
from contextlib import contextmanager

import torch

from cnnlib.exercises.engine import Unanswered, Wrong, describe, is_blank
from cnnlib.page import progress_file
from cnnlib.page.announce import announced, has_reader
from cnnlib.page.escape import inert_markdown, markdown_text, printable

COLOURS = {True: "#1b6e2e", False: "#b00020", None: "#595959"}
BADGE = "color:#ffffff;padding:.1em .5em;border-radius:.3em"
TIERS = ("recall", "change one line", "build", "investigate")


class Note:
    """A heading and a text, both Markdown of ours, which show as Markdown or as plain text.

    `aside` is plain text that follows; it may hold what is not ours: a path, what the system says of a file.
    """

    def __init__(self, heading, text, aside=""):
        self.heading, self.text, self.aside = heading, text, aside

    def _markdown(self):
        return f"**{self.heading}** {self.text}".rstrip()

    def _repr_markdown_(self):
        return f"{announced(self._markdown())}\n\n{markdown_text(self.aside)}".rstrip()

    def __repr__(self):
        return printable(f"{self.heading} {self.text}".rstrip() + (f" {self.aside}" if self.aside else ""))


class Code:
    """A piece of Python, coloured where the page can do it."""

    def __init__(self, source):
        self.source = source

    def _repr_markdown_(self):
        return f"```python\n{self.source}\n```"

    def __repr__(self):
        return printable(self.source)


class Verdict(Note):
    """What came of a check: `passed` is True, False, or None where nothing is answered yet.

    The message quotes the answer: names, lines of code, texts of errors. `aside` is what there is to say about the
    reader's progress file: nothing, if all is well. On a live page `cnnlib.widgets` shows it with buttons.
    """

    def __init__(self, passed, message, aside=""):
        super().__init__({True: "✔ Right.", False: "✘ Not yet.", None: "○ Not answered yet."}[passed], message, aside)
        self.passed, self.message, self.exercise = passed, message, None

    def _markdown(self):
        heading = f"**{self.heading}**"
        if has_reader():  # white on a colour of its own, which reads on a light page and on a dark one
            heading = f'<span style="{BADGE};background:{COLOURS[self.passed]}">{heading}</span>'
        return f"{heading} {inert_markdown(self.text)}".rstrip()


class Exercise:
    """A question with its checker, hints and solution; shows the question when it ends a cell.

    Parameters
    ----------
    solve : callable
        The solution. For 'build' it is what the reader should write; for the other tiers its call returns the
        answer, for 'investigate' what the experiment measured. Its name is the exercise's name.
    tier : str
        'recall', 'change one line', 'build' or 'investigate'.
    check : callable
        `check(answer, solve)` raises Wrong or Unanswered, or returns a remark that goes with a right answer; see
        `cnnlib.exercises.engine`.
    question : str, optional
        Markdown; by default the docstring of `solve` up to its first line that begins with "Hint:".
    hints : sequence of str, optional
        At least two, from a nudge to nearly the answer; by default what follows each "Hint:" in the docstring.

    Raises
    ------
    ValueError
        If the tier has another name, or there are fewer than two hints.
    """

    def __init__(self, solve, tier, check, question=None, hints=None):
        if tier not in TIERS:
            raise ValueError(f"the tier must be one of {', '.join(map(repr, TIERS))}, got {tier!r}.")
        if question is None:
            question, *hints = parts_of(inspect.getdoc(solve) or "")
        if isinstance(hints, str) or len(hints) < 2:
            raise ValueError(f"an exercise needs at least two hints, got {hints!r}. Write a line `Hint: …` for each.")
        self.solve, self.tier, self.question, self.hints = solve, tier, question, tuple(hints)
        self.name, self.checker = solve.__name__, check
        self._hints_given = 0

    def check(self, answer=...):
        """Judge an answer. Whatever the answer is or does, nothing is raised.

        Parameters
        ----------
        answer : object
            What the question asks for; `...` or None stands for no answer.

        Returns
        -------
        Verdict
            Its `passed` is True, False or None. The global random numbers go on as if nothing had happened.
        """
        verdict = self._judge(answer)
        verdict.exercise = self
        if verdict.passed is not None:
            self._note_in(progress_file.judged, passed=verdict.passed)
            verdict.aside = progress_file.remark()
        return verdict

    def _judge(self, answer):
        gentle = "Put your answer in place of the `...` and run the cell again; `.hint()` gives a hint."
        try:
            if is_blank(answer):
                return Verdict(None, gentle)
            with torch.random.fork_rng(devices=[]), precise():
                torch.default_generator.manual_seed(0)  # the same verdict on every run
                return Verdict(True, self.checker(answer, self.solve) or "")
        except Unanswered:
            return Verdict(None, gentle)
        except Wrong as wrong:
            return Verdict(False, str(wrong))
        except (Exception, SystemExit) as error:
            return Verdict(
                False,
                f"Your answer, of type `{type(answer).__name__}`, could not be checked: {describe(error)} "
                "What kind of answer does the question ask for?",
            )

    @property
    def hints_left(self):
        return len(self.hints) - self._hints_given

    def hint(self):
        """Return the next hint; after the last one, a note that says so."""
        if self.hints_left == 0:
            return Note("There are no more hints.", "`.solution()` shows one way to solve it.")
        self._hints_given += 1
        self._note_in(progress_file.helped, hints=self._hints_given)
        return Note(f"Hint {self._hints_given} of {len(self.hints)}.", self.hints[self._hints_given - 1])

    def solution(self):
        """Return the source of the solution, the very code that the tests run."""
        self._note_in(progress_file.helped, solution=True)
        return Code(source_of(self.solve))

    def _note_in(self, note, **what):
        """Note something about this exercise in the reader's file, if it is one of the course's."""
        package, _, chapter = str(self.solve.__module__).rpartition(".")
        if package == __package__:
            note(chapter, self.name, self.tier, **what)

    def _note(self):
        return Note(f"Exercise `{self.name}` ({self.tier}).", self.question)

    def _repr_markdown_(self):
        return self._note()._repr_markdown_()

    def __repr__(self):
        return repr(self._note())


@contextmanager
def precise():
    """Let new tensors have at least single precision, in which rounding can be told from a mistake."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.promote_types(before, torch.float32))
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def exercise(tier, check, *, question=None, hints=None):
    """Return a decorator that turns a solution into its Exercise; the parameters are those of Exercise."""
    return lambda solve: Exercise(solve, tier, check, question, hints)


def parts_of(doc):
    """Return the question and the hints that a docstring holds, each paragraph on one line, lists and code as is."""
    parts = []
    for part in re.split(r"^Hint: ", doc, flags=re.MULTILINE):
        paragraphs = re.split(r"\n\n+(?!    )", part.strip())
        parts.append("\n\n".join(p if p.startswith(("- ", "```")) else " ".join(p.split()) for p in paragraphs))
    return parts


def source_of(solve):
    """Return the source of a function without its decorators and its docstring."""
    lines = textwrap.dedent(inspect.getsource(solve)).splitlines()
    tree = ast.parse("\n".join(lines)).body[0]
    if ast.get_docstring(tree) is not None:
        del lines[tree.body[0].lineno - 1 : tree.body[0].end_lineno]
    return "\n".join(lines[tree.lineno - 1 :]).rstrip()
