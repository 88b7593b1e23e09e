"""The checks of cfg_loss."""

from functools import partial

import torch
from torch import Generator, Tensor

from exercises.checks import cases, expect
from exercises.checks.callers import Gain, left_to_the_caller
from exercises.checks.cases import Case, numbers, tracked
from exercises.checks.expect import left_alone
from exercises.checks.rules import KEEP, SINGLE
from exercises.checks.s6_guidance.drops import at_rate, from_generator, independent
from exercises.checks.s6_guidance.formulas import jump
from exercises.checks.s6_guidance.inputs import NULLS, corners, labels
from exercises.checks.s6_guidance.models import Told
from exercises.checks.s6_guidance.rules import NOISED

MEAN = "the loss is the mean over every element, of all samples, of (ε - ε_θ(x_t, t, y))²"
ONE = "how it is asked, not the loss: one call of the model, with all B samples, is enough"
KEPT = {0.0: "with p = 0 the model is told every label", 1.0: "with p = 1 the model is told null for every sample"}


def told(y: Tensor, null: int, p: float) -> Tensor:
    """What is left of the labels at p = 0 and at p = 1."""
    return y if p == 0 else torch.full_like(y, null)


def mse(case: Case, y: Tensor) -> Tensor:
    """The loss of `Told`."""
    return (case.noise - Told().guess(jump(case), case.t, y)).square().mean()


def apart(seed: int) -> Generator:
    """A generator that the inputs of the check are not drawn from: an answer may take from it as much as it likes."""
    return Generator().manual_seed(seed)


def once(model: Told, case: Case) -> None:
    """The model was called once, with a level and a label for each sample."""
    expect.equal([len(call.x_t) for call in model.asked], [len(case.x0)], ONE, of="samples in the batches that it got")
    (call,) = model.asked
    for name, value in (("t", call.t), ("y", call.y)):
        why = f"the model is told a level and a label for each sample: this is {name}"
        expect.tensor(value, why, shape=(len(case.x0),), dtype=torch.int64)


def test_cfg_loss_by_hand(code):
    """With a model that answers a number for each label, the loss comes out as computed by hand."""

    def model(x_t: Tensor, t: Tensor, y: Tensor) -> Tensor:
        return y[:, None].to(x_t.dtype).expand(x_t.shape).clone()

    x0, noise = torch.zeros(2, 2, dtype=torch.float64), torch.stack([numbers(1.0, 2.0), numbers(3.0, 4.0)])
    args = x0, torch.tensor([2, 4]), torch.tensor([0, 1]), noise, numbers(0.9, 0.5)
    got = code.cfg_loss(model, *args, 9, 0.0)
    why = "guesses 2 and 4 for the noise (1, 2) and (3, 4) are off by (1, 0) and (1, 0): the mean of the squares is 1/2"
    expect.close(got, numbers(0.5)[0], f"{why}; {MEAN}")
    got = code.cfg_loss(model, *args, 9, 1.0)
    why = "without labels the guesses are 9: off by (8, 7) and (6, 5), and the mean of the squares is 174 / 4"
    expect.close(got, numbers(43.5)[0], f"{why}; {MEAN}")


def test_cfg_loss_is_the_mean_squared_error_of_the_guessed_noise(code, rng):
    """With all labels or with none, the loss is the mean squared error of the guessed noise, in any shape and layout."""
    for number, case in enumerate(corners(rng)):
        y, null, p, model = labels(case, rng), NULLS[number % 3], float(number % 2), Told(noted=True)
        got = code.cfg_loss(model, case.x0, y, case.t, case.noise, case.alpha_bar, null, p, apart(number))
        expect.close(got, mse(case, told(y, null, p)).detach(), f"{KEPT[p]}; {MEAN}")


def test_cfg_loss_calls_the_model_once_with_noised_data_levels_and_labels(code, rng):
    """The model is called once, with the noised data, its levels, and what is left of its labels."""
    for number, case in enumerate(corners(rng)):
        y, null, p, model = labels(case, rng), NULLS[number % 3], float(number % 2), Told(noted=True)
        code.cfg_loss(model, case.x0, y, case.t, case.noise, case.alpha_bar, null, p, apart(number))
        once(model, case)
        expect.close(model.asked[0].y, told(y, null, p), KEPT[p])
        expect.close(model.asked[0].t, case.t, "the model is told the level of each sample, t itself")
        expect.close(model.asked[0].x_t, jump(case), NOISED)


