"""The checks of latent_loss."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Generator, Tensor

from exercises.checks import cases, expect
from exercises.checks.callers import Gain, left_to_the_caller
from exercises.checks.cases import numbers
from exercises.checks.expect import left_alone
from exercises.checks.rules import SINGLE
from exercises.checks.s7_latent_diffusion.evidence import close, gradients, in_its_dtype
from exercises.checks.s7_latent_diffusion.latents import Listener, Toy
from exercises.checks.s7_latent_diffusion.rules import KEEP

MEAN = "the loss is the mean over every element of (ε - ε_θ(z_t, t, y))²"
SEEN = "the model sees z_t = √ᾱ_t scale mean + √(1-ᾱ_t) ε, mean the first of what encode gives"
NONE = 10
"""The label that means none, where one is among the labels."""


class Batch:
    """Pictures with labels, at unequal levels of a schedule, and noise of the latent's shape."""

    def __init__(self, rng: Generator, samples: int = 3, height: int = 8, width: int = 12, channels: int = 1) -> None:
        self.x = cases.normal((samples, channels, height, width), rng)
        self.noise = cases.normal((samples, 2, height // 4, width // 4), rng)
        self.alpha_bar = cases.alpha_bar_of(cases.schedule(6, rng, smallest=0.05))
        self.t = torch.randperm(6, generator=rng)[:samples]
        if samples > 1:
            self.t[:2] = torch.tensor([5, 0])  # both ends: nothing is left as it is at t = 0
        self.y = torch.randint(NONE + 1, (samples,), generator=rng)
        self.scale = 0.41372

    def to(self, data: torch.dtype, tables: torch.dtype) -> "Batch":
        self.x, self.noise, self.alpha_bar = self.x.to(data), self.noise.to(data), self.alpha_bar.to(tables)
        return self

    def z_t(self, autoencoder: Toy) -> Tensor:
        """What the model is to see, in float64."""
        mean, _ = autoencoder.encode(self.x.double())
        a = self.alpha_bar.double()[self.t][:, None, None, None]
        return (a.sqrt() * self.scale * mean + (1 - a).sqrt() * self.noise.double()).detach()

    def loss(self, autoencoder: Toy, model: Listener) -> Tensor:
        guess = model.guess(self.z_t(autoencoder), self.t, self.y)
        return (self.noise.double() - guess).square().mean()

    def lose(self, code, model: object, autoencoder: Toy, scale: object = None) -> Tensor:
        scale = self.scale if scale is None else scale
        return code.latent_loss(model, autoencoder, self.x, self.y, self.t, self.noise, self.alpha_bar, scale)


def test_latent_loss_shows_the_model_the_noised_latent_its_levels_and_labels(code, rng):
    """One call, with the scaled mean noised to each sample's level, and with t and y as they are."""
    for samples, height, width in ((3, 8, 12), (1, 4, 4), (2, 8, 8)):
        batch, model = Batch(rng, samples, height, width), Listener(noted=True)
        batch.lose(code, model, Toy())
        expect.equal(len(model.calls), 1, "one call of the model is enough", of="calls of the model")
        (call,) = model.calls
        expect.given(z_t=call.z_t, t=call.t, y=call.y)
        close(call.z_t, batch.z_t(Toy()), SEEN)
        close(call.t, batch.t, "the model is told the level of each sample, t itself")
        close(call.y, batch.y, "the model is told the label of each sample, y itself: none is dropped here")


@settings(max_examples=10)
@given(samples=st.integers(1, 4), channels=st.integers(1, 3), scale=st.floats(0.1, 3), seed=st.integers(0, 2**32 - 1))
def test_latent_loss_is_the_mean_squared_error_of_the_noise_in_a_scaled_latent(code, samples, channels, scale, seed):
    """Encode, scale, noise, ask the model, compare with the noise: the mean over every element."""
    batch, model = Batch(Generator().manual_seed(seed), samples, channels=channels), Listener(noted=True)
    batch.scale = scale
    close(batch.lose(code, model, Toy()), batch.loss(Toy(), model).detach(), f"{MEAN}; {SEEN}")


def test_latent_loss_takes_the_scale_as_a_float_or_a_tensor_and_any_callable(code, rng):
    """The scale may be what latent_scale gives, and the model a plain function."""
    batch, model = Batch(rng), Listener(noted=True)
    want = batch.loss(Toy(), model).detach()
    for scale in (batch.scale, torch.tensor(batch.scale, dtype=torch.float64), torch.tensor(batch.scale)):
        got = batch.lose(code, lambda z_t, t, y: model(z_t, t, y), Toy(), scale)
        close(got, want, "scale is a float or a 0-d tensor; a model is any callable", rtol=1e-6, atol=1e-7)  # fmt: skip


def test_latent_loss_of_a_model_that_knows_the_noise_is_zero(code, rng):
    """Who answers the noise itself has nothing left to learn."""
    batch = Batch(rng)
    got = batch.lose(code, lambda z_t, t, y: batch.noise.clone(), Toy())
    close(got, numbers(0.0)[0], "the target is the noise that was given")


def test_latent_loss_lets_gradients_through_to_the_model_and_not_to_the_autoencoder(code, rng):
    """The model learns, the autoencoder is finished."""
    for scale in (None, torch.tensor(0.41372, dtype=torch.float64)):
        _teaches_the_model_alone(code, Batch(rng), scale)


def _teaches_the_model_alone(code, batch: Batch, scale: Tensor | None) -> None:
    model, autoencoder = Listener(noted=True), Toy()
    loss = batch.lose(code, model, autoencoder, scale)
    expect.tensor(loss, MEAN, shape=(), dtype=torch.float64)
    why = "the model's parameters learn from the loss: no_grad is for the encoder alone"
    expect.holds(loss.requires_grad, why, got="a loss without a gradient", want="a loss with one")
    frozen = list(autoencoder.parameters())
    mirror = Listener(noted=True)
    weights, exact = [model.weight, model.bias], [mirror.weight, mirror.bias]
    wanted = torch.autograd.grad(batch.loss(Toy(), mirror), exact)
    found = torch.autograd.grad(loss, weights, retain_graph=True, allow_unused=True)
    for name, got, want in zip(("weight", "bias"), found, wanted, strict=True):
        value = torch.zeros((), dtype=torch.float64) if got is None else got
        close(value, want, f"the loss is differentiable in the model's parameters (here its {name})")
    leaking = [parameter for parameter in frozen if parameter.requires_grad]
    pulls = torch.autograd.grad(loss, leaking, allow_unused=True) if leaking else ()
    reached = any(pull is not None and bool((pull != 0).any()) for pull in pulls)
    why = "the autoencoder is finished: the latent is a constant, and no gradient reaches encoder or decoder"
    expect.holds(not reached, why, got="a gradient in the autoencoder", want="no gradient there")


def test_latent_loss_is_differentiable_in_the_noise(code, rng):
    """The noise is in the target and in what the model sees."""
    batch, model = Batch(rng), Listener(noted=True)
    noise = batch.noise.clone().requires_grad_()
    (want,) = torch.autograd.grad(_of_noise(batch, model, noise), noise)
    batch.noise = batch.noise.clone().requires_grad_()
    got = batch.lose(code, model, Toy())
    gradients(got, numbers(1.0)[0], "the loss is differentiable in the noise", noise=(batch.noise, want))


def _of_noise(batch: Batch, model: Listener, noise: Tensor) -> Tensor:
    mean, _ = Toy().encode(batch.x)
    a = batch.alpha_bar[batch.t][:, None, None, None]
    z_t = a.sqrt() * batch.scale * mean.detach() + (1 - a).sqrt() * noise
    return (noise - model.guess(z_t, batch.t, batch.y)).square().mean()


def test_latent_loss_keeps_the_dtype_its_arguments_and_the_model(code, rng):
    """The loss and what the model sees have the picture's dtype, whatever the tables come in."""
    for data in (torch.float32, torch.float64):
        for tables in (torch.float32, torch.float64):
            batch, model = Batch(rng).to(data, tables), Listener(noted=True)
            got = expect.untouched(
                lambda x, y, t, noise, a, model=model, s=batch.scale: code.latent_loss(model, Toy(), x, y, t, noise, a, s),
                KEEP, x=batch.x, y=batch.y, t=batch.t, noise=batch.noise, alpha_bar=batch.alpha_bar,
            )  # fmt: skip
            pair = f"{data} pictures and a table in {tables}"
            in_its_dtype(got, batch.loss(Toy(), Listener(noted=True)).detach().to(data), KEEP, pair, **SINGLE)
            expect.equal(len(model.calls), 1, "one call of the model is enough", of="calls of the model")
            expect.tensor(model.calls[0].z_t, "the model works in the data's dtype: z_t keeps it", dtype=data)
            left_alone(model)


def test_latent_loss_leaves_modes_and_gradients_to_the_caller(code, rng):
    """A loss computes and no more: the modes of its models and their gradients stay as they are."""
    model, autoencoder, y, t = Gain(), Gain(), torch.tensor([0, 2]), torch.tensor([0, 1])
    x, noise = cases.normal((2, 3, 2, 2), rng), cases.normal((2, 3, 2, 2), rng)
    alpha_bar = torch.tensor([0.9, 0.5]).double()
    for borrowed in (model, autoencoder):
        left_to_the_caller(lambda: code.latent_loss(model, autoencoder, x, y, t, noise, alpha_bar, 0.7), borrowed)
