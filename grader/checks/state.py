"""What torch and the generators keep for a whole process, known before a check and put back after it."""

import hashlib
import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from grader.sandbox.guest import compiler

SEED = 0
"""The seed of the checks at the desk, unless the learner gives another: the output is the same twice."""


@contextmanager
def tidy(seed: int = SEED, threads: int = 1) -> Iterator[None]:
    """Run code at the desk with known global state, and put back afterwards what it may have switched.

    Seeds the global random number generators and computes in so many threads. The tensors of the checks are small, and in
    one thread sums come out the same on every machine. An optimizer alone does not import torch's compiler.
    """
    compiler.import_when_needed()
    threads_before, dtype, device = torch.get_num_threads(), torch.get_default_dtype(), torch.empty(0).device
    numbers = torch.get_rng_state(), random.getstate(), np.random.get_state()
    start = global_seed(seed)
    deterministic, anomalies = torch.are_deterministic_algorithms_enabled(), torch.is_anomaly_enabled()
    try:
        torch.set_num_threads(threads)
        seed_torch(start)
        random.seed(start)
        np.random.seed(start % 2**32)
        with torch.enable_grad():
            yield
    finally:
        torch.set_num_threads(threads_before)
        torch.set_default_dtype(dtype)
        # Only where it is another one: once it was set to none, torch 2.6 cannot tell the default device
        if torch.empty(0).device != device:
            torch.set_default_device(None if device.type == "cpu" else device)
        torch.set_rng_state(numbers[0])
        random.setstate(numbers[1])
        np.random.set_state(numbers[2])
        if torch.are_deterministic_algorithms_enabled() != deterministic:  # the other call imports torch's compiler
            torch.use_deterministic_algorithms(deterministic)
        torch.set_anomaly_enabled(anomalies)


def seed_torch(number: int) -> None:
    """As `torch.manual_seed`, which writes down its whole stack for each kind of accelerator that is not in use: half a millisecond."""
    if torch.cuda.is_initialized() or torch.xpu.is_initialized() or torch.backends.mps.is_available():
        torch.manual_seed(number)
    else:
        torch.default_generator.manual_seed(number)


def derive(seed: int, name: str) -> int:
    """A seed of its own for each check, from which neither the course's seed nor another check's can be had."""
    return int.from_bytes(hashlib.blake2b(f"{seed}/{name}".encode(), digest_size=6).digest(), "big")


def global_seed(seed: int) -> int:
    """What the global random number generators start from in each check, at the desk and in the jail alike.

    A submission can read it back, so it keeps three bits of the seed: too few to find out what the inputs are drawn from.
    """
    return derive(seed, "global") % 8
