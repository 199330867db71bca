"""The images the networks learn from, held in memory and served in batches."""

from cnnlib.datasets.batches import Batches
from cnnlib.datasets.copies import Copies
from cnnlib.datasets.fashion_mnist import CLASSES, DataFileError, load_arrays, load_data_fashion_mnist
from cnnlib.datasets.filters import load_face_filters

__all__ = [
    "Batches",
    "CLASSES",
    "Copies",
    "DataFileError",
    "load_arrays",
    "load_data_fashion_mnist",
    "load_face_filters",
]
