"""What is raised, or not raised where it should be."""

import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from grader.diagnosis.evidence import raised
from grader.diagnosis.observed.facts import Fact, Look, Step, called, given
from grader.diagnosis.observed.places import FEATURES, OUT_OF_ORDER, by_value, equal_arguments, made, special
from grader.diagnosis.reference import reference
from grader.diagnosis.replay import Call, copied


def raising(look: Look) -> Iterator[Fact]:
    """Exceptions that should be there and are not, and such as should not be there."""
    quiet = [step for step in look.trail if raised(step[2].right.result) and not raised(step[3].result)]
    if quiet:
        yield _missing(look, quiet)
    other = [
        step for step in look.trail
        if raised(step[2].right.result) and raised(step[3].result) and step[2].right.result != step[3].result
    ]  # fmt: skip
    if other:
        kinds = {str(step[3].result).removeprefix("raised ") for step in other}
        wanted = {str(step[2].right.result).removeprefix("raised ") for step in other}
        if len(kinds) == len(wanted) == 1:
            yield look.fact(
                f"{kinds.pop()} raised, not {wanted.pop()}",
                "The contract says which exception it is: who calls catches that one, and no other.",
                other,
            )
    loud = [step for step in look.trail if raised(step[3].result) and not raised(step[2].right.result)]
    if loud:
        yield from _breaking(look, loud)
    yield from _of_pictures(look)


def _missing(look: Look, steps: list[Step]) -> Fact:
    kind = str(steps[0][2].right.result).removeprefix("raised ")
    names = {_named(look, step) for step in steps}
    means = "Arguments that make no sense are refused, with a message that names them: a wrong number that comes back is found much later."
    if len(names) == 1 and (name := names.pop()):
        values = {_short(given(step[2]).get(name)) for step in steps}
        if len(values) == 1 and (value := values.pop()) and not _fine_elsewhere(look, name, value):
            return look.fact(f"no {kind} for {called(name, given(steps[0][2]).get(name))} = {value}", means, steps)
        return look.fact(
            f"no {kind} for {called(name, given(steps[0][2]).get(name))} that makes no sense", means, steps
        )
    return look.fact(f"no {kind} for arguments that make no sense", means, steps)


def _fine_elsewhere(look: Look, name: str, value: str) -> bool:
    """Whether the argument has this value in calls that are not to be refused too, or that are refused: it makes sense."""
    steps = [step for step in look.trail if not raised(step[2].right.result) or raised(step[3].result)]
    calls = [step[2] for step in steps] + [call for check in look.passed for call in made(look, check)]
    return any(_short(given(call).get(name)) == value for call in calls)


def _short(value: Any) -> str:
    return repr(value) if isinstance(value, int | float | str) else ""


def _named(look: Look, step: Step) -> str:
    """The argument that the reference's message begins with."""
    call = step[2]
    try:
        getattr(reference(look.stem).module(look.exercise), call.function)(*copied(call.args), **copied(call.kwargs))
    except Exception as error:
        said = str(error).split()
        return said[0] if said and said[0] in call.names else ""
    return ""


def messages(look: Look) -> Iterator[Fact]:
    """What the message of an exception says, if it says the same in every check that ends with one, and most do."""
    loud = {name: evidence.said for name, evidence in look.failures.items() if raised(evidence.got)}
    means = "It is what the message says in every check that ends with an exception: read it to the end."
    for pattern, says in MESSAGES.items():
        if (
            look.whole
            and HALF * len(look.failures) < len(loud)
            and all(re.search(pattern, said) for said in loud.values())
        ):
            yield Fact(says, means, frozenset(loud))
            return


HALF = 0.5
"""Of the checks that fail so many must end with an exception, for its message to be told."""
MESSAGES = {
    "Dimension out of range": "an axis asked for that the data do not have",
    "must match the (?:existing )?size|shapes cannot be multiplied|invalid for input of size|not broadcastable": "shapes that do not fit",
    "index .* out of (?:bounds|range)": "an index beyond the end of a table",
    "cannot be converted to Scalar|[Oo]nly one element tensors": "a tensor taken for a single number",
    "with more than one value is ambiguous": "a tensor taken for a single yes or no",
    "same dtype|expected scalar type|[Ee]xpected .*type .* but found": "tensors of two dtypes in one operation",
    r"'(?:float|int)' object has no attribute|argument 'input' .* must be Tensor, not (?:float|int)": "a plain number used as a tensor",
    "'list' object has no attribute|must be Tensor, not list": "a list used as a tensor",
    "values to unpack": "something taken apart into more or fewer parts than it has",
    "NoneType": "None used as a number or a tensor",
    "keyword argument|positional argument": "something called with other arguments than it takes",
    "name '.*' is not defined": "a name that is not defined",
}
"""What messages of torch and of Python mean."""


