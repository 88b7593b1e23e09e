"""Section 6, guidance: ask a model that knows many kinds of data for one of them, and ask more or less firmly.

Conventions: `y` holds a label for each of the B samples, int64; `null` is the one more label, an int, that stands for "no
label". A classifier is called as `classifier(x_t, t)` and answers logits, one row a sample; a model is called as
`model(x_t, t, y)` and guesses the noise. Levels `t` and `alpha_bar` are those of section 1. A `scale` is a float or has a
value for each sample, (B,): 0 asks for nothing in particular, 1 for the label as the model learned it, more for more
than that. Ho & Salimans (arXiv:2207.12598) count from the label on, by a weight w: our scale is their 1 + w.
"""

from itertools import pairwise

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from exercises.toolkit import extract


def classifier_score(
    classifier: nn.Module, x_t: Float[Tensor, "B *S"], t: Int[Tensor, "B"], y: Int[Tensor, "B"]
) -> Float[Tensor, "B *S"]:
    """Which way to move each sample so that the classifier gives its label a higher probability.

        score = ∇_{x_t} log p(y | x_t),  p(· | x_t) = softmax(logits)     (Dhariwal & Nichol, arXiv:2105.05233, sec. 4)

    Works where the recording of gradients is off, too, and leaves no gradient on the classifier's parameters or on x_t.
    The result need not carry one.

    Args:
        classifier: `classifier(x_t, t)` answers logits (B, classes), each sample's from that sample alone.
        x_t: where we are.
        t: the level of each sample.
        y: the label that each sample is to have.
    """
    ### BEGIN SOLUTION
    with torch.enable_grad():
        x = x_t.detach().requires_grad_()
        log_p = classifier(x, t).log_softmax(dim=1)
        chosen = log_p.gather(1, y[:, None])
        (score,) = torch.autograd.grad(chosen.sum(), x)
    return score
    ### END SOLUTION


def _shaped(scale: float | Float[Tensor, "B"], like: Float[Tensor, "B *S"]) -> Tensor:
    """Given: a scale, one for all or one a sample, in like's dtype and device, shaped to multiply `like`."""
    return torch.as_tensor(scale, dtype=like.dtype, device=like.device).reshape(-1, *[1] * (like.ndim - 1))


def classifier_guided_eps(
    eps: Float[Tensor, "B *S"],
    score: Float[Tensor, "B *S"],
    t: Int[Tensor, "B"],
    alpha_bar: Float[Tensor, "T"],
    scale: float | Float[Tensor, "B"],
) -> Float[Tensor, "B *S"]:
    """Bayes' rule for a guess of the noise: the eps whose score is the model's plus scale times the classifier's.

        ∇ log p(x_t | y) = ∇ log p(x_t) + ∇ log p(y | x_t),  and an eps at level t stands for the score -ε / √(1-ᾱ_t)
        (Dhariwal & Nichol, arXiv:2105.05233, sec. 4.2 and algorithm 2)

    Args:
        eps: the model's guess of the noise in x_t, without a label.
        score: the classifier's, `classifier_score`.
        t: the level of each sample.
        alpha_bar: the schedule.
        scale: a float or (B,); at 1 it is Bayes' rule.
    """
    ### BEGIN SOLUTION
    std = (1 - extract(alpha_bar, t, eps)).sqrt()
    return eps - std * _shaped(scale, eps) * score
    ### END SOLUTION


def noisy_classifier_loss(
    classifier: nn.Module,
    x0: Float[Tensor, "B *S"],
    y: Int[Tensor, "B"],
    t: Int[Tensor, "B"],
    noise: Float[Tensor, "B *S"],
    alpha_bar: Float[Tensor, "T"],
) -> Float[Tensor, ""]:
    """How badly a classifier reads labels off noised data: the mean over the batch of -log p(y | x_t), nats.

    (Dhariwal & Nichol, arXiv:2105.05233, sec. 4.) x_t is x0 at level t with the given noise, as in section 1: a classifier
    of clean data has never seen what it would have to judge.
    """
    ### BEGIN SOLUTION
    a = extract(alpha_bar, t, x0)
    x_t = a.sqrt() * x0 + (1 - a).sqrt() * noise
    return F.cross_entropy(classifier(x_t, t), y)
    ### END SOLUTION


def drop_labels(y: Int[Tensor, "B"], null: int, p: float, generator: Generator | None = None) -> Int[Tensor, "B"]:
    """Teach two models in one: each label becomes `null` with probability p, independently of the others.

    (Ho & Salimans, arXiv:2207.12598, algorithm 1.) A new tensor; the chances come from `generator`.
    """
    ### BEGIN SOLUTION
    dropped = torch.rand(y.shape, device=y.device, generator=generator) < p
    return torch.where(dropped, null, y)
    ### END SOLUTION


def cfg_loss(
    model: nn.Module,
    x0: Float[Tensor, "B *S"],
    y: Int[Tensor, "B"],
    t: Int[Tensor, "B"],
    noise: Float[Tensor, "B *S"],
    alpha_bar: Float[Tensor, "T"],
    null: int,
    p: float,
    generator: Generator | None = None,
) -> Float[Tensor, ""]:
    """How badly the model guesses the noise, sometimes without the label: the mean over every element of the squared error.

    (Ho & Salimans, arXiv:2207.12598, algorithm 1.) One call of `model(x_t, t, y)`, with x_t as in section 1 and each label
    dropped as by `drop_labels`.
    """
    ### BEGIN SOLUTION
    a = extract(alpha_bar, t, x0)
    x_t = a.sqrt() * x0 + (1 - a).sqrt() * noise
    labels = drop_labels(y, null, p, generator)
    return (noise - model(x_t, t, labels)).square().mean()
    ### END SOLUTION


def guided_eps(
    model: nn.Module,
    x_t: Float[Tensor, "B *S"],
    t: Int[Tensor, "B"],
    y: Int[Tensor, "B"],
    null: int,
    scale: float | Float[Tensor, "B"],
) -> Float[Tensor, "B *S"]:
    """Go from what the model says without the label towards what it says with it, and on beyond.

        scale 0 is the guess without a label, scale 1 the guess with it, and every other scale lies on the line through them
        (Ho & Salimans, arXiv:2207.12598, eq. 6, whose w is our scale - 1)

    One call of the model, on a batch of 2B: each sample with y and with null. So it is whatever the scale.
    """
    ### BEGIN SOLUTION
    labels = torch.cat([y, torch.full_like(y, null)])
    eps_y, eps_null = model(torch.cat([x_t, x_t]), torch.cat([t, t]), labels).chunk(2)
    return eps_null + _shaped(scale, x_t) * (eps_y - eps_null)
    ### END SOLUTION


def negative_guided_eps(
    model: nn.Module,
    x_t: Float[Tensor, "B *S"],
    t: Int[Tensor, "B"],
    y: Int[Tensor, "B"],
    y_negative: Int[Tensor, "B"],
    scale: float | Float[Tensor, "B"],
) -> Float[Tensor, "B *S"]:
    """Go away from one label towards another: `guided_eps` in every respect, with y_negative in the place of null.

    (The negative prompt of Stable Diffusion's users; compare Liu et al., arXiv:2206.01714.) Scale 0 is the guess with
    y_negative, scale 1 the guess with y. One call of the model, on a batch of 2B.
    """
    ### BEGIN SOLUTION
    labels = torch.cat([y, y_negative])
    eps_y, eps_negative = model(torch.cat([x_t, x_t]), torch.cat([t, t]), labels).chunk(2)
    return eps_negative + _shaped(scale, x_t) * (eps_y - eps_negative)
    ### END SOLUTION


def rescale_guidance(
    guided: Float[Tensor, "B *S"], conditional: Float[Tensor, "B *S"], phi: float
) -> Float[Tensor, "B *S"]:
    """Undo what guidance does to the contrast: bring each sample back to the conditional's standard deviation.

    Each sample of `guided` is multiplied by a number of its own that gives it the standard deviation of its conditional,
    over all the axes of a sample; the result is phi of that and 1 - phi of `guided` as it was.
    (Lin et al., arXiv:2305.08891, sec. 3.4)

    Args:
        guided: a guided prediction, every sample with some deviation.
        conditional: the prediction with the label alone, scale 1.
        phi: how much of it, from 0 (nothing) to 1 (all); the paper takes 0.7.
    """
    ### BEGIN SOLUTION
    std_guided, std_conditional = (_shaped(x.flatten(1).std(dim=1), x) for x in (guided, conditional))
    rescaled = guided * std_conditional / std_guided
    return phi * rescaled + (1 - phi) * guided
    ### END SOLUTION


def interval_scale(t: Int[Tensor, "B"], T: int, scale: float, low: float, high: float) -> Float[Tensor, "B"]:
    """Guide in the middle only: the scale where low <= t/T <= high, and 1, no guidance, elsewhere.

    (Kynkäänniemi et al., arXiv:2404.07724.) With the papers' weight w = scale - 1 it would be 0 elsewhere.

    Args:
        t: the level of each sample.
        T: the number of levels.
        scale: inside the interval.
        low: where it begins, in [0, 1], itself inside.
        high: where it ends, in [0, 1], itself inside.

    Returns:
        a scale for each sample, float32.
    """
    ### BEGIN SOLUTION
    u = t.double() / T
    inside = (low <= u) & (u <= high)
    return torch.where(inside, scale, 1.0).float()
    ### END SOLUTION


def guided_sample(
    model: nn.Module,
    x_T: Float[Tensor, "B *S"],
    y: Int[Tensor, "B"],
    alpha_bar: Float[Tensor, "T"],
    null: int,
    scale: float | Float[Tensor, "B"],
    n: int,
) -> Float[Tensor, "B *S"]:
    """Turn static into what the labels say: deterministic DDIM in n steps, each with guided noise.

    A step from t takes the x_0 that x_t and its guided eps stand for, and noises it to the next level with the same eps
    (DDIM, arXiv:2010.02502, eq. 12 with σ = 0). The levels are the "trailing" ones, round(T - i T/n) - 1 for
    i = 0 .. n-1 (arXiv:2305.08891, sec. 3.3), and the last step goes to clean data, where ᾱ is 1.

    Calls the model n times, on batches of 2B, with t and y of shape (2B,). Records no gradient.
    """
    ### BEGIN SOLUTION
    T, x = len(alpha_bar), x_T
    levels = [*(round(T - i * T / n) - 1 for i in range(n)), -1]
    alpha_bar = torch.cat([alpha_bar, torch.ones_like(alpha_bar[:1])]).to(x.device)  # at -1 data is clean
    with torch.no_grad():
        for level, following in pairwise(levels):
            t = torch.full((len(x),), level, dtype=torch.int64, device=x.device)
            eps = guided_eps(model, x, t, y, null, scale)
            a, a_next = alpha_bar[level], alpha_bar[following]
            x0 = (x - (1 - a).sqrt() * eps) / a.sqrt()
            x = a_next.sqrt() * x0 + (1 - a_next).sqrt() * eps
    return x
    ### END SOLUTION
