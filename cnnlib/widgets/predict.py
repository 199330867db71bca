"""Predict, then run: the reader commits a guess, the experiment answers, and a card shows both together.

Nothing waits for the guess. A card without one stays open, and the result stays folded behind "Show the answer"; it is
HTML and CSS, so that it works on a page without a kernel as well. Where a reader is, the first guess that meets its
outcome is noted in their own file, see `cnnlib.page.progress_file`.
"""

import math
from numbers import Real

import ipywidgets

from cnnlib.page import progress_file
from cnnlib.page.escape import printable
from cnnlib.validation import Callable, Choice, Dict, List, Number, Pair, Text, arguments, in_words
from cnnlib.widgets.answering import answer_in_subshell
from cnnlib.widgets.display import Explorer
from cnnlib.widgets.guess_card import MOST, GuessCard, card_html, options_html, result_html, scale_html, static_card


@arguments(question=Text(), form=Text())
def guess(question, options, form="{:.3g}"):
    """Ask the reader for a prediction.

    Parameters
    ----------
    question : str
    options : list of str, dict, or (low, high)
        Answers to choose from, or the ends of a scale. A dict says which measurement makes an answer the right one:
        `{"at once": lambda loss: loss < 1, …}`, the first whose function returns true, or `{"about 60 %": 60, …}`, the
        one that comes nearest.
    form : str
        How a measured number is written: "{:.0f} %".

    Returns
    -------
    Guess
        Shows the question; `reveal(measured)` shows what came of it.

    Raises
    ------
    TypeError, ValueError
        If there are fewer than two options, two are alike, or they are neither texts nor numbers.
    """
    return Guess(question, options, form)


class Guess(Explorer):
    """A question with the reader's answer to it; `answer` is None until there is one."""

    def __init__(self, question, options, form):
        form.format(0.5)  # fails here, not after the experiment
        self.question, self.form = question, form
        named = isinstance(options, dict) or isinstance(List()(options, "options")[0], str)
        self.scale = None if named else Pair()(options, "the ends of a scale")
        if self.scale and self.scale[0] == self.scale[1]:
            raise ValueError(f"the ends of a scale must differ, got {in_words(options)}.")
        self.options = {} if self.scale else _rules(options)
        self.answer, self._cards = None, []

    @arguments(because=Text(), pick=Callable("It is max or min."))
    def reveal(self, measured, because="", pick=max):
        """Show the guess and what was measured together.

        Parameters
        ----------
        measured : number, dict of str to number, or an option
            What the experiment found; None stands for a number that was never reached. A dict is drawn as bars. Where
            the options are a list, its names are the options, and `pick` says which of them is the answer.
        because : str
            A sentence that goes with the outcome.
        pick : callable
            `max` or `min`.

        Raises
        ------
        TypeError, ValueError
            If the measurement is none of the options, or no number on a scale.
        """
        shown = Reveal(self, measured, because, pick)
        self._cards.append(shown)
        shown.note()
        return shown

    def words(self, value):
        """Return the words for an answer or a measured number."""
        return "never" if value is None else self.form.format(value) if isinstance(value, Real) else str(value)

    def value(self, option):
        """Return the number that an answer stands for, or None."""
        rule = option if self.scale else self.options.get(option)
        return rule if isinstance(rule, Real) else None

    def card(self, result=None, live=True):
        """Return the card as HTML, with a folded result if there is one."""
        options = options_html(self.question, self.options)
        return card_html(self.question, scale_html(*self.scale, self._ends(), live) if self.scale else options, result)

    def _ends(self):
        return " … ".join(map(self.words, self.scale))

    def static(self, html):
        """Return a card for a page without a kernel."""
        return static_card(html, self.question, len(self.options))

    def live(self, html):
        """Return a card as a widget whose answer becomes that of the guess."""
        card = GuessCard(html=html)
        card.observe(lambda change: self._set(change["new"]), "chosen")
        self._cards.append(card)
        self._show(card)
        box = ipywidgets.VBox([card])
        box.add_class("cnnlib-guess")
        answer_in_subshell(box)  # so that a guess is noted while the cells below already run
        return box

    def _set(self, chosen):
        """Take what a page says was chosen: the number of an option, or a number on the scale."""
        if type(chosen) not in (int, float) or not math.isfinite(chosen):
            return
        if self.scale:
            answer = min(max(float(chosen), self.scale[0]), self.scale[1])
        elif chosen in range(len(self.options)):
            answer = list(self.options)[int(chosen)]
        else:
            return
        if answer == self.answer:
            return
        self.answer = answer
        progress_file.guessed(self.question, answer)
        for card in self._cards:
            card.note() if isinstance(card, Reveal) else self._show(card)

    def _show(self, card):
        if self.answer is not None:
            card.chosen = self.answer if self.scale else list(self.options).index(self.answer)
            card.note = f"Noted: {self.words(self.answer)}. {progress_file.remark()}".rstrip()

    def _build(self):
        self._widget = self.live(self.card())

    def _static(self):
        return {"text/html": self.static(self.card(live=False)), "text/plain": repr(self)}, {}

    def __repr__(self):
        answers = [self._ends()] if self.scale else self.options
        return printable("\n".join([f"Predict first: {self.question}", *(f"  ○ {answer}" for answer in answers)]))


