"""Different: torch alone, without the toolkit; null's half first, log-probabilities by hand, coins by bernoulli."""

import torch


def shaped(values, like):
    values = torch.as_tensor(values, dtype=like.dtype, device=like.device)
    return values.view(-1, *(1,) * (like.dim() - 1))


def noised(x0, t, noise, alpha_bar):
    signal, static = alpha_bar[t].sqrt(), (1 - alpha_bar[t]).sqrt()
    return shaped(signal, x0) * x0 + shaped(static, x0) * noise


@torch.enable_grad()
def classifier_score(classifier, x_t, t, y):
    x = x_t.clone().detach()
    x.requires_grad = True
    logits = classifier(x, t)
    rows = torch.arange(len(y), device=y.device)
    total = (logits[rows, y] - torch.logsumexp(logits, dim=1)).sum()
    return torch.autograd.grad(total, [x])[0]


def classifier_guided_eps(eps, score, t, alpha_bar, scale):
    return eps - shaped((1 - alpha_bar[t]).sqrt(), eps) * (shaped(scale, eps) * score)


def noisy_classifier_loss(classifier, x0, y, t, noise, alpha_bar):
    logits = classifier(noised(x0, t, noise, alpha_bar), t)
    rows = torch.arange(len(y), device=y.device)
    return (torch.logsumexp(logits, dim=1) - logits[rows, y]).mean()


def drop_labels(y, null, p, generator=None):
    coins = torch.bernoulli(torch.full(y.shape, float(p)), generator=generator).bool()
    return y.clone().masked_fill_(coins, null)


def cfg_loss(model, x0, y, t, noise, alpha_bar, null, p, generator=None):
    guess = model(noised(x0, t, noise, alpha_bar), t, drop_labels(y, null, p, generator))
    return torch.nn.functional.mse_loss(guess, noise)


def guided_eps(model, x_t, t, y, null, scale):
    return negative_guided_eps(model, x_t, t, y, torch.zeros_like(y) + null, scale)


def negative_guided_eps(model, x_t, t, y, y_negative, scale):
    both = model(x_t.repeat(2, *[1] * (x_t.dim() - 1)), t.repeat(2), torch.cat((y_negative, y)))
    start, end = both[: len(y)], both[len(y) :]
    return torch.lerp(start, end, shaped(scale, x_t).expand_as(x_t))


def rescale_guidance(guided, conditional, phi):
    axes = tuple(range(1, guided.dim()))
    ratio = conditional.std(dim=axes, keepdim=True) / guided.std(dim=axes, keepdim=True)
    return torch.lerp(guided, guided * ratio, phi)


def interval_scale(t, T, scale, low, high):
    answer = torch.ones(t.shape, dtype=torch.float32, device=t.device)
    answer[(t >= low * T) & (t <= high * T)] = scale
    return answer


@torch.no_grad()
def guided_sample(model, x_T, y, alpha_bar, null, scale, n):
    T, x = alpha_bar.numel(), x_T.clone()
    edges = (torch.arange(n, -1, -1, dtype=torch.float64) * T / n).round().long() - 1
    for now, then in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        eps = guided_eps(model, x, torch.full_like(y, now), y, null, scale)
        a, b = float(alpha_bar[now]), float(alpha_bar[then]) if then >= 0 else 1.0
        x = x * (b / a) ** 0.5 + eps * ((1 - b) ** 0.5 - (b * (1 - a) / a) ** 0.5)
    return x
