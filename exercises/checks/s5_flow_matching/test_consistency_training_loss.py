"""The checks of consistency_training_loss."""

import torch
from torch import Tensor

from exercises.checks import cases, expect
from exercises.checks.callers import Gain, left_to_the_caller
from exercises.checks.cases import numbers, tracked
from exercises.checks.s5_flow_matching import batches
from exercises.checks.s5_flow_matching.consistency import PARAMETERS, SHAPES, Network, Quiet, jump, pairs, seen
from exercises.checks.s5_flow_matching.models import left_alone, shown
from exercises.checks.s5_flow_matching.rules import GRID, KEEP, SINGLE
from exercises.checks.s5_flow_matching.worlds import Ends

LOSS = (
    "the loss is the mean over every element of (f(x_hi, σ_hi) - f_ema(x_lo, σ_lo))², with the same noise on both sides:"
    " x_hi = data + σ_hi noise, x_lo = data + σ_lo noise"
)
CONSTANT = "the low side is a constant: no gradient goes through it"


def noised(data: Tensor, noise: Tensor, sigma: Tensor) -> Tensor:
    return data + batches.column(sigma, data) * noise


def loss(network, ema_network, data, noise, sigma_lo, sigma_hi, *parameters: float) -> Tensor:
    high = jump(network, noised(data, noise, sigma_hi), sigma_hi, *parameters)
    return (high - jump(ema_network, noised(data, noise, sigma_lo), sigma_lo, *parameters).detach()).square().mean()


def test_consistency_training_loss_by_hand(code):
    """With sigma_data 3 and sigma_min 1, from level 4 to level 1, where f is the identity."""
    data, noise = numbers(2.0, 2.0)[None], numbers(0.5, 0.5)[None]
    got = code.consistency_training_loss(
        lambda x, c: 1 * x, lambda x, c: 5 * x, data, noise, numbers(1.0), numbers(4.0), sigma_data=3.0, sigma_min=1.0
    )
    why = (
        "x_hi = 2 + 4 * 0.5 = 4, and f = 4 / 2 + 9/5 * (4 / 5) = 3.44; x_lo = 2.5 at the lowest level, where f is the"
        " identity; (3.44 - 2.5)² = 0.8836 in both axes, and so is their mean; "
    )
    expect.close(got, torch.tensor(0.8836, dtype=torch.float64), why + LOSS, **GRID)


def test_consistency_training_loss_shows_each_network_its_own_side_with_the_same_noise(code, rng):
    """`network` sees the high level, `ema_network` the low one, both the same data and noise."""
    for number, (shape, layout) in enumerate(SHAPES):
        parameters = PARAMETERS[number % 2]
        batch, sigma_lo, sigma_hi = pairs(rng, shape, parameters[1], layout)
        network, ema_network = Network(), Network(-0.4, 0.6)
        code.consistency_training_loss(network, ema_network, batch.data, batch.noise, sigma_lo, sigma_hi, *parameters)
        for model, sigma, side in ((network, sigma_hi, "high"), (ema_network, sigma_lo, "low")):
            name = "network" if side == "high" else "ema_network"
            call = shown(model, batch.data, name)
            want = seen(noised(batch.data, batch.noise, sigma), sigma, parameters[0])
            expect.close(call.x, want, f"{name} sees c_in x, for x = data + σ noise at the {side} level", **GRID)
            expect.close(call.t, sigma.log() / 4, f"{name} is told c_noise = ln(σ) / 4 of the {side} level", **GRID)


def test_consistency_training_loss_is_the_mean_squared_difference_of_both_sides(code, rng):
    """Of any shape and layout, at levels of any size and in neighbourhoods of any width."""
    for number, (shape, layout) in enumerate(SHAPES):
        parameters = PARAMETERS[number % 2]
        batch, sigma_lo, sigma_hi = pairs(rng, shape, parameters[1], layout)
        network, ema_network = Network(), Network(-0.4, 0.6)
        got = code.consistency_training_loss(
            network, ema_network, batch.data, batch.noise, sigma_lo, sigma_hi, *parameters
        )
        want = loss(network, ema_network, batch.data, batch.noise, sigma_lo, sigma_hi, *parameters).detach()
        expect.close(got, want, LOSS, **GRID)


def test_consistency_training_loss_from_the_lowest_level_is_the_distance_to_the_data_there(code, rng):
    """With sigma_lo = sigma_min the low side is x_lo itself, whatever ema_network says."""
    batch, (_, sigma_min) = batches.make((3, 3), rng), PARAMETERS[0]
    sigma_lo, sigma_hi = torch.full((3,), sigma_min, dtype=torch.float64), batches.levels(3, rng, 0.1, 3.0)
    network = Network()
    got = code.consistency_training_loss(network, lambda x, c: 100 + 0 * x, batch.data, batch.noise, sigma_lo, sigma_hi)
    high = jump(network, noised(batch.data, batch.noise, sigma_hi), sigma_hi).detach()
    want = (high - batch.data - sigma_min * batch.noise).square().mean()
    expect.close(got, want, f"at σ_min f is the identity: the low side is data + σ_min noise; {LOSS}", **GRID)


def test_consistency_training_loss_of_equal_levels_and_networks_is_zero(code, rng):
    """One level, one network: both sides are the same number. With another noise they would not be."""
    batch, sigma_lo, _ = pairs(rng, (4, 3), 0.05)
    got = code.consistency_training_loss(Network(), Network(), batch.data, batch.noise, sigma_lo, sigma_lo)
    expect.close(got, torch.tensor(0.0, dtype=torch.float64), f"two equal sides differ by 0; {LOSS}", **GRID)


