"""The quiz on shapes: read what a reader typed for a layer's output, and say what went wrong."""

import math
import re
import unicodedata
from dataclasses import replace

BATCH = {"n", "b", "none", "batch", "?", "-1"}  # how a batch of any size is written
WORDS = r"torch\.size|output|shape|batch_size|channels?|height|width|features?|units?|pixels?|maps?|of|and|by"
FORMULA = "Each side is (size + 2 · padding − window) / stride + 1, rounded down"
TRANSPOSED = "Each side is (size − 1) · stride − 2 · padding + window + output_padding"


def judge(step, text):
    """Compare a shape that a reader typed with the output of a step.

    Returns
    -------
    bool
        Whether it is right; a batch in front is taken as well.
    str
        What to say: for a wrong answer what went wrong, as far as the numbers show it.
    """
    expected = list(step.output_shape)
    numbers, complaint = read_shape(text)
    if numbers is not None and len(expected) == 1 and re.fullmatch(r"[(\[]?\d{1,3}(,\d{3})+,?[)\]]?", text.strip()):
        joined = [int(re.sub(r"\D", "", text))]  # 6,400 is one number
        numbers = joined if numbers[1:] != expected else numbers
    if numbers is None:
        return False, complaint
    words = " × ".join(map(str, expected))
    if numbers == expected:
        return True, f"Right: {words}."
    if numbers[1:] == expected and (numbers[0] in (None, -1) or numbers[0] > 0):
        return True, f"Right: {words}. Your first number is the batch, which passes through every layer unchanged."
    long = len(numbers) == len(expected) + 1 and (numbers[0] == 1 or len(expected) > 2)
    if numbers[0] in (None, -1) or (long and numbers[0] > 0):
        numbers = numbers[1:]  # the batch
    if any(n is None or n < 1 for n in numbers) or not numbers:
        return False, "Every axis has a size of at least 1. Which number of yours cannot be?"
    special = {"flatten": _judge_flatten, "dense": _judge_dense, "window": _judge_window}.get(step.rule)
    said = special(step, numbers, expected) if special else _judge_other(step, numbers, expected)
    return False, said or _judge_axes(step, numbers, expected)


def read_shape(text):
    """Return (list of int, '') for '16, 10, 10', '16×10²', '(N, 16, 10, 10)' …, None for N; or (None, a complaint)."""
    text = re.sub(r"(\d+)\s*(?:²|\^\s*2\b|\*\*\s*2\b)", r"\1 \1", text)
    text = unicodedata.normalize("NFKC", text).replace("−", "-").lower()
    text = re.sub(rf"\b(?:{WORDS})\b|\b[a-z]+\s*[=:](?=\s*-?\d)", " ", text).rpartition("=")[2]
    tokens = [t for t in re.split(r"(?:[\s,;:×*·⋅∙@()\[\]{}|/&、]|(?<![a-z])x(?![a-z]))+", text) if t]
    example = "Type whole numbers with commas between them: 16, 10, 10. What is the shape?"
    if not tokens:
        return None, f"There is no number to read. {example}"
    numbers = []
    for place, token in enumerate(tokens):
        if place == 0 and token in BATCH:
            numbers.append(None)
        elif re.fullmatch(r"-?\d{1,12}(\.0*)?", token):
            numbers.append(int(token.split(".")[0]))
        elif re.fullmatch(r"-?\d*\.\d+", token):
            return None, f"{token} is not a whole number, and sizes are. Which is it, rounded down?"
        else:
            return None, f"I cannot read {token!r}. {example}"
    return numbers, ""


def _judge_flatten(step, numbers, expected):
    channels, *sides = step.input_shape
    if len(numbers) > 1 and math.prod(numbers) == expected[0]:
        return "Those are the right numbers, not multiplied yet: Flatten lays them all in one row. What is the product?"
    if numbers == [sum(step.input_shape)]:
        return "That is the sum. Each channel has a number at every place: what is the product?"
    if sides and numbers == [math.prod(sides)]:
        return "That is one channel. How many numbers have all channels together?"
    if sides and numbers == [channels]:
        return "That is the number of channels. How many numbers do they hold together?"
    incoming = " × ".join(map(str, step.input_shape))
    return f"Flatten loses nothing and adds nothing. How many numbers are {incoming}?" if expected[1:] == [] else ""


