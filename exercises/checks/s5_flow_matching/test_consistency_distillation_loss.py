"""The checks of consistency_distillation_loss."""

import torch
from torch import Tensor

from exercises.checks import cases, expect
from exercises.checks.callers import Gain, left_to_the_caller
from exercises.checks.cases import numbers, tracked
from exercises.checks.s5_flow_matching import batches
from exercises.checks.s5_flow_matching.batches import column
from exercises.checks.s5_flow_matching.consistency import PARAMETERS, SHAPES, Network, Quiet, Teacher, jump, pairs, seen
from exercises.checks.s5_flow_matching.models import left_alone, shown
from exercises.checks.s5_flow_matching.rules import GRID, KEEP, SINGLE
from exercises.checks.s5_flow_matching.worlds import Ends

LOSS = "the loss is the mean over every element of (f(x_hi, σ_hi) - f_ema(x̂_lo, σ_lo))²"
STEP = (
    "x̂_lo = x_hi + (σ_lo - σ_hi) (d_1 + d_2) / 2, Heun's step: d_1 = (x_hi - D(x_hi, σ_hi)) / σ_hi, and"
    " d_2 = (x - D(x, σ_lo)) / σ_lo at x = x_hi + (σ_lo - σ_hi) d_1"
)
CONSTANT = "the low side is a constant: no gradient goes through it, nor to the teacher"


def noised(data: Tensor, noise: Tensor, sigma: Tensor) -> Tensor:
    return data + column(sigma, data) * noise


def heun(teacher, x: Tensor, sigma_lo: Tensor, sigma_hi: Tensor) -> tuple[Tensor, Tensor]:
    """(where Euler's step ends, where Heun's does), from high to low."""
    with torch.no_grad():
        down = column(sigma_lo - sigma_hi, x)
        first = (x - teacher(x, column(sigma_hi, x))) / column(sigma_hi, x)
        trial = x + down * first
        second = (trial - teacher(trial, column(sigma_lo, x))) / column(sigma_lo, x)
        return trial, x + down / 2 * (first + second)


def loss(network, ema_network, teacher, data, noise, sigma_lo, sigma_hi, *parameters: float) -> Tensor:
    x_hi = noised(data, noise, sigma_hi)
    _, x_lo = heun(teacher, x_hi, sigma_lo, sigma_hi)
    high = jump(network, x_hi, sigma_hi, *parameters)
    return (high - jump(ema_network, x_lo, sigma_lo, *parameters).detach()).square().mean()


def test_consistency_distillation_loss_by_hand(code):
    """A teacher that says 0, so that the path is a ray: with sigma_data 3 and sigma_min 1, from level 4 to level 1."""
    data, noise = numbers(2.0, 2.0)[None], numbers(0.5, 0.5)[None]
    got = code.consistency_distillation_loss(
        lambda x, c: 1 * x, lambda x, c: 5 * x, lambda x, sigma: 0 * x,
        data, noise, numbers(1.0), numbers(4.0), sigma_data=3.0, sigma_min=1.0,
    )  # fmt: skip
    why = (
        "x_hi = 4, f = 4 / 2 + 9/5 * (4 / 5) = 3.44; d_1 = 4 / 4 = 1, the trial step ends at 1, d_2 = 1 / 1 = 1, and x̂_lo = 1"
        " at the lowest level, where f is the identity; (3.44 - 1)² = 5.9536 in both axes; "
    )
    expect.close(got, torch.tensor(5.9536, dtype=torch.float64), why + LOSS, **GRID)


def test_consistency_distillation_loss_asks_the_teacher_along_one_step_of_heun(code, rng):
    """The teacher sees (x_hi, sigma_hi) and the end of Euler's step at sigma_lo; ema_network sees where Heun's ends."""
    for number, (shape, layout) in enumerate(SHAPES):
        parameters = PARAMETERS[number % 2]
        batch, sigma_lo, sigma_hi = pairs(rng, shape, parameters[1], layout)
        network, ema_network, teacher = Network(), Network(-0.4, 0.6), Teacher()
        code.consistency_distillation_loss(
            network, ema_network, teacher, batch.data, batch.noise, sigma_lo, sigma_hi, *parameters
        )
        x_hi = noised(batch.data, batch.noise, sigma_hi)
        trial, x_lo = heun(teacher.formula, x_hi, sigma_lo, sigma_hi)
        two = teacher.seen if len(teacher.seen) == 2 else []  # other ways to ask are seen in x̂_lo
        for call, x, sigma in zip(two, (x_hi, trial), (sigma_hi, sigma_lo), strict=False):
            expect.close(
                call.t,
                sigma,
                f"the teacher is told the level of each sample, (B,), first σ_hi, then σ_lo; {STEP}",
                **GRID,
            )
            expect.close(call.x, x, f"the teacher sees x_hi, and then the end of Euler's step; {STEP}", **GRID)
        for model, x, sigma, name in (
            (network, x_hi, sigma_hi, "network"),
            (ema_network, x_lo, sigma_lo, "ema_network"),
        ):
            call = shown(model, batch.data, name)
            where = "x_hi, at σ_hi" if model is network else "x̂_lo, at σ_lo"
            expect.close(call.x, seen(x, sigma, parameters[0]), f"{name} sees c_in x for x = {where}; {STEP}", **GRID)
            expect.close(call.t, sigma.log() / 4, f"{name} is told c_noise = ln(σ) / 4 for {where}", **GRID)


