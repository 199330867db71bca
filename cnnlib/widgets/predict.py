"""Predict, then run: the reader commits a guess, the experiment answers, both are shown together.

Nothing waits for the guess. Where nobody is there to make one, the question stays on the page as text. Where a reader
is, the first guess that meets its outcome is noted in their own file, see `cnnlib.page.progress_file`.
"""

import ipywidgets

from cnnlib.page import progress_file
from cnnlib.page.announce import announced
from cnnlib.page.escape import html_text, inert_markdown, markdown_text, printable
from cnnlib.page.frontend import kernel
from cnnlib.validation import List, Number, Pair, Text, arguments, in_words
from cnnlib.widgets.display import widget_bundle
from cnnlib.widgets.page_script import SPOKEN
from cnnlib.widgets.subshells import answer_in_subshell


@arguments(question=Text(), options=List())
def guess(question, options):
    """Ask the reader for a prediction.

    Parameters
    ----------
    question : str
    options : list of str, or (low, high)
        Answers to choose from, or the ends of a scale.

    Returns
    -------
    Guess
        Shows the question; `reveal(outcome)` shows what came of it.

    Raises
    ------
    TypeError, ValueError
        If there are fewer than two options, two are alike, or they are neither texts nor the ends of a scale.
    """
    if len(options) < 2:
        raise ValueError(f"a guess needs at least two options, or the two ends of a scale, got {options!r}.")
    if not isinstance(options[0], str):
        low, high = Pair()(options, "the ends of a scale")
        if low == high:
            raise ValueError(f"the ends of a scale must differ, got {in_words(options)}.")
    elif len(set(List(str)(options, "options"))) < len(options):
        raise ValueError(f"the options must differ, got {in_words(options)}.")
    return Guess(question, options)


class Guess:
    """A question with the reader's answer to it; `answer` is None until there is one."""

    def __init__(self, question, options):
        self.question, self.options = question, options
        self.scale = not isinstance(options[0], str)
        self.answer = None
        self._widget = None

    def _build(self):
        if self.scale:
            low, high = map(float, self.options)
            control = ipywidgets.FloatSlider(
                min=low, max=high, value=(low + high) / 2, step=(high - low) / 100, description="your guess",
                continuous_update=False, style={"description_width": "initial"}, layout={"width": "28em"},
            )  # fmt: skip
        else:
            control = ipywidgets.RadioButtons(
                options=self.options, value=None, description="your guess", layout={"width": "max-content"},
                style={"description_width": "initial"},
            )  # fmt: skip
        control.observe(self._set, "value")
        text = ipywidgets.HTML(f"<b>Predict first.</b> {html_text(self.question)}")
        self._note = ipywidgets.HTML("<i>No guess yet.</i>")
        self._note.add_class(SPOKEN)
        self._widget = ipywidgets.VBox([text, control, self._note])
        self._widget.add_class("cnnlib-guess")
        answer_in_subshell(self._widget)  # so that a guess is noted while the cells below already run

    def _set(self, change):
        self.answer = change["new"]
        if self.answer is None:
            return
        progress_file.guessed(self.question, float(self.answer) if self.scale else self.answer)
        said = f"{self.answer:.3g}" if self.scale else f"“{self.answer}”"
        text = f"Noted: {said}. Now run the experiment below. {progress_file.remark()}"
        self._note.value = f"<i>{html_text(text.rstrip())}</i>"

    @arguments(because=Text())
    def reveal(self, outcome, because=""):
        """Show the guess and the outcome together.

        Parameters
        ----------
        outcome : str or float
            One of the options, or a number on the scale.
        because : str
            A sentence that goes with the outcome.

        Raises
        ------
        TypeError, ValueError
            If the outcome is none of the options, or no number on a scale.
        """
        if self.scale:
            Number()(outcome, "the outcome")
        if not self.scale and outcome not in self.options:
            raise ValueError(f"the outcome must be one of the options {list(self.options)}, got {outcome!r}.")
        shown = Reveal(self, outcome, because)
        if shown.right is not None:
            both = (self.answer, outcome)
            answer, outcome = map(float, both) if self.scale else both
            progress_file.revealed(self.question, answer, outcome, float(shown.right) if self.scale else shown.right)
        return shown

    def _markdown(self):
        answers = f"{self.options[0]} … {self.options[1]}" if self.scale else " / ".join(self.options)
        return f"**Predict first.** {markdown_text(self.question)}\n\n*{markdown_text(answers)}*"

    def _repr_mimebundle_(self, include=None, exclude=None):
        static = {"text/markdown": self._markdown(), "text/plain": repr(self)}
        if kernel() is None:
            return static
        if self._widget is None:
            self._build()
        return widget_bundle(self._widget, static)

    def __repr__(self):
        return printable(f"Predict first: {self.question}")


class Reveal:
    """A guess beside its outcome."""

    def __init__(self, guess, outcome, because):
        self.guess, self.outcome, self.because = guess, outcome, because

    @property
    def right(self):
        """True or False for a choice, how far off for a scale, None without a guess."""
        if self.guess.answer is None:
            return None
        return abs(self.guess.answer - self.outcome) if self.guess.scale else self.guess.answer == self.outcome

    def _line(self):
        outcome = f"{self.outcome:.3g}" if self.guess.scale else self.outcome
        if self.right is None:
            verdict = "You made no guess."
        elif self.guess.scale:
            verdict = f"You guessed {self.guess.answer:.3g}, off by {self.right:.2g}."
        else:
            verdict = f"You guessed “{self.guess.answer}”: " + ("right." if self.right else "not this time.")
        return verdict, outcome

    def _repr_markdown_(self):
        verdict, outcome = map(markdown_text, self._line())
        because = inert_markdown(self.because)
        return announced(f"{verdict} The experiment says: **{outcome}**. {because}".strip())

    def __repr__(self):
        verdict, outcome = self._line()
        return printable(f"{verdict} The experiment says: {outcome}. {self.because}".strip())
