"""The decorator that checks arguments by rules, and writes the rules into the docstring."""

import functools
import inspect
import math
import re
import textwrap


def arguments(together=None, **rules):
    """Return a decorator that checks arguments by rules before a function runs; defaults are not validated.

    Parameters
    ----------
    together : callable, optional
        Called as `together(**arguments)` after the rules, to check arguments that depend on one another.
    **rules : Rule
        By the names of the parameters. Each is called as `rule(value, name)`; what it returns is passed on.

    Notes
    -----
    On a class it is `__init__` that is checked. A chapter shows the source of some functions without their rules: those
    are decorated behind their definition, `lenet = arguments(activation=Factory())(lenet)`.
    """

    def decorate(function):
        if isinstance(function, type):
            function.__init__ = decorate(function.__init__)
            function.__doc__ = _with_raises(function.__doc__, rules)
            return function
        signature = inspect.signature(function)
        if unknown := rules.keys() - signature.parameters.keys():
            raise TypeError(f"{function.__qualname__} has no parameter {', '.join(sorted(unknown))}.")
        asked = [
            (i if p.kind is p.POSITIONAL_OR_KEYWORD else math.inf, p.name, rules[p.name], p.default)
            for i, p in enumerate(signature.parameters.values())
            if p.name in rules
        ]

        @functools.wraps(function)
        def ask(*args, **kwargs):
            args = list(args)
            for i, name, rule, default in asked:
                if i < len(args):
                    if args[i] is not default:
                        args[i] = rule(args[i], name)
                elif name in kwargs and kwargs[name] is not default:
                    kwargs[name] = rule(kwargs[name], name)
            if together is not None:
                together(**signature.bind(*args, **kwargs).arguments)
            return function(*args, **kwargs)

        ask.rules = rules
        ask.__doc__ = _with_raises(function.__doc__, rules)
        return ask

    return decorate


def _with_raises(doc, rules):
    """Return a docstring whose section Raises says what the rules say, before what stands there already."""
    if not doc:
        return doc
    doc = inspect.cleandoc(doc)
    names = {}
    for name, rule in rules.items():
        names.setdefault(rule.words, []).append(f"`{name}`")
    said = "; ".join(
        f"{each[0]} is {words}" if len(each) == 1 else f"{', '.join(each[:-1])} and {each[-1]} are each {words}"
        for words, each in names.items()
    )
    entry = f"TypeError, ValueError\n{textwrap.indent(textwrap.fill(f'Unless {said}.', 100), '    ')}\n"
    heading = "Raises\n------\n"
    if heading in doc:
        return doc.replace(heading, heading + entry, 1)
    later = re.search(r"^(Warns|See Also|Notes|References|Examples)\n-+\n", doc, re.MULTILINE)
    if later is None:
        return f"{doc}\n\n{heading}{entry}"
    return f"{doc[: later.start()]}{heading}{entry}\n{doc[later.start() :]}"