def _judge_dense(step, numbers, expected):
    incoming, outgoing = step.module.in_features, step.module.out_features
    if numbers == list(step.input_shape):
        return "That is what comes in. A dense layer gives one number for each of its units: how many has it?"
    if numbers in ([incoming * outgoing], [step.parameters]):
        return "That is how many weights the layer has. How many numbers come out of it?"
    if sorted(numbers) == sorted([incoming, outgoing]):
        return "Those are the sides of its table of weights. Which of the two is the number of units, which come out?"
    if len(expected) == 1 and len(numbers) == 1:
        return "The size comes from the layer alone, whatever comes in. What does its out_features say?"
    return ""


def _judge_other(step, numbers, expected):
    if step.rule == "keep":
        if len(numbers) == len(expected) and numbers[0] != expected[0]:
            return "This layer does not change the number of channels or features. How many came in?"
        return "This layer works on the numbers and leaves their places as they are. What came in?"
    if step.rule == "adaptive" and len(numbers) == len(expected):
        if numbers[1:] == expected[1:]:
            return "Height and width are right. Pooling works on each map by itself, so how many channels stay?"
        return "Adaptive pooling gives maps of the size that it is set to, whatever comes in. What does it say?"
    return ""


def _judge_window(step, numbers, expected):
    if len(numbers) != len(expected) or sorted(numbers) == sorted(expected):
        return ""
    conv, windows = hasattr(step.module, "out_channels"), step.windows
    if numbers[1:] == expected[1:]:
        if not conv:
            return "Height and width are right. Pooling works on each map by itself: how many channels go out, then?"
        said = "Height and width are right, the channels are not."
        if numbers[0] == step.input_shape[0]:
            said += " Did you take the input's?"
        elif numbers[0] == step.input_shape[0] * expected[0]:
            said += " Each filter adds up over all channels that come in."
        return f"{said} Channels are set by the layer's number of filters, out_channels: how many is that?"
    both = "" if numbers[0] == expected[0] else " Look at the channels as well."
    wrong = [(n, w) for n, w in zip(numbers[1:], windows, strict=True) if n != w.output]
    where = ""
    if len(wrong) == 1 and len(windows) == 2:
        where = f"The {('height', 'width')[numbers[1] == expected[1]]} is not right, the other side is. "
    for said, mistaken in MISTAKES:
        if all(n == mistaken(w) for n, w in wrong):
            return f"{where}{said}{both}"
    return f"{where}{TRANSPOSED if windows[0].transposed else FORMULA}. Which numbers go into it here?{both}"


def _judge_axes(step, numbers, expected):
    names = {1: "features", 2: "channels, length", 3: "channels, height, width"}.get(len(expected), "all axes")
    if len(expected) > 2 and sorted(numbers) == sorted(expected):
        if numbers == expected[1:] + expected[:1]:
            return "The numbers are right, but PyTorch puts the channels first. In which order, then?"
        return f"The numbers are right, but not their order, which is {names}. What is it, then?"
    if len(expected) > 1 and numbers == expected[1:]:
        return "Height and width are right, but the channels are missing, which come first. How many are there?"
    if len(numbers) != len(expected):
        return f"The output has {len(expected)} axes ({names}), you gave {len(numbers)}. What is each of them?"
    wrong = [n for n, e in zip(numbers, expected, strict=True) if n != e]
    return f"Of {names}, {', '.join(map(str, wrong))} is not what comes out. What does the layer do to that axis?"


def _replaced(**changes):
    return lambda window: replace(window, **changes).output


# what to say, and the side that a window gives to who makes that mistake
MISTAKES = (
    ("Did you forget the padding? It makes the input larger on both sides.", _replaced(padding=(0, 0))),
    ("Did you forget the stride? The window does not stop at every place.", _replaced(stride=1)),
    ("Did you forget both the padding and the stride?", _replaced(padding=(0, 0), stride=1)),
    ("Did you forget the dilation? It makes the window reach further.", _replaced(dilation=1)),
    ("Did you add the padding once? It stands on both sides.", lambda w: replace(w, padding=(w.padding[0], 0)).output),
    ("Did you forget output_padding? It is added at the end.", _replaced(extra=0)),
    ("Did you run a transposed convolution backwards? It makes maps larger.", _replaced(transposed=False, extra=0)),
    ("Did you round the other way? ceil_mode rounds up, everything else down. Which is it here?",
     lambda w: replace(w, ceil=not w.ceil).output),
    ("Is that the size that came in? The window changes it here.", lambda w: w.size),
    ("Off by one, too small. Did you forget the + 1 for the place where the window begins?", lambda w: w.output - 1),
    ("Off by one, too large. In how many places does the whole window fit?", lambda w: w.output + 1),
)  # fmt: skip
