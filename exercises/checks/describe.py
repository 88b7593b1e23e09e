"""Values in a few words, for the messages of the checks."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

SMALL = 8
"""A tensor with up to this many elements is written out; a larger one is named by dtype and shape."""
LONG = 200
"""Text from the code under test is cut after this many characters."""
EITHER = "in either mode"
"""How that ends which is said of a network that does the same in training and in eval mode."""


MADE: WeakKeyDictionary[torch.nn.Module, str] = WeakKeyDictionary()
"""The networks that the code under test made, each with the call that made it."""


@dataclass
class Call:
    """One call into the code under test, described when somebody asks, with the small tensors as they were then.

    Where it can be seen what the arguments are called, at the desk, they are told by name.
    """

    name: str
    args: tuple = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    target: Callable | None = None

    def __post_init__(self) -> None:
        self.args = tuple(map(_as_it_is, self.args))
        self.kwargs = {key: _as_it_is(value) for key, value in self.kwargs.items()}

    def __str__(self) -> str:
        names = argument_names(self.target)
        parts = [f"{name}={describe(value)}" for name, value in zip(names, self.args, strict=False)]
        parts += [describe(value) for value in self.args[len(names) :]]
        parts += [f"{key}={describe(value)}" for key, value in self.kwargs.items()]
        return f"{self.name}({', '.join(parts)})"


def argument_names(target: Callable | None) -> list[str]:
    """What the positional arguments are called; none where that cannot be seen, as of what another process answers."""
    try:
        parameters = inspect.signature(target).parameters.values() if target is not None else ()
    except (TypeError, ValueError):
        return []
    return [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]


def _as_it_is(value: Any) -> Any:
    """The value, and of a tensor that will be written out a copy: who is called may change it in place."""
    written = isinstance(value, Tensor) and value.numel() <= SMALL
    return value.detach().clone() if written else value


def network_called(network: torch.nn.Module) -> str:
    """How a network that is called stands in a message: with its arguments, and its mode where that is not the usual one."""
    made = MADE.get(network, f"<model {type(network).__name__}>")
    return made if network.training else f"{made}.eval()"


def at_length(value: Any) -> str:
    """A value in a few words, and of a tensor that is too large to be written out between what its elements lie."""
    text = describe(value)
    if isinstance(value, Tensor) and value.is_floating_point() and value.numel() > SMALL:
        least, most = value.detach().aminmax()
        return f"{text}, from {least.item():.3g} to {most.item():.3g}"
    return text


def describe(value: Any) -> str:
    """A value in a few words: small tensors written out, large ones by dtype and shape."""
    if isinstance(value, torch.nn.Module):
        return f"<model {type(value).__name__}>"
    if isinstance(value, Tensor):
        return _describe_tensor(value.detach())
    if isinstance(value, torch.Generator):
        return "<generator>"
    if isinstance(value, tuple | list):
        text = ", ".join(describe(item) for item in value[:SMALL]) + (", ..." if len(value) > SMALL else "")
        text += "," if isinstance(value, tuple) and len(value) == 1 else ""
        return f"({text})" if isinstance(value, tuple) else f"[{text}]"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, str):
        return repr(value if len(value) <= LONG else value[:LONG] + "...")
    if value is None or isinstance(value, bool | int):
        return repr(value)
    if callable(value):
        return f"<function {getattr(value, '__name__', type(value).__name__)}>"
    return f"<{type(value).__name__}>"


def _describe_tensor(value: Tensor, digits: int = 6) -> str:
    dtype = str(value.dtype).removeprefix("torch.")
    if value.numel() > SMALL or value.numel() == 0:
        return f"{dtype} {tuple(value.shape)}"
    return f"{_numbers(value.tolist(), digits)} ({dtype})"


def _numbers(value: Any, digits: int = 6) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_numbers(item, digits) for item in value) + "]"
    return f"{value:.{digits}g}" if isinstance(value, float) else str(value)


def differences(got: Tensor, want: Tensor, near: Tensor) -> tuple[str, str]:
    """Two texts, for what came back and what was expected: whole if small, else where they first part.

    With as many digits as it takes to see that they differ.
    """
    if got.numel() <= SMALL:
        return _apart(lambda digits: (_describe_tensor(got, digits), _describe_tensor(want, digits)))
    where = tuple((~near).nonzero()[0].tolist())
    count = f"{int((~near).sum())} of {near.numel()} elements differ"
    one, other = got[where].item(), want[where].item()
    first, second = _apart(lambda digits: (_number(one, digits), _number(other, digits)))
    return f"{first} at {list(where)} ({count})", f"{second} at {list(where)}"


def _apart(texts: Callable[[int], tuple[str, str]]) -> tuple[str, str]:
    """Both texts, with the fewest of 6, 9, 12 and 17 digits with which they are not the same."""
    for digits in (6, 9, 12):
        first, second = texts(digits)
        if first != second:
            return first, second
    return texts(17)


def _number(value: Any, digits: int) -> str:
    return str(value) if isinstance(value, int | complex) else f"{value:.{digits}g}"


def in_modes(found: dict[str, str]) -> str:
    """What was seen of a network in training mode, and in eval mode, and in which of them; "" if nothing in either.

    What is seen in both is no work of batch normalisation or dropout, which are at rest in eval mode.
    """
    training, evaluated = found["training"], found["eval"]
    if training and training == evaluated:
        return f"{training}, {EITHER}"
    return next((f"{told}, in {mode} mode" for mode, told in found.items() if told), "")
