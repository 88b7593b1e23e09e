"""What a check hands out is made for it: what one submission does to it reaches no other, whoever grades both."""

import sys
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch

from exercises.checks.expect import Mismatch
from grader.checks.collect import collect
from grader.checks.under_test import UnderTest
from grader.course import sections

NOTED = ("GIVEN", "LAST_CALL", "MADE", "NOTES", "PARTS")
"""Lists of what the running check was given, emptied by the next."""


def kept(value: Any, path: str, depth: int = 4) -> Iterator[str]:
    """Where in a module's value something is that can be changed in place: a tensor, a model, a generator."""
    if isinstance(value, torch.Tensor | torch.nn.Module | torch.Generator):
        yield path
    elif depth and not isinstance(value, type | ModuleType):
        inner: list[Any] = list(getattr(value, "__defaults__", None) or ())
        inner += [cell.cell_contents for cell in getattr(value, "__closure__", None) or ()]
        if isinstance(value, dict):
            inner += value.values()
        elif isinstance(value, list | tuple | set | frozenset):
            inner += value
        elif type(value).__module__.startswith("exercises."):
            inner += getattr(value, "__dict__", {}).values()
        for one in inner:
            yield from kept(one, path, depth - 1)


def test_no_file_of_checks_keeps_a_tensor_that_a_submission_could_change_for_those_after_it():
    """3 s: all checks are imported."""
    parameters = [(check.name, check.parameters) for stem in sections() for check in collect(stem)]
    modules = {name: module for name, module in sys.modules.items() if name.startswith("exercises.checks")}
    named = [(f"{name}.{key}", value) for name, module in modules.items() for key, value in vars(module).items()]
    found = {place for path, value in named + parameters for place in kept(value, path)}
    assert len(modules) > 90
    assert len(parameters) > 500
    assert sorted(place for place in found if not place.endswith(NOTED)) == []


def test_an_argument_that_was_changed_in_place_is_put_back_for_whoever_has_it_too():
    scale = torch.tensor([1.0, 0.0])
    code = UnderTest(SimpleNamespace(answer=lambda value: value.fill_(7.0)))
    with pytest.raises(Mismatch, match="changed in place"):
        code.answer(scale)
    assert scale.tolist() == [1.0, 0.0]