def dropped(code, count: int, p: float, generator: Generator | None) -> Tensor:
    """Which of so many labels, of two kinds, the model was told as 9: there its error is 2, and elsewhere 1."""
    y, noise, shown = torch.arange(count) % 2, numbers(0.5)[:, None].expand(count, 1), []

    def model(x_t: Tensor, t: Tensor, y: Tensor) -> Tensor:
        shown.append(y)
        return noise + torch.where(y == 9, 2.0, -1.0).reshape(-1, 1)

    t = torch.zeros(len(y), dtype=torch.int64)
    got = code.cfg_loss(model, torch.zeros_like(noise), y, t, noise, numbers(0.5), 9, p, generator)
    expect.equal([len(rows) for rows in shown], [len(y)], ONE, of="samples in the batches that it got")
    expect.tensor(shown[0], "the model is told a label for each sample", shape=y.shape, dtype=torch.int64)
    want = torch.where(shown[0] == 9, 4.0, 1.0).double().mean()
    expect.close(got, want, f"a sample without its label is off by 2, one with it by 1, and all of them count; {MEAN}")
    return shown[0] == 9


def test_cfg_loss_drops_labels_at_the_rate_p(code, rng):
    """Of many samples a share of p goes without its label."""
    for p, generator in ((0.32, rng), (0.9, rng), (0.15, rng), (0.32, None)):
        at_rate(partial(dropped, code, p=p, generator=generator), p)


def test_cfg_loss_drops_each_label_independently(code, rng):
    """Each sample has a chance of its own to lose its label, in each call anew."""
    independent(partial(dropped, code, p=0.5, generator=rng))


def test_cfg_loss_takes_its_randomness_from_the_generator_alone(code, rng):
    """The same generator state drops the same labels, another one others."""
    from_generator(lambda generator: dropped(code, 64, 0.5, generator), rng)


def test_cfg_loss_lets_gradients_through_to_model_and_data(code, rng):
    """Gradients reach the model's parameters, the data and the noise, with labels and without."""
    case = cases.gradual(rng)
    y = labels(case, rng)
    for p in (0.0, 1.0):
        model = Told(noted=True)
        x0, noise = tracked(case.x0, case.noise)
        own = Case(x0, case.x_t, case.eps, noise, case.t, case.betas, case.alpha_bar)
        error = (noise - model.guess(jump(own), case.t, told(y, 5, p))).square().mean()
        want = torch.autograd.grad(error, (model.weight, model.bias, x0, noise))
        got = code.cfg_loss(model, x0, y, case.t, noise, case.alpha_bar, 5, p)
        expect.gradients(
            got,
            numbers(1.0)[0],
            f"the loss is differentiable in the model's parameters, in data and in noise; {MEAN}",
            weight=(model.weight, want[0]),
            bias=(model.bias, want[1]),
            x0=(x0, want[2]),
            noise=(noise, want[3]),
        )


def test_cfg_loss_keeps_the_dtype_its_arguments_and_the_model(code, rng):
    """The model works in the data's dtype, in training as in evaluation, and no argument is changed."""
    for case in cases.precisions(rng):
        y = labels(case, rng)
        for p in (0.0, 1.0):
            model = Told(noted=True).train(p == 0)
            got = expect.untouched(
                lambda *arguments, model=model, p=p: code.cfg_loss(model, *arguments, 5, p, apart(0)),
                KEEP, x0=case.x0, y=y, t=case.t, noise=case.noise, alpha_bar=case.alpha_bar,
            )  # fmt: skip
            want = mse(case.exactly(), told(y, 5, p)).detach().to(case.x0.dtype)
            expect.close(got, want, f"{KEEP}; {MEAN}", **SINGLE)
            expect.tensor(model.asked[0].x_t, "the model works in the data's dtype: x_t keeps it", dtype=case.x0.dtype)
            left_alone(model)


def test_cfg_loss_leaves_modes_and_gradients_to_the_caller(code, rng):
    """A loss computes and no more: the modes of its models and their gradients stay as they are."""
    model = Gain()
    x, noise = cases.normal((2, 3), rng), cases.normal((2, 3), rng)
    left_to_the_caller(
        lambda: code.cfg_loss(
            model, x, torch.tensor([0, 2]), torch.tensor([0, 1]), noise, torch.tensor([0.9, 0.5]).double(), 3, 0.5
        ),
        model,
    )
