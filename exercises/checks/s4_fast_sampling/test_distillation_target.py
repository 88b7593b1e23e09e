"""The checks of distillation_target."""

import math

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Generator, Tensor

from exercises.checks import cases, expect
from exercises.checks.cases import numbers, tracked
from exercises.checks.expect import left_alone
from exercises.checks.rules import KEEP
from exercises.checks.s4_fast_sampling.formulas import ddim, level, stacked
from exercises.checks.s4_fast_sampling.inputs import BODIES, falling, seeds, shapes, table
from exercises.checks.s4_fast_sampling.loops import called
from exercises.checks.s4_fast_sampling.models import column, exact, timed
from exercises.checks.s4_fast_sampling.rules import CLEAN, close
from exercises.checks.spies import Spy, levels_of

TWO = "the teacher takes two DDIM steps, t to t_mid and t_mid to t_prev, and is asked where each begins"
SOLVED = "x̃ = (x_prev - r x_t) / (√ᾱ_prev - r √ᾱ_t), r = √(1-ᾱ_prev) / √(1-ᾱ_t): one DDIM step with it lands on x_prev"
STRIDES = ((11, 8, 5), (9, 7, 1), (6, 5, 4), (11, 4, 0), (5, 2, -1), (1, 0, -1))
HALF_SINGLE = {"rtol": 1e-3, "atol": 1e-3}
"""For float32 where the denominator √ᾱ_prev - r √ᾱ_t is 0.1 and more: ten times SINGLE's."""


def lands(teacher: Spy, x: Tensor, steps: tuple[int, int, int], alpha_bar: Tensor) -> tuple[Tensor, Tensor]:
    """Where the teacher is after one step and after two."""
    t, t_mid, _t_prev = steps
    a, m, b = (level(alpha_bar, step) for step in steps)
    with torch.no_grad():
        middle = ddim(x, teacher(x.double(), torch.full((len(x),), t)), a, m)
        return middle, ddim(middle, teacher(middle, torch.full((len(x),), t_mid)), m, b)


def wanted(teacher: Spy, x: Tensor, steps: tuple[int, int, int], alpha_bar: Tensor) -> Tensor:
    a, b = level(alpha_bar, steps[0]), level(alpha_bar, steps[2])
    ratio = math.sqrt((1 - b) / (1 - a))
    return (lands(teacher, x, steps, alpha_bar)[1] - ratio * x.double()) / (math.sqrt(b) - ratio * math.sqrt(a))


def aimed(code, teacher: Spy, x: Tensor, steps: tuple[int, int, int], alpha_bar: Tensor) -> Tensor:
    """What came back; it is like x, and finite."""
    got = code.distillation_target(teacher, x, *steps, alpha_bar)
    expect.tensor(got, KEEP, shape=x.shape, dtype=x.dtype, device=x.device)
    expect.finite(got, SOLVED)
    return got


def test_distillation_target_by_hand(code):
    """By hand: ᾱ = 0.36, 0.64, 1 and a teacher that says 0.5, then 1."""
    alpha_bar, x = numbers(0.64, 0.36), numbers(1.0)[None]
    got = code.distillation_target(lambda x, t: torch.zeros_like(x) + 1 - column(t, x) / 2, x, 1, 0, -1, alpha_bar)
    why = (
        "the first step ends at 0.8 (1 - 0.8 · 0.5)/0.6 + 0.6 · 0.5 = 1.1, the second at (1.1 - 0.6)/0.8 = 0.625; "
        + SOLVED
    )
    close(got, 0.625 * x, why)


def test_distillation_target_asks_the_teacher_at_t_and_at_t_mid(code, rng):
    """Two calls of the teacher, at t and at t_mid, or two for each piece of the batch, told as int64 (B,)."""
    for steps in STRIDES:
        teacher, x = timed(), cases.normal((3, 2), rng)
        aimed(code, teacher, x, steps, table())
        teacher.seen = levels_of(teacher.seen, len(x))
        called(teacher, x, list(steps[:2]), TWO)


def test_distillation_target_lets_the_teacher_walk(code, rng):
    """The second call sees where the first step arrived."""
    for steps in STRIDES:
        teacher, x = timed(), cases.normal((3, 2), rng)
        aimed(code, teacher, x, steps, table())
        teacher.seen = levels_of(teacher.seen, len(x))
        called(teacher, x, list(steps[:2]), TWO)
        middle, _ = lands(timed(), x, steps, table())
        close(stacked([seen.x_t for seen in teacher.seen]), torch.stack([x, middle]), TWO)


@given(shape=shapes, seed=seeds, places=st.lists(st.integers(0, 9), min_size=3, max_size=3, unique=True))
def test_distillation_target_is_what_one_step_needs_to_land_where_two_do(code, shape, seed, places):
    """One DDIM step with the target as its clean data lands where the teacher's two steps do."""
    rng = Generator().manual_seed(seed)
    x, alpha_bar = cases.normal(shape, rng), falling(10, rng)
    t_prev, t_mid, t = sorted(places)
    got = aimed(code, timed(), x, (t, t_mid, t_prev), alpha_bar)
    # neighbouring levels may be so near that x̃ is a small difference divided by a smaller one
    room = {"rtol": 1e-6, "atol": 1e-6}
    expect.close(got, wanted(timed(), x, (t, t_mid, t_prev), alpha_bar), f"{TWO}; {SOLVED}", **room)


