"""The checks of Autoencoder."""

import torch
from torch import Generator, Tensor, nn

from exercises.checks import cases, expect
from exercises.checks.s7_latent_diffusion.networks import (
    Adam,
    alike,
    alone,
    apart,
    awake,
    by_default,
    grows,
    honest_slopes,
    made,
    twins_agree,
    unlike,
)
from exercises.checks.s7_latent_diffusion.rules import KEEP

PAIR = "encode(x) is (mean, logvar), each (B, latent_channels, H/4, W/4)"
PICTURE = "decode(z) is a picture, four times as high and wide as z"
TRIPLE = "forward(x, noise) is (recon, mean, logvar)"
DRAWN = "recon = decode(mean + exp(logvar / 2) noise), with encode's mean and logvar and the noise that was given"
NETWORKS = (
    ({}, (2, 1, 28, 28)),
    ({"in_channels": 3, "latent_channels": 2, "width": 8}, (1, 3, 8, 12)),
    ({"in_channels": 2, "latent_channels": 5, "width": 24}, (3, 2, 12, 8)),
    ({"latent_channels": 1, "width": 16}, (2, 1, 8, 12)),
)
"""Constructor arguments, and the shape of a batch: sides need only be divisible by 4."""
SMALL = (1, 2, 8)
"""One channel, two latent channels, width 8."""


def small(code, rng: Generator) -> nn.Module:
    return awake(made(code, "Autoencoder", *SMALL), rng).eval()


