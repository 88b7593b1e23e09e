"""What the checks of the samplers look at."""

from collections.abc import Callable

import torch
from torch import Tensor

from exercises.checks import expect
from exercises.checks.cases import tracked
from exercises.checks.expect import left_alone
from exercises.checks.rules import KEEP
from exercises.checks.s4_fast_sampling.models import timed, told
from exercises.checks.s4_fast_sampling.rules import PEOPLE, SHOWN
from exercises.checks.spies import Spy


def called(model: Spy, x: Tensor, levels: list[int], why: str) -> None:
    """The model was called once at each of the levels, in this order, with x as it should be."""
    found = told(model)
    what = f"{len(levels)} calls, at {levels}"
    expect.holds(len(found) == len(levels), why, got=found, want=what, told=f"{len(found)} calls, at {found}")
    for seen in model.seen:
        expect.tensor(seen.x_t, SHOWN, shape=x.shape, dtype=x.dtype)
        expect.tensor(seen.t, PEOPLE, shape=x.shape[:1], dtype=torch.int64)
    expect.holds(found == levels, why, got=found, want=what, told=f"{len(found)} calls, at {found}")


def sampled(result: Tensor, x: Tensor) -> Tensor:
    """The result is like x, and finite."""
    expect.tensor(result, KEEP, shape=x.shape, dtype=x.dtype, device=x.device)
    expect.finite(result, "samples are finite")
    return result


def left_as_it_was(sampler: Callable[[Spy, Tensor], Tensor], x: Tensor, make: Callable[[], Spy] = timed) -> None:
    """A sampler records no gradient and changes neither its arguments nor the model."""
    for training, start in ((True, x.clone()), (False, x.clone()), (True, *tracked(x))):
        model = make().train(training)
        result = sampled(sampler(model, start), x)
        expect.unchanged(KEEP, x=(x, start.detach()))
        why = "a sampler records no gradient"
        expect.holds(not result.requires_grad, why, got="a result with a gradient", want="a result without")
        recorded = any(seen.tracked for seen in model.seen) and not start.requires_grad
        why = "a sampler records no gradient on its way, or its memory grows with the steps"
        expect.holds(not recorded, why, got="an x that carries a gradient", want="x without")
        left_alone(model)