def test_consistency_training_loss_of_the_exact_function_is_known(code, rng):
    """For data from N(0.7, 0.25) and the exact consistency function on both sides."""
    world, parameters = Ends(0.7, 0.5), PARAMETERS[1]
    batch, sigma_lo, sigma_hi = pairs(rng, (4, 3), 0.2)
    exact = Quiet(world, *parameters)
    got = code.consistency_training_loss(exact, exact, batch.data, batch.noise, sigma_lo, sigma_hi, *parameters)
    high, low = (
        world.jump(noised(batch.data, batch.noise, sigma), sigma, parameters[1]) for sigma in (sigma_hi, sigma_lo)
    )
    expect.close(got, (high - low).square().mean(), f"the ODE's own map at both levels; {LOSS}", **GRID)


def test_consistency_training_loss_sends_gradients_through_the_high_side_only(code, rng):
    """They reach network, data and noise, and nothing of the low side: its target is a constant."""
    batch, sigma_lo, sigma_hi = pairs(rng, (3, 2, 2), 0.05)
    network, ema_network, (data, noise) = Network(), Network(-0.4, 0.6), tracked(batch.data, batch.noise)
    got = code.consistency_training_loss(network, ema_network, data, noise, sigma_lo, sigma_hi)
    expect.tensor(got, "a loss is a scalar", shape=(), dtype=torch.float64)
    mine, others = Network(), tracked(batch.data, batch.noise)
    want = loss(mine, ema_network, *others, sigma_lo, sigma_hi)
    weight, bias, to_data, to_noise = torch.autograd.grad(want, [mine.weight, mine.bias, *others])
    nothing = torch.zeros((), dtype=torch.float64)
    expect.gradients(
        got, torch.ones_like(got), CONSTANT,
        ema_weight=(ema_network.weight, nothing), ema_bias=(ema_network.bias, nothing.clone()),
        weight=(network.weight, weight), bias=(network.bias, bias), data=(data, to_data), noise=(noise, to_noise),
        **GRID,
    )  # fmt: skip


def test_consistency_training_loss_keeps_its_target_constant_for_one_network_on_both_sides(code, rng):
    """Given the same network twice, it learns from the high side only."""
    batch, sigma_lo, sigma_hi = pairs(rng, (3, 2), 0.05)
    network, mine = Network(), Network()
    got = code.consistency_training_loss(network, network, batch.data, batch.noise, sigma_lo, sigma_hi)
    want = loss(mine, mine, batch.data, batch.noise, sigma_lo, sigma_hi)
    weight, bias = torch.autograd.grad(want, [mine.weight, mine.bias])
    why = f"{CONSTANT}, not to network either when it stands on both sides"
    expect.gradients(
        got, torch.ones_like(want), why, weight=(network.weight, weight), bias=(network.bias, bias), **GRID
    )


def test_consistency_training_loss_keeps_the_dtype_its_arguments_and_the_networks(code, rng):
    """float32 stays float32, nothing is changed in place, and neither network is moved or given a gradient."""
    for dtype in (torch.float32, torch.float64):
        batch, sigma_lo, sigma_hi = pairs(rng, (3, 2, 2), 0.1)
        batch, sigma_lo, sigma_hi = batch.cast(dtype), sigma_lo.to(dtype), sigma_hi.to(dtype)
        network, ema_network = Network().to(dtype), Network(-0.4, 0.6).to(dtype).eval()
        got = expect.untouched(
            lambda *given, network=network, ema_network=ema_network: code.consistency_training_loss(
                network, ema_network, *given
            ),
            KEEP, data=batch.data, noise=batch.noise, sigma_lo=sigma_lo, sigma_hi=sigma_hi,
        )  # fmt: skip
        for model in (network, ema_network):
            call = shown(model, batch.data, "each network")
            expect.tensor(call.x, "the networks see the data's dtype", dtype=dtype)
            expect.tensor(call.t, "c_noise has shape (B,) and x's dtype", shape=(3,), dtype=dtype)
            left_alone(model)
        exact = batch.exactly()
        want = loss(
            network.double(), ema_network.double(), exact.data, exact.noise, sigma_lo.double(), sigma_hi.double()
        )
        expect.close(got, want.detach().to(dtype), KEEP, **SINGLE)


def test_consistency_training_loss_of_a_batch_is_the_mean_of_its_samples(code, rng):
    """Each sample has its own pair of levels, and none influences another."""
    batch, sigma_lo, sigma_hi = pairs(rng, (3, 2), 0.05)
    parts = []
    for i in range(3):
        one = code.consistency_training_loss(
            Network(),
            Network(-0.4, 0.6),
            batch.data[i : i + 1],
            batch.noise[i : i + 1],
            sigma_lo[i : i + 1],
            sigma_hi[i : i + 1],
        )
        expect.tensor(one, "a loss is a scalar", shape=(), dtype=torch.float64)
        parts.append(one.detach())
    got = code.consistency_training_loss(Network(), Network(-0.4, 0.6), batch.data, batch.noise, sigma_lo, sigma_hi)
    expect.close(got, torch.stack(parts).mean(), f"the mean over every element; {LOSS}", **GRID)


def test_consistency_training_loss_leaves_modes_and_gradients_to_the_caller(code, rng):
    """A loss computes and no more: the modes of its models and their gradients stay as they are."""
    network, slow = Gain(), Gain()
    x, noise = cases.normal((2, 3), rng), cases.normal((2, 3), rng)
    left_to_the_caller(
        lambda: code.consistency_training_loss(
            network, slow, x, noise, torch.tensor([0.5, 0.7]).double(), torch.tensor([1.0, 1.5]).double()
        ),
        network,
    )
    left_to_the_caller(
        lambda: code.consistency_training_loss(
            network, slow, x, noise, torch.tensor([0.5, 0.7]).double(), torch.tensor([1.0, 1.5]).double()
        ),
        slow,
    )