def test_distillation_target_over_strides_of_a_schedule(code, rng):
    """Unequal strides, between levels and down to level 0."""
    for steps in STRIDES[:4]:
        x = cases.normal((3, 2), rng)
        close(aimed(code, timed(), x, steps, table()), wanted(timed(), x, steps, table()), SOLVED)


def test_distillation_target_of_the_last_step_is_where_the_teacher_lands(code, rng):
    """For t_prev = -1 the target is where the teacher's second step ends."""
    for steps in STRIDES[4:]:
        x = cases.normal((3, 2), rng)
        _, want = lands(timed(), x, steps, table())
        close(aimed(code, timed(), x, steps, table()), want, f"{CLEAN}, so x̃ is x_prev itself; " + TWO)


def test_distillation_target_on_gaussian_data_is_its_closed_form(code, rng):
    """On Gaussian data with the exact teacher the target is known."""
    alpha_bar, x, mean, spread = table(), cases.normal((4, 2), rng), 0.7, 0.25
    for steps in STRIDES:
        (a, m, b), factor = (level(alpha_bar, step) for step in steps), 1.0
        for start, end in ((a, m), (m, b)):
            factor *= (math.sqrt(start * end) * spread + math.sqrt((1 - start) * (1 - end))) / (
                start * spread + 1 - start
            )
        ratio = math.sqrt((1 - b) / (1 - a))
        landing = math.sqrt(b) * mean + factor * (x - math.sqrt(a) * mean)
        want = (landing - ratio * x) / (math.sqrt(b) - ratio * math.sqrt(a))
        got = code.distillation_target(exact(0.7, 0.25, alpha_bar), x, *steps, alpha_bar)
        close(got, want, "of data N(0.7, 0.25) each teacher step is a known factor on x - √ᾱ 0.7; " + SOLVED)


def test_distillation_target_of_a_teacher_that_knows_the_one_datum_is_that_datum(code, rng):
    """Of data that is a single point, target and point are one."""
    alpha_bar, x, point = table(), cases.normal((4, 2), rng), 0.6
    for steps in STRIDES:
        got = code.distillation_target(exact(0.6, 0.0, alpha_bar), x, *steps, alpha_bar)
        close(got, torch.full_like(x, point), "where all data is one point, steps of any length lead to it; " + SOLVED)


def test_distillation_target_carries_no_gradient_to_the_teacher(code, rng):
    """The teacher gets no gradient, whether x_t asks for one or not."""
    why = "the target is a constant to learn from: no gradient reaches the teacher"
    for ask in (False, True):
        teacher, x = timed(), cases.normal((2, 3), rng)
        start = tracked(x)[0] if ask else x.clone()
        got = aimed(code, teacher, start, (8, 5, 2), table())
        reached = False
        if got.requires_grad:
            found = torch.autograd.grad(got.sum(), list(teacher.parameters()), allow_unused=True)
            reached = any(grad is not None and bool(grad.abs().max() > 0) for grad in found)
        expect.holds(not reached, why, got="a gradient that reaches the teacher", want="none")
        expect.holds(ask or not got.requires_grad, why, got="a target with a gradient", want="a constant")
        close(got, wanted(timed(), x, (8, 5, 2), table()), SOLVED)
        expect.unchanged(KEEP, x_t=(x, start.detach()))
        left_alone(teacher)


def test_distillation_target_works_on_any_shape_and_layout(code, rng):
    """Vectors, images and videos, a batch of one, strided and expanded; the teacher a plain function."""
    for shape in BODIES:
        for layout in cases.LAYOUTS:
            x, spy = cases.normal(shape, rng, layout), timed()
            got = code.distillation_target(lambda x, t, spy=spy: spy(x, t), x, 8, 5, 2, table())
            close(got, wanted(timed(), x, (8, 5, 2), table()), "data is (B, *S) for any S; " + SOLVED)


def test_distillation_target_keeps_the_dtype_and_its_arguments(code, rng):
    """The target has x_t's dtype, and arguments stay as they are."""
    for data in (torch.float32, torch.float64):
        for tables in (torch.float32, torch.float64):
            for steps in ((10, 6, 2), (6, 3, -1)):
                x, alpha_bar, teacher = cases.normal((3, 2, 2), rng).to(data), table().to(tables), timed().to(data)
                got = expect.untouched(
                    lambda x, alpha_bar, teacher=teacher, steps=steps: aimed(code, teacher, x, steps, alpha_bar),
                    KEEP,
                    x_t=x,
                    alpha_bar=alpha_bar,
                )
                want = wanted(timed(), x, steps, alpha_bar.double()).to(data)
                expect.close(got, want, KEEP, **HALF_SINGLE)
