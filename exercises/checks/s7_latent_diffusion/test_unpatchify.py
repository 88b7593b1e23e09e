"""The checks of unpatchify."""

import torch
from torch import Tensor

from exercises.checks import cases, expect
from exercises.checks.cases import tracked
from exercises.checks.s7_latent_diffusion.evidence import close, gradients
from exercises.checks.s7_latent_diffusion.rules import FLOW, KEEP

ORDER = (
    "token k is the patch in row k // side and column k % side; in it stand rows, in these columns, in these channels"
)
SHAPES = [
    (1, 1, 1, 2),
    (2, 3, 2, 2),
    (3, 3, 3, 3),
    (1, 2, 3, 1),
    (2, 4, 1, 4),
    (2, 5, 2, 3),
    (1, 1, 4, 2),
    (2, 2, 2, 1),
    (1, 3, 5, 1),
]
"""Samples, channels, patches a side, and pixels a patch's side."""


def put_together(tokens: Tensor, p: int, channels: int) -> Tensor:
    """Pixel by pixel."""
    side = next(side for side in range(1, 99) if side * side == tokens.shape[1])
    x = torch.full((len(tokens), channels, side * p, side * p), torch.nan, dtype=tokens.dtype)
    for row in range(side * p):
        for column in range(side * p):
            token = tokens[:, row // p * side + column // p]
            first = (row % p * p + column % p) * channels
            x[:, :, row, column] = token[:, first : first + channels]
    return x


def row_of(samples: int, channels: int, side: int, p: int) -> Tensor:
    """Tokens numbered from 0 up: each number says where it was."""
    shape = (samples, side * side, p * p * channels)
    return torch.arange(torch.Size(shape).numel(), dtype=torch.float64).reshape(shape)


def test_unpatchify_by_hand_on_two_channels(code):
    """One token of eight numbers is a picture of 2 by 2 pixels, and each pixel has two channels that stood side by side."""
    want = torch.tensor([[[[0.0, 2], [4, 6]], [[1, 3], [5, 7]]]], dtype=torch.float64)
    got = code.unpatchify(row_of(1, 2, 1, 2), 2, 2)
    close(got, want, "a token is (row, column, channel): the first channel has every second number")


def test_unpatchify_by_hand_on_four_patches(code):
    """Four patches of one pixel are two rows of two."""
    want = torch.tensor([[[[0.0, 1], [2, 3]]]], dtype=torch.float64)
    close(code.unpatchify(row_of(1, 1, 2, 1), 1, 1), want, ORDER)


def test_unpatchify_puts_patches_of_any_size_in_their_places(code):
    """Tokens numbered one by one, for pictures of one channel and of several."""
    for samples, channels, side, p in SHAPES:
        tokens = row_of(samples, channels, side, p)
        close(code.unpatchify(tokens, p, channels), put_together(tokens, p, channels), ORDER)


def test_unpatchify_works_on_any_layout_and_dtype_and_leaves_the_tokens_alone(code, rng):
    """However the numbers lie in memory, the dtype is kept and the tokens too."""
    for layout in cases.LAYOUTS:
        for dtype in (torch.float32, torch.float64):
            tokens = cases.normal((2, 9, 12), rng, layout).to(dtype)
            got = expect.untouched(lambda tokens: code.unpatchify(tokens, 2, 3), KEEP, tokens=tokens)
            close(got, put_together(tokens, 2, 3), KEEP)


def test_unpatchify_lets_gradients_through(code, rng):
    """Nothing but the order changes, and gradients find their way back to their tokens."""
    (tokens,) = tracked(cases.normal((2, 4, 12), rng))
    pull = cases.normal((2, 3, 4, 4), rng)
    mirror = tokens.detach().clone().requires_grad_()
    (want,) = torch.autograd.grad(put_together(mirror, 2, 3), mirror, pull)
    gradients(code.unpatchify(tokens, 2, 3), pull, FLOW, tokens=(tokens, want))