class Reveal(Explorer):
    """A guess beside its outcome: one of the options, a number on a scale, or None if it is none of the options."""

    def __init__(self, guess, measured, because, pick):
        if isinstance(measured, dict):
            measured = {str(name): value for name, value in measured.items()}
            for name, value in measured.items():
                if not isinstance(value, Real | None):
                    raise TypeError(f"what is measured must be numbers, got {in_words(value)} for {name!r}.")
        self.guess, self.measured, self.because = guess, measured, because
        self.outcome = _outcome(guess, measured, pick)

    @property
    def right(self):
        """True or False for a choice, how far off for a scale, None without a guess."""
        answer = self.guess.answer
        if answer is None:
            return None
        return abs(answer - self.outcome) if self.guess.scale else answer == self.outcome

    def note(self):
        """Keep the guess and its outcome in the reader's own file, and show both where the card is on a page."""
        if self.right is None:
            return
        outcome = float(self.outcome) if self.guess.scale else str(self.outcome)
        progress_file.revealed(self.guess.question, self.guess.answer, outcome, self.right)
        if self._widget is not None and self.guess.scale:
            self._widget.children[0].result = self._result()

    def _it(self):
        """Return the words for what came out."""
        guess, number = self.guess, isinstance(self.measured, Real)
        if guess.scale or (number and guess.value(self.outcome) is not None):
            return guess.words(self.measured)
        outcome = "none of these" if self.outcome is None else self.outcome
        return f"{outcome} ({guess.words(self.measured)})" if number else outcome

    def said(self, answer):
        """Return the sentence that sets an answer beside the outcome."""
        if answer is None:
            return f"Answer: {self._it()}."
        if not self.guess.scale and answer == self.outcome:
            exactly = f": {self._it()}" if self._it() != answer else ""
            return f"You said {self.guess.words(answer)}, and so it was{exactly}."
        return f"You said {self.guess.words(answer)}; it was {self._it()}."

    def _result(self):
        guess, known = self.guess, self.guess.answer if self.guess.scale else None
        if isinstance(self.measured, dict):
            rows = [(name, value, "cnnlib-it" * (name == self.outcome)) for name, value in self.measured.items()]
        elif guess.scale or guess.value(self.outcome) is not None:
            rows = [("you said", guess.value(option), f"cnnlib-said-{i}") for i, option in enumerate(guess.options)]
            rows += [("you said", known, "")] * (known is not None) + [("measured", self.measured, "cnnlib-it")]
        else:
            rows = []
        rows = [(name, value, guess.words(value), kind) for name, value, kind in rows]
        answers = [self.said(option) for option in guess.options]
        return result_html(self.said(known), answers, rows, self.because, guess.scale)

    def _build(self):
        self._widget = self.guess.live(self.guess.card(self._result()))

    def _static(self):
        card = self.guess.card(self._result(), live=False)
        return {"text/html": self.guess.static(card), "text/plain": repr(self)}, {}

    def __repr__(self):
        return printable(f"{self.said(self.guess.answer)} {self.because}".strip())


def _rules(options):
    """Return the options, each with what makes it the right one: a function, a number or, for a list, nothing."""
    if isinstance(options, dict):
        for rule in Dict()(options, "options").values():
            if not callable(rule):
                Number(hint="Or a function of what is measured.")(rule, "what an option stands for")
        rules = dict(options)
    else:
        rules = dict.fromkeys(List(str)(options, "options"))
    if len(rules) < len(options):
        raise ValueError(f"the options must differ, got {in_words(options)}.")
    if not 2 <= len(options) <= MOST:
        raise ValueError(f"a guess has 2 to {MOST} options, or the two ends of a scale, got {in_words(options)}.")
    return rules


def _outcome(guess, measured, pick):
    """Return the option that the measurement makes the right one, the number on a scale, or None."""
    options = guess.options
    if guess.scale:
        return Number()(measured, "the measurement")
    if any(callable(rule) for rule in options.values()):
        return next((option for option, rule in options.items() if rule(measured)), None)
    if isinstance(measured, dict):
        if measured.keys() != options.keys():
            raise ValueError(f"a measurement must name the options {list(options)}, got {list(measured)}.")
        return pick(measured, key=lambda option: math.inf if measured[option] is None else measured[option])
    if None in options.values():  # a list of words
        return Choice(tuple(options))(measured, "the measurement")
    value = Number()(measured, "the measurement")
    return min(options, key=lambda option: abs(options[option] - value))
