"""Recorded runs: what takes longer than a minute is trained once, by `make records`, and kept as data with the library.

make records                        every experiment at laptop size, on the cores
make records NAMES=plain56 JOBS=2   some of them, in two processes
make full                           every experiment of the book's own size, on a GPU
make collect                        store what ended in the library
"""

from cnnlib.course.records.catalogue import EXPERIMENTS
from cnnlib.course.records.stored import full_results, recorded, recordings

__all__ = ["EXPERIMENTS", "full_results", "recorded", "recordings"]
