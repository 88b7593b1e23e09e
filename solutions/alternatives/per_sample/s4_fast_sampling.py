"""Different: one sample, one level and one coefficient at a time; a student's batch has a level for each row."""

import math
from fractions import Fraction

import torch


def timesteps(T, n):
    if n not in range(1, T + 1):
        raise ValueError(f"n = {n} is not in 1 .. {T}")
    steps = []
    for i in range(n):
        place = Fraction(T) - Fraction(i * T, n)
        steps.append(math.floor(place + Fraction(1, 2)) - 1)  # halves go up
    return torch.tensor(steps)


def level(alpha_bar, t):
    return alpha_bar[t].item() if t > -1 else 1.0


def ddim_step(x_t, eps, t, t_prev, alpha_bar, eta=0.0, noise=None):
    a, b = level(alpha_bar, t), level(alpha_bar, t_prev)
    rows = []
    for i in range(len(x_t)):
        x0 = (x_t[i] - (1 - a) ** 0.5 * eps[i]) / a**0.5
        row = b**0.5 * x0
        if eta == 0:
            row = row + (1 - b) ** 0.5 * eps[i]
        else:
            beta = 1 - a / b  # of the whole leap
            sigma = eta * (beta * (1 - b) / (1 - a)) ** 0.5
            row = row + abs(1 - b - sigma * sigma) ** 0.5 * eps[i] + sigma * noise[i]
        rows.append(row)
    return torch.stack(rows)


def ddim_sample(model, x_T, alpha_bar, n, eta=0.0, generator=None):
    x = x_T.detach().clone()
    steps = timesteps(len(alpha_bar), n)
    for i in range(n):
        t, t_prev = int(steps[i]), int(steps[i + 1]) if i + 1 < n else -1
        with torch.no_grad():
            eps = model(x, torch.tensor([t] * len(x)))
            noise = torch.stack([torch.randn(x[0].shape, dtype=x.dtype, generator=generator) for _ in x])
            x = ddim_step(x, eps, t, t_prev, alpha_bar, eta, noise)
    return x


def ddim_invert(model, x0, alpha_bar, n):
    x, t = x0.detach(), -1
    for step in sorted(timesteps(len(alpha_bar), n).tolist()):
        a, b = level(alpha_bar, t), level(alpha_bar, step)
        with torch.no_grad():
            eps = model(x, torch.tensor([step] * len(x)))
        clean = [(row - (1 - a) ** 0.5 * noise) / a**0.5 for row, noise in zip(x, eps, strict=True)]
        x = torch.stack([b**0.5 * row + (1 - b) ** 0.5 * noise for row, noise in zip(clean, eps, strict=True)])
        t = step
    return x


def half_log_snr(alpha_bar):
    values = []
    for a in alpha_bar.tolist():
        if a == 0:
            values.append(-math.inf)
        elif a == 1:
            values.append(math.inf)
        else:
            values.append(0.5 * math.log(a) - 0.5 * math.log1p(-a))
    return torch.tensor(values, dtype=alpha_bar.dtype)


def alpha_sigma(lam):
    return math.sqrt(0.5 * (1 + math.tanh(lam))), math.sqrt(0.5 * (1 + math.tanh(-lam)))


def dpm_solver2_step(eps_fn, x, lam_s, lam_t):
    lam_s, lam_t = float(lam_s), float(lam_t)
    lam_m = (lam_s + lam_t) / 2
    (a_s, s_s), (a_m, s_m), (a_t, s_t) = map(alpha_sigma, (lam_s, lam_m, lam_t))
    first = eps_fn(x, torch.tensor([lam_s] * len(x), dtype=x.dtype))
    u = [a_m * (row - s_s * eps) / a_s + s_m * eps for row, eps in zip(x, first, strict=True)]  # a DDIM step
    second = eps_fn(torch.stack(u), torch.tensor([lam_m] * len(x), dtype=x.dtype))
    return torch.stack([a_t * (row - s_s * eps) / a_s + s_t * eps for row, eps in zip(x, second, strict=True)])


def dpmpp_2m_step(x, x0_pred, x0_prev, lam_prev, lam_s, lam_t):
    if float(lam_t) == math.inf:
        return x0_pred.clone()
    lam_s, lam_t = float(lam_s), float(lam_t)
    (_, s_s), (a_t, s_t) = alpha_sigma(lam_s), alpha_sigma(lam_t)
    weight = 0.0 if x0_prev is None else (lam_t - lam_s) / (2 * (lam_s - float(lam_prev)))
    rows = []
    for i in range(len(x)):
        x0 = x0_pred[i] if x0_prev is None else (1 + weight) * x0_pred[i] - weight * x0_prev[i]
        rows.append(s_t / s_s * x[i] + a_t * (1 - math.exp(lam_s - lam_t)) * x0)
    return torch.stack(rows)


