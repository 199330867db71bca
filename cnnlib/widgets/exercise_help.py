"""Two buttons under an exercise and its verdicts, where a reader is: the next hint, and the solution.

They do what `.hint()` and `.solution()` do, without a cell of their own. IPython's display formatter is told how to
show an exercise, so that `cnnlib.exercises` knows of no widget; what is stored and compared stays the plain text and
the Markdown.
"""

import ipywidgets

from cnnlib.exercises.core import Exercise, Verdict
from cnnlib.page.announce import has_reader
from cnnlib.page.frontend import shell
from cnnlib.widgets.answering import answer_in_subshell
from cnnlib.widgets.display import widget_bundle


def show_with_buttons():
    """Have exercises, and verdicts that are not right, shown with their buttons from here on."""
    if shell() is not None:
        for kind in (Exercise, Verdict):
            shell().display_formatter.mimebundle_formatter.for_type(kind, bundle_with_buttons)


def bundle_with_buttons(shown):
    """Return the MIME bundle of an exercise or a verdict; None, for what IPython shows by itself, if no reader is."""
    exercise = shown if isinstance(shown, Exercise) else shown.exercise
    if exercise is None or not has_reader() or getattr(shown, "passed", None) is True:
        return None
    static = _static(shown)
    return widget_bundle(help_for(exercise, static), static)


def help_for(exercise, static):
    """Return a widget of what is shown, the buttons, and below them the hints and the solution that were asked for."""
    hint = ipywidgets.Button(description="Next hint", icon="lightbulb-o", layout={"width": "max-content"})
    solution = ipywidgets.Button(description="Show the solution", icon="key", layout={"width": "max-content"})
    said = ipywidgets.Output()

    def add(more):
        said.outputs += (_output(_static(more)),)

    def give_hint(button):
        more = exercise.hint()
        button.disabled = exercise.hints_left == 0
        add(more)

    def give_solution(button):
        button.disabled = True
        add(exercise.solution())

    hint.on_click(give_hint)
    solution.on_click(give_solution)
    buttons = ipywidgets.HBox([hint, solution], layout={"flex_flow": "row wrap", "grid_gap": "4px"})
    box = ipywidgets.VBox([ipywidgets.Output(outputs=(_output(static),)), buttons, said])
    box.add_class("cnnlib-exercise")
    answer_in_subshell(box)  # a hint need not wait for the run above it
    return box


def _static(shown):
    return {"text/plain": repr(shown), "text/markdown": shown._repr_markdown_()}


def _output(bundle):
    return {"output_type": "display_data", "data": bundle, "metadata": {}}
