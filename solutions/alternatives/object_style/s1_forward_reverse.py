"""Different: a schedule object and closures; prints and warns; FiLM network that starts at zero; epochs, AdamW, clipping."""

import functools
import warnings
from dataclasses import dataclass

import torch
from torch import nn


@dataclass
class Schedule:
    betas: torch.Tensor

    def __post_init__(self):
        if (self.betas > 0.5).any():
            warnings.warn("these are large steps", stacklevel=2)

    @functools.cached_property
    def alpha_bar(self):
        return (1 - self.betas).cumprod(dim=0)

    @functools.cached_property
    def alpha_bar_prev(self):
        shifted = self.alpha_bar.roll(1)
        shifted[0] = 1
        return shifted

    @functools.cached_property
    def posterior_variance(self):
        return self.betas * (1 - self.alpha_bar_prev) / (1 - self.alpha_bar)

    def __getitem__(self, name_and_time):
        name, t, like = name_and_time
        return getattr(self, name).to(like.device, like.dtype)[t].unflatten(0, (-1,) + (1,) * (like.ndim - 1))


def jump(alpha_bar):
    """Two closures, there and back."""

    def coefficients(t, like):
        a = alpha_bar.to(like)[t].reshape((len(t),) + (1,) * (like.dim() - 1))
        return a**0.5, (1 - a) ** 0.5

    def there(x0, t, noise):
        signal, sigma = coefficients(t, x0)
        return signal * x0 + sigma * noise

    def back(x_t, t, eps):
        signal, sigma = coefficients(t, x_t)
        return x_t / signal - eps * (sigma / signal)

    return there, back


class Gaussian(torch.distributions.Normal):
    def draw(self, noise):
        return self.loc + self.scale * noise


def forward_step(x, beta, noise):
    print("one step of", beta)
    beta = torch.as_tensor(beta).to(x)
    return Gaussian((1 - beta).sqrt() * x, beta.sqrt().expand_as(x)).draw(noise)


def compute_alpha_bar(betas):
    return Schedule(betas).alpha_bar


def q_sample(x0, t, noise, alpha_bar):
    return jump(alpha_bar)[0](x0, t, noise)


def predict_x0(x_t, t, eps, alpha_bar):
    return jump(alpha_bar)[1](x_t, t, eps)


def q_posterior(x0, x_t, t, betas):
    schedule = Schedule(betas.double())
    beta, now, before = (schedule[name, t, x0.double()] for name in ("betas", "alpha_bar", "alpha_bar_prev"))
    variance = schedule["posterior_variance", t, x0.double()]
    mean = (before.sqrt() * beta * x0 + (1 - beta).sqrt() * (1 - before) * x_t) / (1 - now)
    return [mean.to(x0.dtype), variance.to(x0.dtype)]


class Clock(nn.Module):
    def __init__(self, dim, max_period):
        super().__init__()
        exponents = torch.arange(0, dim, 2, dtype=torch.float64) / dim
        self.register_buffer("periods", max_period**exponents)

    def forward(self, t):
        angles = t.unsqueeze(-1) / self.periods.to(t.device)
        dtype = t.dtype if t.is_floating_point() else torch.get_default_dtype()
        return torch.stack((angles.cos(), angles.sin()), dim=-2).flatten(-2).to(dtype)


def timestep_embedding(t, dim, max_period=10000.0):
    return Clock(dim, max_period)(t)


def simple_loss(model, x0, t, noise, alpha_bar):
    there, _ = jump(alpha_bar)
    criterion = nn.MSELoss(reduction="mean")
    return criterion(model(there(x0, t, noise), t), noise)


def reverse_step(x_t, t, eps, betas, noise):
    _, back = jump(Schedule(betas.double()).alpha_bar)
    mean, variance = q_posterior(back(x_t, t, eps), x_t, t, betas)
    result = mean.clone()
    moving = t > 0
    result[moving] = (mean + variance**0.5 * noise)[moving]
    return result


class Sampler:
    def __init__(self, model, betas, generator):
        self.model, self.betas, self.generator = model, betas, generator

    @torch.no_grad()
    def __call__(self, x):
        T = len(self.betas)
        noises = torch.randn(T, *x.shape, generator=self.generator, dtype=x.dtype).to(x.device)
        times = torch.arange(T, device=x.device).repeat_interleave(len(x)).view(T, len(x))
        for t, noise in zip(times.flipud(), noises, strict=True):
            x = reverse_step(x, t, self.model(x, t), self.betas, noise)
        return x


def sample(model, x_T, betas, generator=None):
    return Sampler(model, betas, generator)(x_T)


class Film(nn.Module):
    def __init__(self, width, clock):
        super().__init__()
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.film = nn.Linear(clock, 2 * width)
        self.layer = nn.Linear(width, width)

    def forward(self, h, clock):
        scale, shift = self.film(clock).chunk(2, dim=-1)
        return h + self.layer(nn.functional.silu(self.norm(h) * (1 + scale) + shift))


class TinyDenoiser(nn.Module):
    def __init__(self, dim=2, hidden=128):
        super().__init__()
        self.enter = nn.Linear(dim, hidden)
        self.films = nn.ModuleList([Film(hidden, 32) for _ in range(2)])
        self.leave = nn.Linear(hidden, dim)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def forward(self, x, t):
        clock = timestep_embedding(t, 32).to(x.dtype)
        h = self.enter(x)
        for film in self.films:
            h = film(h, clock)
        return self.leave(h)


def epochs(n, batch_size, generator):
    """Batches of rows, each row once an epoch; an epoch's end and the next one's beginning may share a batch."""
    pile = torch.empty(0, dtype=torch.int64)
    while True:
        while len(pile) < batch_size:
            pile = torch.cat([pile, torch.randperm(n, generator=generator)])
        batch, pile = pile[:batch_size], pile[batch_size:]
        yield batch


def train_denoiser(model, data, alpha_bar, steps, batch_size=256, lr=1e-3, generator=None):
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr)
    losses = []
    for rows, _ in zip(epochs(len(data), batch_size, generator), range(steps), strict=False):
        t = torch.randint(0, len(alpha_bar), (batch_size,), generator=generator)
        noise = torch.randn(batch_size, *data.shape[1:], dtype=data.dtype, generator=generator)
        with torch.enable_grad():
            loss = simple_loss(model, data[rows], t, noise, alpha_bar)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.detach().cpu().item())
    print(f"trained for {steps} steps")
    return losses
