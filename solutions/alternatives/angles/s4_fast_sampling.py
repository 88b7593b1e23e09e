"""Different: levels as angles, √ᾱ = cos φ and √(1-ᾱ) = sin φ: a DDIM step turns (x, velocity) by the difference of two angles."""

import math

import torch


def angle(alpha_bar, t):
    if t < 0:
        return 0.0
    a = alpha_bar[t].double()
    return torch.atan2((1 - a).sqrt(), a.sqrt()).item()


def turned(x, eps, start, end):
    """X at angle `start` with noise eps, carried to angle `end`."""
    velocity = (eps - math.sin(start) * x) / math.cos(start)  # dx/dφ
    return math.cos(end - start) * x + math.sin(end - start) * velocity


def ddim_step(x_t, eps, t, t_prev, alpha_bar, eta=0.0, noise=None):
    start, end = angle(alpha_bar, t), angle(alpha_bar, t_prev)
    if eta == 0 or end == 0:
        return turned(x_t, eps, start, end)
    # of the noise at the end, sin(end) long, σ is fresh and the rest lies along eps
    sigma = eta * math.sin(end) / math.sin(start) * math.sqrt(1 - (math.cos(start) / math.cos(end)) ** 2)
    along = math.sqrt(math.sin(end) ** 2 - sigma**2)
    return turned(x_t, eps, start, end) + (along - math.sin(end)) * eps + sigma * noise


def ddim_invert(model, x0, alpha_bar, n):
    T, x, start = len(alpha_bar), x0, 0.0
    with torch.inference_mode():
        for i in range(n - 1, -1, -1):
            t = round(T - i * T / n) - 1
            end = angle(alpha_bar, t)
            eps = model(x, torch.full((len(x),), t))
            x, start = turned(x, eps, start, end), end
    return x.clone()


def half_log_snr(alpha_bar):
    return torch.atanh(2 * alpha_bar - 1)


def dpm_solver2_step(eps_fn, x, lam_s, lam_t):
    def phi(lam):
        return math.atan(math.exp(-float(lam)))  # tan φ = σ/α

    middle = 0.5 * (float(lam_s) + float(lam_t))
    u = turned(x, eps_fn(x, lam_s), phi(lam_s), phi(middle))
    return turned(x, eps_fn(u, torch.tensor(middle)), phi(lam_s), phi(lam_t))


def dpmpp_2m_step(x, x0_pred, x0_prev, lam_prev, lam_s, lam_t):
    def phi(lam):
        return math.atan(math.exp(-float(lam)))

    start, end, x0 = phi(lam_s), phi(lam_t), x0_pred
    if x0_prev is not None and end > 0:
        r = (float(lam_s) - float(lam_prev)) / (float(lam_t) - float(lam_s))
        x0 = x0_pred + (x0_pred - x0_prev) / (2 * r)
    eps = (x - math.cos(start) * x0) / math.sin(start)
    return math.cos(end) * x0 + math.sin(end) * eps


def distillation_target(teacher, x_t, t, t_mid, t_prev, alpha_bar):
    x = x_t
    with torch.no_grad():
        for start, end in ((t, t_mid), (t_mid, t_prev)):
            x = ddim_step(x, teacher(x, torch.full((len(x),), start)), start, end, alpha_bar)
    start, end = angle(alpha_bar, t), angle(alpha_bar, t_prev)
    return (math.sin(start) * x - math.sin(end) * x_t) / math.sin(start - end)


def edm_precondition(sigma, sigma_data=0.5):
    phi = torch.atan2(sigma, torch.full_like(sigma, sigma_data))
    return phi.cos() ** 2, sigma_data * phi.sin(), phi.cos() / sigma_data, sigma.log() / 4
