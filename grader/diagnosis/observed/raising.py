"""What is raised, or not raised where it should be."""

import inspect
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from grader.diagnosis.evidence import raised
from grader.diagnosis.observed.facts import Fact, Look, Step, called, given
from grader.diagnosis.observed.places import FEATURES
from grader.diagnosis.reference import reference
from grader.diagnosis.replay import copied


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


def _missing(look: Look, steps: list[Step]) -> Fact:
    kind = str(steps[0][2].right.result).removeprefix("raised ")
    names = {_named(look, step) for step in steps}
    means = "Arguments that make no sense are refused, with a message that names them: a wrong number that comes back is found much later."
    if len(names) == 1 and (name := names.pop()):
        values = {_short(given(step[2]).get(name)) for step in steps}
        if len(values) == 1 and (value := values.pop()):
            return look.fact(f"no {kind} for {called(name)} = {value}", means, steps)
        return look.fact(f"no {kind} for {called(name)} that makes no sense", means, steps)
    return look.fact(f"no {kind} for arguments that make no sense", means, steps)


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


def _breaking(look: Look, steps: list[Step]) -> Iterator[Fact]:
    """Exceptions where a result is due: for which arguments."""
    kinds = {str(step[3].result).removeprefix("raised ") for step in steps}
    kind = kinds.pop() if len(kinds) == 1 else "an exception"
    fine = [step[2] for step in look.trail if not raised(step[3].result)]
    wrong = [step[2] for step in steps]
    means = "In every call of this kind, and in no other, the function ends with this exception: the message says which line raised it."
    for says, holds in FEATURES.items():
        if all(map(holds, wrong)) and fine and not any(map(holds, fine)):
            where = says.removeprefix("wrong ").removeprefix("right ").removesuffix(" alone")
            if says.startswith("right"):
                where = f"for all but {where.removeprefix('for ')}"
            yield look.fact(f"{kind} raised {where}", means, steps)
            return
    for name in wrong[0].names:
        mine = {_kind_of(given(call).get(name, inspect.Parameter.empty)) for call in wrong}
        theirs = {_kind_of(given(call).get(name, inspect.Parameter.empty)) for call in fine}
        if len(mine) == 1 and "" not in mine and theirs and not mine & theirs:
            yield look.fact(f"{kind} raised where {called(name)} is {mine.pop()}", means, steps)
            return


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
        return f"{value!r}" if not isinstance(value, float) else f"{value:.4g}"
    if isinstance(value, list | tuple):
        return f"a {type(value).__name__}"
    if isinstance(value, torch.nn.Module):
        return "a module"
    if isinstance(value, torch.Generator):
        return "given"
    return "a plain function" if inspect.isfunction(value) else ""
