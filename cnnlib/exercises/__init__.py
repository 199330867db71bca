"""Exercises with checkers, hints and solutions, a module a chapter: `from cnnlib.exercises import lenet`."""
