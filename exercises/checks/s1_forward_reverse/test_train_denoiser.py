"""The checks of train_denoiser."""

from itertools import pairwise
from operator import itemgetter

import torch
from torch import Generator, Tensor, nn

from exercises.checks import cases, chance, expect
from exercises.checks.cases import numbers
from exercises.checks.rules import DRAWN, KEEP
from exercises.checks.s1_forward_reverse.draws import all_apart
from exercises.checks.spies import Exact, Register, Slopes, Spy, steps_of
from exercises.toolkit.worlds import Gaussian

LEVELS = (0.9, 0.75, 0.5, 0.3, 0.1)
ROWS, BATCH, STEPS = 40, 20, 56
"""56 * 20 draws miss one of 40 rows once in 5e10 runs, and two draws of 20 rows are the same set once in 1e11."""
FEW = 10
"""Steps that tell one learning rate from another: the way is as long as lr says from the first step on."""
FLOATS = "the losses come back as a list of one float a step"
ONCE = "each step shows the model one batch, in one call or in pieces"
SHOWN = "each step shows the model batch_size noised rows, in the data's dtype, each with its own int64 t"


def coarse() -> Tensor:
    """ᾱ of five levels."""
    return numbers(*LEVELS)


def fine() -> Tensor:
    """ᾱ of many levels, their number a prime: t = T (u + i/B), spread from one u a step, are any of 20 * 10007 sets."""
    return torch.linspace(0.95, 0.05, 10_007, dtype=torch.float64)


def school(
    code, generator: Generator | None, model: nn.Module, data: Tensor, steps: int, table: Tensor | None = None, **rest: float
) -> list[float]:  # fmt: skip
    """Train the model on data, at `coarse` levels if no others are given; the losses."""
    alpha_bar = coarse() if table is None else table
    losses = code.train_denoiser(model, data, alpha_bar, steps, generator=generator, **rest)
    return expect.losses(losses, steps, FLOATS)


def far_apart(rng: Generator, *shape: int, rows: int = ROWS) -> Tensor:
    """Data in which row i lies around 1000 (i + 1): a noised row can be told from the others."""
    offset = 1000 * torch.arange(1, rows + 1, dtype=torch.float64)
    return offset.reshape(-1, *[1] * len(shape)) + cases.normal((rows, *shape), rng)


