"""What the judge hands over by value: given code's objects that are their numbers and nothing else, by their class's name.

Such an object notes nothing, and all that it holds can be had by calling it: that it is called at the jail's side, no check can
see, and each call there saves one that crosses. The jail takes it from the course's toolkit, which it has; the other way round there is no such
thing, for the judge makes nothing by a name that the jail sends.
"""

import dataclasses
import importlib
from typing import Any

MODULE = "exercises.toolkit.processes"
"""Where these classes are, for both sides."""


def taken_apart(value: Any) -> tuple[str, list[float]] | None:
    """The name of the class of such an object, and its numbers; None if it is none."""
    kind = type(value)
    if kind.__module__ != MODULE or not dataclasses.is_dataclass(kind):
        return None
    return kind.__name__, [getattr(value, field.name) for field in dataclasses.fields(kind)]


def put_together(name: str, numbers: list[float]) -> Any:
    """The object of the class of that name with these numbers."""
    return getattr(importlib.import_module(MODULE), name)(*numbers)
