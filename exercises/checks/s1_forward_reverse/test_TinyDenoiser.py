"""The checks of TinyDenoiser."""

import torch
from torch import Generator, Tensor, nn

from exercises.checks import expect
from exercises.checks.describe import in_modes
from exercises.checks.rules import KEEP, KEPT, TWIN

FAR = 10_000
NETWORK = "TinyDenoiser is an nn.Module, and its layers are registered in it"
ALIKE = "the guessed noise is a tensor of x's shape and dtype"
ALONE = "a sample's output depends on that sample and its t, and on nothing else in the batch"


def awake(code, rng: Generator, dim: int, hidden: int = 32, size: float = 0.1) -> nn.Module:
    """A denoiser whose parameters were moved a little: some start their last layer at zero, and then show nothing."""
    model = code.TinyDenoiser(dim, hidden)
    expect.module(model, NETWORK)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(size * torch.randn(parameter.shape, generator=rng))
    return model


def guess(model: nn.Module, x: Tensor, t: Tensor) -> Tensor:
    got = model(x, t)
    expect.tensor(got, ALIKE, shape=x.shape, dtype=x.dtype, device=x.device)
    expect.finite(got, ALIKE)
    return got.detach()


def points(rng: Generator, count: int, dim: int) -> tuple[Tensor, Tensor]:
    return torch.randn(count, dim, generator=rng), torch.randint(FAR, (count,), generator=rng)


def furthest(a: Tensor, b: Tensor) -> float:
    return float((a - b).abs().max())


def test_TinyDenoiser_answers_in_the_shape_of_x_for_t_of_any_size(code, rng):
    """The answer has the shape of x, whatever t is."""
    for model, dim in (
        (code.TinyDenoiser(), 2),
        (code.TinyDenoiser(1, 32), 1),
        (code.TinyDenoiser(3, 32), 3),
        (code.TinyDenoiser(dim=5, hidden=64), 5),
    ):
        expect.module(model, NETWORK)
        for count in (1, dim, 7):
            x, t = points(rng, count, dim)
            for times in (t, torch.zeros_like(t), torch.full_like(t, 1_000_000)):
                expect.untouched(lambda x, t, model=model: guess(model, x, t), KEEP, x=x, t=times)


def test_TinyDenoiser_treats_each_sample_by_itself_in_training_too(code, rng):
    """Each sample is treated by itself, in training mode too."""
    for dim in (2, 4):
        model, given = awake(code, rng, dim).eval(), points(rng, 6, dim)
        before = guess(model, *given)
        found = {}
        for mode in ("training", "eval"):
            model.train(mode == "training")
            found[mode] = moved(model, rng, dim)
        told = in_modes(found)
        expect.holds(not told, ALONE, got=told, want="the same row in any company")
        same = furthest(guess(model, *given), before) <= 1e-4 * float(before.abs().max())
        got = "an answer in eval mode that remembers what was seen in training mode"
        expect.holds(same, ALONE, got=got, want="the same answer")


def moved(model: nn.Module, rng: Generator, dim: int) -> str:
    """By what one row of a batch of six is moved, though it should not be, in words; "" by nothing."""
    (x, t), (others, times) = points(rng, 6, dim), points(rng, 6, dim)
    others[2], times[2], times[4] = x[2], t[2], FAR
    whole = guess(model, x, t)
    room = 1e-4 * float(whole.abs().max())  # float32 rounds by 1e-7 a layer, otherwise in batches of other sizes
    answers = (
        ("an answer that changes from one call to an equal one", guess(model, x, t), whole),
        ("a row that changes with the other samples' x", guess(model, others, t)[2], whole[2]),
        ("a row that changes with the other samples' t", guess(model, x, times)[2], whole[2]),
        ("a row that changes with the size of the batch", guess(model, x[2:3], t[2:3])[0], whole[2]),
    )
    return next((told for told, got, want in answers if furthest(got, want) > room), "")


def test_TinyDenoiser_tells_one_time_from_another(code, rng):
    """Another time gives another answer."""
    model, (x, _) = awake(code, rng, 3).eval(), points(rng, 8, 3)
    neighbours = [(0, 1), (1, 2), (10, 11), (499, 500), (999, 1000)]
    alike = []
    for one, other in [*neighbours, (0, 999), (0, 1000), (1000, 2000), (5000, FAR), (0, FAR)]:
        change = furthest(guess(model, x, torch.full((8,), one)), guess(model, x, torch.full((8,), other)))
        alike += [] if change > 0 else [f"{one} like {other}"]
    why = "the noise to guess depends on the level, and t may be of any size: no two t get the same answer"
    expect.holds(not alike, why, got=alike, want="another answer for each t")


