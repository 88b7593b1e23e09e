"""What a check says: compare what came back with what was expected, and explain the difference.

Every function here either returns or raises `Mismatch`, whose message tells, in this order, what was called, what came
back, what was expected, and why. Type, shape, dtype, device and finiteness are compared before values.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from exercises.checks.describe import Call, at_length, describe, differences, network_called

LAST_CALL: list[Call] = []
"""The last call into the code under test, if there was one: it is what a failure talks about."""

PARTS: list[tuple[Tensor, str]] = []
"""The parts of the tuple that was taken apart last, with what a message calls them."""
GIVEN: list[tuple[Any, str]] = []
"""What the models that a check hands out were called with since the check began, with what a message calls it."""
MOST_WORDS = 8
"""Of a list of words so many are told."""
ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")

TOLERANCES = {
    torch.float64: (1e-7, 1e-7),
    torch.float32: (1.3e-6, 1e-5),
    torch.bfloat16: (1.6e-2, 1e-5),
    torch.float16: (1e-3, 1e-5),
    torch.complex128: (1e-7, 1e-7),
    torch.complex64: (1.3e-6, 1e-5),
}
"""Relative and absolute, for each dtype as in torch.testing, whose import takes longer than the checks of a section; whole
numbers are equal or they are not."""


def given(*, by: str = "model", **values: Any) -> None:
    """A model, or what else is called `by` in a message, was given these: a message about one of them says so."""
    GIVEN.extend((value, f"the {name} that the {by} was given") for name, value in values.items())


def opened(why: str) -> str:
    """A reason whole: with what stands between ⟦ and ⟧, which is the answer where the algebra is the exercise."""
    return why.replace("⟦", "").replace("⟧", "")


def veiled(why: str) -> str:
    """A reason as far as it does not give the answer away."""
    left = re.sub(r"⟦[^⟧]*⟧", "\0", why)  # what separated it from its neighbours goes with it
    left = re.sub(r"([;:,])\s*\0\s*[;:,]", r"\1", left)
    left = re.sub(r"^[\0;:, ]+|[\0;:, ]+$", "", left)
    return left.replace("\0", "")


def calling(network: torch.nn.Module, method: str, *args: Any) -> Any:
    """What a method of a network of the code under test returns; a failure talks about this call."""
    LAST_CALL[:] = [Call(f"{network_called(network)}.{method}", args, target=getattr(network, method))]
    return getattr(network, method)(*args)


class Mismatch(AssertionError):
    """The code under test answered, and the answer is wrong.

    Attributes:
        why: the reason that teaches: the equation, or the rule of the course.
        hinted: the same without what stands between ⟦ and ⟧: at the learner's desk the answer itself waits for the last hint.
        got: what came back, as data, so that a known mistake can be recognised by its answer.
        near: the relative and the absolute tolerance with which it was compared; 0 where it was not by tolerance.
        facts: the lines of the message, as (label, text).
    """

    def __init__(
        self, why: str, got: Any, came_back: str, expected: str, near: tuple[float, float] = (0.0, 0.0)
    ) -> None:
        self.why = opened(why)
        self.hinted = veiled(why)
        self.got = got
        self.near = near
        self.facts = [
            ("called", str(LAST_CALL[-1]) if LAST_CALL else "nothing yet"),
            ("came back", came_back),
            ("expected", expected),
            ("because", opened(why)),
        ]
        super().__init__("\n".join(f"{label:<10} {text}" for label, text in self.facts))


def close(got: Any, want: Tensor, why: str, *, rtol: float | None = None, atol: float | None = None) -> None:
    """`got` is a tensor like `want`, with the same values to within `TOLERANCES`, unless others are given.

    Args:
        got: what the code under test returned.
        want: the exact answer.
        why: the reason that teaches.
        rtol: relative tolerance; state its arithmetic where it is not the default.
        atol: absolute tolerance; both or neither.
    """
    tensor(got, why, shape=want.shape, dtype=want.dtype, device=want.device)
    finite(got, why)
    whole, got, want = got, got.detach(), want.detach()
    if rtol is None or atol is None:
        rtol, atol = TOLERANCES.get(want.dtype, (0.0, 0.0))
    near = torch.isclose(got, want, rtol=rtol, atol=atol)
    if not near.all():
        came_back, expected = differences(got, want, near)
        raise Mismatch(why, got, f"{_part(whole)}{came_back}", expected, near=(rtol, atol))


def tensor(
    got: Any,
    why: str,
    *,
    shape: Sequence[int] | None = None,
    dtype: torch.dtype | None = None,
    device: torch.device | None = None,
) -> None:
    """`got` is a tensor, of this shape, dtype and device where they are given."""
    if not isinstance(got, Tensor):
        raise Mismatch(why, type(got).__name__, f"{_part(got)}{_told(got)}", f"a tensor{_shape_text(shape)}")
    if shape is not None and tuple(got.shape) != tuple(shape):
        came_back = f"{_part(got)}shape {tuple(got.shape)}{_other_with(got, shape)}"
        raise Mismatch(why, tuple(got.shape), came_back, f"shape {tuple(shape)}")
    if dtype is not None and got.dtype != dtype:
        raise Mismatch(why, str(got.dtype), f"{_part(got)}dtype {got.dtype}", f"dtype {dtype}")
    if device is not None and got.device != device:
        raise Mismatch(why, str(got.device), f"{_part(got)}a tensor on {got.device}", f"a tensor on {device}")


def _told(got: Any) -> str:
    """What came back in the place of tensors, in a few words."""
    return "None: does the function end without a return?" if got is None else describe(got)


def _part(got: Any) -> str:
    """What this is where it is not the result itself, for the beginning of a message: a part of a tuple, or given to a model."""
    return next((f"{name}: " for part, name in (*PARTS, *GIVEN) if part is got), "")


def _other_with(got: Tensor, shape: Sequence[int]) -> str:
    """Of a part that has another shape than it should: which of the others has that one."""
    if not any(part is got for part, _ in PARTS):
        return ""
    others = [name for part, name in PARTS if part is not got and tuple(part.shape) == tuple(shape)]
    return f" (what came as {others[0]} has this shape: is the order right?)" if others else ""


def _shape_text(shape: Sequence[int] | None) -> str:
    return "" if shape is None else f" of shape {tuple(shape)}"


def finite(got: Tensor, why: str) -> None:
    """No element of `got` is NaN or infinite."""
    bad = ~torch.isfinite(got.detach())
    if bad.any():
        where = tuple(bad.nonzero()[0].tolist())
        came_back = f"{_part(got)}{got.detach()[where].item()} at {list(where)}"
        raise Mismatch(why, got.detach(), came_back, "finite numbers")


UNCHOSEN = (
    "where the value is a number and the gradient is not, look at what torch.where, a mask or a clamp did not choose: backward it still "
    "counts, 0 times its slope, and 0 times infinity is NaN (the slope of a logarithm, a root or a quotient at 0). Make it finite "
    "before it is chosen from"
)


def finite_slope(grad: Tensor, why: str) -> None:
    """No element of a gradient is NaN or infinite; where one is, it is said how that comes about."""
    bad = ~torch.isfinite(grad.detach())
    if bad.any():
        where = tuple(bad.nonzero()[0].tolist())
        came_back = f"a gradient of {grad.detach()[where].item()} at {list(where)} ({int(bad.sum())} of {bad.numel()})"
        raise Mismatch(f"{why}; {UNCHOSEN}", grad.detach(), came_back, "a finite gradient")


def tensors(got: Any, count: int, why: str, names: Sequence[str] = ()) -> tuple[Tensor, ...]:
    """`got` is a tuple (or list) of `count` tensors; returns them.

    Args:
        got: what the code under test returned.
        count: how many there should be.
        why: the reason that teaches.
        names: what they are called; what is said of one of them from here on begins with its name.
    """
    called = [f"the {name}" for name in names] or [f"the {word} of {count}" for word in ORDINALS[:count]]
    if not isinstance(got, tuple | list) or len(got) != count:
        raise Mismatch(why, type(got).__name__, _told(got), f"a tuple of {count} tensors")
    for part, name in zip(got, called, strict=True):
        if not isinstance(part, Tensor):
            seen = f"no tensor for {name}: {type(part).__name__}"
            raise Mismatch(why, seen, f"{name}: {describe(part)}", f"a tuple of {count} tensors")
    PARTS[:] = list(zip(got, called, strict=True))
    return tuple(got)


def losses(got: Any, count: int, why: str) -> list[float]:
    """`got` is a list of `count` losses, each a plain float; returns it."""
    if not isinstance(got, tuple | list):
        said = "nothing returned" if got is None else f"{describe(got)} returned, not a list of losses"
        raise Mismatch(why, said, _told(got), f"a list of {count} floats")
    if strange := sorted({_kind(loss) for loss in got} - {"floats"}):
        said = f"losses as {' and '.join(strange)}, not as floats"
        raise Mismatch(why, said, said, f"a list of {count} floats")
    equal(len(got), count, why, of="losses")
    return list(got)


def _kind(loss: Any) -> str:
    if isinstance(loss, Tensor):
        return "tensors with a gradient" if loss.requires_grad else "tensors"
    return "floats" if isinstance(loss, float) else type(loss).__name__


def equal(got: Any, want: Any, why: str, *, of: str = "") -> None:
    """`got` is exactly `want`: counts, names, shapes, flags, lists of them; counts are `of` something, in words."""
    if isinstance(got, Tensor) or type(got) is not type(want) or got != want:
        said = f" {of}" if of else ""
        raise Mismatch(why, got, f"{describe(got)}{said}", f"{describe(want)}{said}")


def holds(condition: bool, why: str, *, got: Any, want: str, told: str = "") -> None:
    """A property holds.

    Args:
        condition: whether it does.
        why: the reason that teaches.
        got: the measurement behind it, or words of the check's: by it a mistake is recognised.
        want: what it should be.
        told: what is said to have come back, where the measurement alone does not say of what it is.
    """
    if not condition:
        raise Mismatch(why, got, told or _in_words(got), want)


def _in_words(got: Any) -> str:
    """A measurement in a message: words as they are, of a list each once, of a dict by name, of numbers between what they lie."""
    if isinstance(got, str):
        return got
    if isinstance(got, list) and got and all(isinstance(word, str) for word in got):
        words = list(dict.fromkeys(got))
        return ", ".join(words[:MOST_WORDS]) + (
            f" and {len(words) - MOST_WORDS} more" if len(words) > MOST_WORDS else ""
        )
    if isinstance(got, dict):
        return ", ".join(f"{name}: {_in_words(part)}" for name, part in got.items())
    return at_length(got)


def none(found: Collection[str], why: str, *, verb: str, want: str) -> None:
    """Nothing was `found` of which the `verb` is true: "weight, bias did not move"."""
    if found:
        raise Mismatch(why, list(found), f"{' and '.join(found)} {verb}", want)


def raises(kind: type[Exception], call: Callable[[], Any], why: str, *, naming: str | None = None) -> None:
    """`call()` raises an exception of this kind, whose message names the argument `naming` where one is given."""
    try:
        result = call()
    except kind as error:
        if naming is not None and naming not in str(error):
            raise Mismatch(why, str(error), f"{kind.__name__}: {error}", f"a message that names {naming!r}") from None
    else:
        raise Mismatch(why, describe(result), describe(result), f"{kind.__name__} raised")


def unchanged(why: str, told: Callable[[], Mapping[str, str]] = dict, **arguments: tuple[Tensor, Tensor]) -> None:
    """Each named argument, given as (what it was, what it is now), was not changed in place.

    A message has another name for those that are in what `told` gives, which is asked only then.
    """
    for name, (before, after) in arguments.items():
        if not _equal(before, after):
            called = told().get(name, name)
            raise Mismatch(why, f"changed {name}", f"{called} was changed in place", f"{called} as it was given")


def _equal(before: Tensor, after: Tensor) -> bool:
    """Equal to the last bit, NaN to NaN."""
    if before.shape != after.shape or before.dtype != after.dtype:
        return False
    return torch.equal(before, after) or bool(((before == after) | ((before != before) & (after != after))).all())


def untouched(call: Callable[..., Any], why: str, **arguments: Tensor) -> Any:
    """What `call` returns for copies of the arguments, in this order; it must not have changed a copy in place."""
    copies = {name: value.clone() for name, value in arguments.items()}
    result = call(*copies.values())
    unchanged(why, **{name: (value, copies[name]) for name, value in arguments.items()})
    return result


def gradients(
    result: Any,
    pull: Tensor,
    why: str,
    *,
    rtol: float | None = None,
    atol: float | None = None,
    **inputs: tuple[Tensor, Tensor],
) -> None:
    """The gradient of Σ pull * result reaches each named input, given as (the input, its exact gradient).

    Args:
        result: what the code under test returned.
        pull: of the result's shape and dtype.
        why: the reason that teaches.
        rtol: relative tolerance, as for `close`.
        atol: absolute tolerance; both or neither.
        inputs: by name.
    """
    tensor(result, why, shape=pull.shape, dtype=pull.dtype)
    if not result.requires_grad:
        raise Mismatch(
            why, "no gradient", "a result cut off from what it was computed from", "a result with a gradient"
        )
    given = [value for value, _ in inputs.values()]
    try:
        # The same as with `pull` handed over, for which torch would import its compiler
        found = torch.autograd.grad((result * pull).sum(), given, allow_unused=True)
    except RuntimeError as error:
        said, wanted = f"a backward pass that fails: {error}", "gradients"
        if "second time" in str(error):  # torch's advice, to retain the graph, would be wrong here
            said = (
                "a result through which somebody went backward already: is there a call of backward() in your function?"
            )
            wanted = "a result from which who called can go backward"
        raise Mismatch(why, "no backward pass", said, wanted) from None
    wrong: dict[str, Mismatch] = {}
    for (name, (value, want)), grad in zip(inputs.items(), found, strict=True):
        reason = f"{why} (the gradient with respect to {name})"
        try:
            if grad is not None:
                finite_slope(grad, reason)
            close(torch.zeros_like(value) if grad is None else grad, want, reason, rtol=rtol, atol=atol)
        except Mismatch as error:
            wrong[name] = error
    if wrong:
        first = next(iter(wrong.values()))
        if len(inputs) > 1:  # one that is missing looks alike in all: they are told apart by their names
            first.got = {name: error.got for name, error in wrong.items()}
        raise first


PLAIN = (
    "torch does not look into a plain list, tuple or dict: what is in one is not in parameters(), so that no optimiser trains it, not in "
    "state_dict(), so that it is not saved, and not moved by to(). It sees what is assigned to self as a module, an nn.ModuleList, an "
    "nn.Sequential, an nn.ModuleDict or an nn.Parameter, and what register_buffer is given"
)


def module(got: Any, why: str) -> None:
    """`got` is an nn.Module with something to train."""
    if not isinstance(got, torch.nn.Module):
        raise Mismatch(why, type(got).__name__, _told(got), "an nn.Module")
    if not any(parameter.requires_grad for parameter in got.parameters()):
        came_back = "a module without parameters: torch finds no layer in it"
        raise Mismatch(f"{why}; {PLAIN}", "no parameters", came_back, "a module with parameters to train")


def left_alone(model: torch.nn.Module, called: str = "model") -> None:
    """The model's parameters are as they were. Its mode is not looked at: to sample in eval() is a good habit."""
    flags = [parameter.requires_grad for parameter in model.parameters()]
    equal(flags, [True] * len(flags), f"the {called}'s parameters can still be trained")
    graded = any(parameter.grad is not None for parameter in model.parameters())
    why = f"the caller says when to go backward: no gradient is left on the {called}'s parameters"
    holds(not graded, why, got="parameters with a gradient", want="grad is None")
