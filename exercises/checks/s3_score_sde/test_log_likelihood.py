"""The checks of log_likelihood."""

import math

import torch
from torch import Generator, Tensor, nn

from exercises.checks import cases, chance, expect
from exercises.checks.cases import numbers, tracked
from exercises.checks.expect import left_alone
from exercises.checks.s3_score_sde.formulas import affine_score
from exercises.checks.s3_score_sde.rules import KEEP, PEOPLE
from exercises.checks.s3_score_sde.worlds import turned
from exercises.toolkit.processes import Drain
from exercises.toolkit.worlds import Correlated

ALONG = "log p(x) = log N(x(1); 0, std(1)² I) + ∫ div v dt along the probability-flow ODE, from t_start to 1, in nats"
STEPS = 64
MILD, STEEP = Drain(0.5, 0.1, 0.6, 0.9), Drain(0.0, 0.0, 1.0, 8.0)
"""Their priors have the variances 1.5 and 9."""
ORDER_2 = {"rtol": 0.0, "atol": 4e-3}
"""For 64 steps along `MILD`, or along `STEEP` from t = 0.2, of data within two standard deviations in three
dimensions: Heun's method, midpoint, Ralston's and Adams-Bashforth's are off by 1.5e-3 at the most, RK4 by 1e-7, while
Euler's for the path or for the divergence is off by 1.1e-2 and more."""


class Asked(nn.Module):
    """The exact score of a Gaussian world under a process, which notes the times at which it is asked."""

    def __init__(self, world: Correlated, sde: Drain) -> None:
        super().__init__()
        self.world, self.sde = world, sde
        self.gain = nn.Parameter(torch.ones((), dtype=torch.float64))
        self.times: list = []

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        self.times.append(t.detach().clone() if isinstance(t, Tensor) else t)
        return self.gain.to(x.dtype) * self.world.score(x, *self.sde.marginal(t, x))


def within(world: Correlated, count: int, rng: Generator) -> Tensor:
    """Points (count, D) within two standard deviations along each axis."""
    offsets = 4 * torch.rand(count, len(world.mean), dtype=torch.float64, generator=rng) - 2
    return world.mean + (offsets * world.variances.sqrt()) @ world.axes.T


def probes(shape: tuple[int, ...], rng: Generator) -> Tensor:
    """Numbers of mean 0 and variance 1, none above √3 and no two alike."""
    return math.sqrt(3) * (2 * torch.rand(shape, dtype=torch.float64, generator=rng) - 1)


def limit(world: Correlated, sde: Drain, x: Tensor, probe: Tensor, t_start: float) -> Tensor:
    """What comes of infinitely many steps with this probe."""
    start, end = (sde.marginal(torch.full((len(x),), time, dtype=torch.float64), x) for time in (t_start, 1.0))
    prior = torch.distributions.Normal(0, end[1]).log_prob(world.flow(x, start, end))
    return prior.flatten(1).sum(1) + world.expansion(probe, start, end)


def test_log_likelihood_of_gaussian_data_is_the_log_of_its_density(code):
    """At t = 1 so little of the data is left (2 %) that the prior is exact to 3e-4."""
    sde, signs = Drain(0.0, 4.0, 0.5, 0.5), torch.tensor([[1.0, -1.0], [-1.0, -1.0], [1.0, 1.0]], dtype=torch.float64)
    x, variance = numbers(0.4, 1.1, -0.1, 0.7, 0.9, 0.3).reshape(3, 2), 0.5
    got = code.log_likelihood(sde, affine_score(0.0, variance, sde), x, STEPS, signs)
    want = (-(x**2) / (2 * variance) - 0.5 * math.log(2 * math.pi * variance)).sum(1)
    why = "the data is N(0, 0.5) in two dimensions, and its score exact; " + ALONG
    expect.close(got, want, why, rtol=0.0, atol=2e-3)  # the prior's 3e-4, and the steps', 1e-3 at the most


