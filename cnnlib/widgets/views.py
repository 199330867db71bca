"""What a playground can show below its chart: the network as it is being built, and a layer under the microscope."""

import ipywidgets
import torch

from cnnlib.figures import draw_blocks, draw_reconstructions, draw_statistics, draw_volumes, gradient_flow_chart
from cnnlib.models.training_mode import evaluating
from cnnlib.page.announce import alert
from cnnlib.probes import gradient_norms, present_gradients, relu_statistics, walk_layers
from cnnlib.probes.gradients import main_path
from cnnlib.validation import Count, Example, Tensor, arguments
from cnnlib.widgets.live_chart import LiveChart
from cnnlib.widgets.view import View

NARROW = 560  # pixels beside a panel's controls on a screen of 1280: drawn for them, letters keep their size


class DrawnView(View):
    """One drawing, which `_show` replaces."""

    def __init__(self, name):
        self.widget = ipywidgets.HTML("Press Start: the drawing appears here.")
        self.widget.add_class(f"cnnlib-{name}")
        self._drawing = None

    def _show(self, drawing):
        self._drawing, self.widget.value = drawing, drawing.svg()

    def static(self):
        """Return the drawing."""
        return self._drawing


class SettingsView(DrawnView):
    """A drawing of the network that the controls describe. A subclass says what to draw of it, and its `name`."""

    title = "Network"

    def __init__(self, input_shape):
        super().__init__(self.name)
        self.input_shape = input_shape

    def draw(self, net):
        """Return a Drawing of the network."""
        raise NotImplementedError

    def settle(self, playground):
        """Draw the network of the present settings, or say why there is none."""
        try:
            self._show(self.draw(playground.build()))
        except Exception as error:  # whatever the cell's own code raises
            self._drawing = None
            self.widget.value = alert(str(error))


@arguments(input_shape=Example())
class Blueprint(SettingsView):
    """The network that the controls describe: drawn to scale, its cost, and how far its last map sees.

    Parameters
    ----------
    input_shape : tuple of int
        Shape of one example: (1, 32, 32).
    """

    name = "blueprint"

    def draw(self, net):
        """Return the network drawn to scale, under a line that says what it costs."""
        return describe_network(net, self.input_shape)


@arguments(input_shape=Example())
class Shortcuts(SettingsView):
    """The network that the controls describe as a row of blocks with their shortcuts.

    Parameters
    ----------
    input_shape : tuple of int
        Shape of one example: (1, 14, 14).
    """

    name = "shortcuts"

    def draw(self, net):
        """Return the row of blocks."""
        return draw_blocks(net, self.input_shape, "The network", NARROW)


def describe_network(net, input_shape):
    """Draw a network to scale, under a line that says what it costs and how far its last map sees."""
    walk = walk_layers(net, input_shape)
    head = f"{walk.parameters:,} parameters · {walk.multiply_adds:,} multiply-adds per picture"
    seen = [step.patch.sizes for step in walk if step.patch and len(step.output_shape) == 3]
    if seen:
        head += f"\nthe last map sees {' × '.join(map(str, dict.fromkeys(seen[-1])))} pixels"
    return draw_volumes({head: (walk, input_shape)}, "The network that the controls describe, drawn to scale", NARROW)


@arguments(X=Tensor(shape="(N, …)"), number=Count(least=0))
class Microscope(DrawnView):
    """What enters one ReLU while the network trains, in both modes, and the statistics behind it.

    Parameters
    ----------
    X : Tensor of shape (N, …)
        The pictures to look at, always the same.
    number : int
        Which ReLU, counted from 0.
    """

    title = "ReLU input"

    def __init__(self, X, number):
        self.X, self.number = X, number
        super().__init__("microscope")

    def begin(self, trainer):
        """Show the new network before its first step."""
        self.show(trainer)

    def show(self, trainer):
        """Send the pictures through in both modes and draw what came to the ReLU."""
        statistics = relu_statistics(trainer.net, self.X, self.number)
        self._show(draw_statistics(statistics, f"after {trainer.step:,} steps"))


class GradientFlow(View):
    """How much gradient reaches each layer: before the first step, and now.

    Before the first step it is measured on the run's first batch. After that it costs nothing: what the last step
    left in the weights is read.
    """

    title = "Gradients"

    def __init__(self):
        self.chart = gradient_flow_chart([])
        self.chart.footer("Press Start: the gradient of each layer appears here.")
        self.widget = LiveChart(self.chart)
        self.widget.add_class("cnnlib-flow")
        self._start = []
        self._starts = {}  # by a run's first loss, which its forks share

    def begin(self, trainer):
        """Measure a new network before its first step; a run that goes on from a mark has been measured then."""
        loss = trainer.history.loss
        if loss:
            self._start = self._starts.get(loss[0], [])
        else:
            with torch.random.fork_rng([trainer.device] if trainer.device.type == "cuda" else []):
                batch = trainer.next_batch()  # which a transform may change at random
            self._start = main_path(gradient_norms(trainer.net, *batch, trainer.objective.loss))
        self.show(trainer)

    def show(self, trainer):
        """Read the gradients of the last step and draw them."""
        if trainer.history.loss:
            self._starts[trainer.history.loss[0]] = self._start
        now = main_path(present_gradients(trainer.net)) if trainer.step else []
        title = f"after {trainer.step:,} steps" if now else "at the start"
        self.chart = gradient_flow_chart(self._start, now, title)
        self.widget.begin(self.chart)

    def static(self):
        """Return the chart."""
        return self.chart


@arguments(count=Count(most=100))
class Reconstructions(DrawnView):
    """What an autoencoder makes of some pictures, and what it makes of them when its code is set to zero.

    Parameters
    ----------
    count : int
        How many pictures: the first of the test set, whose batches are `(X, X)`.
    """

    title = "Pictures"

    def __init__(self, count=8):
        self.count = count
        super().__init__("reconstructions")
        self._X, self._low = None, 0.0

    def begin(self, trainer):
        """Take the pictures of the new run, in the range of its targets, and show them."""
        X, _ = next(iter(trainer.test_iter))
        self._X, self._low = X[: self.count], min(float(X.min()), 0.0)
        self.show(trainer)

    def show(self, trainer):
        """Reconstruct the pictures, with and without the code."""
        net = trainer.net
        with evaluating(net), torch.no_grad():
            whole = net(self._X.clone())  # into which a layer in place may write
            hook = net.encoder.register_forward_hook(lambda module, args, code: torch.zeros_like(code))
            try:
                empty = net(self._X.clone())
            finally:
                hook.remove()
        rows = {"picture": self._X, "reconstruction": whole, "with the code at zero": empty}
        self._show(draw_reconstructions(rows, self._low, f"after {trainer.step:,} steps"))
