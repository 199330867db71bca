"""A small residual network that Keras tutorials call `resnet_v1`, in PyTorch, with Keras's own settings: its initial
weights, and its batch normalisation, whose momentum of 0.99 is 0.01 in PyTorch's sense.

It departs from the papers: nothing halves the maps, the first convolution and the projection have no normalisation,
and all maps go flat into the dense layer, which holds 93 % of the parameters. The original ends in a softmax; here
the network returns scores, because PyTorch's cross-entropy contains the softmax.
"""

from torch import nn

from cnnlib.models.limits import SHARE
from cnnlib.validation import Count, arguments


class Add(nn.Module):
    """The sum of two tensors of one shape, as a layer, so that it can be looked at like one."""

    def forward(self, X, Y):
        return X + Y


class ResBlockV1(nn.Module):
    """(N, in_channels, H, W) → (N, out_channels, H, W); a projection where the channels differ.

    Parameters
    ----------
    in_channels, out_channels : int
    momentum : float
        Of the batch normalisation, in PyTorch's sense.
    """

    def __init__(self, in_channels, out_channels, momentum=0.01):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, kernel_size=3, padding="same")
        self.norm1, self.relu1 = nn.BatchNorm2d(out_channels, eps=1e-3, momentum=momentum), nn.ReLU()
        self.conv2 = nn.Conv2d(out_channels, out_channels, kernel_size=3, padding="same")
        self.norm2 = nn.BatchNorm2d(out_channels, eps=1e-3, momentum=momentum)
        same = in_channels == out_channels
        self.project = nn.Identity() if same else nn.Conv2d(in_channels, out_channels, kernel_size=1)
        self.add, self.relu2 = Add(), nn.ReLU()

    def forward(self, X):
        Y = self.relu1(self.norm1(self.conv1(X)))
        Y = self.norm2(self.conv2(Y))
        return self.relu2(self.add(self.project(X), Y))


@arguments(momentum=SHARE, side=Count(most=1024))
def resnet_v1(momentum=0.01, side=28):
    """Build the network for images of shape (N, 1, side, side); it returns scores of shape (N, 10).

    Parameters
    ----------
    momentum : float
        Of the batch normalisation, in PyTorch's sense; 0.01 is what Keras calls 0.99.
    side : int
    """
    net = nn.Sequential(
        nn.Conv2d(1, 16, kernel_size=3, padding="same"), nn.ReLU(),  # (N, 16, 28, 28)
        ResBlockV1(16, 16, momentum),                                # (N, 16, 28, 28)
        ResBlockV1(16, 32, momentum),                                # (N, 32, 28, 28)
        nn.Flatten(),                                                # (N, 25088)
        nn.Linear(32 * side * side, 10))  # fmt: skip
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
    std = (2 / net[-1].in_features) ** 0.5 / 0.87962566  # which cutting off at two of them makes √(2 / inputs)
    nn.init.trunc_normal_(net[-1].weight, std=std, a=-2 * std, b=2 * std)
    return net
