"""The checks of consistency_function."""

import torch
from torch import Tensor

from exercises.checks import expect
from exercises.checks.cases import numbers, tracked
from exercises.checks.s5_flow_matching import batches
from exercises.checks.s5_flow_matching.consistency import FUNCTION, PARAMETERS, Network, Quiet, jump, seen
from exercises.checks.s5_flow_matching.models import left_alone, shown
from exercises.checks.s5_flow_matching.rules import EACH, FLOW, GRID, KEEP, SINGLE
from exercises.checks.s5_flow_matching.worlds import Ends

INPUT = "the network sees c_in x, c_in = 1 / √(σ² + σ_data²)"
LEVEL = "the network is told c_noise = ln(σ) / 4, of shape (B,), in x's dtype"


def test_consistency_function_by_hand(code):
    """With sigma_data 3, sigma_min 1 and x = 10 at level 4, for a network that says what it is told of x and level."""
    x, sigma = numbers(10.0)[None], numbers(4.0)
    got = code.consistency_function(lambda x, c_noise: x.clone(), x, sigma, 3.0, 1.0)
    why = "c_skip = 1/2, c_out = 9/5, c_in = 1/5: 10 / 2 + 9/5 * (10 / 5) = 8.6; " + FUNCTION
    expect.close(got, numbers(8.6)[None], why, **GRID)
    got = code.consistency_function(lambda x, c_noise: batches.column(c_noise, x).clone(), x, sigma, 3.0, 1.0)
    why = "c_noise = ln(4) / 4 = 0.34657: 10 / 2 + 9/5 * 0.34657 = 5.62383; " + FUNCTION
    expect.close(got, numbers(5.623832462504)[None], why, **GRID)


def test_consistency_function_at_the_lowest_level_is_the_identity(code, rng):
    """f(x, sigma_min) = x exactly, whatever the network says."""
    for sigma_data, sigma_min in PARAMETERS:
        for shape in ((2, 3), (1, 2, 2), (2, 2, 3, 4)):
            batch = batches.make(shape, rng)
            sigma = torch.full((shape[0],), sigma_min, dtype=torch.float64)

            def loud(x: Tensor, c_noise: Tensor) -> Tensor:
                return 1e6 + 0 * x

            got = code.consistency_function(loud, batch.data, sigma, sigma_data=sigma_data, sigma_min=sigma_min)
            why = f"at σ = σ_min = {sigma_min} c_out is 0, and f(x, σ_min) = x though the network says 1000000"
            expect.close(got, batch.data, why, rtol=1e-5, atol=1e-6)


def test_consistency_function_asks_the_network_for_scaled_input_and_level(code, rng):
    """The network sees c_in x and a quarter of the log of sigma, each sample its own."""
    for number, batch in enumerate(batches.corners(rng)):
        sigma_data, sigma_min = PARAMETERS[number % 2]
        network, sigma = Network(), batches.levels(len(batch.t), rng, sigma_min, 20.0)
        got = code.consistency_function(network, batch.data, sigma, sigma_data, sigma_min)
        call = shown(network, batch.data, "the network")
        expect.close(call.x, seen(batch.data, sigma, sigma_data), f"{INPUT}; {EACH}", **GRID)
        expect.close(call.t, sigma.log() / 4, LEVEL, **GRID)
        want = jump(network, batch.data, sigma, sigma_data, sigma_min).detach()
        expect.close(got, want, f"{FUNCTION}; {EACH}", **GRID)


def test_consistency_function_of_normal_data_is_exact_with_the_right_network(code, rng):
    """For data from N(0.7, 0.25) there is a network with which it is the end of the ODE's path."""
    world = Ends(0.7, 0.5)
    for sigma_data, sigma_min in PARAMETERS:
        batch, sigma = batches.make((3, 3), rng), batches.levels(3, rng, 2 * sigma_min, 20.0)
        got = code.consistency_function(Quiet(world, sigma_data, sigma_min), batch.data, sigma, sigma_data, sigma_min)
        why = f"from level σ to σ_min the ODE scales x - m by √((s² + σ_min²) / (s² + σ²)); {FUNCTION}"
        expect.close(got, world.jump(batch.data, sigma, sigma_min), why, **GRID)


def test_consistency_function_keeps_the_dtype_its_arguments_and_the_network(code, rng):
    """float32 stays float32, by default sigma_data is 0.5 and sigma_min 0.002, and nothing is changed in place."""
    for batch in batches.precisions(rng):
        for training in (True, False):
            dtype = batch.data.dtype
            network, sigma = Network().to(dtype).train(training), batches.levels(3, rng, 0.1, 20.0).to(dtype)
            got = expect.untouched(
                lambda x, sigma, network=network: code.consistency_function(network, x, sigma),
                KEEP,
                x=batch.data,
                sigma=sigma,
            )
            want = jump(network.double(), batch.data.double(), sigma.double()).detach().to(dtype)
            expect.close(got, want, KEEP, **SINGLE)
            call = shown(network, batch.data, "the network")
            expect.tensor(call.x, "the network sees x's dtype", dtype=dtype)
            expect.tensor(call.t, LEVEL, shape=(3,), dtype=dtype)
            left_alone(network)


def test_consistency_function_lets_gradients_through(code, rng):
    """Gradients reach x, by the skip and through the network, and the network's parameters."""
    batch, sigma, network = batches.make((3, 2, 2), rng), batches.levels(3, rng, 0.1, 5.0), Network()
    (x,) = tracked(batch.data)
    got = code.consistency_function(network, x, sigma)
    mine, (other,) = Network(), tracked(batch.data)
    want = (jump(mine, other, sigma) * batch.v).sum()
    to_x, weight, bias = torch.autograd.grad(want, [other, mine.weight, mine.bias])
    expect.gradients(
        got, batch.v, FLOW, weight=(network.weight, weight), bias=(network.bias, bias), x=(x, to_x), **GRID
    )
