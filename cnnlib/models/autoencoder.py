"""Two convolutional autoencoders that differ in one addition: from a picture through a bottleneck of 4 × 7 × 7 numbers
back to the picture. The second adds its input to what the decoder made of the code.
"""

from torch import nn

from cnnlib.validation import Factory, arguments


class ConvAutoencoder(nn.Module):
    """(N, 1, 28, 28) → (N, 1, 28, 28), through a code of shape (N, 4, 7, 7).

    Parameters
    ----------
    output : callable
        Builds the last layer: nn.Sigmoid for values in (0, 1), nn.Tanh for (−1, 1), nn.Identity for any.
    """

    def __init__(self, output=nn.Sigmoid):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(1, 16, kernel_size=3, stride=2, padding=1), nn.ReLU(),  # (N, 16, 14, 14)
            nn.Conv2d(16, 4, kernel_size=3, stride=2, padding=1), nn.ReLU(),  # (N, 4, 7, 7)
        )  # fmt: skip
        self.decoder = nn.Sequential(
            nn.ConvTranspose2d(4, 16, kernel_size=3, stride=2, padding=1, output_padding=1), nn.ReLU(),
            nn.ConvTranspose2d(16, 1, kernel_size=3, stride=2, padding=1, output_padding=1),
        )  # fmt: skip
        self.output = output()

    def forward(self, X):
        return self.output(self.decoder(self.encoder(X)))


class ResidualConvAutoencoder(ConvAutoencoder):
    """The same with a shortcut from the picture to the end, around encoder and decoder; parameters as above."""

    def forward(self, X):
        return self.output(self.decoder(self.encoder(X)) + X)


arguments(output=Factory())(ConvAutoencoder)