def test_TinyDenoiser_has_layers_as_wide_as_hidden_says(code):
    """There are layers as wide as `hidden` says."""
    counts = []
    for model in (code.TinyDenoiser(2, 16), code.TinyDenoiser(2, 64), code.TinyDenoiser(2, 128), code.TinyDenoiser()):
        expect.module(model, NETWORK)
        counts.append(sum(parameter.numel() for parameter in model.parameters()))
    narrow, wide, widest, default = counts
    why = "hidden is the width of the layers"
    expect.holds(
        narrow < wide < widest,
        why,
        got=counts[:3],
        want="more parameters with a larger hidden",
        told=f"{narrow}, {wide} and {widest} parameters with hidden 16, 64 and 128",
    )
    expect.equal(default, widest, "by default hidden is 128 and dim 2: so many parameters", of="parameters")


def test_TinyDenoiser_looks_at_every_coordinate_and_guesses_each(code, rng):
    """Every coordinate is looked at, and each is guessed."""
    for dim in (1, 3):
        coordinates_count(awake(code, rng, dim).eval(), *points(rng, 8, dim))


def coordinates_count(model: nn.Module, x: Tensor, t: Tensor) -> None:
    """Each coordinate of x changes the answer, and no two columns of it are equal."""
    before = guess(model, x, t)
    for axis in range(x.shape[1]):
        moved = x.clone()
        moved[:, axis] += 1
        change = furthest(guess(model, moved, t), before)
        expect.holds(
            change > 0, f"x[:, {axis}] was moved by 1", got=change, want="another answer", told="the same answer"
        )
        change = furthest(before[:, axis], before[:, axis - 1])
        expect.holds(
            change > 0 or x.shape[1] == 1,
            "each coordinate has noise of its own",
            got=change,
            want="different columns",
            told="two equal columns",
        )


def test_TinyDenoiser_can_guess_noise_of_either_sign_and_any_size(code, rng):
    """It can guess noise of either sign and any size."""
    outputs = []
    for _ in range(10):
        model, (x, t) = awake(code, rng, 4, size=1.0), points(rng, 16, 4)
        outputs.append(guess(model, x, t))
    reached = torch.cat(outputs)
    both = [bool(reached.min() < -1.5), bool(reached.max() > 1.5)]
    why = "noise has either sign and no bound, so nothing may squash the output: ten random networks were tried"
    told = f"outputs from {reached.min():.3g} to {reached.max():.3g}"
    expect.holds(all(both), why, got=both, want="some outputs below -1.5 and some above 1.5", told=told)


def test_TinyDenoiser_keeps_all_that_it_is_in_parameters_and_buffers(code, rng):
    """All that it is lies in parameters and buffers."""
    model, twin = awake(code, rng, 2).eval(), awake(code, rng, 2).eval()
    with torch.no_grad():
        for kept, copied in zip(model.state_dict().values(), twin.state_dict().values(), strict=True):
            copied.copy_(kept)
    x, t = points(rng, 8, 2)
    expected = guess(model, x, t)
    same = furthest(guess(twin, x, t), expected) <= 1e-4 * float(expected.abs().max())
    expect.holds(same, KEPT, got="another answer from the twin", want="the same answer", told=TWIN)


def test_TinyDenoiser_lets_gradients_through_to_all_that_matters(code, rng):
    """Gradients reach the input and every parameter that matters."""
    model, (x, _), t = awake(code, rng, 2), points(rng, 8, 2), torch.arange(8)
    inputs = [x.requires_grad_(), *(parameter for parameter in model.parameters() if parameter.requires_grad)]
    why = "what changes the output gets a gradient: nothing is detached or computed under no_grad"
    before = guess(model, x, t)
    output = model(x, t)
    expect.holds(output.requires_grad, why, got="an output without a gradient", want="an output with one")
    found = torch.autograd.grad(output.square().sum(), inputs, allow_unused=True)
    for value, grad in zip(inputs, found, strict=True):
        kept = value.detach().clone()
        with torch.no_grad():
            value.add_(0.1 * torch.randn(value.shape, generator=rng))
            matters = furthest(guess(model, x, t), before) > 1e-3 * float(before.abs().max())
            value.copy_(kept)
        learns = grad is not None and bool(grad.abs().max() > 0)
        expect.holds(learns or not matters, why, got="no gradient", want="a gradient")
