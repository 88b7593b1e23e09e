"""The checks of guided_eps."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Generator, Tensor

from exercises.checks import cases, expect
from exercises.checks.callers import takes_any_model_in_half_precision
from exercises.checks.cases import numbers
from exercises.checks.s6_guidance.formulas import between
from exercises.checks.s6_guidance.inputs import NULLS, corners, labels, scales
from exercises.checks.s6_guidance.lines import (
    FLOATS,
    asked_for_both,
    asked_once,
    keeps_types,
    lets_gradients_through,
    of_any_size,
    point,
    rows,
    scaled_apart,
)
from exercises.checks.s6_guidance.models import Told
from exercises.checks.s6_guidance.worlds import labelled

LINE = "the guess is eps_null + scale (eps_y - eps_null): scale 0 is unconditional, 1 conditional"


def asking(code):
    """`guided_eps`, for checks that give a label for each sample in the place of null."""

    def ask(model: Told, x_t: Tensor, t: Tensor, y: Tensor, other: Tensor, scale: float | Tensor) -> Tensor:
        return code.guided_eps(model, x_t, t, y, int(other[0]), scale)

    return ask


def test_guided_eps_by_hand(code):
    """For guesses of 2 with the label and 1 without it, scales of 0, 1/2, 1 and 3 give 1, 3/2, 2 and 4."""

    def model(x_t: Tensor, t: Tensor, y: Tensor) -> Tensor:
        return torch.where(y == 7, 1.0, 2.0).to(x_t.dtype)[:, None].expand(x_t.shape).clone()

    x_t = torch.zeros(4, 2, dtype=torch.float64)
    args = x_t, torch.tensor([0, 1, 2, 3]), torch.tensor([3, 1, 4, 1]), 7
    got = code.guided_eps(model, *args, numbers(0.0, 0.5, 1.0, 3.0))
    why = "1 without the label and 2 with it: scales 0, 1/2, 1 and 3 stand at 1, 3/2, 2 and 4"
    expect.close(got, numbers(1.0, 1.5, 2.0, 4.0)[:, None].expand(4, 2), f"{why}; {LINE}")
    for scale, want in ((0.0, 1.0), (0.5, 1.5), (1.0, 2.0), (3.0, 4.0)):
        got = code.guided_eps(model, *args, scale)
        expect.close(got, torch.full_like(x_t, want), f"{why}; {LINE}")


@given(case=cases.batches(), scale=st.floats(-2, 10, width=32), seed=st.integers(0, 2**32 - 1))
def test_guided_eps_is_a_point_on_the_line_through_both_guesses(code, case, scale, seed):
    """It is the point at this scale on the line from the guess without a label to the guess with it."""
    generator = Generator().manual_seed(seed)
    y, null = labels(case, generator), NULLS[seed % 3]
    got = code.guided_eps(Told(), case.x_t, case.t, y, null, scale)
    expect.close(got, point(case, y, torch.full_like(y, null), scale), LINE)


def test_guided_eps_of_labelled_data_is_exact_at_0_and_1_and_linear_beyond(code, rng):
    """With the best model, scale 0 is the best guess without a label and scale 1 the one with it; others are on their line."""
    world = labelled(rng, 2)
    case = cases.make((5, 2), cases.schedule(6, rng, smallest=0.05), rng)
    y = labels(case, rng, classes=world.null)

    def model(x_t: Tensor, t: Tensor, y: Tensor) -> Tensor:
        return world.eps(x_t, t, y, case.alpha_bar)

    free, own = model(case.x_t, case.t, torch.full_like(y, world.null)), model(case.x_t, case.t, y)
    named = {0.0: "E[ε | x_t], whatever the label", 1.0: "E[ε | x_t, y]", 7.5: "on the line through both"}
    for scale, name in named.items():
        got = code.guided_eps(model, case.x_t, case.t, y, world.null, scale)
        expect.close(got, between(free, own, scale), f"at scale {scale:g} the guess is {name}; {LINE}")


def test_guided_eps_calls_the_model_once_with_each_label_and_with_null(code, rng):
    """The model is called once on a doubled batch: each sample with its label and with null."""
    for number, case in enumerate(corners(rng)):
        y, null = labels(case, rng), NULLS[number % 3]
        asked_once(asking(code), case, y, torch.full_like(y, null), 3.0, f"null, here {null},")
    case, unlabelled = cases.make((3, 2), cases.schedule(4, rng), rng), torch.full((3,), 5)
    asked_once(asking(code), case, unlabelled, unlabelled, 3.0, "null, which all labels are here,")


def test_guided_eps_asks_for_both_guesses_whatever_the_scale(code, rng):
    """Where the scale is 0 or 1, too, the model is called once, on a doubled batch."""
    y = torch.tensor([3, 0, 4])
    asked_for_both(asking(code), y, torch.full_like(y, 5), FLOATS, rng)


def test_guided_eps_asks_for_both_guesses_whatever_the_scales_of_the_samples(code, rng):
    """Where the scales of all samples are 0 or 1, too, the model is called once, on a doubled batch."""
    y = torch.tensor([3, 0, 4])
    asked_for_both(asking(code), y, torch.full_like(y, 5), rows(), rng)


def test_guided_eps_has_a_scale_for_each_sample(code, rng):
    """Each sample has its own scale, in any shape and layout."""
    for number, case in enumerate(corners(rng)):
        y, null = labels(case, rng), NULLS[number % 3]
        scaled_apart(asking(code), case, y, torch.full_like(y, null), scales(case, rng), LINE)


def test_guided_eps_of_a_sample_without_a_label_is_its_guess(code, rng):
    """Where a sample has no label both guesses are one, and every scale gives it."""
    case, y = cases.make((3, 2), cases.schedule(4, rng), rng), torch.tensor([5, 0, 5])
    scaled_apart(asking(code), case, y, torch.full_like(y, 5), numbers(0.0, 2.0, 3.0), LINE)


def test_guided_eps_takes_a_scale_of_any_size(code, rng):
    """The line has no end on either side: no scale is too large, or too small."""
    y = torch.tensor([3, 0, 4])
    of_any_size(asking(code), y, torch.full_like(y, 5), LINE, rng)


def test_guided_eps_keeps_the_dtype_its_arguments_and_the_model(code, rng):
    """The result has x_t's dtype, whatever the scale's, and neither arguments nor the model are changed."""
    case = cases.gradual(rng)
    y = labels(case, rng)
    keeps_types(asking(code), case, y, torch.full_like(y, 5), scales(case, rng), LINE)


def test_guided_eps_lets_gradients_through_both_guesses(code, rng):
    """Gradients reach x_t and the model's parameters, through the guess with the label and the one without it."""
    y = torch.tensor([3, 0, 4])
    lets_gradients_through(asking(code), y, torch.full_like(y, 5), rng)


def test_guided_eps_takes_any_callable_and_keeps_half_precision(code, rng):
    """A plain function will do for a model, and float16 stays float16."""
    x = cases.normal((2, 3), rng)
    takes_any_model_in_half_precision(
        lambda model, x: code.guided_eps(model, x, torch.tensor([0, 1]), torch.tensor([0, 2]), 3, 2.0), x
    )
