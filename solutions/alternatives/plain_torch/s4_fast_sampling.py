"""Different: plain torch and NumPy, float64 inside, one-line algebra: every step as two numbers times x and a prediction."""

import itertools
import math

import numpy as np
import torch


def timesteps(T, n):
    if n < 1 or n > T:
        raise ValueError(f"cannot take {n} of {T} steps")
    return torch.from_numpy(np.round(T - np.arange(n) * T / n).astype(np.int64) - 1)


def _at(alpha_bar, t):
    return 1.0 if t < 0 else float(alpha_bar[t].detach().double())


def ddim_step(x_t, eps, t, t_prev, alpha_bar, eta=0.0, noise=None):
    a, b = _at(alpha_bar, t), _at(alpha_bar, t_prev)
    variance = eta**2 * (1 - b) / (1 - a) * (1 - a / b) if eta > 0 else 0.0
    to_x = math.sqrt(b / a)
    to_eps = math.sqrt(max(1 - b - variance, 0)) - to_x * math.sqrt(1 - a)
    result = to_x * x_t + to_eps * eps
    return result + math.sqrt(variance) * noise if eta > 0 else result


def _full(x, t):
    return torch.zeros(x.shape[0], dtype=torch.long, device=x.device) + t


@torch.no_grad()
def ddim_sample(model, x_T, alpha_bar, n, eta=0.0, generator=None):
    steps = [*timesteps(alpha_bar.numel(), n).tolist(), -1]
    for i in range(n):
        eps = model(x_T, _full(x_T, steps[i]))
        noise = torch.empty_like(x_T).normal_(generator=generator) if eta > 0 else None
        x_T = ddim_step(x_T, eps, steps[i], steps[i + 1], alpha_bar, eta, noise)
    return x_T


@torch.no_grad()
def ddim_invert(model, x0, alpha_bar, n):
    scaled, slope, keep = x0, 0.0, 1.0  # x / sqrt(alpha_bar) moves on a straight line of sqrt(1 / alpha_bar - 1)
    for t in reversed(timesteps(alpha_bar.numel(), n).tolist()):
        eps = model(scaled * math.sqrt(keep), _full(x0, t))
        keep = _at(alpha_bar, t)
        steeper = math.sqrt(1 / keep - 1)
        scaled, slope = scaled + (steeper - slope) * eps, steeper
    return scaled * math.sqrt(keep)


def half_log_snr(alpha_bar):
    return torch.log(alpha_bar.sqrt() / (1 - alpha_bar).sqrt())


def _number(lam):
    return float(lam)


def _alpha(lam):
    return math.sqrt(1 / (1 + math.exp(-2 * lam))) if lam > -350 else 0.0


def _sigma(lam):
    return _alpha(-lam)


def dpm_solver2_step(eps_fn, x, lam_s, lam_t):
    s, t = _number(lam_s), _number(lam_t)
    m = s + 0.5 * (t - s)
    u = _alpha(m) / _alpha(s) * x - (_alpha(m) * math.exp(-s) - _sigma(m)) * eps_fn(x, s)
    return _alpha(t) / _alpha(s) * x - (_alpha(t) * math.exp(-s) - _sigma(t)) * eps_fn(u, m)


def dpmpp_2m_step(x, x0_pred, x0_prev, lam_prev, lam_s, lam_t):
    s, t = _number(lam_s), _number(lam_t)
    ratio = math.exp(-t) / math.exp(-s) * _alpha(t) / _alpha(s)
    weight = _alpha(t) - ratio * _alpha(s)
    if x0_prev is None or t == math.inf:
        return ratio * x + weight * x0_pred
    slope = (x0_pred - x0_prev) / (s - _number(lam_prev))
    return ratio * x + weight * (x0_pred + slope * (t - s) / 2)


@torch.no_grad()
def dpmpp_2m_sample(model, x_T, alpha_bar, n):
    steps, x, old = timesteps(alpha_bar.numel(), n).tolist(), x_T, (None, None)
    for i, t in enumerate(steps):
        a, lam = _at(alpha_bar, t), half_log_snr(alpha_bar.double())
        x0 = (x - math.sqrt(1 - a) * model(x, _full(x, t))) / math.sqrt(a)
        if i == n - 1:
            return x0
        x = dpmpp_2m_step(x, x0, *old, lam[t], lam[steps[i + 1]])
        old = x0, lam[t]


def karras_sigmas(n, sigma_min=0.002, sigma_max=80.0, rho=7.0):
    roots = np.linspace(sigma_max ** (1 / rho), sigma_min ** (1 / rho), n)
    return torch.tensor(np.append(roots**rho, 0.0), dtype=torch.float32)


def edm_precondition(sigma, sigma_data=0.5):
    c_in = torch.rsqrt(sigma * sigma + sigma_data * sigma_data)
    return (sigma_data * c_in) ** 2, sigma * sigma_data * c_in, c_in, 0.25 * torch.log(sigma)


@torch.no_grad()
def heun_sample(denoiser, x, sigmas):
    sigmas = torch.as_tensor(sigmas, dtype=torch.float64).tolist()
    for now, then in itertools.pairwise(sigmas):
        d = (x - denoiser(x, torch.full(x.shape[:1], now, dtype=x.dtype))) / now
        y = x + (then - now) * d
        if then > 0:
            d2 = (y - denoiser(y, torch.full(x.shape[:1], then, dtype=x.dtype))) / then
            y = x + (then - now) * (0.5 * d + 0.5 * d2)
        x = y
    return x


def distillation_target(teacher, x_t, t, t_mid, t_prev, alpha_bar):
    x = x_t.detach()
    with torch.no_grad():
        middle = ddim_step(x, teacher(x, _full(x, t)), t, t_mid, alpha_bar)
        end = ddim_step(middle, teacher(middle, _full(x, t_mid)), t_mid, t_prev, alpha_bar)
    a, b = _at(alpha_bar, t), _at(alpha_bar, t_prev)
    # by the eps with which one step lands there: end = to_x x + to_eps eps
    to_x = math.sqrt(b / a)
    eps = (end - to_x * x) / (math.sqrt(1 - b) - to_x * math.sqrt(1 - a))
    return (x - math.sqrt(1 - a) * eps) / math.sqrt(a)


def distill(teacher, student, data, alpha_bar, n, steps, batch_size=256, lr=1e-3, generator=None):
    if n % 2 == 1:
        raise ValueError("n is odd")
    theirs = timesteps(len(alpha_bar), n).tolist()
    optimizer = torch.optim.AdamW(student.parameters(), lr=lr, weight_decay=0.0)
    losses = []
    while len(losses) < steps:
        i = torch.randint(0, n // 2, (1,), generator=generator).item()
        t, mid, end = (*theirs, -1)[2 * i : 2 * i + 3]
        x0 = data[torch.randperm(len(data), generator=generator).repeat(-(-batch_size // len(data)))[:batch_size]]
        noise = torch.randn(x0.shape, generator=generator, dtype=x0.dtype)
        a = _at(alpha_bar, t)
        x = math.sqrt(a) * x0 + math.sqrt(1 - a) * noise
        aim = distillation_target(teacher, x, t, mid, end, alpha_bar)
        guess = (x - math.sqrt(1 - a) * student(x, _full(x, t))) / math.sqrt(a)
        loss = torch.nn.functional.mse_loss(guess, aim)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses += [float(loss)]
    return losses
