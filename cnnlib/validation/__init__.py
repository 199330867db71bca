"""What arguments must be: rules that stand as data beside a function, checked before any work starts.

@arguments(net=Network(), num=Count(most=4096))
def probe(net, num=9): ...
"""
# ruff: noqa: F401

from cnnlib.validation.containers import Dict, Iterable, List, Pair
from cnnlib.validation.decorator import arguments
from cnnlib.validation.rules import Bool, Callable, Choice, Count, Factory, Kind, Like, Number, Rate, Rule, Text
from cnnlib.validation.tensors import Device, Example, Network, Tensor, check_batch, check_labels
from cnnlib.validation.words import in_words
