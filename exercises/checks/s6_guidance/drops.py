"""What the checks of both functions that drop labels ask of the drops."""

import math
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Generator, Tensor

from exercises.checks import chance, expect
from exercises.checks.chance import LOG

INDEPENDENT = "each label is dropped with probability p, independently of the others and of other calls"


def at_rate(draw: Callable[[int], Tensor], p: float) -> None:
    """In 16 rows of 512 such a share is dropped as chance allows: p ± √(log(2 / 1e-10) / 2n), Hoeffding's inequality.

    No row is dropped whole or not at all, which for p from 0.1 to 0.9 happens less than once in 2e22 runs.
    """
    shares = [draw(512).double().mean().item() for _ in range(16)]
    whole = sorted({share for share in shares if share in (0.0, 1.0)})
    why = f"{INDEPENDENT}: of 512 labels some are, and some are not (the shares of calls that dropped all or none)"
    expect.holds(
        not whole,
        why,
        got=whole,
        want=f"shares near {p:g}",
        told=f"calls that dropped a share of {' and '.join(map(str, whole))}",
    )
    n, share = 16 * 512, sum(shares) / 16
    bound = math.sqrt(LOG / (2 * n))
    why = f"{INDEPENDENT}: of {n} labels a share of {p:g} ± {bound:.2g}"
    expect.holds(
        abs(share - p) <= bound,
        why,
        got=round(share, 1),
        want=f"a share of {p:g}",
        told=f"a share of {share:.3f} dropped",
    )


def independent(draw: Callable[[int], Tensor]) -> None:
    """Drops at p = 1/2 are independent. `draw(count)` gives a new row of so many.

    Of 48 rows of 64 no two are alike, nor two columns, no row has a share below 0.05 or above 0.95, and no column is all
    or nothing: 1128 pairs agree with a chance of 2^-64 each, 2016 with one of 2^-48, 48 rows are so far off with one of
    5e-15, 64 columns with one of 2^-47, together once in 1e11 runs; that the rows' numbers of drops lie within 1 has one of 1e-33. Of 24 rows of 512 each has a share of 1/2 ± 0.15
    (Hoeffding), and not all have the same number: by chance less than once in (1 / 0.035)^23 = 1e33 runs.
    """
    rows = torch.stack([draw(64) for _ in range(48)])
    shares = sorted({round(float(row.double().mean()), 1) for row in rows})
    why = f"{INDEPENDENT}: of 64 labels some are, and some are not (the shares of single calls)"
    expect.holds(not {0.0, 1.0} & set(shares), why, got=shares, want="shares near 0.5")
    counts = rows.sum(dim=1)
    even = int(counts.max() - counts.min()) <= 1 and len(rows.unique(dim=0)) > 1
    why = f"{INDEPENDENT}: how many of 64 are dropped is a matter of chance, too"
    got = (
        "neighbours dropped together, as many in each call"
        if _neighbours(rows)
        else "as many labels dropped in each call"
    )
    expect.holds(not even, why, got=got, want="now more, now less than 32 of 64")
    same = "the first labels dropped in two calls" if _of_a_piece(rows[0]) else "the same labels dropped in two calls"
    _all_unlike(rows, f"{INDEPENDENT}: each call draws afresh", same)
    sure = [place for place in range(64) if int(rows[:, place].sum()) in (0, 48)]
    why = f"{INDEPENDENT}: no place of the batch is dropped in each of 48 calls, or in none"
    expect.holds(not sure, why, got=sure, want="no such place")
    _all_unlike(rows.T, f"{INDEPENDENT}: each label has a chance of its own", "two labels always dropped together")
    counts = [int(draw(512).sum()) for _ in range(24)]
    bound = 512 * math.sqrt(LOG / (2 * 512))
    why = f"{INDEPENDENT}: of 512 labels about half are, at p = 1/2, in each call"
    found = sorted({round(count / 512, 1) for count in counts})
    expect.holds(all(abs(count - 256) <= bound for count in counts), why, got=found, want="shares near 0.5")
    why = f"{INDEPENDENT}: how many are dropped is a matter of chance, too"
    expect.holds(len(set(counts)) > 1, why, got=[counts[0]] * 24, want="now more, now less than 256 of 512")


def _of_a_piece(row: Tensor) -> bool:
    """Whether all that is dropped comes before all that stays."""
    return bool((row.long().diff() <= 0).all())


def _neighbours(rows: Tensor) -> bool:
    """Whether in each row, its ends put together, what is dropped lies side by side."""
    return bool(((rows != rows.roll(1, dims=1)).sum(dim=1) <= 2).all())


def _all_unlike(rows: Tensor, why: str, got: str) -> None:
    ordered = sorted(row.tolist() for row in rows)
    alike = any(one == other for one, other in pairwise(ordered))
    expect.holds(not alike, why, got=got, want="all unlike")


def from_generator(draw: Callable[[Generator | None], Tensor], rng: Generator) -> None:
    """Drops depend on the generator's state, and on nothing else. `draw` gives at least 64 at p = 1/2.

    Two independent rows of 64 agree once in 2e19 runs.
    """
    chance.repeated(lambda generator: draw(generator).double(), rng, "choice of labels")
