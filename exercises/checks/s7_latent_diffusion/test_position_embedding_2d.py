"""The checks of position_embedding_2d."""

import math

import torch
from torch import Tensor

from exercises.checks import expect
from exercises.checks.s7_latent_diffusion.evidence import close, refused

TABLE = "a row is [e(column), e(row)], e(k) = [sin(k ω_i) ..., cos(k ω_i) ...] with ω_i = 10000 ** (-i / (dim / 4))"
NEAR = {"rtol": 0.0, "atol": 3e-5}
"""For float32: an angle up to 32 is off by some ten roundings of 6e-8 of it, 2e-5."""


def table(side: int, dim: int) -> Tensor:
    """Entry by entry, in reading order."""
    quarter, rows = dim // 4, []
    for row in range(side):
        for column in range(side):
            entries = []
            for place in (column, row):
                angles = [place * 10_000 ** (-i / quarter) for i in range(quarter)]
                entries += [math.sin(angle) for angle in angles] + [math.cos(angle) for angle in angles]
            rows.append(entries)
    return torch.tensor(rows, dtype=torch.float64).float()


def test_position_embedding_2d_by_hand_on_four_patches(code):
    """With four numbers a patch there is one clock for the column and one for the row."""
    s, c = math.sin(1), math.cos(1)
    want = torch.tensor([[0.0, 1, 0, 1], [s, c, 0, 1], [0, 1, s, c], [s, c, s, c]])
    got = code.position_embedding_2d(2, 4)
    close(got, want, "column first: the second patch, one step to the right, moves the first clock", **NEAR)


def test_position_embedding_2d_is_the_formulas_table(code):
    """Sines and cosines of column and row at dim/4 frequencies, for grids and widths of many sizes."""
    for side, dim in ((3, 12), (2, 8), (4, 16), (5, 4), (7, 64), (32, 8)):
        got = code.position_embedding_2d(side, dim)
        close(got, table(side, dim), TABLE, **NEAR)
        why = "the table is fixed: what is known need not be learned, and takes no gradient"
        expect.holds(not got.requires_grad, why, got="a table that takes gradients", want="requires_grad False")


def test_position_embedding_2d_of_one_patch_stands_at_zero(code):
    """A grid of one patch: sin 0 and cos 0, in float32."""
    for dim in (4, 8, 24):
        close(code.position_embedding_2d(1, dim), table(1, dim), "one patch, at column 0 and row 0", **NEAR)


def test_position_embedding_2d_refuses_a_dim_that_is_not_divisible_by_four(code):
    """Two halves of sines and cosines: a dim that 4 does not divide raises ValueError."""
    calls = {f"dim = {dim}": lambda dim=dim: code.position_embedding_2d(3, dim) for dim in (2, 6, 7, 10, 1, 13)}
    refused("sines and cosines of column and row, in equal parts, are four: any other dim raises ValueError", **calls)
