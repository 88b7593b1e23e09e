"""The checks of dpm_solver2_step."""

import itertools
import math
from collections.abc import Callable
from typing import Any

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Generator, Tensor

from exercises.checks import cases, expect
from exercises.checks.cases import numbers, tracked
from exercises.checks.expect import left_alone
from exercises.checks.rules import KEEP
from exercises.checks.s4_fast_sampling.formulas import alpha_sigma, flow, order, stacked
from exercises.checks.s4_fast_sampling.inputs import BODIES, seeds, shapes
from exercises.checks.s4_fast_sampling.models import column, timed, told
from exercises.checks.s4_fast_sampling.rules import SINGLE, near
from exercises.checks.spies import Spy

FIRST = "with ε constant the integral of the step can be done⟦: (α_t/α_s) x - σ_t (e^h - 1) ε, h = λ_t - λ_s⟧"
MIDDLE = (
    "a first-order step to u in the middle, λ_m = (λ_s + λ_t)/2, and from x again the whole step with the ε met there"
    "⟦: u = (α_m/α_s) x - σ_m (e^(h/2) - 1) ε(x, λ_s); then x_t = (α_t/α_s) x - σ_t (e^h - 1) ε(u, λ_m)⟧"
)
SPANS = ((-2.0, -0.7), (-0.3, 0.2), (0.5, 2.9), (-4.0, 3.0), (2.0, 2.01))
"""(λ_s, λ_t): noisy and nearly clean, short steps and one long one."""


def first(x: Tensor, eps: Tensor, lam_s: float, lam_t: float) -> Tensor:
    """DPM-Solver's step of first order."""
    (alpha_s, _), (alpha_t, sigma_t) = alpha_sigma(lam_s), alpha_sigma(lam_t)
    return alpha_t / alpha_s * x.double() - sigma_t * math.expm1(lam_t - lam_s) * eps.double()


def second(eps_fn: Callable, x: Tensor, lam_s: float, lam_t: float) -> tuple[Tensor, Tensor]:
    """The middle and the end of a step of DPM-Solver-2."""
    lam_mid = (lam_s + lam_t) / 2
    with torch.no_grad():
        middle = first(x, eps_fn(x.double(), lam_s), lam_s, lam_mid)
        return middle, first(x, eps_fn(middle, lam_mid), lam_s, lam_t)


def stepped(code, model: Spy, x: Tensor, lam_s: Any, lam_t: Any) -> Tensor:
    got = code.dpm_solver2_step(model, x, lam_s, lam_t)
    expect.tensor(got, KEEP, shape=x.shape, dtype=x.dtype, device=x.device)
    expect.finite(got, MIDDLE)
    return got


def test_dpm_solver2_step_is_exact_where_eps_is_constant(code):
    """Where eps never changes the step is exact, however long it is."""
    x, eps = numbers(1.0, -0.5)[None], numbers(0.3, 1.2)[None]
    found, want = [], []
    for lam_s, lam_t in ((0.0, math.log(2)), *SPANS):
        found.append(stepped(code, lambda x, lam: eps.clone(), x, lam_s, lam_t))
        want.append(first(x, eps, lam_s, lam_t))
    near(stacked(found), stacked(want), FIRST)


def test_dpm_solver2_step_looks_twice_at_the_start_and_in_the_middle(code, rng):
    """Two calls of eps_fn: at λ_s, and halfway to λ_t."""
    for lam_s, lam_t in SPANS:
        model, x = timed(), cases.normal((3, 2), rng)
        stepped(code, model, x, lam_s, lam_t)
        found, want = told(model), [lam_s, (lam_s + lam_t) / 2]
        numeric = len(found) == 2 and all(isinstance(value, float | int) for value in found)
        near = numeric and all(abs(one - other) < 1e-6 for one, other in zip(found, want, strict=True))
        expect.holds(
            near,
            "eps_fn is called twice: with λ_s and with the middle of λ_s and λ_t",
            got=found,
            want=f"λ = {want}",
            told=f"λ = {found}",
        )
        for seen in model.seen:
            shape = list(torch.as_tensor(seen.t).shape)
            small = torch.as_tensor(seen.t).numel() in (1, len(x)) and len(shape) < 2
            expect.holds(small, "λ is told as a float, a 0-d tensor or (B,)", got=shape, want="one λ, or one a sample")


def test_dpm_solver2_step_goes_to_the_middle_by_a_first_order_step(code, rng):
    """The second call sees the end of a first-order step to the middle."""
    for lam_s, lam_t in SPANS:
        model, x = timed(), cases.normal((3, 2), rng)
        stepped(code, model, x, lam_s, lam_t)
        states = stacked([seen.x_t for seen in model.seen])
        middle, _ = second(timed(), x, lam_s, lam_t)
        near(states, torch.stack([x, middle]), "eps_fn sees x, and then the state in the middle; " + MIDDLE)


