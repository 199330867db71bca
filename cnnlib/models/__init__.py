"""The networks of the book, one architecture a file, built exactly as their chapters print them."""

from cnnlib.models.initialisation import xavier_
from cnnlib.models.lenet import lenet

__all__ = ["lenet", "xavier_"]
