"""What checks say of what came back, in words, and types, dtypes and shapes: names as they are."""

import inspect
from collections.abc import Iterator
from typing import Any

from torch import Tensor

from exercises.checks.expect import ORDINALS
from grader.diagnosis.observed.facts import Fact, Look, Step
from grader.diagnosis.observed.rules import said_of, within
from grader.diagnosis.reference import reference
from grader.faults import CALLED

LONGEST = 72
"""A phrase with more characters is no name."""
TYPES = {
    "float": "a plain number returned, not a tensor",
    "int": "a plain number returned, not a tensor",
    "NoneType": "nothing returned",
    "list": "a list returned, not a tensor",
    "ndarray": "a NumPy array returned, not a tensor",
    "tuple": "a tuple returned, not a tensor",
    "Tensor": "one tensor returned, not several",
    "no gradient": "a result cut off from its gradient",
    "no backward pass": "a backward pass that fails",
}
VAGUE = 3
"""With so few words a check says too little: the rule that it holds an answer to says more."""
MEANS = "It is this that the checks which fail have seen."


def phrases(look: Look) -> Iterator[Fact]:
    """What each check that failed has to say in words."""
    silent = within(look.failures, look.exercise)
    for name, evidence in look.failures.items():
        if name in silent:
            continue
        steps = [step for step in look.trail if step[0] == name]
        says, rule = _phrase(evidence.got, look, steps), said_of(name, look.exercise)
        if says and not (rule and len(says.split()) <= VAGUE and says not in TYPES.values()):
            yield Fact(says, MEANS, frozenset([name]))


def _phrase(got: Any, look: Look, trail: list[Step]) -> str:
    """What came back in words, if it is such that it can be a name."""
    if isinstance(got, str):
        if got.endswith(CALLED):
            return CALLED
        if got.startswith("changed "):
            return f"the argument {_argument(got.removeprefix('changed '), look)} changed in place"
        if got.startswith("torch."):
            dtype = got.removeprefix("torch.")
            return f"{dtype} comes back, whatever the data's dtype" if _differ_in(trail, "dtype") == "result" else ""
        if got in TYPES:
            return TYPES[got]
        wordy = " " in got and not got.startswith(("raised ", "(", "[", "float", "'")) and "=" not in got
        return got if wordy and len(got) <= LONGEST else ""
    if isinstance(got, tuple) and all(isinstance(side, int) for side in got):
        if _differ_in(trail, "shape") == "result" or inspect.isclass(_target(look)):
            return ""
        return (
            f"the model called with something of shape {got}"
            if got
            else "the model told t of shape (), not one for each sample"
        )
    return ""


def _differ_in(trail: list[Step], what: str) -> str:
    """Whether it is the results that have another dtype or shape, or what models are asked; "" if neither."""

    def other(mine: Any, right: Any) -> bool:
        if isinstance(mine, tuple) and isinstance(right, tuple):
            return any(map(other, mine, right))
        return isinstance(mine, Tensor) and isinstance(right, Tensor) and getattr(mine, what) != getattr(right, what)

    if any(other(mine.result, call.right.result) for _, _, call, mine in trail):
        return "result"
    return "asked" if any(other(mine.asked, call.right.asked) for _, _, call, mine in trail) else ""


def _target(look: Look) -> Any:
    """The function or class that the exercise asks for."""
    return getattr(reference(look.stem).module(look.exercise), look.exercise)


def _argument(which: str, look: Look) -> str:
    """The name of an argument that is known by its place."""
    ordinal = which.split()[0]
    names = list(inspect.signature(_target(look)).parameters)
    place = ORDINALS.index(ordinal) if ordinal in ORDINALS else len(names)
    return names[place] if place < len(names) else which
