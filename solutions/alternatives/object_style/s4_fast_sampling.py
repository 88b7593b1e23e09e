"""Different: a schedule and a solver as objects with state; loops ask them, and Heun's method is a generator."""

import torch


class Schedule:
    """ᾱ with clean data behind its end: level -1 is the last entry here."""

    def __init__(self, alpha_bar, like):
        self.table = torch.cat([alpha_bar.to(like.dtype), like.new_ones(1)])
        self.like, self.T = like, len(alpha_bar)

    def alpha(self, t):
        return self.table[t].sqrt()

    def sigma(self, t):
        return (1 - self.table[t]).sqrt()

    def clean(self, x, eps, t):
        return (x - self.sigma(t) * eps) / self.alpha(t)

    def noisy(self, x0, eps, t):
        return self.alpha(t) * x0 + self.sigma(t) * eps

    def lam(self, t):
        return self.table[t].double().logit().item() / 2

    def path(self, n):
        steps = timesteps(self.T, n).tolist()
        return list(zip(steps, [*steps[1:], -1], strict=True))


def timesteps(T, n):
    if n < 1:
        raise ValueError("n < 1")
    if n > T:
        raise ValueError("n > T")
    return torch.arange(n, 0, -1).mul(T).div(n).round().sub(1).long()


def batch(t, x):
    return torch.ones(len(x), dtype=torch.int64, device=x.device) * t


def ddim_step(x_t, eps, t, t_prev, alpha_bar, eta=0.0, noise=None):
    schedule = Schedule(alpha_bar, x_t)
    x0 = schedule.clean(x_t, eps, t)
    if not eta:
        return schedule.noisy(x0, eps, t_prev)
    ancestral = schedule.sigma(t_prev) / schedule.sigma(t)
    ancestral = ancestral * (1 - schedule.table[t] / schedule.table[t_prev]).clamp(min=0).sqrt()
    along = (schedule.sigma(t_prev) ** 2 - (eta * ancestral) ** 2).clamp(min=0).sqrt()
    return schedule.alpha(t_prev) * x0 + torch.addcmul(along * eps, eta * ancestral, noise)


def ddim_sample(model, x_T, alpha_bar, n, eta=0.0, generator=None):
    with torch.no_grad():
        x = x_T
        for t, t_prev in Schedule(alpha_bar, x_T).path(n):
            guess = model(x, batch(t, x))
            noise = torch.zeros_like(x)
            if eta and t_prev >= 0:
                noise.normal_(generator=generator)
            x = ddim_step(x, guess, t, t_prev, alpha_bar, eta, noise)
        return x


def ddim_invert(model, x0, alpha_bar, n):
    schedule, x = Schedule(alpha_bar, x0), x0.clone().detach()
    with torch.no_grad():
        for t, t_prev in reversed(schedule.path(n)):
            eps = model(x, batch(t, x))
            x = schedule.noisy(schedule.clean(x, eps, t_prev), eps, t)
    return x


def half_log_snr(alpha_bar):
    return 0.5 * torch.logit(alpha_bar)


class Multistep:
    """DPM-Solver++(2M) as an object that remembers its last prediction."""

    def __init__(self):
        self.past = None, None

    def step(self, x, x0, lam_s, lam_t):
        result = dpmpp_2m_step(x, x0, *self.past, lam_s, lam_t)
        self.past = x0, lam_s
        return result


def dpmpp_2m_step(x, x0_pred, x0_prev, lam_prev, lam_s, lam_t):
    lam_s, lam_t = (torch.as_tensor(lam, dtype=torch.float64) for lam in (lam_s, lam_t))
    first = x0_prev is None or bool(lam_t.isinf())
    half = 0.0 if first else float((lam_t - lam_s) / (2 * (lam_s - lam_prev)))
    x0 = x0_pred if first else torch.lerp(x0_prev, x0_pred, 1 + half)
    scale = float(((-2 * lam_t).sigmoid() / (-2 * lam_s).sigmoid()).sqrt())
    return scale * x - float((2 * lam_t).sigmoid().sqrt() * torch.expm1(lam_s - lam_t)) * x0


def dpmpp_2m_sample(model, x_T, alpha_bar, n):
    schedule, solver, x = Schedule(alpha_bar, x_T), Multistep(), x_T
    with torch.no_grad():
        for t, after in schedule.path(n):
            x0 = schedule.clean(x, model(x, batch(t, x)), t)
            x = solver.step(x, x0, schedule.lam(t), schedule.lam(after) if after >= 0 else torch.tensor(torch.inf))
    return x


