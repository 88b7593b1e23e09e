"""The checks of negative_guided_eps."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Generator, Tensor

from exercises.checks import cases, expect
from exercises.checks.callers import takes_any_model_in_half_precision
from exercises.checks.cases import Case, numbers
from exercises.checks.s6_guidance.inputs import corners, labels, laid_like, scales
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

LINE = "the guess is eps_negative + scale (eps_y - eps_negative): scale 0 is y_negative's, 1 is y's"


def unwanted(case: Case, rng: Generator) -> Tensor:
    """Negative labels, one a sample, none of them among `labels`."""
    return laid_like(6 + torch.randperm(len(case.x0), generator=rng), case.t)


def test_negative_guided_eps_by_hand(code):
    """For guesses of 2 with the label and other numbers with the negative ones, the scales stand where they should."""

    def model(x_t: Tensor, t: Tensor, y: Tensor) -> Tensor:
        return y.to(x_t.dtype)[:, None].expand(x_t.shape).clone()

    x_t = torch.zeros(4, 2, dtype=torch.float64)
    args = x_t, torch.tensor([0, 1, 2, 3]), torch.tensor([2, 2, 2, 2]), torch.tensor([1, 3, 5, 0])
    got = code.negative_guided_eps(model, *args, numbers(0.0, 0.5, 1.0, 3.0))
    why = "2 with the label, and 1, 3, 5, 0 with the negative ones: scales 0, 1/2, 1 and 3 stand at 1, 5/2, 2 and 6"
    expect.close(got, numbers(1.0, 2.5, 2.0, 6.0)[:, None].expand(4, 2), f"{why}; {LINE}")
    got = code.negative_guided_eps(model, *args, 3.0)
    why = "2 with the label, and 1, 3, 5, 0 with the negative ones: scale 3 stands at 4, 0, -4 and 6"
    expect.close(got, numbers(4.0, 0.0, -4.0, 6.0)[:, None].expand(4, 2), f"{why}; {LINE}")


@given(case=cases.batches(), scale=st.floats(-2, 10, width=32), seed=st.integers(0, 2**32 - 1))
def test_negative_guided_eps_is_a_point_on_the_line_through_both_guesses(code, case, scale, seed):
    """It is the point at this scale on the line from y_negative's guess to y's."""
    generator = Generator().manual_seed(seed)
    y, other = labels(case, generator), unwanted(case, generator)
    got = code.negative_guided_eps(Told(), case.x_t, case.t, y, other, scale)
    expect.close(got, point(case, y, other, scale), LINE)


def test_negative_guided_eps_calls_the_model_once_with_both_labels(code, rng):
    """The model is called once on a doubled batch: each sample with its label and with its negative one."""
    for case in corners(rng):
        y, other = labels(case, rng), unwanted(case, rng)
        asked_once(code.negative_guided_eps, case, y, other, 3.0, "the negative label of each sample")
    case, y = cases.make((3, 2), cases.schedule(4, rng), rng), torch.tensor([3, 0, 4])
    asked_once(code.negative_guided_eps, case, y, y.clone(), 3.0, "the negative label, which is its own here,")


def test_negative_guided_eps_asks_for_both_guesses_whatever_the_scale(code, rng):
    """Where the scale is 0 or 1, too, the model is called once, on a doubled batch."""
    y = torch.tensor([3, 0, 4])
    asked_for_both(code.negative_guided_eps, y, torch.tensor([1, 6, 2]), FLOATS, rng)


def test_negative_guided_eps_asks_for_both_guesses_whatever_the_scales_of_the_samples(code, rng):
    """Where the scales of all samples are 0 or 1, too, the model is called once, on a doubled batch."""
    y = torch.tensor([3, 0, 4])
    asked_for_both(code.negative_guided_eps, y, torch.tensor([1, 6, 2]), rows(), rng)


def test_negative_guided_eps_has_a_scale_for_each_sample(code, rng):
    """Each sample has its own scale, in any shape and layout."""
    for case in corners(rng):
        scaled_apart(code.negative_guided_eps, case, labels(case, rng), unwanted(case, rng), scales(case, rng), LINE)


def test_negative_guided_eps_of_a_label_against_itself_is_its_guess(code, rng):
    """Where a sample's negative label is its own, too, both guesses are one, and every scale gives it."""
    case, y = cases.make((3, 2), cases.schedule(4, rng), rng), torch.tensor([3, 0, 4])
    scaled_apart(code.negative_guided_eps, case, y, torch.tensor([3, 1, 4]), numbers(0.0, 2.0, 3.0), LINE)


def test_negative_guided_eps_takes_a_scale_of_any_size(code, rng):
    """The line has no end on either side: no scale is too large, or too small."""
    y = torch.tensor([3, 0, 4])
    of_any_size(code.negative_guided_eps, y, torch.tensor([1, 6, 2]), LINE, rng)


def test_negative_guided_eps_keeps_the_dtype_its_arguments_and_the_model(code, rng):
    """The result has x_t's dtype, whatever the scale's, and neither arguments nor the model are changed."""
    case = cases.gradual(rng)
    keeps_types(code.negative_guided_eps, case, labels(case, rng), unwanted(case, rng), scales(case, rng), LINE)


def test_negative_guided_eps_lets_gradients_through_both_guesses(code, rng):
    """Gradients reach x_t and the model's parameters, through both guesses."""
    lets_gradients_through(code.negative_guided_eps, torch.tensor([3, 0, 4]), torch.tensor([1, 6, 2]), rng)


def test_negative_guided_eps_takes_any_callable_and_keeps_half_precision(code, rng):
    """A plain function will do for a model, and float16 stays float16."""
    x = cases.normal((2, 3), rng)
    takes_any_model_in_half_precision(
        lambda model, x: code.negative_guided_eps(
            model, x, torch.tensor([0, 1]), torch.tensor([0, 2]), torch.tensor([1, 1]), 2.0
        ),
        x,
    )