def _of_pictures(look: Look) -> Iterator[Fact]:
    """Of a network: an exception for pictures whose sides differ, where other checks pass."""
    loud = {name: e for name, e in look.failures.items() if raised(e.got)}
    kinds = {str(evidence.got).removeprefix("raised ") for evidence in loud.values()}
    pictures = [next((shape for shape in e.given if len(shape) == PICTURE), ()) for e in loud.values()]
    if len(kinds) != 1 or not all(pictures) or not look.passed or (look.trail and _gives(look.trail)):
        return
    sides = {shape[2:] for shape in pictures}
    means = "In every check that ends with this exception it was such pictures that the network was given last; checks with others pass."
    even = any(height & (height - 1) == width & (width - 1) == 0 for height, width in sides)
    if len(sides) >= SEVERAL and even and all(height != width for height, width in sides):
        yield Fact(f"{kinds.pop()} raised for pictures whose height and width differ", means, frozenset(loud))


def _gives(trail: list[Step]) -> bool:
    """Whether the calls give numbers: of a network, they give a module."""
    return not any("a module" in str(step[3].result) for step in trail)


PICTURE = 4
"""A tensor with so many axes is a batch of pictures."""
SEVERAL = 2
"""So many sizes must show it; and one of them of powers of two, which a network can halve as often as it likes."""


def _breaking(look: Look, steps: list[Step]) -> Iterator[Fact]:
    """Exceptions where a result is due: for which arguments."""
    kinds = {str(step[3].result).removeprefix("raised ") for step in steps}
    kind = kinds.pop() if len(kinds) == 1 else "an exception"
    fine = [step[2] for step in look.trail if not raised(step[3].result)]
    wrong = [step[2] for step in steps]
    fine += [call for name in look.passed for call in made(look, name)]
    means = "In every call of this kind, and in no other, the function ends with this exception: the message says which line raised it."
    if says := _by_type(wrong, fine) or equal_arguments(wrong, fine):
        yield look.fact(f"{kind} raised where {says}", means, steps)
        return
    for says, holds in FEATURES.items():
        if says == OUT_OF_ORDER and not _of_layout(look, steps):
            continue
        if all(map(holds, wrong)) and fine and not any(map(holds, fine)):
            where = says.removeprefix("wrong ").removeprefix("right ").removesuffix(" alone")
            if says.startswith("right"):
                where = f"for all but {where.removeprefix('for ')}"
            yield look.fact(f"{kind} raised {where}", means, steps)
            return
    found = [says.removeprefix("wrong ") for says in by_value(look, wrong, fine) if says.startswith("wrong ")]
    if len(found) == 1:
        yield look.fact(f"{kind} raised {found[0]}", means, steps)
        return
    for name in wrong[0].names:
        mine = {_kind_of(given(call).get(name, inspect.Parameter.empty)) for call in wrong}
        theirs = {_kind_of(given(call).get(name, inspect.Parameter.empty)) for call in fine}
        if len(mine) == 1 and "" not in mine and theirs and not mine & theirs:
            yield look.fact(
                f"{kind} raised where {called(name, given(wrong[0]).get(name))} is {mine.pop()}", means, steps
            )
            return
    if look.exercise[0].isupper() and all(call.function == look.exercise for call in wrong):
        yield look.fact(f"{kind} raised by the constructor", "It is raised before anything is computed.", steps)


LAYOUT = r"view|stride|contiguous|memory|layout|expanded"
"""How exceptions speak that are raised for how the numbers lie in memory: others have another reason in the same calls."""


def _of_layout(look: Look, steps: list[Step]) -> bool:
    """Whether the exceptions' messages speak of how the numbers lie."""
    return all(re.search(LAYOUT, look.failures[step[0]].said) for step in steps if step[0] in look.failures)


def _by_type(wrong: list[Call], fine: list[Call]) -> str:
    """Which argument is None, or a plain number, in these calls and in no other; "" if none is."""
    for name in wrong[0].names:
        mine, theirs = ([given(call).get(name, inspect.Parameter.empty) for call in calls] for calls in (wrong, fine))
        for says, holds in TYPES.items():
            if all(map(holds, mine)) and theirs and not any(map(holds, theirs)):
                return f"{called(name)} is {says}"
    return ""


TYPES: dict[str, Callable[[Any], bool]] = {
    "None": lambda value: value is None,
    "a plain number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "a list": lambda value: isinstance(value, list | tuple),
}
"""Types of arguments that a contract allows beside another one."""


def _kind_of(value: Any) -> str:
    """A word for the kind of argument that this is."""
    if value is inspect.Parameter.empty:
        return "left to its default"
    if isinstance(value, Tensor):
        if value.dtype == torch.bool:
            return "a mask"
        kind = str(value.dtype).removeprefix("torch.")
        return f"a {kind} tensor" if value.ndim else f"a {kind} tensor of shape ()"
    if value is None:
        return "None"
    if isinstance(value, bool | int | float | str):
        if not special(value):
            return ""
        return f"{value!r}" if not isinstance(value, float) else f"{value:.4g}"
    if isinstance(value, list | tuple):
        return f"a {type(value).__name__}"
    if isinstance(value, torch.nn.Module):
        return "a module"
    if isinstance(value, torch.Generator):
        return "given"
    return "a plain function" if inspect.isfunction(value) else ""
