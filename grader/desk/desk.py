"""The learner's way of running the checks: in the same process, so that pdb works.

`Desk` stands between a check and a module: it hands out the module's functions and classes, and notes each call, so that
a failure can say what was called. `load` imports the learner's module, and `tidy` undoes what code at the desk does to
the process, so that no check sees what another left behind.
"""

import linecache
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from exercises.checks.describe import Call
from exercises.checks.expect import LAST_CALL, unchanged
from grader.checks import global_seed
from grader.course import section
from grader.faults import Missing

KEEP = "a function leaves its arguments as they are: whoever called may need them again"
ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")
SEED = 0
"""The seed of the checks at the desk, unless the learner gives another: the output is the same twice."""


class Desk:
    """The code under test, as a check sees it: `desk.q_sample(...)`, `desk.TinyDenoiser(...)`."""

    def __init__(self, module: Any) -> None:
        self._module = module
        LAST_CALL.clear()

    def __getattr__(self, name: str) -> Any:
        if not hasattr(self._module, name):
            raise Missing(name)
        target = getattr(self._module, name)
        return _noting(name, target) if callable(target) else target


def _noting(name: str, target: Callable) -> Callable:
    @wraps(target, updated=())
    def call(*args: Any, **kwargs: Any) -> Any:
        LAST_CALL.append(Call(name, args, kwargs))
        del LAST_CALL[:-1]
        given = [(where, value, value.detach().clone()) for where, value in _tensors(args, kwargs)]
        result = target(*args, **kwargs)
        # Checks compute what they expect from what they hand out: it must be what it was
        unchanged(KEEP, **{where: (before, value.detach()) for where, value, before in given})
        if isinstance(result, nn.Module) and not any(result is arg for arg in args):
            result.register_forward_pre_hook(_note_forward(name), with_kwargs=True)
        return result

    return call


def _tensors(args: tuple, kwargs: dict[str, Any]) -> Iterator[tuple[str, Tensor]]:
    """The tensors among the arguments, with what a message calls them; inside torch.func none can be looked at."""
    names = [f"{ordinal} argument" for ordinal in ORDINALS[: len(args)]]
    for name, value in (*zip(names, args, strict=False), *kwargs.items()):
        if isinstance(value, Tensor) and not torch._C._functorch.is_functorch_wrapped_tensor(value):
            yield name, value


def _note_forward(name: str) -> Callable:
    def note(module: nn.Module, args: tuple, kwargs: dict[str, Any]) -> None:
        LAST_CALL.append(Call(f"{name}.forward", args, kwargs))
        del LAST_CALL[:-1]

    return note


def load(stem: str) -> ModuleType:
    """Import the learner's module of a section, as it is on disk now; whatever it raises comes through."""
    path = section(stem).stub
    linecache.checkcache(str(path))
    module = ModuleType(f"exercises.{stem}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module
    # Compiled here, as the cached bytecode of a file saved twice within a second may be of the first
    exec(compile(path.read_bytes(), str(path), "exec", dont_inherit=True), module.__dict__)
    return module


@contextmanager
def tidy(seed: int = SEED, threads: int = 1) -> Iterator[None]:
    """Run code at the desk with known global state, and put back afterwards what it may have switched.

    Seeds the global random number generators and computes in so many threads. The tensors of the checks are small, and in
    one thread sums come out the same on every machine.
    """
    threads_before, dtype, device = torch.get_num_threads(), torch.get_default_dtype(), torch.get_default_device()
    numbers = torch.get_rng_state(), random.getstate(), np.random.get_state()
    start = global_seed(seed)
    deterministic, anomalies = torch.are_deterministic_algorithms_enabled(), torch.is_anomaly_enabled()
    try:
        torch.set_num_threads(threads)
        torch.manual_seed(start)
        random.seed(start)
        np.random.seed(start % 2**32)
        with torch.enable_grad():
            yield
    finally:
        torch.set_num_threads(threads_before)
        torch.set_default_dtype(dtype)
        torch.set_default_device(None if device.type == "cpu" else device)
        torch.set_rng_state(numbers[0])
        random.setstate(numbers[1])
        np.random.set_state(numbers[2])
        if torch.are_deterministic_algorithms_enabled() != deterministic:  # the other call imports torch's compiler
            torch.use_deterministic_algorithms(deterministic)
        torch.set_anomaly_enabled(anomalies)
