"""The checks of ot_pairing."""

import itertools

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from exercises.checks import cases, expect
from exercises.checks.cases import numbers, tracked
from exercises.checks.expect import Mismatch
from exercises.checks.s5_flow_matching import batches
from exercises.checks.s5_flow_matching.rules import FLOW, KEEP

NEAREST = "of all ways to hand out the data, each sample once, the one with the least Σ |noise_i - data_i|²"
ONCE = "every data sample is given away once: the result is data in another order"


def squares(noise: Tensor, data: Tensor) -> Tensor:
    """(B, B) squared distances, over all axes of a sample."""
    return (noise.double().flatten(1)[:, None] - data.double().flatten(1)[None]).square().sum(2)


def ordered(rows: Tensor) -> list[list[float]]:
    return sorted(rows.detach().flatten(1).tolist())


def paired(got, noise: Tensor, data: Tensor, least: float) -> None:
    """`got` is the data in an order of total squared distance `least`, whichever."""
    expect.tensor(got, KEEP, shape=data.shape, dtype=data.dtype, device=data.device)
    expect.finite(got, KEEP)
    found = got.detach()
    if ordered(found) != ordered(data):
        raise Mismatch(ONCE, found, *_rows(found, data))
    total = float((noise.double() - found.double()).square().sum())
    if total > least * (1 + 1e-6) + 1e-9:
        raise Mismatch(NEAREST, found, f"a pairing of total squared distance {total:.6g}", f"one of {least:.6g}")


def _rows(found: Tensor, data: Tensor) -> tuple[str, str]:
    """What came back instead of data in another order."""
    given = {tuple(row) for row in ordered(data)}
    new = sum(tuple(row) not in given for row in ordered(found))
    if new:
        return f"{new} samples that are none of data's", "data's samples, as they are"
    return f"{len({tuple(row) for row in ordered(found)})} different samples of {len(data)}", "each sample once"


def best(noise: Tensor, data: Tensor) -> float:
    """The least total, by trying every order."""
    cost = squares(noise, data)
    rows = range(len(data))
    return min(float(sum(cost[i, p[i]] for i in rows)) for p in itertools.permutations(rows))


def test_ot_pairing_by_hand(code):
    """On a line the best pairing is the sorted one: 0, 1, 2 go with 0.1, 1.1, 2.1."""
    got = code.ot_pairing(numbers(0.0, 1.0, 2.0)[:, None], numbers(2.1, 0.1, 1.1)[:, None])
    expect.close(got, numbers(0.1, 1.1, 2.1)[:, None], f"each noise gets its neighbour; {NEAREST}")
    got = code.ot_pairing(numbers(2.0, 0.0, 1.0)[:, None], numbers(0.1, 1.1, 2.1)[:, None])
    expect.close(got, numbers(2.1, 0.1, 1.1)[:, None], f"noise stays where it is and data is reordered; {NEAREST}")


def test_ot_pairing_sees_small_distances_far_from_the_origin(code):
    """Around 40960 half precision counts in steps of 32: 0, 1, 2 and 2.1, 0.1, 1.1 beyond it are told apart all the same."""
    noise, data = 40960 + numbers(0.0, 1.0, 2.0)[:, None], 40960 + numbers(2.1, 0.1, 1.1)[:, None]
    got = code.ot_pairing(noise, data)
    expect.close(got, data[[1, 2, 0]], f"distances are those of the samples as they are, wherever they lie; {NEAREST}")


def test_ot_pairing_squares_the_distance_and_gives_nobody_the_nearest_first(code):
    """0 and 3 with 2.9 and 4.5: the greedy choice, and that of plain distances, are not the best."""
    noise, data = numbers(3.0, 0.0)[:, None], numbers(2.9, 4.5)[:, None]
    got = code.ot_pairing(noise, data)
    why = f"(3 - 4.5)² + 2.9² = 10.66, but the nearest first, (3 - 2.9)² + 4.5², is 20.26; {NEAREST}"
    expect.close(got, numbers(4.5, 2.9)[:, None], why)
    noise, data = (
        torch.stack([numbers(0.0, 0.0), numbers(3.0, 0.0)]),
        torch.stack([numbers(3.0, 0.0), numbers(5.0, 2.0)]),
    )
    got = code.ot_pairing(noise, data)
    expect.close(
        got, data, f"9 + 8 = 17, the other way round 0 + 29 = 29, though 0 + 5.4 is less than 3 + 2.8; {NEAREST}"
    )


def test_ot_pairing_is_the_best_of_all_orders(code, rng):
    """Vectors, images and videos, up to five samples: every order is tried."""
    for shape in ((1, 3), (2, 2), (4, 2), (5, 3), (4, 2, 3), (3, 2, 1, 2), (4, 1, 2, 2, 2)):
        noise, data = cases.normal(shape, rng), 2 * cases.normal(shape, rng) + 0.5
        paired(code.ot_pairing(noise, data), noise, data, best(noise, data))


def test_ot_pairing_agrees_with_the_assignment_that_scipy_finds(code, rng):
    """Forty samples of far data: as near as the exact solver's."""
    for dtype in (torch.float64, torch.float32):
        noise, data = cases.normal((40, 2), rng).to(dtype), (3 * cases.normal((40, 2), rng) + 4).to(dtype)
        cost = squares(noise, data)
        rows, columns = linear_sum_assignment(cost.numpy())
        paired(code.ot_pairing(noise, data), noise, data, float(cost[rows, columns].sum()))


def test_ot_pairing_takes_any_of_the_best_where_several_are_equally_good(code):
    """Ties: equal samples, and a square whose corners are all equally far."""
    noise = torch.stack([numbers(1.0, 0.0), numbers(-1.0, 0.0), numbers(0.0, 0.0)])
    data = torch.stack([numbers(0.0, 1.0), numbers(0.0, -1.0), numbers(0.0, 1.0)])
    paired(code.ot_pairing(noise, data), noise, data, best(noise, data))
    paired(code.ot_pairing(data, data), data, data, 0.0)


def test_ot_pairing_keeps_the_dtype_and_its_arguments(code, rng):
    """float32 stays float32, data's numbers come back to the last digit, and nothing is changed in place."""
    for batch in batches.precisions(rng):
        got = expect.untouched(code.ot_pairing, KEEP, noise=batch.noise, data=batch.data)
        paired(got, batch.noise, batch.data, best(batch.noise, batch.data))


def test_ot_pairing_lets_gradients_through_to_data(code, rng):
    """The result is data, reordered: its gradient reaches data in the old order, also where noise takes gradients."""
    pull = cases.normal((3, 1), rng)
    for noise in (numbers(0.0, 1.0, 2.0)[:, None], *tracked(numbers(0.0, 1.0, 2.0)[:, None])):
        (data,) = tracked(numbers(2.1, 0.1, 1.1)[:, None])
        got = code.ot_pairing(noise, data)
        expect.gradients(got, pull, FLOW, data=(data, pull[[2, 0, 1]]))
