"""What an exercise is: a question that checks its answer, gives hints one at a time, and shows its solution.

An exercise is written as its solution, an ordinary function, under a decorator that holds the rest:

>>> @exercise("recall", question="What is 2 + 2?", hints=("Count.", "Use your fingers."), check=number())
... def two_and_two():
...     return 2 + 2

Then `two_and_two.check(...)`, `two_and_two.hint()` and `two_and_two.solution()` are what a reader calls.
Nothing is printed: what they return shows itself, in a notebook as Markdown, elsewhere as plain text.
After the example of Kaggle's learntools, without its global state. Where a reader is, what came of it is noted in their
own file, see `cnnlib.page.progress_file`; no verdict depends on what is in there.
"""

import functools
import inspect
import re

import torch

from cnnlib.page import progress_file
from cnnlib.page.announce import announced
from cnnlib.page.escape import inert_markdown, markdown_text

TIERS = ("recall", "change one line", "build")


class Wrong(Exception):
    """Raised by a checker. Its text says what is wrong with the answer and asks a question that leads on."""


class Unanswered(Exception):
    """Raised by a checker that finds a stub where an answer should be."""


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
        return f"{self.heading} {self.text}".rstrip() + (f" {self.aside}" if self.aside else "")


class Code:
    """A piece of Python, coloured where the page can do it."""

    def __init__(self, source):
        self.source = source

    def _repr_markdown_(self):
        return f"```python\n{self.source}\n```"

    def __repr__(self):
        return self.source


class Verdict(Note):
    """What came of a check: `passed` is True, False, or None where nothing is answered yet.

    The message quotes the answer: names, lines of code, texts of errors. `aside` is what there is to say about the
    reader's progress file: nothing, if all is well.
    """

    def __init__(self, passed, message, aside=""):
        super().__init__({True: "✔ Right.", False: "✘ Not yet.", None: "○ Not answered yet."}[passed], message, aside)
        self.passed, self.message = passed, message

    def _markdown(self):
        return f"**{self.heading}** {inert_markdown(self.text)}".rstrip()


class Exercise:
    """A question with its checker, hints and solution; shows the question when it ends a cell.

    Parameters
    ----------
    solve : callable
        The solution. For 'build' it is what the reader should write; for the other tiers its call returns the
        answer. Its name is the exercise's name.
    tier : str
        'recall', 'change one line' or 'build'.
    question : str
        Markdown.
    hints : sequence of str
        At least two, from a nudge to nearly the answer.
    check : callable
        `check(answer, solve)` raises Wrong or Unanswered, or returns a remark that goes with a right answer.

    Raises
    ------
    ValueError
        If the tier has another name, or there are fewer than two hints.
    """

    def __init__(self, solve, tier, question, hints, check):
        if tier not in TIERS:
            raise ValueError(f"the tier must be one of {', '.join(map(repr, TIERS))}, got {tier!r}.")
        if isinstance(hints, str) or len(hints) < 2:
            raise ValueError(f"an exercise needs at least two hints in a tuple, got {hints!r}.")
        self.solve, self.tier, self.question, self.hints = solve, tier, question, tuple(hints)
        self.name = solve.__name__
        self._checker = check
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
        if verdict.passed is not None:
            self._note_in(progress_file.judged, passed=verdict.passed)
            verdict.aside = progress_file.remark()
        return verdict

    def _judge(self, answer):
        gentle = "Put your answer in place of the `...` and run the cell again; `.hint()` gives a hint."
        if is_blank(answer):
            return Verdict(None, gentle)
        try:
            with torch.random.fork_rng(devices=[]):
                torch.default_generator.manual_seed(0)  # the same verdict on every run
                return Verdict(True, self._checker(answer, self.solve) or "")
        except Unanswered:
            return Verdict(None, gentle)
        except Wrong as wrong:
            return Verdict(False, str(wrong))
        except Exception as error:
            return Verdict(
                False,
                f"Your answer, of type `{type(answer).__name__}`, could not be checked: {describe(error)} "
                "What kind of answer does the question ask for?",
            )

    def hint(self):
        """Return the next hint; after the last one, a note that says so."""
        if self._hints_given == len(self.hints):
            return Note("There are no more hints.", "`.solution()` shows one way to solve it.")
        self._hints_given += 1
        self._note_in(progress_file.helped, hints=self._hints_given)
        return Note(f"Hint {self._hints_given} of {len(self.hints)}.", self.hints[self._hints_given - 1])

    def solution(self):
        """Return the source of the solution, the very code that the tests run."""
        self._note_in(progress_file.helped, solution=True)
        source = inspect.getsource(self.solve)
        return Code(source[re.search(r"^def ", source, re.MULTILINE).start() :].rstrip())

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


def exercise(tier, *, question, hints, check):
    """Return a decorator that turns a solution into its Exercise; the parameters are those of Exercise."""
    return functools.partial(Exercise, tier=tier, question=question, hints=hints, check=check)


def is_blank(answer):
    """Tell whether an answer, or a part of it, is still `...` or None."""
    if isinstance(answer, tuple | list):
        return any(part is None or part is ... for part in answer)
    return answer is None or answer is ...


def describe(error):
    """Name an error in one line of Markdown: its class and the first line of its text."""
    lines = str(error).strip().splitlines()
    return f"`{type(error).__name__}: {lines[0]}`." if lines else f"`{type(error).__name__}`."