@given(shape=shapes, seed=seeds, lam=st.floats(-4, 3), h=st.floats(0.05, 3))
def test_dpm_solver2_step_is_the_midpoint_method_in_lambda(code, shape, seed, lam, h):
    """The step is the midpoint method, with the exponentials integrated exactly."""
    x = cases.normal(shape, Generator().manual_seed(seed))
    near(stepped(code, timed(), x, lam, lam + h), second(timed(), x, lam, lam + h)[1], MIDDLE)


def best(x: Tensor, lam: Any) -> Tensor:
    """The exact eps of data from N(0.7, 0.25)."""
    alpha, sigma = (column([value], x) for value in alpha_sigma(float(torch.as_tensor(lam).flatten()[0])))
    return sigma * (x - alpha * 0.7) / (alpha**2 * 0.25 + sigma**2)


def test_dpm_solver2_step_is_of_second_order(code, rng):
    """On Gaussian data with the exact eps, half the step makes a quarter of the error, on an uneven grid too."""
    x_T, errors = cases.normal((4, 2), rng), []
    want = flow(x_T, 0.7, 0.25, alpha_sigma(-3.0), alpha_sigma(2.0))
    for count in (16, 32):
        x, grid = x_T, [-3 + 5 * (i / count) ** 1.5 for i in range(count + 1)]
        for lam_s, lam_t in itertools.pairwise(grid):
            x = stepped(code, best, x, lam_s, lam_t)
        errors.append(x - want)
    found = order(errors)
    expect.holds(
        1.7 < found < 2.5,
        "DPM-Solver-2 is of order 2: half the step, a quarter of the error",
        got=found,
        want="an order of about 2",
        told=f"an order of {found:.2f}",
    )


def test_dpm_solver2_step_takes_floats_and_tensors(code, rng):
    """λ may come as a float, as a 0-d tensor, or one of each."""
    x = cases.normal((2, 3), rng)
    want = second(timed(), x, -0.4837, 0.7713)[1]
    for make_s in (float, lambda value: numbers(value)[0]):
        for make_t in (float, lambda value: numbers(value)[0]):
            got = stepped(code, timed(), x, make_s(-0.4837), make_t(0.7713))
            near(got, want, "λ may be a float or a 0-d tensor; " + MIDDLE)


def test_dpm_solver2_step_works_on_any_shape_and_layout(code, rng):
    """Vectors, images and videos, a batch of one, strided and expanded."""
    for shape in BODIES:
        for layout in cases.LAYOUTS:
            x = cases.normal(shape, rng, layout)
            got = stepped(code, timed(), x, -1.0, 0.5)
            near(got, second(timed(), x, -1.0, 0.5)[1], "data is (B, *S) for any S; " + MIDDLE)


def test_dpm_solver2_step_keeps_the_dtype_and_its_arguments(code, rng):
    """The result has x's dtype, whatever λ's is, and x and λ stay as they are."""
    for data in (torch.float32, torch.float64):
        for lams in (torch.float32, torch.float64):
            x, (lam_s, lam_t), model = (
                cases.normal((3, 2, 2), rng).to(data),
                numbers(-0.5, 0.75).to(lams),
                timed().to(data),
            )
            got = expect.untouched(
                lambda x, lam_s, lam_t, model=model: stepped(code, model, x, lam_s, lam_t),
                KEEP,
                x=x,
                lam_s=lam_s,
                lam_t=lam_t,
            )
            expect.close(got, second(timed(), x, -0.5, 0.75)[1].to(data), KEEP, **SINGLE)


def test_dpm_solver2_step_lets_gradients_through(code, rng):
    """Gradients reach x, through both calls of eps_fn."""
    (x,), pull, model = tracked(cases.normal((2, 3), rng)), cases.normal((2, 3), rng), timed()

    def whole(x: Tensor) -> Tensor:
        (alpha_s, _), (alpha_m, sigma_m), (alpha_t, sigma_t) = (alpha_sigma(lam) for lam in (-0.5, 0.125, 0.75))
        twin = timed()
        middle = alpha_m / alpha_s * x - sigma_m * math.expm1(0.625) * twin(x, -0.5)
        return alpha_t / alpha_s * x - sigma_t * math.expm1(1.25) * twin(middle, 0.125)

    (want,) = torch.autograd.grad(whole(x), x, pull)
    got = stepped(code, model, x, -0.5, 0.75)
    expect.gradients(got, pull, "a step is differentiable in x, also through what eps_fn says", x=(x, want))
    left_alone(model)
