"""Filters that a large network learnt, kept as data: nothing is downloaded.

They are the first layer of the face recognition network of dlib (Davis King, `dlib_face_recognition_resnet_model_v1`,
public domain, CC0 1.0): a residual network of 29 convolutions, trained on about three million photographs of faces.
The layer has 32 filters of 7×7 pixels and three colours, red, green and blue.
"""

from pathlib import Path

import numpy as np
import torch

FILE = Path(__file__).parent / "data" / "face_filters.npy"


def load_face_filters():
    """Return the filters, a float32 tensor of shape (32, 3, 7, 7)."""
    return torch.from_numpy(np.load(FILE).astype("float32"))
