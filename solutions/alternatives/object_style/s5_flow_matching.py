"""Different: classes all through: a path with two ends, a line with a place and a velocity, solvers with tableaus, levels."""

from dataclasses import dataclass

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn


@dataclass
class Line:
    """A straight line through `place` at time t with `velocity`."""

    place: Tensor
    velocity: Tensor
    t: Tensor

    @classmethod
    def between(cls, noise, data, t):
        return cls(noise, data - noise, torch.zeros_like(t)).moved(t)

    def clock(self, t):
        return t.to(self.place.dtype).unflatten(0, (-1, *[1] * (self.place.ndim - 1)))

    def moved(self, t):
        return Line(self.place + self.clock(t - self.t) * self.velocity, self.velocity, t)

    @property
    def data(self):
        return self.moved(torch.ones_like(self.t)).place

    @property
    def noise(self):
        return self.moved(torch.zeros_like(self.t)).place


def interpolate(noise, data, t):
    return Line.between(noise, data, t).place


def target_velocity(noise, data):
    return Line.between(noise, data, data.new_zeros(len(data))).velocity


def gaussian_path(noise, data, t, sigma_min=1e-4):
    line = Line.between(noise, data + sigma_min * noise, t)
    return line.place, line.velocity


class MatchingLoss(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model, self.measure = model, nn.MSELoss()

    def forward(self, line):
        return self.measure(self.model(line.place, line.t), line.velocity)


def cfm_loss(model, noise, data, t):
    return MatchingLoss(model)(Line.between(noise, data, t))


class Solver:
    """An explicit method of stages, each reached along the slope of the last one: their times, and their weights."""

    def __init__(self, nodes, weights):
        self.nodes, self.weights = nodes, weights

    def path(self, velocity, noise, steps):
        """Yields (place, slope of the step) at the beginning of each step, and at last (end, None)."""
        x, dt = noise.detach(), 1 / steps
        for i in range(steps):
            slopes, place = [], x
            for node in self.nodes:
                place = x + node * dt * slopes[-1] if slopes else x
                with torch.no_grad():
                    slopes.append(velocity(place, torch.full((len(x),), (i + node) * dt).to(x)))
            slope = sum(weight * slope for weight, slope in zip(self.weights, slopes, strict=True))
            yield x, slope
            x = x + dt * slope
        yield x, None

    def end(self, velocity, noise, steps):
        *_, (x, _) = self.path(velocity, noise, steps)
        return x


EULER, MIDPOINT = Solver([0.0], [1.0]), Solver([0.0, 0.5], [0.0, 1.0])


def euler_sample(velocity, noise, steps):
    return EULER.end(velocity, noise, steps)


def midpoint_sample(velocity, noise, steps):
    return MIDPOINT.end(velocity, noise, steps)


def logit_normal_times(n, mean=0.0, std=1.0, generator=None):
    sigmoid = torch.distributions.transforms.SigmoidTransform()
    affine = torch.distributions.transforms.AffineTransform(mean, std)
    return sigmoid(affine(torch.randn((n,), generator=generator, dtype=torch.float32)))


class Odds:
    def __init__(self, data, noise):
        self.data, self.noise = data, noise

    def against(self, factor):
        return Odds(self.data, self.noise * factor)

    def share(self):
        return self.data / (self.data + self.noise)


def shift_times(t, shift):
    return Odds(t, 1 - t).against(shift).share()


def velocity_to_data(v, x_t, t):
    return Line(x_t, v, t).data


def velocity_to_eps(v, x_t, t):
    return Line(x_t, v, t).noise


def velocity_to_score(v, x_t, t):
    line = Line(x_t, v, t)
    return line.noise.neg() / line.clock(1 - t)


def ot_pairing(noise, data):
    distances = torch.cdist(noise.detach().flatten(1).double(), data.detach().flatten(1).double()) ** 2
    rows, columns = linear_sum_assignment(distances.numpy())
    order = dict(zip(rows.tolist(), columns.tolist(), strict=True))
    return data[[order[i] for i in range(len(noise))]]


def reflow_pairs(velocity, noise, steps):
    return noise, EULER.end(velocity, noise, steps)


def straightness(velocity, noise, steps):
    *steps_taken, (end, _) = EULER.path(velocity, noise, steps)
    lengths = [(end - noise - slope).flatten(1).norm(dim=1).square().mean() for _, slope in steps_taken]
    return torch.stack(lengths).mean()


class Levels:
    """Noise levels of a batch, and what they scale."""

    def __init__(self, sigma, sigma_data, sigma_min):
        self.sigma, self.sigma_data, self.sigma_min = sigma, sigma_data, sigma_min

    def skip(self):
        return 1 / (1 + ((self.sigma - self.sigma_min) / self.sigma_data) ** 2)

    def out(self):
        return (self.sigma - self.sigma_min) * self.sigma_data * self.scale()

    def scale(self):
        return 1 / torch.hypot(self.sigma, torch.full_like(self.sigma, self.sigma_data))

    def noised(self, data, noise):
        return data + self.like(data, self.sigma) * noise

    def like(self, x, values):
        return values.unflatten(0, (-1, *[1] * (x.ndim - 1)))


class Jump(nn.Module):
    def __init__(self, network, sigma_data, sigma_min):
        super().__init__()
        self.network, self.sigma_data, self.sigma_min = network, sigma_data, sigma_min

    def forward(self, x, sigma):
        levels = Levels(sigma, self.sigma_data, self.sigma_min)
        skip, out, scale = (levels.like(x, part) for part in (levels.skip(), levels.out(), levels.scale()))
        return skip * x + out * self.network(scale * x, torch.log(sigma) / 4)


def consistency_coefficients(sigma, sigma_data=0.5, sigma_min=0.002):
    levels = Levels(sigma, sigma_data, sigma_min)
    return levels.skip(), levels.out()


def consistency_function(network, x, sigma, sigma_data=0.5, sigma_min=0.002):
    return Jump(network, sigma_data, sigma_min)(x, sigma)


class Neighbours:
    """A consistency loss; where the low side lies is for subclasses to say."""

    def __init__(self, network, ema_network, sigma_data, sigma_min):
        self.parameters = sigma_data, sigma_min
        self.student, self.copy = Jump(network, *self.parameters), Jump(ema_network, *self.parameters)

    def below(self, x_hi, data, noise, lo, hi):
        return Levels(lo, *self.parameters).noised(data, noise)

    def loss(self, data, noise, lo, hi):
        x_hi = Levels(hi, *self.parameters).noised(data, noise)
        with torch.no_grad():
            target = self.copy(self.below(x_hi, data, noise, lo, hi), lo)
        return nn.MSELoss()(self.student(x_hi, hi), target)


class Taught(Neighbours):
    def __init__(self, denoiser, *rest):
        super().__init__(*rest)
        self.denoiser = denoiser

    def slope(self, x, sigma):
        return (x - self.denoiser(x, sigma)) / Levels(sigma, *self.parameters).like(x, sigma)

    def below(self, x_hi, data, noise, lo, hi):
        gap = Levels(lo, *self.parameters).like(x_hi, hi - lo)
        first = self.slope(x_hi, hi)
        second = self.slope(x_hi - gap * first, lo)
        return x_hi - gap * (0.5 * first + 0.5 * second)


def consistency_training_loss(network, ema_network, data, noise, sigma_lo, sigma_hi, sigma_data=0.5, sigma_min=0.002):
    return Neighbours(network, ema_network, sigma_data, sigma_min).loss(data, noise, sigma_lo, sigma_hi)


def consistency_distillation_loss(
    network, ema_network, denoiser, data, noise, sigma_lo, sigma_hi, sigma_data=0.5, sigma_min=0.002
):
    return Taught(denoiser, network, ema_network, sigma_data, sigma_min).loss(data, noise, sigma_lo, sigma_hi)


class Ladder:
    def __init__(self, f, sigma_min, generator):
        self.f, self.sigma_min, self.generator = f, sigma_min, generator

    def jump(self, x, sigma):
        return self.f(x, torch.full((len(x),), sigma, dtype=x.dtype, device=x.device))

    def blur(self, x, sigma):
        missing = torch.tensor(sigma, dtype=torch.float64) ** 2 - self.sigma_min**2
        return x + float(missing.clamp(min=0).sqrt()) * torch.randn(x.shape, generator=self.generator, dtype=x.dtype)

    @torch.no_grad()
    def descend(self, x, sigmas):
        rungs = iter(torch.as_tensor(sigmas).tolist())
        x = self.jump(x, next(rungs))
        for sigma in rungs:
            x = self.jump(self.blur(x, sigma), sigma)
        return x


def consistency_sample(f, x, sigmas, sigma_min=0.002, generator=None):
    return Ladder(f, sigma_min, generator).descend(x, sigmas)