def test_log_likelihood_follows_the_flow_with_one_probe_to_second_order(code, rng):
    """It follows the flow, with one probe, to second order."""
    world, probe = turned(rng, 3), probes((6, 3), rng)
    x = within(world, 6, rng)
    got = code.log_likelihood(MILD, Asked(world, MILD), x, STEPS, probe)
    why = "the same probe at all times, and path and divergence to second order; "
    expect.close(got, limit(world, MILD, x, probe, 1e-5), why + ALONG, **ORDER_2)


def test_log_likelihood_takes_the_divergence_along_the_path(code, rng):
    """The divergence is that where the path is, in a velocity that bends."""
    (axes, _), probe = torch.linalg.qr(cases.normal((3, 3), rng)), probes((6, 3), rng)
    start = (0.3 + 2 * torch.rand(6, 3, dtype=torch.float64, generator=rng)) * torch.tensor([1.0, -1.0, 1.0])
    speed = 1.5

    def score(x: Tensor, t: Tensor) -> Tensor:
        """That for which along `STEEP`, without drift and with g² = 1 + 16 t, each axis y moves by dy/dt = speed sin y."""
        return torch.sin(x @ axes) @ axes.T * (-2 * speed / (1 + 16 * t))[:, None]

    got = code.log_likelihood(STEEP, score, start @ axes.T, STEPS, probe, t_start=0.2)
    end = 2 * torch.atan(torch.tan(start / 2) * math.exp(0.8 * speed))
    growth = torch.log(torch.sin(end) / torch.sin(start))  # along the path v changes as d log v / dt = v'
    want = torch.distributions.Normal(0, 3).log_prob(end).sum(1) + ((probe @ axes) ** 2 * growth).sum(1)
    why = "the velocity is no straight line in x: path and divergence are to be followed together; "
    expect.close(got, want, why + ALONG, **ORDER_2)


def test_log_likelihood_starts_at_t_start_and_ends_in_the_prior_of_the_sde(code, rng):
    """It starts at t_start and ends in the prior of the SDE."""
    world, probe = turned(rng, 3), probes((6, 3), rng)
    x = within(world, 6, rng)
    got = code.log_likelihood(STEEP, Asked(world, STEEP), x, STEPS, probe, t_start=0.2)
    why = "this sde ends at std(1) = 3, with no drift: the prior is N(0, 9 I); "
    expect.close(got, limit(world, STEEP, x, probe, 0.2), why + ALONG, **ORDER_2)


def test_log_likelihood_starts_at_1e_5_by_default(code, rng):
    """It starts at t = 1e-5 by default."""
    world, probe = turned(rng, 2), probes((3, 2), rng)
    x, model = within(world, 3, rng), Asked(world, STEEP)
    want = code.log_likelihood(STEEP, model, x, 8, probe, t_start=1e-5)
    expect.tensor(want, ALONG, shape=(3,), dtype=torch.float64)
    got = code.log_likelihood(STEEP, model, x, 8, probe)
    expect.close(got, want.detach(), "t_start is 1e-5 where nothing else is said")