def test_consistency_distillation_loss_is_the_mean_squared_difference_of_both_sides(code, rng):
    """Of any shape and layout, at levels of any size and in neighbourhoods of any width."""
    for number, (shape, layout) in enumerate(SHAPES):
        parameters = PARAMETERS[number % 2]
        batch, sigma_lo, sigma_hi = pairs(rng, shape, parameters[1], layout)
        network, ema_network, teacher = Network(), Network(-0.4, 0.6), Teacher()
        got = code.consistency_distillation_loss(
            network, ema_network, teacher, batch.data, batch.noise, sigma_lo, sigma_hi, *parameters
        )
        want = loss(network, ema_network, teacher.formula, batch.data, batch.noise, sigma_lo, sigma_hi, *parameters)
        expect.close(got, want.detach(), f"{LOSS}; {STEP}", **GRID)


def test_consistency_distillation_loss_down_to_the_lowest_level(code, rng):
    """With sigma_lo = sigma_min the low side is Heun's end itself, whatever ema_network says."""
    batch, (_, sigma_min) = batches.make((3, 3), rng), PARAMETERS[0]
    sigma_lo, sigma_hi = torch.full((3,), sigma_min, dtype=torch.float64), batches.levels(3, rng, 0.004, 0.1)
    network, teacher = Network(), Teacher()
    got = code.consistency_distillation_loss(
        network, lambda x, c: 100 + 0 * x, teacher, batch.data, batch.noise, sigma_lo, sigma_hi
    )
    x_hi = noised(batch.data, batch.noise, sigma_hi)
    _, x_lo = heun(teacher.formula, x_hi, sigma_lo, sigma_hi)
    want = (jump(network, x_hi, sigma_hi).detach() - x_lo).square().mean()
    expect.close(got, want, f"at σ_min f is the identity: the low side is x̂_lo; {STEP}", **GRID)


def test_consistency_distillation_loss_of_the_exact_function_falls_with_the_sixth_power_of_the_gap(code, rng):
    """For data from N(0.7, 0.25): all that is left is the square of Heun's error, which is of third order."""
    world, parameters = Ends(0.7, 0.5), PARAMETERS[0]
    batch, sigma_hi = batches.make((4, 3), rng), batches.spread(4, 0.8, 1.2, rng)
    exact = Quiet(world, *parameters)
    for gap in (0.2, 0.1):
        sigma_lo = sigma_hi - gap
        got = code.consistency_distillation_loss(
            exact, exact, world.denoised, batch.data, batch.noise, sigma_lo, sigma_hi, *parameters
        )
        x_hi = noised(batch.data, batch.noise, sigma_hi)
        _, x_lo = heun(lambda x, sigma: world.denoised(x, sigma.flatten()), x_hi, sigma_lo, sigma_hi)
        high, low = world.jump(x_hi, sigma_hi, parameters[1]), world.jump(x_lo, sigma_lo, parameters[1])
        want = (high - low).square().mean()
        why = (
            f"the exact function is the same all along the path: over a gap of {gap} only Heun's error is left; {STEP}"
        )
        # A guard of 1e-8 below a slope moves a difference of 1e-4 by some 1e-8; other steps are off by a factor
        expect.close(got, want, why, rtol=1e-2, atol=1e-12)


