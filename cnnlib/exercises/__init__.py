"""Exercises with checkers, hints and solutions, a module a chapter: `from cnnlib.exercises import lenet`.

`progress()` shows what the reader has solved.
"""

from cnnlib.exercises.progress import progress

__all__ = ["progress"]
