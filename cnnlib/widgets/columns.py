"""Two columns, as all explorers have them: the controls on the left, and on the right the picture that they change."""

import anywidget
import ipywidgets
import traitlets

from cnnlib.page.announce import alert
from cnnlib.widgets.answering import answer_in_subshell
from cnnlib.widgets.display import Explorer
from cnnlib.widgets.page_script import script_and_style


class LivePicture(anywidget.AnyWidget):
    """A drawing on the page, some parts of which can be pressed.

    Attributes
    ----------
    value : str
        HTML, which the kernel has escaped.
    pressed : list of int
        The value of the part that was pressed last, and how many were pressed so far.
    """

    _esm, _css = script_and_style(__file__)
    value = traitlets.Unicode().tag(sync=True)
    pressed = traitlets.Any().tag(sync=True)


class Columns(Explorer):
    """An explorer of two columns. A subclass has `draw()`, and a `name` for the CSS classes of its parts."""

    name = ""
    _shown = ""

    def _lay_out(self, controls, *below):
        """Set `_widget` to a page of named controls, the picture, and what stands below it."""
        self.image = LivePicture()
        for key, part in {**controls, "image": self.image}.items():
            part.add_class(f"cnnlib-{self.name}-{key}")
        self._widget = ipywidgets.HBox([ipywidgets.VBox([*controls.values()]), ipywidgets.VBox([self.image, *below])])
        self._widget.add_class("cnnlib-explorer")
        self._widget.add_class(f"cnnlib-{self.name}")
        answer_in_subshell(self._widget)

    def _show(self):
        try:
            self._shown = self.image.value = self.draw().svg()
        except Exception as error:  # no traceback on the page, and what was to be seen stays
            self.image.value = alert(error) + self._shown


class Settings(Columns):
    """An explorer whose controls each set one of its `settings`."""

    def _lay_out_settings(self, controls):
        """Lay the widgets of `controls`, each a Control, out; a change sets the setting and draws anew."""
        self.inputs = {control.name: control.make() for control in controls}
        for name, widget in self.inputs.items():
            widget.value = self.settings[name]
            if widget.has_trait("continuous_update"):
                widget.continuous_update = True  # the picture follows a slider while it moves
            widget.observe(lambda change, name=name: self._set(name, change["new"]), "value")
        self._lay_out(self.inputs)
        self._show()

    def _set(self, name, value):
        self.settings[name] = value
        self._show()
