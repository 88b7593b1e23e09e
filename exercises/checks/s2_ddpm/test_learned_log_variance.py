"""The checks of learned_log_variance."""

import math
from dataclasses import replace

import torch
from hypothesis import given
from torch import Tensor

from exercises.checks import cases, expect
from exercises.checks.cases import Case, numbers, tracked
from exercises.checks.rules import EACH, FREE, KEEP, SINGLE
from exercises.checks.s2_ddpm.formulas import between, small_variance

BETWEEN = "log σ² runs along a line in v, from log β̃_t at -1 to log β_t at +1⟦: (v+1)/2 log β_t + (1-v)/2 log β̃_t⟧"


def shares(case: Case) -> Tensor:
    """Numbers between -1 and 1."""
    return torch.erf(case.noise / math.sqrt(2))


def test_learned_log_variance_by_hand(code):
    """Numbers that can be worked out by hand."""
    v = numbers(-1.0, 0.0, 1.0)[None].expand(2, 3)
    got = code.learned_log_variance(v, torch.tensor([1, 0]), numbers(0.36, 0.75))
    small, large, first = math.log(0.27 / 0.84), math.log(0.75), math.log(0.36)
    want = torch.stack([numbers(small, (small + large) / 2, large), numbers(small, (small + first) / 2, first)])
    why = f"{BETWEEN}, for v = -1, 0, 1; with β = (0.36, 0.75) β̃_1 is 0.36 / 0.84 * 0.75, and stands in for β̃_0 = 0"
    expect.close(got, want, why)


@given(case=cases.batches())
def test_learned_log_variance_lies_between_the_small_and_the_large(code, case):
    """It lies between the small variance and the large one, by their logarithms."""
    if len(case.betas) < 2:
        return
    for v, why in ((-torch.ones_like(case.x0), "v = -1 gives log β̃_t"), (torch.ones_like(case.x0), "v = 1 gives log β_t"), (shares(case), BETWEEN)):  # fmt: skip
        got = code.learned_log_variance(v, case.t, case.betas)
        expect.close(got, between(case, v), why + "; at t = 0 the β̃ of t = 1 is taken", **FREE)


def test_learned_log_variance_works_on_any_shape_and_layout(code, rng):
    """It works on data of any shape, however it lies in memory."""
    for case in cases.corners(rng):
        v = shares(case)
        expect.close(code.learned_log_variance(v, case.t, case.betas), between(case, v), EACH, **FREE)


def test_learned_log_variance_at_the_beginning_of_a_schedule(code, rng):
    """It holds where hardly any noise is added, too."""
    case = replace(cases.make((3, 2), numbers(4e-5, 5e-5, 1e-4, 0.02), rng), t=torch.tensor([0, 1, 2]))
    why = "β and β̃ are taken as they are, nothing added or clamped: the cosine schedule begins with 4e-5"
    for v in (-torch.ones_like(case.x0), torch.ones_like(case.x0)):
        expect.close(code.learned_log_variance(v, case.t, case.betas), between(case, v), f"{why}; {BETWEEN}", **FREE)


def test_learned_log_variance_keeps_the_dtype_and_its_arguments(code, rng):
    """The result has the data's dtype, and the arguments stay as they are."""
    for case in cases.precisions(rng):
        v = shares(case)
        got = expect.untouched(code.learned_log_variance, KEEP, v=v, t=case.t, betas=case.betas)
        expect.close(got, between(case.exactly(), v.double()).to(v.dtype), KEEP, **SINGLE)


def test_learned_log_variance_lets_gradients_through(code, rng):
    """Gradients flow back through it, and they are the exact ones."""
    case = cases.gradual(rng)
    (v,) = tracked(shares(case))
    got = code.learned_log_variance(v, case.t, case.betas)
    width = case.at(case.betas).log() - case.at(small_variance(case.betas)).log()
    expect.gradients(got, case.eps, "the result is differentiable in v", v=(v, width / 2 * case.eps))
