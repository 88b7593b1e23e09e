"""The toolkit's flows are what they say: averages of straight lines, and one network seen in two ways."""

import torch
from torch import Tensor

from exercises.toolkit.flows import (
    JumpNet,
    VelocityNet,
    gaussian_flow,
    karras_levels,
    mixture_denoiser,
    mixture_flow,
)
from exercises.toolkit.worlds import Mixture
from solutions.s5_flow_matching import consistency_coefficients, velocity_to_data

TIMES = torch.tensor([0.0, 0.2, 0.5, 0.9, 1.0], dtype=torch.float64)
LEVELS = torch.tensor([0.01, 0.3, 1.0, 4.0, 80.0], dtype=torch.float64)


def normal(*shape: int) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def mixture(*centres: float, variance: float = 0.25) -> Mixture:
    places = torch.tensor(centres, dtype=torch.float64)[:, None, None].expand(-1, 2, 3)
    return Mixture(
        places, torch.full((len(centres),), variance).double(), torch.ones(len(centres)).double() / len(centres)
    )


def test_a_mixture_of_one_flows_as_a_gaussian_does():
    x = normal(5, 2, 3)
    torch.testing.assert_close(mixture_flow(mixture(0.0))(x, TIMES), gaussian_flow(0.5)(x, TIMES))


def test_the_velocity_at_a_place_is_what_lines_through_it_have_on_average():
    """A mixture of points: each line through x at time t is known, and so is its probability."""
    x, t = normal(4, 2, 3), TIMES[1:4].repeat(2)[:4]
    ends, std = torch.tensor([-1.0, 0.4, 2.0], dtype=torch.float64), (1 - t)[:, None, None]
    noise = torch.stack([(x - t[:, None, None] * end) / std for end in ends])
    share = torch.softmax(-noise.square().flatten(2).sum(2) / 2, dim=0)[:, :, None, None]
    want = (share * (ends[:, None, None, None] - noise)).sum(0)
    torch.testing.assert_close(mixture_flow(mixture(*ends.tolist(), variance=0.0))(x, t), want)


def test_at_time_0_nothing_but_the_mean_of_the_data_is_known():
    x = normal(3, 2, 3)
    torch.testing.assert_close(mixture_flow(mixture(-1.0, 2.0))(x, torch.zeros(3).double()), 0.5 - x)


def test_the_denoiser_of_a_mixture_is_its_flow_seen_at_another_scale():
    x, world = normal(5, 2, 3) * LEVELS[:, None, None], mixture(-1.0, 2.0)
    t = 1 / (1 + LEVELS)
    x_t = t[:, None, None] * x
    want = velocity_to_data(mixture_flow(world)(x_t, t), x_t, t)
    torch.testing.assert_close(mixture_denoiser(world)(x, LEVELS), want)


def test_a_velocity_seen_as_a_jump_is_its_guess_of_the_data():
    torch.manual_seed(0)
    velocity, x = VelocityNet(8).double(), normal(5, 2) * LEVELS[:, None]
    c_skip, c_out = consistency_coefficients(LEVELS, 1.0, 0.0)
    inner = JumpNet(velocity)(x / (1 + LEVELS.square()).sqrt()[:, None], LEVELS.log() / 4)
    t = 1 / (1 + LEVELS)
    want = velocity_to_data(velocity(t[:, None] * x, t), t[:, None] * x, t)
    torch.testing.assert_close(c_skip[:, None] * x + c_out[:, None] * inner, want)


def test_levels_rise_from_low_to_high_dense_where_they_are_low():
    levels = karras_levels(5, 0.01, 20.0)
    torch.testing.assert_close(levels[[0, -1]], torch.tensor([0.01, 20.0]))
    assert (levels.diff().diff() > 0).all()