def dpmpp_2m_sample(model, x_T, alpha_bar, n):
    steps = timesteps(len(alpha_bar), n).tolist()
    lams = [half_log_snr(alpha_bar.double())[t].item() for t in steps] + [math.inf]
    x, predictions = x_T.detach().clone(), []
    for i in range(n):
        a = level(alpha_bar, steps[i])
        with torch.no_grad():
            eps = model(x, torch.tensor([steps[i]] * len(x)))
            predictions.append((x - (1 - a) ** 0.5 * eps) / a**0.5)
            before, lam = (predictions[i - 1], lams[i - 1]) if 0 < i < n - 1 else (None, None)
            x = dpmpp_2m_step(x, predictions[i], before, lam, lams[i], lams[i + 1])
    return x


def karras_sigmas(n, sigma_min=0.002, sigma_max=80.0, rho=7.0):
    values = []
    for i in range(n):
        share = i / (n - 1)
        values.append(((1 - share) * sigma_max ** (1 / rho) + share * sigma_min ** (1 / rho)) ** rho)
    return torch.tensor([*values, 0.0], dtype=torch.float64)


def edm_precondition(sigma, sigma_data=0.5):
    rows = []
    for s in sigma.tolist():
        size = math.hypot(s, sigma_data)
        rows.append([(sigma_data / size) ** 2, s * sigma_data / size, 1 / size, math.log(s) / 4])
    return list(torch.tensor(rows, dtype=sigma.dtype).T)


def heun_sample(denoiser, x, sigmas):
    levels = [float(s) for s in sigmas]

    def slope(x, sigma):
        with torch.no_grad():
            clean = denoiser(x, torch.tensor([sigma] * len(x)))
        return torch.stack([(row - c) / sigma for row, c in zip(x, clean, strict=True)])

    x = x.detach().clone()
    for i in range(len(levels) - 1):
        dt = levels[i + 1] - levels[i]
        d = slope(x, levels[i])
        if i + 2 < len(levels):
            d = (d + slope(x + dt * d, levels[i + 1])) / 2
        x = x + dt * d
    return x


def distillation_target(teacher, x_t, t, t_mid, t_prev, alpha_bar):
    with torch.no_grad():
        x = ddim_step(x_t, teacher(x_t, torch.tensor([t] * len(x_t))), t, t_mid, alpha_bar)
        x = ddim_step(x, teacher(x, torch.tensor([t_mid] * len(x))), t_mid, t_prev, alpha_bar)
    a, b = level(alpha_bar, t), level(alpha_bar, t_prev)
    noise_t, noise_prev = math.sqrt(1 - a), math.sqrt(1 - b)
    rows = []
    for end, start in zip(x, x_t, strict=True):
        rows.append((noise_t * end - noise_prev * start) / (noise_t * math.sqrt(b) - noise_prev * math.sqrt(a)))
    return torch.stack(rows)


def distill(teacher, student, data, alpha_bar, n, steps, batch_size=256, lr=1e-3, generator=None):
    if n / 2 != n // 2:
        raise ValueError("the student would take half a step")
    all_levels = [*timesteps(len(alpha_bar), n).tolist(), -1]
    trios = [all_levels[2 * i : 2 * i + 3] for i in range(n // 2)]
    optimizer = torch.optim.NAdam(student.parameters(), lr=lr)
    losses = []
    for _ in range(steps):
        rows, aims, levels = [], [], []
        for _ in range(batch_size):
            row = data[torch.randint(len(data), (), generator=generator)]
            t, mid, end = trios[torch.randint(len(trios), (), generator=generator)]
            noise = torch.randn(row.shape, dtype=row.dtype, generator=generator)
            a = level(alpha_bar, t)
            rows.append(a**0.5 * row + (1 - a) ** 0.5 * noise)
            levels.append((t, mid, end))
        x = torch.stack(rows)
        aims = torch.empty_like(x)
        for trio in trios:  # the teacher's steps are taken by the rows of one level together
            chosen = [i for i, trio_of_row in enumerate(levels) if list(trio_of_row) == trio]
            if chosen:
                aims[chosen] = distillation_target(teacher, x[chosen], *trio, alpha_bar)
        a = torch.tensor([level(alpha_bar, t) for t, _, _ in levels], dtype=x.dtype).reshape(-1, *[1] * (x.ndim - 1))
        eps = student(x, torch.tensor([t for t, _, _ in levels]))
        loss = (((x - (1 - a).sqrt() * eps) / a.sqrt() - aims) ** 2).mean()
        student.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses
