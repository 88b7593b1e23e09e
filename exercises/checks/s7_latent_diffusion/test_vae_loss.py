"""The checks of vae_loss."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Generator, Tensor

from exercises.checks import cases, expect
from exercises.checks.cases import numbers, tracked
from exercises.checks.s7_latent_diffusion.evidence import close, gradients, in_its_dtype
from exercises.checks.s7_latent_diffusion.rules import FLOW, KEEP, SINGLE

LOSS = "L = mean over the batch of (Σ (recon - x)² + beta KL), both summed within a sample"
PICTURES = [
    ((2, 1, 2, 3), (2, 2, 1, 1)),
    ((1, 3, 4, 4), (1, 2, 1, 1)),
    ((3, 3, 3, 3), (3, 3)),
    ((4, 2, 1, 4), (4, 1, 2)),
]
"""Shapes of pictures and of their latents: these may have any axes, and other sizes."""


def parts(recon: Tensor, x: Tensor, mean: Tensor, logvar: Tensor) -> tuple[Tensor, Tensor]:
    """What the batch's errors and its divergences come to, each as a mean over the samples."""
    error = (recon - x).square().sum() / len(x)
    return error, (mean.square() + torch.exp(logvar) - 1 - logvar).sum() / (2 * len(x))


def loss(recon: Tensor, x: Tensor, mean: Tensor, logvar: Tensor, beta: float) -> Tensor:
    error, nats = parts(recon, x, mean, logvar)
    return error + beta * nats


def batch(rng: Generator, picture: tuple[int, ...], latent: tuple[int, ...], layout: str = "contiguous"):
    return [cases.normal(shape, rng, layout) for shape in (picture, picture, latent, latent)]


def test_vae_loss_by_hand_on_two_samples(code):
    """Two samples with errors 5 and 0, which cost 1/2 and 2 nats: with beta = 2 the loss is (5 + 1 + 0 + 4) / 2."""
    x = torch.zeros(2, 1, 1, 2, dtype=torch.float64)
    recon = torch.stack([numbers(1.0, 2.0), numbers(0.0, 0.0)]).reshape(2, 1, 1, 2)
    mean = numbers(1.0, 2.0).reshape(2, 1, 1, 1)
    got = code.vae_loss(recon, x, mean, 0 * mean, 2.0)
    close(got, numbers(5.0)[0], "(1² + 2² + 2 · ½ + 0 + 2 · 2) / 2 = 5: " + LOSS)


@given(
    sizes=st.lists(st.integers(1, 3), min_size=4, max_size=4).map(tuple),
    beta=st.floats(0, 5),
    seed=st.integers(0, 2**32 - 1),
)
def test_vae_loss_is_the_mean_over_the_batch_of_summed_error_and_beta_kl(code, sizes, beta, seed):
    """Sums within a sample, a mean over samples, and beta weighs the KL."""
    given_values = batch(Generator().manual_seed(seed), sizes, (sizes[0], 2, 1, 1))
    close(code.vae_loss(*given_values, beta), loss(*given_values, beta), LOSS)


def test_vae_loss_takes_log_variances_as_they_are(code, rng):
    """Large and small log-variances are taken as they are."""
    given_values = batch(rng, (2, 1, 2, 2), (2, 2, 1, 1))
    given_values[3] = numbers(-14.0, 13.0, 12.0, -11.0).reshape(2, 2, 1, 1)
    why = "nothing holds a log-variance within bounds here, for the encoder has done that; "
    close(code.vae_loss(*given_values, 0.5), loss(*given_values, 0.5), why + LOSS)


def test_vae_loss_works_on_any_shape_and_layout(code, rng):
    """A batch of one, pictures that are not square, latents that are vectors."""
    for picture, latent in PICTURES:
        for layout in cases.LAYOUTS:
            given_values = batch(rng, picture, latent, layout)
            close(code.vae_loss(*given_values, beta=0.5), loss(*given_values, 0.5), LOSS)


def test_vae_loss_takes_a_thousandth_of_a_nat_by_default(code, rng):
    """The price is 0.001 unless told otherwise; the loss of a perfect, free latent is 0."""
    given_values = batch(rng, (3, 1, 2, 2), (3, 2, 1, 1))
    given_values[2] = 100 * given_values[2]  # so that a thousandth of it is not small
    close(code.vae_loss(*given_values), loss(*given_values, 1e-3), "by default beta = 1e-3: " + LOSS)
    x, nothing = given_values[0], torch.zeros(3, 2, 1, 1, dtype=torch.float64)
    got = code.vae_loss(x, x.clone(), nothing, nothing, 1.0)
    close(got, numbers(0.0)[0], "the same picture, from a standard normal latent, costs nothing")


def test_vae_loss_keeps_the_dtype_and_its_arguments(code, rng):
    """The loss has the picture's dtype, and nothing is changed in place."""
    for dtype in (torch.float32, torch.float64):
        given_values = [value.to(dtype) for value in batch(rng, (3, 2, 2, 2), (3, 2, 1, 1))]
        names = dict(zip(("recon", "x", "mean", "logvar"), given_values, strict=True))
        got = expect.untouched(lambda *values: code.vae_loss(*values, beta=0.5), KEEP, **names)
        want = loss(*(value.double() for value in given_values), 0.5).to(dtype)
        in_its_dtype(got, want, KEEP, **SINGLE)


def test_vae_loss_lets_gradients_through_to_picture_and_latent(code, rng):
    """Encoder and decoder both learn from it."""
    recon, x, mean, logvar = tracked(*batch(rng, (3, 2, 2, 2), (3, 2, 1, 1)))
    got, error = code.vae_loss(recon, x, mean, logvar, 0.5), (recon - x).detach()
    gradients(
        got,
        numbers(1.0)[0],
        FLOW,
        recon=(recon, 2 * error / 3),
        x=(x, -2 * error / 3),
        mean=(mean, 0.5 * mean.detach() / 3),
        logvar=(logvar, 0.5 * (torch.exp(logvar.detach()) - 1) / 6),
    )
