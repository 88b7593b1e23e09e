"""The checks of drop_labels."""

from functools import partial

import torch
from torch import Generator, Tensor

from exercises.checks import expect
from exercises.checks.rules import KEEP
from exercises.checks.s6_guidance.drops import at_rate, from_generator, independent
from exercises.checks.s6_guidance.inputs import NULLS


def mixed(count: int) -> Tensor:
    """Labels 0 to 4, and none of them what `NULLS` has."""
    return torch.arange(count) * 3 % 5


def dropped(code, count: int, p: float, generator: Generator | None) -> Tensor:
    """Which of so many labels, of two kinds, became 5."""
    got = code.drop_labels(torch.arange(count) % 2, 5, p, generator)
    expect.tensor(got, "labels stay int64, one a sample", shape=(count,), dtype=torch.int64)
    return got == 5


def test_drop_labels_drops_none_at_0_and_all_at_1(code, rng):
    """At p = 0 every label stays, and at p = 1 every label becomes null, whatever number null is."""
    for null in NULLS:
        y = torch.tensor([3, 0, 4, 1, 4, 0, 2])
        got = expect.untouched(lambda y, null=null: code.drop_labels(y, null, 0.0, rng), KEEP, y=y)
        expect.close(got, y, "with probability 0 no label is dropped")
        got = expect.untouched(lambda y, null=null: code.drop_labels(y, null, 1.0, rng), KEEP, y=y)
        expect.close(got, torch.full_like(y, null), f"with probability 1 every label becomes null, here {null}")
    got = code.drop_labels(torch.arange(4000) % 5, 7, 1.0, rng)
    expect.close(got, torch.full((4000,), 7), "with probability 1 every label becomes null, of thousands too")
    got = code.drop_labels(torch.tensor([2]), 7, 1.0)
    expect.close(got, torch.tensor([7]), "a batch may have one sample, and a generator need not be given")


def test_drop_labels_changes_a_label_to_null_or_leaves_it(code, rng):
    """Each label is what it was, or null; the labels that came in are not changed."""
    for null in NULLS:
        y = mixed(300)
        got = expect.untouched(lambda y, null=null: code.drop_labels(y, null, 0.5, rng), KEEP, y=y)
        expect.tensor(got, "labels stay int64, one a sample", shape=(300,), dtype=torch.int64)
        strange = sorted(set(got[(got != y) & (got != null)].tolist()))
        why = f"each label stays or becomes null, here {null}, and nothing else"
        expect.holds(not strange, why, got=strange, want="none of these")


def test_drop_labels_answers_with_a_tensor_of_its_own(code, rng):
    """A new tensor comes back, also where no label is dropped."""
    for p in (0.0, 0.5):
        y = mixed(30)
        got = code.drop_labels(y, 5, p, rng)
        why = "the answer is a tensor of its own, so that writing into it leaves the caller's labels as they are"
        expect.holds(got is not y, why, got="the tensor that was given", want="a new one")


def test_drop_labels_drops_at_the_rate_p(code, rng):
    """Of many labels a share of p is dropped."""
    for p, generator in ((0.32, rng), (0.9, rng), (0.15, rng), (0.32, None)):
        at_rate(partial(dropped, code, p=p, generator=generator), p)


def test_drop_labels_drops_each_label_independently(code, rng):
    """Each label has a chance of its own, in each call anew."""
    independent(partial(dropped, code, p=0.5, generator=rng))


def test_drop_labels_takes_its_randomness_from_the_generator_alone(code, rng):
    """The same generator state drops the same labels, another one others."""
    from_generator(lambda generator: dropped(code, 64, 0.5, generator), rng)