def test_log_likelihood_gives_one_number_for_each_sample_of_any_shape(code, rng):
    """Each sample has one number, whatever its shape."""
    for shape, layout in (
        ((3, 3), "strided"),
        ((1, 2), "contiguous"),
        ((2, 2, 1, 2), "contiguous"),
        ((4, 3), "expanded"),
    ):
        world = turned(rng, math.prod(shape[1:]))
        x = within(world, shape[0], rng).reshape(shape)
        x, probe = x[:1].expand(shape) if layout == "expanded" else x, probes(shape, rng)
        got = code.log_likelihood(MILD, Asked(world, MILD), x, STEPS // 4, probe)
        why = "log p(x) is one number for each sample, of shape (B,), summed over all axes of the sample; "
        expect.close(got, limit(world, MILD, x, probe, 1e-5), why + ALONG, rtol=0.0, atol=16 * ORDER_2["atol"])


def missing(seen: Tensor, times: list[float]) -> list[float]:
    """Those of the times at which no call was, of `seen` (calls, B)."""
    return [time for time in times if not ((seen - time).abs() < 1e-5).all(1).any()]


def test_log_likelihood_asks_the_model_where_each_of_the_steps_begins(code, rng):
    """The model is asked where each of the steps begins."""
    world = turned(rng, 2)
    x, probe = within(world, 3, rng), probes((3, 2), rng)
    for steps in (1, 3):
        model = Asked(world, MILD)
        code.log_likelihood(MILD, model, x, steps, probe, t_start=0.1)
        for t in model.times:
            expect.tensor(t, PEOPLE, shape=(3,), dtype=torch.float64)
        seen = torch.stack(model.times) if model.times else torch.zeros(0, 3, dtype=torch.float64)
        length = 0.9 / steps
        # most methods ask where a step begins, some in its middle alone, or at Gauss's points: in each step at the same place
        inside = [time - 0.1 for time in seen[:, 0].tolist() if time < 0.1 + length + 1e-5]
        missed = [missing(seen, [0.1 + step * length + place for step in range(steps)]) for place in (0.0, *inside)]
        why = "the steps are uniform from t_start to 1, and each looks at the score where it begins"
        expect.holds(
            not all(missed),
            why,
            got=seen,
            want=f"a call with t = {(missed[0] or [0.1])[0]:.3g}",
            told=f"{len(seen)} calls, with t = {[round(t, 3) for t in seen[:, 0].tolist()][:8]}",
        )
        outside = bool(((seen < 0.1 - 1e-5) | (seen > 1 + 1e-5)).any())
        expect.holds(
            not outside,
            "times stay between t_start and 1",
            got=seen,
            want="0.1 <= t <= 1",
            told=f"times from {seen.min():.3g} to {seen.max():.3g}",
        )
        why = "`steps` says how many steps there are, of a few calls each"
        # an implicit step asks again and again, at the same few times
        few = len(seen) <= 20 * steps or len({round(t, 6) for t in seen[:, 0].tolist()}) <= 5 * steps + 1
        expect.holds(
            few,
            why,
            got=len(seen),
            want=f"a few times {steps} calls",
            told=f"{len(seen)} calls in {steps} steps",
        )


def test_log_likelihood_keeps_the_dtype_its_arguments_and_the_model(code, rng):
    """The result has the data's dtype; the arguments and the model stay as they are."""
    world = turned(rng, 3)
    for dtype, mode in ((torch.float32, True), (torch.float64, False)):
        x, probe = within(world, 3, rng).to(dtype), probes((3, 3), rng).to(dtype)
        for start in (x.clone(), *tracked(x)):
            model, flag, aim = Asked(world, MILD).train(mode), start.requires_grad, probe.clone()
            got = code.log_likelihood(MILD, model, start, 16, aim)
            expect.tensor(got, KEEP, shape=(3,), dtype=dtype)
            want = limit(world, MILD, x.double(), probe.double(), 1e-5)
            expect.close(got.detach(), want.to(dtype), f"{KEEP}; {ALONG}", rtol=0.0, atol=0.1)  # 16 times ORDER_2
            expect.unchanged(KEEP, x=(x, start.detach()), probe=(probe, aim))
            expect.equal(start.requires_grad, flag, "x is the caller's: whether it takes gradients is not changed")
            expect.equal(start.grad is None, True, "no gradient is left on x: it is the caller's")
            left_alone(model)


def test_log_likelihood_draws_nothing_of_its_own(code, rng):
    """The same arguments give the same number: the probe is given, and nothing else is drawn."""
    world, probe = turned(rng, 3), probes((3, 3), rng)
    x, model = within(world, 3, rng), Asked(world, MILD)
    chance.nothing_drawn(lambda: code.log_likelihood(MILD, model, x, 4, probe), "the probe")