def lessons(
    model: Spy, data: Tensor, steps: int, batch: int = BATCH, table: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """What the model was shown: rows and levels, (steps, batch), and the noise in x_t, (steps, batch, elements)."""
    calls, alpha_bar = steps_of(model.seen, batch), coarse() if table is None else table
    expect.equal(len(calls), steps, ONCE, of="calls of the model")
    rows, noises = [], []
    for seen in calls:
        expect.tensor(seen.x_t, SHOWN, shape=(batch, *data.shape[1:]), dtype=data.dtype)
        expect.tensor(seen.t, SHOWN, shape=(batch,), dtype=torch.int64)
        inside = bool(((seen.t >= 0) & (seen.t < len(alpha_bar))).all())
        expect.holds(inside, "t is a level of the schedule", got=seen.t, want=f"0 <= t < {len(alpha_bar)}")
        a = alpha_bar[seen.t].reshape(-1, *[1] * (data.ndim - 1))
        rows.append(((seen.x_t / a.sqrt()).flatten(1).mean(1) / 1000).round().long().clamp(1, len(data)) - 1)
        noises.append(((seen.x_t - a.sqrt() * data[rows[-1]]) / (1 - a).sqrt()).flatten(1))
    return torch.stack(rows), torch.stack([seen.t for seen in calls]), torch.stack(noises)


def attend(
    code, rng: Generator | None, data: Tensor, steps: int = STEPS, batch: int = BATCH, table: Tensor | None = None
) -> tuple[Spy, list[float]]:  # fmt: skip
    """A spy that was trained on the data, so slowly that its answer stays near 0.25; and the losses."""
    model = Spy(weight=0.0)
    return model, school(code, rng, model, data, steps, table, batch_size=batch, lr=1e-5)


def test_train_denoiser_shows_noised_rows_of_all_the_data_at_levels_of_their_own(code, rng):
    """Each step shows noised rows out of all the data, each at a level of its own."""
    data = far_apart(rng, 2, 2)
    rows, levels, noise = lessons(attend(code, rng, data)[0], data, STEPS)
    why = "x_t = √ᾱ_t x_0 + √(1-ᾱ_t) ε with ε ~ N(0, 1), drawn afresh for each step, row and element"
    all_apart(noise, why, ("steps", "rows", "elements"))
    chance.standard_normal(
        noise, why, ("steps", "rows", "elements"), of="(x_t - √ᾱ_t x_0) / √(1-ᾱ_t), the noise in x_t"
    )
    for batch_rows, batch_levels in zip(rows, levels, strict=True):
        expect.holds(
            len(batch_levels.unique()) > 1,
            "each row of a batch has its own t",
            got=1,
            want="several t",
            told="one t for the whole batch",
        )
        expect.holds(
            len(batch_rows.unique()) > 1,
            "a batch is made of many rows",
            got=1,
            want="several rows",
            told="one row, again and again",
        )
    missed = sorted(set(range(ROWS)) - set(rows.flatten().tolist()))
    expect.holds(not missed, f"{STEPS * BATCH} draws reach each of {ROWS} rows", got=missed, want="no row left out")


def test_train_denoiser_draws_levels_and_rows_uniformly(code, rng):
    """Levels and rows are drawn uniformly."""
    data = far_apart(rng, 1, rows=8192)
    rows, levels, _ = lessons(attend(code, rng, data, steps=4, batch=4096)[0], data, 4, batch=4096)
    chance.uniform(
        levels, len(LEVELS), "t is uniform on 0 .. T-1, both ends included", of="the levels t that were drawn"
    )
    why = "rows are drawn from all the data alike: as often from each quarter of it"
    chance.uniform(rows // 2048, 4, why, of="the quarters of the data, 0 to 3, that rows were drawn from")


def test_train_denoiser_draws_rows_levels_and_noise_afresh(code, rng):
    """Rows, levels and noise are drawn afresh for each step."""
    data = far_apart(rng, 3)
    rows, levels, noise = lessons(attend(code, rng, data, table=fine())[0], data, STEPS, table=fine())
    more, _, _ = lessons(attend(code, rng, data, steps=1)[0], data, 1)
    first, *later = torch.cat([rows, more]).sort(1).values
    repeats = any(torch.equal(first, batch) for batch in later)
    why = "the rows of a step are drawn at random: not the same in each step, or in each run"
    expect.holds(not repeats, why, got="the rows of the first step again", want="other rows")
    repeats = sum(torch.equal(one, two) for one, two in pairwise(levels))
    # Two of 55 pairs may agree, for who spreads all t from one u draws one of 200140 sets: three do once in 3e11 runs, (55 / 200140)**3 / 6.
    why = "t is drawn afresh each step"
    expect.holds(repeats < 3, why, got="the t of the step before again", want="other t")
    row, counts = rows.flatten(), rows.flatten().bincount(minlength=ROWS)
    sums = torch.zeros(ROWS, noise.shape[2], dtype=torch.float64).index_add_(0, row, noise.flatten(0, 1))
    sums = sums[counts > 0] / counts[counts > 0].sqrt()[:, None]
    why = "a row meets fresh noise each time it is drawn: the mean of n noises is N(0, 1/n)"
    chance.standard_normal(sums, why, of="√n times the mean of the n noises that a row met")
    often = [levels.flatten()[row == index] for index in range(ROWS) if counts[index] > 20]
    fixed = any(len(times.unique()) == 1 for times in often)  # less than once in 4e12 runs, 40 / 5**20
    why = "a row meets another t each time it is drawn"
    expect.holds(not fixed, why, got="a row that always has the same t", want="several t")


def test_train_denoiser_returns_and_descends_the_loss_of_the_guessed_noise(code, rng):
    """It returns the loss of the guessed noise, and descends it."""
    data = far_apart(rng, 2, 2)
    model, losses = attend(code, rng, data, steps=8)
    _, _, noise = lessons(model, data, 8)
    errors = torch.stack([seen.answer.flatten(1) for seen in steps_of(model.seen, BATCH)]) - noise
    why = "each loss is mean (ε - ε_θ(x_t, t))² over the step's batch, before its update"
    expect.close(numbers(*losses), errors.square().mean((1, 2)), why)
    expect.equal(len(model.pulls), len(model.seen), "each step goes backward once, or once for each piece of its batch")
    pulls = torch.cat([pull for _, pull in sorted(model.pulls, key=itemgetter(0))]).reshape(errors.shape)
    # of either sign: an optimiser may be told to maximise, and which way it goes is seen where steps are measured
    scale = float((pulls[0] * errors[0]).sum() / errors[0].square().sum())
    expect.holds(scale != 0, "each step follows a gradient", got="no gradient", want="a gradient")
    expect.close(pulls / scale, errors, "each step descends the gradient of its own loss")


class Line(nn.Module):
    """A model with a matrix and a bias, as most layers have."""

    def __init__(self, rng: Generator) -> None:
        super().__init__()
        self.weight = nn.Parameter(cases.normal((2, 2), rng))
        self.bias = nn.Parameter(cases.normal((2,), rng))

    def forward(self, x_t: Tensor, t: Tensor) -> Tensor:
        return x_t @ self.weight + self.bias


def test_train_denoiser_moves_every_parameter_and_leaves_it_trainable(code, rng):
    """Every parameter moves, and can be trained further."""
    model = Line(rng)
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    school(code, rng, model, cases.normal((ROWS, 2), rng), 3, batch_size=BATCH)
    still = [name for name, parameter in model.named_parameters() if torch.equal(parameter, before[name])]
    why = "every parameter is trained, matrices and biases: is there a step of the optimizer, after each backward()?"
    expect.none(still, why, verb="did not move in 3 steps", want="every parameter moves")
    flags = [parameter.requires_grad for parameter in model.parameters()]
    expect.equal(flags, [True] * len(flags), "training can go on: the parameters still require gradients")


def test_train_denoiser_goes_on_where_nothing_is_left_to_learn(code, rng):
    """It goes on where nothing is left to learn."""
    model = Exact(Gaussian(mean=0.0, variance=0.0), numbers(*LEVELS))  # data that is all zero: x_t is scaled noise
    data = torch.zeros(ROWS, 2, dtype=torch.float64)
    # with a tiny lr, for Adam moves even where rounding errors are all that it sees
    losses = school(code, rng, model, data, 5, batch_size=BATCH, lr=1e-9)
    expect.close(numbers(*losses), torch.zeros(5, dtype=torch.float64), "a perfect model has a loss of zero, each step")


def stroll(
    code, rng: Generator, turning: bool = False, fading: int = 0, steps: int = 40, **rest: float
) -> Tensor:  # fmt: skip
    """Where so many steps take the parameters of `Slopes`, (steps + 1, 2)."""
    model = Slopes(turning, BATCH, fading)
    school(code, rng, model, cases.normal((ROWS, 2), rng), steps, batch_size=BATCH, **rest)
    expect.equal(len(model.path), steps, ONCE, of="calls of the model")
    return model.walk()


def test_train_denoiser_steps_by_lr_however_steep_the_loss_like_adam(code, rng):
    """A step is as long as lr says, however steep the loss: as with Adam."""
    path = stroll(code, rng, lr=1e-3) / 1e-3
    downhill = (path[1:] < path[:-1]).sum(0).tolist()
    expect.equal(
        downhill,
        [40, 40],
        "each of 40 steps moves each parameter of the model downhill, in place",
        of="steps downhill, of each of two parameters",
    )
    ratio = float(path[-1, 1] / path[-1, 0])
    why = "Adam moves by about lr a step however small the gradient: here one is 100 times the other"
    expect.holds(
        0.8 < ratio < 1.25,
        why,
        got=round(ratio, 2),
        want="equal distances, a ratio of 1",
        told=f"a ratio of {ratio:.2f}",
    )
    way = -float(path[-1, 0])
    why = (
        "with a steady gradient Adam moves by lr a step: 40 lr in 40 steps, or less with a slow start like RAdam's 3 lr"
    )
    steady = way < 60 or (way < 100 and -float(path[FEW, 0]) < 15)  # AdaBelief's steps grow where the slope is as ever
    expect.holds(
        way > 2 and steady, why, got=round(way), want="between 2 and 60 times lr", told=f"a way of {way:.1f} times lr"
    )
    late = float(((path[40] - path[20]) / path[20]).min())
    why = "Adam does not tire: with a steady gradient its later steps are as long as the first"
    expect.holds(late > 0.7, why, got=round(late, 1), want="1 or more")
    slow = float((stroll(code, rng, steps=FEW, lr=1e-4)[-1, 0] / 1e-4) / path[FEW, 0])
    why = "the learning rate is lr: a tenth of it goes a tenth of the way"
    expect.holds(
        0.8 < slow < 1.25,
        why,
        got=round(slow, 1),
        want="the same way in units of lr, a ratio of 1",
        told=f"a ratio of {slow:.2f}",
    )


def shortens(code, rng: Generator) -> bool:
    """Whether a step is shorter after steeper ones: with beta1 = 0 the second moment is all that could be kept."""
    last, before = stroll(code, rng, fading=39).diff(dim=0).abs().flip(0)[:2]
    return bool((last < 0.8 * before).all())


def test_train_denoiser_forgets_old_gradients_and_keeps_its_momentum(code, rng):
    """Gradients are cleared between steps, not within one, and the optimizer is kept."""
    steady, turning = stroll(code, rng), stroll(code, rng, turning=True)
    drift = float((turning[-1] / steady[-1]).abs().max())
    why = "gradients that change sign each step lead nowhere, unless those of earlier steps are still added in"
    expect.holds(
        drift < 0.25,
        why,
        got=round(drift, 1),
        want="hardly a move, below 0.25 of the steady way",
        told=f"{drift:.2f} of the steady way",
    )
    swing = float(((turning[-1] - turning[-2]) / (steady[-1] - steady[-2])).abs().max())
    why = "Adam's moments live through the whole training: made anew each step, it swings back and forth by lr"
    expect.holds(
        swing < 0.8 or shortens(code, rng),
        why,
        got=round(swing, 1),
        want="shorter swings, below 0.8 of a steady step",
        told=f"{swing:.2f} of a steady step",
    )
    register = Register(ROWS, coarse())
    school(code, rng, register, far_apart(rng, 2), 1, batch_size=BATCH)
    why = "a step learns from all rows of its batch: where it is worked off in pieces, their gradients add up"
    expect.holds(
        not register.lost,
        why,
        got=register.lost,
        want="none",
        told=f"{len(register.lost)} of {len(register.shown)} rows not learned from",
    )


def test_train_denoiser_takes_its_randomness_from_the_generator_alone(code, rng):
    """All randomness comes from the generator, and from nowhere else."""
    data, seed = far_apart(rng, 2), int(torch.randint(2**31, (), generator=rng))

    def trained(generator: Generator | None) -> Tensor:
        model, losses = attend(code, generator, data, steps=3)
        return numbers(*losses, model.weight.item(), model.bias.item())

    def train(seed: int, skipped: int = 0) -> Tensor:
        generator = Generator().manual_seed(seed)
        torch.rand(skipped, generator=generator)
        return trained(generator)

    first = train(seed)
    why = f"the same generator state gives the same training: {DRAWN}"
    expect.holds(torch.allclose(train(seed), first), why, got="other losses", want="the same losses")
    for other in (train(seed + 1), train(seed, skipped=1)):
        why = "another generator state gives another training"
        expect.holds(not torch.equal(other, first), why, got="the same training", want="other losses")
    chance.afresh(trained, "training")


def test_train_denoiser_has_its_defaults_and_keeps_dtype_and_data(code, rng):
    """The defaults are those of the signature; dtype and data stay as they are."""
    data, alpha_bar, spy, slopes = cases.normal((512, 2), rng).float(), numbers(*LEVELS), Spy(), Slopes(batch=256)
    expect.untouched(lambda data, table: code.train_denoiser(spy, data, table, 3), KEEP, data=data, alpha_bar=alpha_bar)
    calls = steps_of(spy.seen, 256)
    expect.equal(len(calls), 3, ONCE, of="calls of the model")
    for seen in calls:
        expect.tensor(seen.x_t, "256 rows a step by default, in the data's dtype", shape=(256, 2), dtype=torch.float32)
    school(code, None, slopes, data, FEW)
    ratio = float(slopes.walk()[-1, 0] / stroll(code, rng, steps=FEW, lr=1e-3)[-1, 0])
    expect.holds(
        0.8 < ratio < 1.25,
        "lr is 1e-3 by default",
        got=round(ratio, 1),
        want="the way of lr=1e-3, a ratio of 1",
        told=f"a ratio of {ratio:.2f}",
    )
