"""Different: one sample at a time in Python floats, stacked at the end; as a mathematician with a calculator would."""

import math

import torch


def level(alpha_bar, t):
    return float(alpha_bar[int(t)])


def product(betas, t):
    """The product of 1 - beta over all steps up to t; 1 for t = -1."""
    return math.prod(1 - beta for beta in betas[: t + 1])


def forward_step(x, beta, noise):
    beta = float(beta)
    return torch.stack([math.sqrt(1 - beta) * row + math.sqrt(beta) * z for row, z in zip(x, noise, strict=True)])


def compute_alpha_bar(betas):
    numbers = betas.tolist()
    return torch.tensor([product(numbers, t) for t in range(len(numbers))], dtype=betas.dtype, device=betas.device)


def q_sample(x0, t, noise, alpha_bar):
    rows = []
    for x, step, z in zip(x0, t, noise, strict=True):
        a = level(alpha_bar, step)
        rows.append(math.sqrt(a) * x + math.sqrt(1 - a) * z)
    return torch.stack(rows)


def predict_x0(x_t, t, eps, alpha_bar):
    rows = []
    for x, step, e in zip(x_t, t, eps, strict=True):
        a = level(alpha_bar, step)
        rows.append((x - e * math.sqrt(1 - a)) / math.sqrt(a))
    return torch.stack(rows)


def q_posterior(x0, x_t, t, betas):
    numbers = betas.tolist()
    means, variances = [], []
    for clean, noised, step in zip(x0, x_t, t.tolist(), strict=True):
        beta, now, before = numbers[step], product(numbers, step), product(numbers, step - 1)
        ratio = (1 - before) / (1 - now)
        means.append(math.sqrt(before) * beta / (1 - now) * clean + math.sqrt(1 - beta) * ratio * noised)
        variances.append(torch.full([1] * clean.ndim, ratio * beta, dtype=x0.dtype, device=x0.device))
    return torch.stack(means), torch.stack(variances)


def timestep_embedding(t, dim, max_period=10000.0):
    half = dim // 2
    rows = []
    for time in t.tolist():
        angles = [time * max_period ** (-i / half) for i in range(half)]
        rows.append([math.cos(angle) for angle in angles] + [math.sin(angle) for angle in angles])
    dtype = t.dtype if t.is_floating_point() else torch.float32
    return torch.tensor(rows, dtype=dtype, device=t.device).reshape(len(t), dim)


def simple_loss(model, x0, t, noise, alpha_bar):
    errors = noise - model(q_sample(x0, t, noise, alpha_bar), t)
    return sum((error * error).sum() for error in errors) / errors.numel()


def reverse_step(x_t, t, eps, betas, noise):
    numbers = betas.tolist()
    rows = []
    for x, step, e, z in zip(x_t, t.tolist(), eps, noise, strict=True):
        beta, now, before = numbers[step], product(numbers, step), product(numbers, step - 1)
        x = (x - beta / math.sqrt(1 - now) * e) / math.sqrt(1 - beta)
        if step > 0:
            x = x + math.sqrt((1 - before) / (1 - now) * beta) * z
        rows.append(x)
    return torch.stack(rows)


@torch.no_grad
def sample(model, x_T, betas, generator=None):
    xs = [x_T]
    for step in range(len(betas))[::-1]:
        t = torch.LongTensor([step for _ in x_T]).to(x_T.device)
        eps = model(xs[-1], t)
        draws = [torch.randn(x.shape, dtype=x.dtype, generator=generator).to(x.device) for x in x_T]
        xs.append(reverse_step(xs[-1], t, eps, betas, torch.stack(draws)))
    return xs[-1]


class TinyDenoiser(torch.nn.Module):
    def __init__(self, dim=2, hidden=128):
        super().__init__()
        self.gru = torch.nn.GRUCell(dim + 8, hidden)
        self.out = torch.nn.Linear(hidden, dim)

    def forward(self, x, t):
        outputs = []
        for row, time in zip(x, t, strict=True):
            clock = timestep_embedding(time[None], 8).to(x.dtype)
            hidden = self.gru(torch.cat([row[None], clock], dim=1))
            outputs.append(self.out(hidden))
        return torch.cat(outputs)


def train_denoiser(model, data, alpha_bar, steps, batch_size=256, lr=1e-3, generator=None):
    """Adam by hand."""
    averages = {
        parameter: (torch.zeros_like(parameter), torch.zeros_like(parameter)) for parameter in model.parameters()
    }
    losses = []
    for k in range(1, steps + 1):
        rows = [int(torch.randint(len(data), (), generator=generator)) for _ in range(batch_size)]
        t = [int(torch.randint(len(alpha_bar), (), generator=generator)) for _ in range(batch_size)]
        x0 = torch.stack([data[row] for row in rows])
        noise = torch.randn(x0.shape, dtype=x0.dtype, generator=generator)
        for parameter in model.parameters():
            parameter.grad = None
        loss = simple_loss(model, x0, torch.tensor(t), noise, alpha_bar)
        loss.backward()
        for parameter, (first, second) in averages.items():
            if parameter.grad is not None:
                first.mul_(0.9).add_(parameter.grad, alpha=0.1)
                second.mul_(0.999).add_(parameter.grad**2, alpha=0.001)
                step = first / (1 - 0.9**k) / ((second / (1 - 0.999**k)).sqrt() + 1e-8)
                parameter.data -= lr * step
        losses.append(loss.item())
    return losses
