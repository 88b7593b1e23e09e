"""What the checks of both guided guesses ask: one call that answers twice, and a point on the line through both answers."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from exercises.checks import cases, expect
from exercises.checks.cases import Case, numbers, tracked
from exercises.checks.describe import describe
from exercises.checks.expect import left_alone
from exercises.checks.rules import KEEP, SINGLE
from exercises.checks.s6_guidance.asked import asks_both, doubled
from exercises.checks.s6_guidance.formulas import between
from exercises.checks.s6_guidance.models import Told
from exercises.checks.s6_guidance.rules import ANY, APART, DOUBLED, FLOW

Ask = Callable[[Told, Tensor, Tensor, Tensor, Tensor, float | Tensor], Tensor]
"""The code under test: (model, x_t, t, y, the other labels, scale) to a guess."""


def point(case: Case, y: Tensor, other: Tensor, scale: float | Tensor) -> Tensor:
    """The guess of `Told` at this scale."""
    model = Told()
    with torch.no_grad():
        return between(model.guess(case.x_t, case.t, other), model.guess(case.x_t, case.t, y), scale)


def asked_once(ask: Ask, case: Case, y: Tensor, other: Tensor, scale: float | Tensor, name: str) -> None:
    """One call with both labels of each sample."""
    model = Told()
    ask(model, case.x_t, case.t, y, other, scale)
    (call,) = doubled(model, 1, len(y))
    asks_both(call, case.x_t, case.t, y, other, name)


FLOATS = (1.0, 0.0, -1.0, 0.5)
"""Scales at which one of the guesses has no effect, and others; for all samples."""


def rows() -> tuple[Tensor, Tensor]:
    """Scales at which one of the guesses has no effect, for each of three samples."""
    return numbers(1.0, 1.0, 1.0), numbers(0.0, 0.0, 0.0)


def asked_for_both(ask: Ask, y: Tensor, other: Tensor, scales: Sequence[float | Tensor], rng: torch.Generator) -> None:
    """At each scale there is one call on a doubled batch."""
    case, sizes = cases.make((3, 2), cases.schedule(4, rng), rng), []
    for scale in scales:
        model = Told()
        ask(model, case.x_t, case.t, y, other, scale)
        sizes.append([len(call.x_t) for call in model.asked])
    text = ", ".join(f"{size} at {describe(scale)}" for size, scale in zip(sizes, scales, strict=True))
    why = f"{DOUBLED} (batches of {text})"
    expect.holds(
        all(size == [6] for size in sizes),
        why,
        got=sizes,
        want="a batch of 6 for 3 samples, at each scale",
        told=f"batches of {text}",
    )


def scaled_apart(ask: Ask, case: Case, y: Tensor, other: Tensor, own: Tensor, line: str) -> None:
    """A scale for each sample, and one for all."""
    for scale in (own, 2.5):
        got = ask(Told(), case.x_t, case.t, y, other, scale)
        expect.close(got, point(case, y, other, scale), f"{APART}; {line}")


def of_any_size(ask: Ask, y: Tensor, other: Tensor, line: str, rng: torch.Generator) -> None:
    """Far beyond both guesses, on either side: one scale for all, and one for each of three samples."""
    case = cases.make((3, 2), cases.schedule(4, rng), rng)
    for scale in (20.0, -5.0, numbers(20.0, -5.0, 0.25)):
        got = ask(Told(), case.x_t, case.t, y, other, scale)
        expect.close(got, point(case, y, other, scale), f"{ANY}; {line}")


def keeps_types(ask: Ask, case: Case, y: Tensor, other: Tensor, scale: Tensor, line: str) -> None:
    """The model and the result have x_t's dtype, whatever the scale's; no argument is changed, nor the model."""
    for dtype in (torch.float32, torch.float64):
        for precision in (torch.float32, torch.float64):
            model, exact = Told().train(dtype == precision), scale.to(precision)
            got = expect.untouched(
                lambda *arguments, model=model: ask(model, *arguments),
                KEEP, x_t=case.x_t.to(dtype), t=case.t, y=y, other=other, scale=exact,
            )  # fmt: skip
            want = point(case.cast(dtype, dtype).exactly(), y, other, exact.double()).to(dtype)
            expect.close(got, want, f"{KEEP}; {line}", **SINGLE)
            why = "the model works in x_t's dtype"
            expect.holds(
                all(call.x_t.dtype == dtype for call in model.asked), why, got="another dtype", want=str(dtype)
            )
            left_alone(model)


def lets_gradients_through(ask: Ask, y: Tensor, other: Tensor, rng: torch.Generator) -> None:
    """Gradients reach x_t and the parameters through both answers."""
    case, model = cases.gradual(rng), Told()
    (x_t,) = tracked(case.x_t)
    line = between(model.guess(x_t, case.t, other), model.guess(x_t, case.t, y), 2.5)
    want = torch.autograd.grad(line, (x_t, model.weight, model.bias), case.x0)
    got = ask(model, x_t, case.t, y, other, 2.5)
    expect.gradients(
        got,
        case.x0,
        FLOW,
        x_t=(x_t, want[0]),
        weight=(model.weight, want[1]),
        bias=(model.bias, want[2]),
    )