class Doubled:
    """An eps_fn's answers at both looks of DPM-Solver-2, in the general form with r and a difference."""

    r = 0.5

    def __call__(self, eps_fn, x, lam_s, lam_t):
        h = torch.as_tensor(lam_t - lam_s, dtype=x.dtype)
        first = eps_fn(x, lam_s)
        at = lam_s + self.r * (lam_t - lam_s)
        middle = self.mean(x, lam_s, at) - self.sigma(x, at) * torch.expm1(self.r * h) * first
        change = eps_fn(middle, at) - first
        factor = self.sigma(x, lam_t) * torch.expm1(h)
        return self.mean(x, lam_s, lam_t) - factor * first - factor / (2 * self.r) * change

    def alpha(self, x, lam):
        return torch.sigmoid(2 * torch.as_tensor(lam, dtype=x.dtype)).sqrt()

    def sigma(self, x, lam):
        return self.alpha(x, -lam)

    def mean(self, x, lam_s, lam_t):
        return self.alpha(x, lam_t) / self.alpha(x, lam_s) * x


dpm_solver2 = Doubled()


def dpm_solver2_step(eps_fn, x, lam_s, lam_t):
    return dpm_solver2(eps_fn, x, lam_s, lam_t)


def karras_sigmas(n, sigma_min=0.002, sigma_max=80.0, rho=7.0):
    ramp = torch.linspace(0, 1, n)
    low, high = sigma_min ** (1 / rho), sigma_max ** (1 / rho)
    return torch.nn.functional.pad((high + ramp * (low - high)).pow(rho), (0, 1))


def edm_precondition(sigma, sigma_data=0.5):
    variance = sigma.square().add(sigma_data**2)
    c_skip = sigma_data**2 / variance
    return c_skip, sigma * c_skip.sqrt(), variance.pow(-0.5), sigma.pow(0.25).log()


def heun_sample(denoiser, x, sigmas):
    def states(x):
        levels = list(sigmas)
        while len(levels) > 1:
            here, there = levels.pop(0), levels[0]
            slope = (x - denoiser(x, torch.ones(len(x), dtype=x.dtype) * here)) / here
            if there != 0:
                trial = x + slope * (there - here)
                after = (trial - denoiser(trial, torch.ones(len(x), dtype=x.dtype) * there)) / there
                slope = slope.add(after).div(2)
            x = x + slope * (there - here)
            yield x

    with torch.no_grad():
        *_, last = states(x)
    return last


class Round:
    """One halving round, with its teacher and the levels of both."""

    def __init__(self, teacher, alpha_bar, n):
        if n & 1:
            raise ValueError(f"an odd number of steps: {n}")
        steps = [*timesteps(len(alpha_bar), n).tolist(), -1]
        self.teacher, self.alpha_bar = teacher, alpha_bar
        self.walks = list(zip(steps[0::2], steps[1::2], steps[2::2], strict=False))

    def loss(self, student, x0, generator):
        walk = self.walks[torch.randint(len(self.walks), (1,), generator=generator)]
        schedule, t = Schedule(self.alpha_bar, x0), walk[0]
        x_t = schedule.noisy(x0, torch.empty_like(x0).normal_(generator=generator), t)
        target = distillation_target(self.teacher, x_t, *walk, self.alpha_bar)
        wanted = (x_t - schedule.alpha(t) * target) / schedule.sigma(t)
        # an error of eps is one of x0, in other units
        return torch.nn.functional.mse_loss(student(x_t, batch(t, x_t)), wanted)


def distillation_target(teacher, x_t, t, t_mid, t_prev, alpha_bar):
    """By the line through two points: x_prev is linear in the clean data of the step, so it is tried with 0 and with 1."""
    schedule, start = Schedule(alpha_bar, x_t), x_t.detach()
    with torch.no_grad():
        x = ddim_step(start, teacher(start, batch(t, start)), t, t_mid, alpha_bar)
        x = ddim_step(x, teacher(x, batch(t_mid, x)), t_mid, t_prev, alpha_bar)
        nought = ddim_step(start, start / schedule.sigma(t), t, t_prev, alpha_bar)
        one = ddim_step(start, (start - schedule.alpha(t)) / schedule.sigma(t), t, t_prev, alpha_bar)
        return (x - nought) / (one - nought)


def distill(teacher, student, data, alpha_bar, n, steps, batch_size=256, lr=1e-3, generator=None):
    lesson, losses = Round(teacher, alpha_bar, n), []
    optimizer = torch.optim.RAdam(student.parameters(), lr=lr)
    for _ in range(steps):
        optimizer.zero_grad(set_to_none=False)
        loss = lesson.loss(student, data[torch.randint(len(data), (batch_size,), generator=generator)], generator)
        loss.backward()
        optimizer.step()
        losses.append(loss.detach().item())
    return losses
