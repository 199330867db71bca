"""Values in a few words, for messages."""

import numpy as np
import torch
from torch import nn


def in_words(value):
    """Return in a few words what a value is: its text and its type, and of a tensor its shape, dtype and device."""
    if isinstance(value, torch.Tensor):
        return f"a tensor of shape {tuple(value.shape)}, {str(value.dtype)[6:]}, on {value.device}"
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}, {value.dtype}, of type ndarray"
    if isinstance(value, nn.Module):
        return f"a module of type {type(value).__name__}"
    if callable(value) and hasattr(value, "__name__"):
        return f"the {'class' if isinstance(value, type) else type(value).__name__} {value.__name__}"
    text = repr(value)
    text = text if len(text) <= 80 else f"{text[:79]}…"
    return f"{text} of type {type(value).__name__}"


def nouns(kind):
    """Return the names of a class, or of several: 'int or str'."""
    return " or ".join(one.__name__ for one in getattr(kind, "__args__", kind if isinstance(kind, tuple) else (kind,)))