def encoded(network: nn.Module, x: Tensor, channels: int) -> tuple[Tensor, Tensor]:
    got = expect.tensors(expect.calling(network, "encode", x), 2, PAIR, ("mean", "logvar"))
    for part in got:
        expect.tensor(part, PAIR, shape=(len(x), channels, x.shape[2] // 4, x.shape[3] // 4), dtype=x.dtype)
        expect.finite(part, PAIR)
    return got


def decoded(network: nn.Module, z: Tensor, channels: int = 1) -> Tensor:
    got = expect.calling(network, "decode", z)
    expect.tensor(got, PICTURE, shape=(len(z), channels, 4 * z.shape[2], 4 * z.shape[3]), dtype=z.dtype)
    expect.finite(got, PICTURE)
    return got


def test_Autoencoder_encodes_to_a_quarter_of_the_side_and_decodes_back(code, rng):
    """Pictures of any channels and sides, in float32 and float64, by all three methods."""
    for arguments, shape in NETWORKS:
        network, channels = made(code, "Autoencoder", **arguments), arguments.get("latent_channels", 4)
        for dtype in (torch.float32, torch.float64):
            network.to(dtype)
            x = cases.normal(shape, rng).to(dtype)
            mean, _ = expect.untouched(lambda x, n=network, c=channels: encoded(n, x, c), KEEP, x=x)
            z, noise = (cases.normal(tuple(mean.shape), rng).to(dtype) for _ in range(2))
            expect.untouched(lambda z, n=network, c=shape[1]: decoded(n, z, c), KEEP, z=z)
            result = expect.untouched(network, KEEP, x=x, noise=noise)
            parts = expect.tensors(result, 3, TRIPLE, ("reconstruction", "mean", "logvar"))
            for part, of in zip(parts, (shape, mean.shape, mean.shape), strict=True):
                expect.tensor(part, TRIPLE, shape=of, dtype=dtype)


def test_Autoencoder_decodes_one_draw_from_what_it_encoded(code, rng):
    """The picture is decoded from the mean plus the noise that was given, times the standard deviation."""
    network = small(code, rng)
    x, noise = cases.normal((2, 1, 8, 8), rng), cases.normal((2, 2, 2, 2), rng)
    drawn = []
    for training in (True, False):
        network.train(training)
        mean, logvar = encoded(network, x, 2)
        recon, same_mean, same_logvar = expect.tensors(
            network(x, noise), 3, TRIPLE, ("reconstruction", "mean", "logvar")
        )
        swapped = _near(same_mean, logvar) and _near(same_logvar, mean)
        for name, got, want in (("mean", same_mean, mean), ("logvar", same_logvar, logvar)):
            told = "mean and logvar exchanged" if swapped else f"another {name} than encode's"
            alike(got, want, TRIPLE + ", as encode gives them", told)
        right = decoded(network, mean + torch.exp(logvar / 2) * noise)
        drawn.append("the right draw" if _near(recon, right) else _made_of(network, recon, draws(mean, logvar, noise)))
    expect.holds(set(drawn) == {"the right draw"}, DRAWN, got=drawn, want="the decoded draw, in training and in use")
    std = torch.exp(logvar / 2)
    for size in (0.0, 3.0):
        got, *_ = expect.tensors(network(x, size * noise), 3, TRIPLE, ("reconstruction", "mean", "logvar"))
        alike(got, decoded(network, mean + size * std * noise), DRAWN, f"another draw with {size:g} times the noise")


def draws(mean: Tensor, logvar: Tensor, noise: Tensor) -> dict[str, Tensor]:
    """What is taken for the draw."""
    std = torch.exp(logvar / 2)
    return {
        "no noise": mean,
        "the variance for the deviation": mean + std.square() * noise,
        "exp of logvar twice": mean + torch.exp(2 * logvar) * noise,
        "logvar for the deviation": mean + logvar * noise,
        "the noise as it is": mean + noise,
        "the noise alone": noise,
        "deviation and noise, but no mean": std * noise,
        "noise taken away": mean - std * noise,
        "logvar with its sign turned": mean + noise / std,
        "the root of half the exponential": mean + (torch.exp(logvar) / 2).sqrt() * noise,
    }


def _made_of(network: nn.Module, recon: Tensor, candidates: dict[str, Tensor]) -> str:
    pictures = decoded(network, torch.cat(list(candidates.values())).detach()).split(len(recon))
    found = (name for name, picture in zip(candidates, pictures, strict=True) if _near(recon, picture))
    return next(found, "another draw")


def _near(got: Tensor, want: Tensor) -> bool:
    return got.shape == want.shape and bool(
        torch.allclose(got, want, rtol=1e-6, atol=1e-6 * want.detach().abs().max().item())
    )


def test_Autoencoder_decodes_what_it_is_given_and_nothing_else(code, rng):
    """The decoder sees z alone: no memory of the picture that was encoded last, no skip past the latent."""
    network, z = small(code, rng), cases.normal((2, 2, 2, 2), rng)
    encoded(network, cases.normal((2, 1, 8, 8), rng), 2)
    before = decoded(network, z)
    encoded(network, cases.normal((2, 1, 8, 8), rng), 2)
    why = "what decode draws depends on z alone: all that a picture leaves behind is its latent"
    alike(decoded(network, z), before, why, "another picture of the same latent")


def test_Autoencoder_clamps_the_log_variance_alone(code, rng):
    """The log-variance stays within -30 and 20, whatever the encoder says; mean has no bounds."""
    parts: dict[str, list[Tensor]] = {"mean": [], "logvar": []}
    for _ in range(4):
        network = awake(made(code, "Autoencoder", 1, 8, 8), rng, size=300.0).eval()
        for name, part in zip(parts, encoded(network, 10 * cases.normal((2, 1, 8, 8), rng), 8), strict=True):
            parts[name].append(part.detach())
    found = {name: bounds(torch.cat(part)) for name, part in parts.items()}
    why = "logvar is clamped to [-30, 20], so that exp(logvar) is neither 0 nor infinite; 32 channels with huge parameters reach both ends"  # fmt: skip
    expect.holds(found["logvar"] == "-30 to 20", why, got=found, want="a logvar from -30 to 20", told=f"a logvar {found['logvar']}")  # fmt: skip
    expect.holds(found["mean"] != "-30 to 20", "only logvar is clamped: a mean may lie anywhere", got=found, want="a mean beyond those bounds too", told=f"a mean {found['mean']}")  # fmt: skip


def test_Autoencoder_draws_with_the_clamped_log_variance(code, rng):
    """What forward draws with, and returns, is what encode gives: clamped, where the encoder says too much."""

    def drawn(network: nn.Module, size: float, channels: int) -> tuple[Tensor, tuple[Tensor, Tensor], Tensor]:
        """The logvar of encode, forward's picture and logvar, and the picture of the right draw."""
        x, noise = size * cases.normal((2, 1, 8, 8), rng), cases.normal((2, channels, 2, 2), rng)
        mean, logvar = (part.detach() for part in encoded(network, x, channels))
        recon, _, same = expect.tensors(network(x, noise), 3, TRIPLE, ("reconstruction", "mean", "logvar"))
        return logvar, (recon, same), decoded(network, mean + torch.exp(logvar / 2) * noise)

    logvar, (recon, same), right = drawn(small(code, rng), 1.0, 2)
    if not (_near(same, logvar) and _near(recon, right)):
        return  # which is another check's, as it is where encode does not clamp
    for _ in range(2):
        logvar, (recon, same), right = drawn(awake(made(code, "Autoencoder", 1, 8, 8), rng, size=300.0).eval(), 10.0, 8)
        if bounds(logvar) == "-30 to 20":
            why = "the logvar of forward is encode's, clamped to [-30, 20]"
            alike(same, logvar, why, "a logvar that forward does not clamp")
            alike(recon, right, DRAWN, "a draw with a logvar that is not clamped")


def bounds(values: Tensor) -> str:
    """Within which bounds the outputs of a network with huge parameters lie, in words."""
    ends = [round(float(end), 3) for end in (values.min(), values.max())]
    known = {(-30.0, 20.0): "-30 to 20", (-20.0, 30.0): "-20 to 30"}
    low, high = ends[0] < -60, ends[1] > 60
    if low or high:
        return "without bounds" if low and high else "without a lower bound" if low else "positive" if ends[0] >= 0 else "without an upper bound"  # fmt: skip
    return known.get(tuple(ends), "other bounds")


def test_Autoencoder_says_two_things_of_each_number(code, rng):
    """Mean and logvar are outputs of their own, each channel of them too, and the picture decides on them."""
    network = awake(made(code, "Autoencoder", 1, 3, 8), rng).eval()
    mean, logvar = (part.detach() for part in encoded(network, cases.normal((2, 1, 8, 8), rng), 3))
    rows = torch.cat([mean.transpose(0, 1), logvar.transpose(0, 1)]).flatten(1)
    names = [f"{part} {channel}" for part in ("mean", "logvar") for channel in range(3)]
    apart(rows, names, PAIR + ", each an output of its own")
    why = "a picture's latent is its own: another picture has another mean"
    expect.holds(unlike(mean[0], mean[1]), why, got="the same mean for all pictures", want="another mean")


def test_Autoencoder_can_draw_dark_and_light(code, rng):
    """Pictures reach from -1 to 1, so nothing at the end of decode may keep them on one side of 0."""
    reached = []
    for _ in range(5):
        network = awake(made(code, "Autoencoder", 8, 2, 8), rng, size=4.0).eval()
        reached.append(decoded(network, cases.normal((2, 2, 3, 3), rng), 8).detach())
    drawn = torch.cat(reached)
    dark, light = bool(drawn.min() < -0.7), bool(drawn.max() > 0.7)
    ends = (
        ["no dark pixel"] * (not dark)
        + ["no light pixel"] * (not light)
        + ["no pixel above 1"] * bool(drawn.max() <= 1)
    )
    why = "a pixel lies anywhere from -1 to 1: a sigmoid or a ReLU at the end cannot draw it; five random networks of eight colours were tried"  # fmt: skip
    told = f"pictures with {' and '.join(ends[: 2 - dark - light])}"
    expect.holds(dark and light, why, got=ends, want="some pixels below -0.7 and some above 0.7", told=told)


def test_Autoencoder_learns_to_hand_pictures_through_its_latent(code, rng):
    """Pictures come with their negatives: what lowers the error has passed the latent."""
    half = torch.where(cases.normal((3, 1, 2, 2), rng) > 0, 1.0, -1.0).double()
    x = torch.cat([half, -half]).repeat_interleave(4, 2).repeat_interleave(4, 3)
    # Here and there a network of width 8 is born with nothing but sleeping ReLUs: then another one is asked
    come_through = any(_learned(made(code, "Autoencoder", *SMALL).double().train(), x) for _ in range(2))
    # A network that ignores the picture does no better than the mean of a picture and its negative: an error of 1
    why = "80 steps of Adam on six pictures lower the error below 1, which is what any constant picture has"
    expect.holds(come_through, why, got="pictures that do not come through", want="an error below 0.9")


def _learned(network: nn.Module, x: Tensor) -> bool:
    """Whether the error falls below 0.9 within 80 steps.

    The first half of the pictures counts three times as much as their negatives: where encoder and decoder both end in
    zeros, nothing would tell the one which way to go first.
    """
    counts = torch.tensor([1.5, 0.5], dtype=torch.float64).repeat_interleave(len(x) // 2)[:, None, None, None]
    quiet, teacher = torch.zeros(len(x), 2, 2, 2, dtype=torch.float64), Adam(network, 1e-2)
    for _ in range(80):
        recon, *_ = expect.tensors(network(x, quiet), 3, TRIPLE, ("reconstruction", "mean", "logvar"))
        expect.tensor(recon, PICTURE, shape=x.shape)
        errors = (recon - x).square()
        if errors.mean().item() < 0.9:
            return True
        teacher.step((counts * errors).mean())
    return False


def test_Autoencoder_is_as_wide_as_it_is_told(code):
    """Wider, and with more channels, is more parameters."""
    rows = ((1, 2, 8), (1, 3, 8), (2, 3, 8), (2, 3, 16))
    first, latent, colour, wide = (made(code, "Autoencoder", *row) for row in rows)
    grows("each takes more parameters", first, latent_channels=latent, in_channels=colour, width=wide)
    why = "by default one channel, four latent channels and width 32"
    by_default(made(code, "Autoencoder"), made(code, "Autoencoder", 1, 4, 32), why)


def test_Autoencoder_treats_each_sample_by_itself_in_training_too(code, rng):
    """No batch norm, no dropout; the noise that is given is the only one."""
    network = awake(made(code, "Autoencoder", *SMALL), rng)
    batches = [{"x": cases.normal((3, 1, 8, 8), rng), "noise": cases.normal((3, 2, 2, 2), rng)} for _ in range(2)]
    alone(lambda *inputs: _flat(network(*inputs)), network, *batches)


def _flat(parts: object) -> Tensor:
    """recon, mean and logvar side by side."""
    return torch.cat(
        [part.flatten(1) for part in expect.tensors(parts, 3, TRIPLE, ("reconstruction", "mean", "logvar"))], dim=1
    )


def test_Autoencoder_lets_gradients_through_to_all_that_matters(code, rng):
    """Picture, noise and every weight of encoder and decoder, through all three results."""
    network = small(code, rng)
    x, noise = cases.normal((2, 1, 8, 12), rng).requires_grad_(), cases.normal((2, 2, 2, 3), rng).requires_grad_()
    honest_slopes(lambda: _flat(network(x, noise)), network, rng, x=x, noise=noise)
    # By itself: beside the slopes of mean and logvar, those of the picture may be small
    honest_slopes(lambda: network(x, noise)[0], network, rng, x=x, noise=noise)


def test_Autoencoder_keeps_all_that_it_is_in_parameters_and_buffers(code, rng):
    """A copy with the same state answers the same."""
    one, other = (small(code, rng) for _ in range(2))
    x, noise = cases.normal((2, 1, 8, 8), rng), cases.normal((2, 2, 2, 2), rng)
    twins_agree(one, other, lambda network: _flat(network(x, noise)))
