"""What the checks of guided functions ask about the calls of the model."""

import torch
from torch import Tensor

from exercises.checks import expect
from exercises.checks.s6_guidance.models import Asked, Told
from exercises.checks.s6_guidance.rules import BOTH, DOUBLED, TOLD


def doubled(model: Told, calls: int, count: int, why: str = DOUBLED) -> list[Asked]:
    """The calls of the model: so many, each of 2 * count samples with a level and a label of their own."""
    sizes = [len(call.x_t) for call in model.asked]
    expect.equal(sizes, [2 * count] * calls, why, of="samples in the batches that it got")
    for call in model.asked:
        for name, value in (("t", call.t), ("y", call.y)):
            expect.tensor(value, f"{TOLD}: this is {name}", shape=(2 * count,), dtype=torch.int64)
    return model.asked


def asks_both(call: Asked, x_t: Tensor, t: Tensor, y: Tensor, y_other: Tensor, other: str, **tolerance: float) -> None:
    """The call has each sample twice: with its label and with the other one, in any order."""
    expect.tensor(
        call.x_t, "the model sees x_t in its own dtype", shape=(2 * len(x_t), *x_t.shape[1:]), dtype=x_t.dtype
    )
    want = torch.cat([y, y_other]).sort().values
    expect.close(call.y.sort().values, want, BOTH.format(other=other) + " (all the labels it was asked about, sorted)")
    pairs = [Asked(x_t, t, label, False).rows for label in (y, y_other)]
    rows = torch.tensor(sorted(torch.cat(pairs).tolist()), dtype=torch.float64)
    expect.close(call.rows, rows, TOLD + " (a row for each: t, y and the sample, sorted)", **tolerance)
