"""Statistical checks that reject correct code less than once in 1e9 runs: each bound is a theorem, not a habit.

A bound alone fails once in 1e10 runs, so that a check can hold numbers against several. And `repeated`: chance that is none,
for it hangs on the generator alone.
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Generator, Tensor

from exercises.checks import expect
from exercises.checks.expect import Mismatch
from exercises.checks.rules import DRAWN

ALARM = 1e-10
"""How often one bound, two-sided, may reject correct code."""
LOG = math.log(2 / ALARM)


def standard_normal(z: Tensor, why: str, axes: Sequence[str] = (), *, of: str, rows: Sequence[str] = ()) -> None:
    """Every element of `z` is an independent draw from N(0, 1).

    Looks at the mean, the variance, the shares within one standard deviation and beyond two, and for each axis at the sums
    along it: numbers that repeat, or that cancel, along an axis give it away.

    Args:
        z: the numbers.
        why: the reason that teaches.
        axes: what the first axes of z are, in words; sums are taken along these.
        of: what z is, in words: a message about its variance begins with it.
        rows: what the parts of z along its first axis are called, if few: the message has the number of each.
    """
    for axis, name in enumerate(axes):  # first, for what repeats spoils the other bounds
        if float(z.square().mean()) < 3 and _spread(z - z.mean(), axis) > 3 * float(z.var()):
            text = f"numbers that repeat along the {name}"
            raise Mismatch(why, text, f"{of}: {text}", f"other numbers along the {name}")

    def inside(part: Tensor) -> float:
        return (part.abs() < 1).double().mean().item()

    def mean_square(part: Tensor) -> float:
        return part.square().mean().item()

    def each(measure: Callable[[Tensor], float]) -> str:
        parts = [f"{row}: {measure(part):.3g}" for row, part in zip(rows, z, strict=bool(rows))]
        return f" ({', '.join(parts)})" if parts else ""

    n = z.numel()
    bound = math.sqrt(2 * LOG / n)  # the mean is N(0, 1/n), and P(|N(0, 1)| > s) < 2 exp(-s²/2)
    mean = z.mean().item()
    _within(mean, -bound, bound, "mean", why, of, each(lambda part: part.mean().item()))
    _chi_square(mean_square(z), n, "variance", why, of, each(mean_square))
    share = math.erf(math.sqrt(0.5))
    bound = math.sqrt(LOG / (2 * n))  # Hoeffding's inequality
    name = "share of values within one standard deviation"
    _within(inside(z), share - bound, share + bound, name, why, of, each(inside))
    for axis, name in enumerate(axes):
        over = f"variance of √n times the mean over the {name}"
        _chi_square(_spread(z, axis), n // z.shape[axis], over, why, of)
    _share((z.abs() > 2).double().mean().item(), math.erfc(math.sqrt(2)), n, "share of values beyond two standard deviations", why, of)  # fmt: skip


def _spread(z: Tensor, axis: int) -> float:
    """The mean square of √n times the mean along an axis of length n."""
    return float(z.sum(axis).square().mean()) / z.shape[axis]


def uniform(values: Tensor, count: int, why: str, *, of: str) -> None:
    """`values`, which are `of` something, holds each of 0 .. count-1 equally often, up to chance."""
    n = values.numel()
    bound = math.sqrt(math.log(2 * count / ALARM) / (2 * n))  # Hoeffding's inequality for each of the count values
    for value in range(count):
        share = (values == value).double().mean().item()
        low = max(1 / count - bound, 0.5 / n)  # at the least it occurs
        _within(share, low, 1 / count + bound, f"share of {value}", why, of)


def _chi_square(mean_square: float, n: int, name: str, why: str, of: str, each: str = "") -> None:
    """The mean of n squared normals lies in 1 - 2√(x/n) .. 1 + 2√(x/n) + 2x/n but for exp(-x) on either side.

    (Laurent & Massart, Annals of Statistics 28, 2000, lemma 1.)
    """
    spread = 2 * math.sqrt(LOG / n)
    _within(mean_square, 1 - spread, 1 + spread + 2 * LOG / n, name, why, of, each)


def _share(found: float, p: float, n: int, name: str, why: str, of: str) -> None:
    """Of n independent numbers a share of p has a property: n KL(found || p) > x but for 2 exp(-x).

    (Chernoff's bound, as in Hoeffding, Journal of the American Statistical Association 58, 1963, theorem 1.)
    """

    def far(share: float) -> bool:
        parts = ((share, p), (1 - share, 1 - p))
        return n * sum(one * math.log(one / other) for one, other in parts if one > 0) > LOG

    def last(toward: float) -> float:
        """The last share on the way from p to an end that is not too far."""
        near, end = p, toward
        if not far(end):
            return end
        for _ in range(50):
            middle = (near + end) / 2
            near, end = (near, middle) if far(middle) else (middle, end)
        return near

    _within(found, last(0.0), last(1.0), name, why, of)


def _within(value: float, low: float, high: float, name: str, why: str, of: str, each: str = "") -> None:
    if not low <= value <= high:
        rounded = float(f"{value:.0e}")  # one digit: the same mistake with other random numbers gives the same
        raise Mismatch(why, [name, rounded], f"{of}: {name} {value:.3g}{each}", f"between {low:.3g} and {high:.3g}")


def repeated(
    draw: Callable[[Generator | None], Tensor], rng: Generator, what: str, because: str = f": {DRAWN}"
) -> None:
    """The same generator state gives the same result, and another gives another: all randomness comes from it.

    Without a generator each result is another.

    Args:
        draw: what is drawn with a generator, or without.
        rng: the check's own, from which the state is drawn.
        what: what is drawn, in words.
        because: what is said beside the rule.
    """
    seed = int(torch.randint(2**31, (), generator=rng))

    def run(seed: int, skipped: int = 0) -> Tensor:
        generator = Generator().manual_seed(seed)
        torch.rand(skipped, generator=generator)
        return draw(generator)

    first = run(seed)
    why = f"the same generator state gives the same {what}{because}"
    expect.holds(torch.allclose(run(seed), first), why, got=f"another {what}", want=f"the same {what}")
    for other in (run(seed + 1), run(seed, skipped=1)):
        why = f"another generator state gives another {what}"
        alike = f"the same {what} whatever the generator state"
        expect.holds(not torch.equal(other, first), why, got=alike, want=f"another {what}")
    afresh(draw, what)


def afresh(draw: Callable[[None], Tensor], what: str) -> None:
    """Without a generator, two results differ."""
    once, again = draw(None), draw(None)
    why = f"without a generator each {what} is drawn afresh: a seed of its own, always the same, would give one again and again"
    expect.holds(not torch.equal(once, again), why, got=f"the same {what} twice", want=f"another {what}")


def nothing_drawn(call: Callable[[], Tensor], given: str) -> None:
    """Two calls with the same arguments give the same result: of randomness there is what is given, and no other."""
    first, second = call(), call()
    if not (isinstance(first, Tensor) and isinstance(second, Tensor) and first.shape == second.shape):
        return  # no numbers to compare: other checks tell
    alike = torch.allclose(first.detach(), second.detach(), rtol=1e-4, atol=1e-4, equal_nan=True)
    why = f"randomness comes in by {given} alone: the same arguments give the same result"
    expect.holds(alike, why, got="another result from the same arguments", want="the same result")
