"""The checks of reflow_pairs."""

import torch

from exercises.checks import cases, expect
from exercises.checks.cases import numbers
from exercises.checks.s5_flow_matching import batches, pairs
from exercises.checks.s5_flow_matching.models import Model, asked, undisturbed
from exercises.checks.s5_flow_matching.rules import ENDS, GRID, KEEP
from exercises.checks.s5_flow_matching.worlds import Ends

PAIR = "a pair (noise, data_hat), both of noise's shape: the noise that was given, and where Euler's steps carry it"
TIMES = "data_hat is euler_sample's: its steps begin at i / steps, i = 0 ... steps-1, at noise"


def split(got, noise: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    first, second = pairs.pair(got, PAIR)
    expect.close(first, noise, f"the first of the pair is the noise that was given, sample for sample; {PAIR}")
    expect.tensor(second, PAIR, shape=noise.shape, dtype=noise.dtype, device=noise.device)
    return first, second


def test_reflow_pairs_by_hand(code):
    """Two steps along v = x + t from 1 end at 2.5, from -1 at -2."""
    noise = numbers(1.0, -1.0)[None]
    _, data_hat = split(code.reflow_pairs(lambda x, t: x + batches.column(t, x), noise, 2), noise)
    why = "1 + (1 + 0) / 2 = 1.5, then 1.5 + (1.5 + 0.5) / 2 = 2.5; " + PAIR
    expect.close(data_hat, numbers(2.5, -2.0)[None], why, **GRID)


def test_reflow_pairs_stay_together_though_others_are_nearer(code):
    """A flow that carries 1 to -1 and -1 to 1: each noise keeps the end of its own path."""
    noise = numbers(1.0, -1.0, 0.5)[:, None]
    _, data_hat = split(code.reflow_pairs(lambda x, t: -2 * noise, noise, 2), noise)
    why = "the partner of a noise is where the flow carries it, far as that may be; no pairing is chosen here"
    expect.close(data_hat, -noise, why, **GRID)


def test_reflow_pairs_walks_from_the_given_noise_by_euler(code, rng):
    """Each sample keeps its own partner, for any shape and number of steps."""
    for shape, steps in (((4, 3), 1), ((3, 2), 4), ((1, 2, 3), 3), ((2, 3, 2, 4), 2), ((2, 2, 2, 3, 1), 3)):
        model, noise = Model(), cases.normal(shape, rng)
        got = code.reflow_pairs(model, noise, steps)
        want = noise
        for step in range(steps):
            want = want + model.quietly(want, step / steps) / steps
        _, data_hat = split(got, noise)
        expect.close(
            data_hat, want, f"data_hat is noise carried by Euler's method, each beside its own noise; {PAIR}", **GRID
        )
        asked(model, noise, [step / steps for step in range(steps)], TIMES, "velocity model")


def test_reflow_pairs_of_normal_ends_have_the_known_partner(code, rng):
    """With the exact velocity from N(0, 1) to N(0.7, 0.5²), four steps: 0.7 + 0.3405 noise."""
    noise, world = cases.normal((5, 2), rng), Ends(0.7, 0.5)
    for steps in (1, 2, 4):
        scale = world.euler(steps)
        _, data_hat = split(code.reflow_pairs(world.velocity, noise, steps), noise)
        why = f"{steps} Euler steps along the exact velocity end at 0.7 + {scale:.4f} noise; {ENDS}"
        expect.close(data_hat, 0.7 + scale * noise, why, **GRID)


def test_reflow_pairs_teach_a_line_that_one_step_follows(code, rng):
    """A flow along the pairs' own lines makes the same pairs, in one step as in many."""
    noise, world = cases.normal((5, 2), rng), Ends(0.7, 0.5)
    first, data_hat = split(code.reflow_pairs(world.velocity, noise, 6), noise)
    for steps in (1, 3):
        _, again = split(code.reflow_pairs(lambda x, t: data_hat - first, noise, steps), noise)
        why = "along straight lines the pairs of one step are those of many: reflow straightens"
        expect.close(again, data_hat, why, **GRID)


def test_reflow_pairs_keep_the_dtype_and_record_no_gradient(code, rng):
    """float32 stays float32; the pairs are data to train on, without a graph, and nothing is changed in place."""
    for dtype in (torch.float32, torch.float64):
        model, noise = Model().to(dtype), cases.normal((3, 2, 2), rng).to(dtype)
        kept = noise.clone()
        _, data_hat = split(code.reflow_pairs(model, noise, 2), kept)
        half = kept.double() + model.quietly(kept, 0.0) / 2
        expect.close(data_hat, (half + model.quietly(half, 0.5) / 2).to(dtype), KEEP, **GRID)
    why = "pairs are made without a gradient: data_hat is a number to learn, not a path to follow"
    undisturbed(lambda model, x: split(code.reflow_pairs(model, x, 3), x.detach())[1], cases.normal((2, 3), rng), why)
