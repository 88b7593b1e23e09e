"""Plain data as JSON with tags, so that nothing is guessed on the way back.

    null, true, 1, 1.5, "text"      themselves          ["d", [[key, value], ...]]   a dict
    ["l", ...] / ["t", ...]         a list / a tuple    ["T", k]                     tensor number k
    ["dtype", "float32"]            a torch.dtype       ["device", "cpu"]            a torch.device
    ["?", "numpy.ndarray"]          something that does not cross, by its type's name (see `Foreign`)

Further tags belong to `grader.rpc.codec` (functions, modules, objects, generators). A decoder that meets anything else raises
`Violation`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from grader.rpc.limits import MAX_BITS, MAX_DEPTH, MAX_ITEMS, MAX_NUMBER, Unsendable, Violation
from grader.rpc.tensors import DTYPES


@dataclass(frozen=True)
class Foreign:
    """Stands for a value that does not cross the connection; equal to nothing but another of the same type's name."""

    type_name: str

    def __repr__(self) -> str:
        return f"<{self.type_name}>"


def is_more(value: list | tuple | dict) -> bool:
    """Whether a list, tuple or dict has names of its own beside its items: a NamedTuple has, a dict subclass with methods has."""
    kind = type(value)
    if kind in (list, tuple, dict) or kind.__module__.startswith(("torch.", "collections")):
        return False
    if hasattr(kind, "_stands_for"):  # the other side's
        return True
    return any(
        not name.startswith("_") for part in kind.__mro__ if part.__module__ != "builtins" for name in vars(part)
    )


Encoder = Callable[[Any], Any]
"""Turns a value that is not plain data into a tagged list."""
Decoder = Callable[[str, list], Any]
"""Turns the tag and the parts of such a list back into a value, or raises `Violation`."""


def encode(value: Any, other: Encoder, depth: int = 0) -> Any:
    """A value as JSON with tags; `other` is asked for everything that is not plain data, tensors included."""
    if depth > MAX_DEPTH:
        raise Unsendable(f"what is nested deeper than {MAX_DEPTH} levels cannot be handed over")
    kind = type(value)
    if kind is Tensor:
        return other(value)
    if kind is list or kind is tuple:
        return ["t" if kind is tuple else "l", *[encode(item, other, depth + 1) for item in value]]
    if value is None or value is True or value is False:
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        if int(value).bit_length() > MAX_BITS:
            raise Unsendable(f"an integer of more than {MAX_BITS} bits cannot be handed over")
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, list | tuple | dict) and is_more(value):
        return other(value)
    if isinstance(value, list | tuple):
        tag = "t" if isinstance(value, tuple) else "l"
        return [tag, *(encode(item, other, depth + 1) for item in value)]
    if isinstance(value, dict):
        return ["d", [[_key(k, other), encode(v, other, depth + 1)] for k, v in value.items()]]
    if isinstance(value, torch.dtype):
        return ["dtype", str(value).removeprefix("torch.")]
    if isinstance(value, torch.device):
        return ["device", str(value)]
    if isinstance(value, Foreign):
        return ["?", value.type_name]
    return other(value)


def _key(key: Any, other: Encoder) -> Any:
    """A dict's key; one that is neither text nor a number is told by its type's name."""
    plain = isinstance(key, str | int | float | bool | None)
    if isinstance(key, int) and abs(int(key)) >= MAX_NUMBER:
        raise Unsendable(f"a dict whose key is a number of {MAX_NUMBER} or more cannot be handed over")
    return encode(key if plain else Foreign(type(key).__name__), other)


class Decoding:
    """Turns the tagged JSON of one message back into values, counting what it makes."""

    def __init__(self, other: Decoder) -> None:
        self._other = other
        self.items = 0
        """How many were made, those within what is named once more counted again."""

    def count(self, more: int) -> None:
        self.items += more
        if self.items > MAX_ITEMS:
            raise Violation(f"a message holds more than {MAX_ITEMS} values")

    def __call__(self, data: Any, depth: int = 0) -> Any:
        self.items += 1
        if self.items > MAX_ITEMS or depth > MAX_DEPTH:
            raise Violation(f"a message holds more than {MAX_ITEMS} values, or nests deeper than {MAX_DEPTH}")
        if type(data) is not list and (data is None or isinstance(data, bool | int | float | str)):
            return data
        if not isinstance(data, list) or not data or not isinstance(data[0], str):
            raise Violation("a value without a tag")
        tag, *parts = data
        if tag == "T":
            return self._other(tag, parts)
        if tag == "l":
            return [self(part, depth + 1) for part in parts]
        if tag == "t":
            return tuple(self(part, depth + 1) for part in parts)
        if tag == "d":
            return self._dict(parts, depth)
        if tag == "dtype" and len(parts) == 1 and isinstance(parts[0], str) and parts[0] in DTYPES:
            return DTYPES[parts[0]]
        if tag == "device" and parts == ["cpu"]:
            return torch.device("cpu")
        if tag == "?" and len(parts) == 1 and isinstance(parts[0], str):
            return Foreign(parts[0][:200])
        return self._other(tag, parts)

    def _dict(self, parts: list, depth: int) -> dict:
        if len(parts) != 1 or not isinstance(parts[0], list):
            raise Violation("a dict that is no list of pairs")
        result = {}
        for pair in parts[0]:
            if not isinstance(pair, list) or len(pair) != 2:
                raise Violation("a dict that is no list of pairs")
            key = self(pair[0], depth + 1)
            if not isinstance(key, str | int | float | bool | Foreign | None):
                raise Violation("a dict with a key that is neither text nor a number")
            if isinstance(key, int) and abs(key) >= MAX_NUMBER:
                raise Violation("a dict with a key that is too large a number")
            result[key] = self(pair[1], depth + 1)
        return result
