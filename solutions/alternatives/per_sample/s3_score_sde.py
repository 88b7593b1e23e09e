"""Different: one sample at a time in Python floats, stacked at the end; Adams-Bashforth for the likelihood."""

import math

import torch


def score_from_eps(eps, std):
    return torch.stack([-e / float(s) for e, s in zip(eps, std, strict=True)])


def score_from_x0(x0, x_t, mean_coef, std):
    rows = zip(x0, x_t, mean_coef.flatten().tolist(), std.flatten().tolist(), strict=True)
    return torch.stack([(m * clean - x) / s**2 for clean, x, m, s in rows])


def stacked(numbers, like):
    return torch.tensor(numbers, dtype=like.dtype, device=like.device).reshape(len(numbers), *[1] * (like.ndim - 1))


class VPSDE:
    def __init__(self, beta_min=0.1, beta_max=20.0):
        self.beta_min, self.beta_max = beta_min, beta_max

    def beta(self, t):
        return (1 - t) * self.beta_min + t * self.beta_max

    def left(self, t):
        """The trapezium under the line of beta, from 0 to t."""
        return math.exp(-t * (self.beta(0.0) + self.beta(t)) / 2)

    def marginal(self, t, like):
        left = [self.left(time) for time in t.tolist()]
        return stacked([share**0.5 for share in left], like), stacked([(1 - share) ** 0.5 for share in left], like)

    def coefficients(self, x, t):
        betas = [self.beta(time) for time in t.tolist()]
        drift = torch.stack([-beta / 2 * row for beta, row in zip(betas, x, strict=True)])
        return drift, stacked([math.sqrt(beta) for beta in betas], x)


class VESDE:
    def __init__(self, sigma_min=0.01, sigma_max=50.0):
        self.sigma_min, self.sigma_max = sigma_min, sigma_max

    def sigma(self, t):
        return self.sigma_min ** (1 - t) * self.sigma_max**t

    def marginal(self, t, like):
        variances = [max(self.sigma(time) ** 2 - self.sigma_min**2, 0.0) for time in t.tolist()]
        return stacked([1.0] * len(t), like), stacked([math.sqrt(variance) for variance in variances], like)

    def coefficients(self, x, t):
        rate = 2 * math.log(self.sigma_max / self.sigma_min)
        return torch.stack([row - row for row in x]), stacked([self.sigma(time) * rate**0.5 for time in t.tolist()], x)


def dsm_loss(score_model, x0, t, noise, sde):
    mean_coef, std = sde.marginal(t=t, like=x0)
    x_t = torch.stack([m * x + s * z for m, x, s, z in zip(mean_coef, x0, std, noise, strict=True)])
    errors = [(s * answer + z) ** 2 for s, answer, z in zip(std, score_model(x_t, t), noise, strict=True)]
    return sum(error.sum() for error in errors) / x0.numel()


def reverse_coefficients(sde, score, x, t):
    drift, diffusion = sde.coefficients(x=x, t=t)
    return torch.stack([f - g * g * s for f, g, s in zip(drift, diffusion, score, strict=True)]), diffusion


def euler_maruyama(sde, score_model, x_T, steps, t_end=1e-3, generator=None):
    length = (1 - t_end) / steps
    rows = list(x_T.detach())
    for left in range(steps, 0, -1):
        x = torch.stack(rows)
        t = torch.tensor([t_end + left * length] * len(rows), dtype=x.dtype, device=x.device)
        with torch.no_grad():
            drift, diffusion = reverse_coefficients(sde, score_model(x, t), x, t)
        rows = [row - length * f for row, f in zip(rows, drift, strict=True)]
        if left > 1:
            for i, g in enumerate(diffusion):
                z = torch.randn(rows[i].shape, dtype=x.dtype, generator=generator)
                rows[i] = rows[i] + g * math.sqrt(length) * z.to(x.device)
    return torch.stack(rows)


def probability_flow_drift(sde, score, x, t):
    drift, diffusion = sde.coefficients(x, t)
    return torch.stack([f - 0.5 * g * g * s for f, g, s in zip(drift, diffusion, score, strict=True)])


def ode_sample(sde, score_model, x_T, steps, t_end=1e-3):
    length = (1 - t_end) / steps
    x = x_T.detach()
    with torch.no_grad():
        for left in range(steps, 0, -1):
            slopes = []
            for end in (left, left - 1):
                t = torch.tensor([t_end + end * length] * len(x), dtype=x.dtype, device=x.device)
                place = x - length * slopes[0] if slopes else x
                slopes.append(probability_flow_drift(sde, score_model(place, t), place, t))
            x = x - length * sum(slopes) / 2
    return x


def langevin_correct(x, score, snr, noise):
    score_norm = sum((row**2).sum() ** 0.5 for row in score) / len(score)
    noise_norm = sum((row**2).sum() ** 0.5 for row in noise) / len(noise)
    step = 2 * snr**2 * noise_norm**2 / score_norm**2
    return torch.stack([row + step * s + (2 * step) ** 0.5 * z for row, s, z in zip(x, score, noise, strict=True)])


def hutchinson_divergence(fn, x, probe):
    with torch.enable_grad():
        leaf = torch.tensor(x.tolist(), dtype=x.dtype, device=x.device, requires_grad=True)
        answers = fn(leaf)
        pulled = torch.autograd.grad(answers, leaf, grad_outputs=probe)[0]
    return torch.stack([(row * v).sum() for row, v in zip(pulled, probe, strict=True)])


def log_likelihood(sde, score_model, x, steps, probe, t_start=1e-5):
    """A step of Heun's, then the two-step method: one evaluation a step."""
    length = (1 - t_start) / steps

    def rates(x, i):
        t = torch.tensor([t_start + i * length] * len(x), dtype=x.dtype, device=x.device)

        def velocity(y):
            return probability_flow_drift(sde, score_model(y, t), y, t)

        return velocity(x).detach(), hutchinson_divergence(velocity, x, probe).detach()

    place, gained = x.detach(), [0.0] * len(x)
    before = None
    for i in range(steps):
        slope, growth = rates(place, i)
        if before is None:
            ahead = rates(place + length * slope, i + 1)
            move, gain = (slope + ahead[0]) / 2, (growth + ahead[1]) / 2
        else:
            move, gain = 1.5 * slope - 0.5 * before[0], 1.5 * growth - 0.5 * before[1]
        before = slope, growth
        place = place + length * move
        gained = [total + length * more for total, more in zip(gained, gain.tolist(), strict=True)]
    numbers = []
    for row, std, total in zip(
        place, sde.marginal(torch.ones_like(place.flatten(1)[:, 0]), place)[1], gained, strict=True
    ):
        std = float(std)
        quadratic = float((row / std).square().sum()) / 2
        numbers.append(total - quadratic - row.numel() * (math.log(std) + math.log(2 * math.pi) / 2))
    return torch.tensor(numbers, dtype=x.dtype, device=x.device)
