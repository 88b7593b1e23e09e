"""Different: a level is an angle, cos² = alpha_bar; coefficients by einsum, clocks by complex numbers."""

import math

import torch

from exercises.toolkit import extract


def scaled(coefficients, x):
    return torch.einsum("b,b...->b...", coefficients.to(x), x)


def angle(alpha_bar):
    alpha_bar = alpha_bar.double()
    return torch.atan2((1 - alpha_bar).sqrt(), alpha_bar.sqrt())


def forward_step(x, beta, noise):
    turn = math.asin(math.sqrt(beta))
    return math.cos(turn) * x + math.sin(turn) * noise


def compute_alpha_bar(betas):
    cosines = (1 - betas).sqrt()
    return cosines.cumprod(dim=-1).square()


def q_sample(x0, t, noise, alpha_bar):
    theta = angle(alpha_bar)[t]
    return scaled(theta.cos(), x0) + scaled(theta.sin(), noise)


def predict_x0(x_t, t, eps, alpha_bar):
    theta = angle(alpha_bar)[t]
    return scaled(1 / theta.cos(), x_t) - scaled(theta.tan(), eps)


def q_posterior(x0, x_t, t, betas):
    theta = angle(torch.cumprod(1 - betas.double(), 0))
    before = torch.cat([theta.new_zeros(1), theta[:-1]])
    step = angle(1 - betas.double())
    sine = theta.sin()
    weight_x0 = before.cos() * (step.sin() / sine) ** 2
    weight_x_t = step.cos() * (before.sin() / sine) ** 2
    std = before.sin() / sine * step.sin()
    return scaled(weight_x0[t], x0) + scaled(weight_x_t[t], x_t), extract(std.square(), t, x0)


def timestep_embedding(t, dim, max_period=10000.0):
    frequencies = torch.tensor([max_period ** (-2 * i / dim) for i in range(dim // 2)], dtype=torch.float64)
    clocks = torch.exp(1j * torch.outer(t.double(), frequencies.to(t.device)))
    return torch.hstack([clocks.real, clocks.imag]).to(t.dtype if t.is_floating_point() else torch.float32)


def simple_loss(model, x0, t, noise, alpha_bar):
    x_t = q_sample(x0, t, noise, alpha_bar)
    return torch.linalg.vector_norm(noise - model(x_t, t)) ** 2 / noise.numel()


def reverse_step(x_t, t, eps, betas, noise):
    alpha_bar = torch.cumprod(1 - betas.double(), 0)
    theta = angle(alpha_bar)
    before = torch.cat([theta.new_zeros(1), theta[:-1]])
    std = before.sin() / theta.sin() * angle(1 - betas.double()).sin()
    x0 = predict_x0(x_t, t, eps, alpha_bar)
    along_eps = (before.sin() ** 2 - std**2).clamp(min=0).sqrt()  # DDIM's form at eta = 1
    return scaled(before.cos()[t], x0) + scaled(along_eps[t], eps) + scaled(std[t], noise)


@torch.inference_mode()
def sample(model, x_T, betas, generator=None):
    noises = (torch.randn(x_T.shape, dtype=x_T.dtype, generator=generator).to(x_T.device) for _ in betas)
    x, B = x_T, len(x_T)
    for t, noise in zip(range(len(betas) - 1, -1, -1), noises, strict=True):
        times = torch.tensor([t] * B, device=x.device)
        x = reverse_step(x, times, model(x, times), betas, noise)
    return x


class TinyDenoiser(torch.nn.Module):
    def __init__(self, dim=2, hidden=128):
        super().__init__()
        self.lift = torch.nn.Parameter(torch.randn(dim, hidden) / dim**0.5)
        self.mix = torch.nn.Parameter(torch.randn(hidden, hidden) / hidden**0.5)
        self.drop = torch.nn.Parameter(torch.randn(hidden, dim) / hidden**0.5)
        self.rates = torch.nn.Parameter(torch.randn(2, hidden))
        self.register_buffer("scale", torch.tensor(1e-3))

    def forward(self, x, t):
        time = t.to(x.dtype)[:, None] * self.scale
        h = torch.sin(x @ self.lift + time * self.rates[0])
        return torch.sin(h @ self.mix + time * self.rates[1]) @ self.drop


def train_denoiser(model, data, alpha_bar, steps, batch_size=256, lr=1e-3, generator=None):
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.Adamax(parameters, lr=lr)

    def step():
        rows = torch.multinomial(torch.ones(len(data)), batch_size, replacement=True, generator=generator)
        t = torch.multinomial(torch.ones(len(alpha_bar)), batch_size, replacement=True, generator=generator)
        x0 = data.index_select(0, rows)
        noise = torch.normal(torch.zeros_like(x0), torch.ones_like(x0), generator=generator)
        loss = simple_loss(model, x0, t, noise, alpha_bar)
        gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient
        optimizer.step()
        return loss.item()

    return [step() for _ in range(steps)]