def test_consistency_distillation_loss_sends_gradients_through_the_high_side_only(code, rng):
    """They reach network, data and noise, and nothing of the low side, nor the teacher."""
    batch, sigma_lo, sigma_hi = pairs(rng, (3, 2, 2), 0.05)
    network, ema_network, teacher = Network(), Network(-0.4, 0.6), Teacher()
    data, noise = tracked(batch.data, batch.noise)
    got = code.consistency_distillation_loss(network, ema_network, teacher, data, noise, sigma_lo, sigma_hi)
    expect.tensor(got, "a loss is a scalar", shape=(), dtype=torch.float64)
    mine, others = Network(), tracked(batch.data, batch.noise)
    want = loss(mine, ema_network, teacher.formula, *others, sigma_lo, sigma_hi)
    weight, bias, to_data, to_noise = torch.autograd.grad(want, [mine.weight, mine.bias, *others])
    nothing = torch.zeros((), dtype=torch.float64)
    expect.gradients(
        got, torch.ones_like(got), CONSTANT,
        ema_weight=(ema_network.weight, nothing), ema_bias=(ema_network.bias, nothing.clone()),
        teacher_weight=(teacher.weight, nothing.clone()), teacher_bias=(teacher.bias, nothing.clone()),
        weight=(network.weight, weight), bias=(network.bias, bias), data=(data, to_data), noise=(noise, to_noise),
        **GRID,
    )  # fmt: skip


def test_consistency_distillation_loss_keeps_its_target_constant_for_one_network_on_both_sides(code, rng):
    """Given the same network twice, it learns from the high side only."""
    batch, sigma_lo, sigma_hi = pairs(rng, (3, 2), 0.05)
    network, mine, teacher = Network(), Network(), Teacher()
    got = code.consistency_distillation_loss(network, network, teacher, batch.data, batch.noise, sigma_lo, sigma_hi)
    want = loss(mine, mine, teacher.formula, batch.data, batch.noise, sigma_lo, sigma_hi)
    weight, bias = torch.autograd.grad(want, [mine.weight, mine.bias])
    why = f"{CONSTANT}, and not to network either when it stands on both sides"
    expect.gradients(
        got, torch.ones_like(want), why, weight=(network.weight, weight), bias=(network.bias, bias), **GRID
    )


def test_consistency_distillation_loss_keeps_the_dtype_its_arguments_and_the_networks(code, rng):
    """float32 stays float32, nothing is changed in place, and no model is moved or given a gradient."""
    for dtype in (torch.float32, torch.float64):
        batch, sigma_lo, sigma_hi = pairs(rng, (3, 2, 2), 0.1)
        batch, sigma_lo, sigma_hi = batch.cast(dtype), sigma_lo.to(dtype), sigma_hi.to(dtype)
        models = Network().to(dtype), Network(-0.4, 0.6).to(dtype).eval(), Teacher().to(dtype).eval()
        got = expect.untouched(
            lambda *given, models=models: code.consistency_distillation_loss(*models, *given),
            KEEP, data=batch.data, noise=batch.noise, sigma_lo=sigma_lo, sigma_hi=sigma_hi,
        )  # fmt: skip
        for model in models:
            for call in model.seen:
                expect.tensor(call.x, "the models see the data's dtype", dtype=dtype)
                expect.tensor(
                    call.t,
                    "the models are told a level of shape (B,), in x's dtype",
                    shape=call.x.shape[:1],
                    dtype=dtype,
                )
            left_alone(model)
        network, ema_network, teacher = (model.double() for model in models)
        exact = batch.exactly()
        want = loss(
            network, ema_network, teacher.formula, exact.data, exact.noise, sigma_lo.double(), sigma_hi.double()
        )
        # The slope at the low level divides an error of 1e-6 by 0.1, and the step multiplies it by up to 6
        expect.close(
            got, want.detach().to(dtype), KEEP, **({"rtol": 1e-3, "atol": 1e-4} if dtype == torch.float32 else SINGLE)
        )


def test_consistency_distillation_loss_leaves_modes_and_gradients_to_the_caller(code, rng):
    """A loss computes and no more: the modes of its models and their gradients stay as they are."""
    network, slow, teacher = Gain(), Gain(), Gain()
    x, noise = cases.normal((2, 3), rng), cases.normal((2, 3), rng)
    left_to_the_caller(
        lambda: code.consistency_distillation_loss(
            network, slow, teacher, x, noise, torch.tensor([0.5, 0.7]).double(), torch.tensor([1.0, 1.5]).double()
        ),
        network,
    )
    left_to_the_caller(
        lambda: code.consistency_distillation_loss(
            network, slow, teacher, x, noise, torch.tensor([0.5, 0.7]).double(), torch.tensor([1.0, 1.5]).double()
        ),
        slow,
    )
    left_to_the_caller(
        lambda: code.consistency_distillation_loss(
            network, slow, teacher, x, noise, torch.tensor([0.5, 0.7]).double(), torch.tensor([1.0, 1.5]).double()
        ),
        teacher,
    )
