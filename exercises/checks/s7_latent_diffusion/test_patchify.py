"""The checks of patchify."""

import torch
from torch import Tensor

from exercises.checks import cases, expect
from exercises.checks.cases import tracked
from exercises.checks.s7_latent_diffusion.evidence import close, gradients, refused
from exercises.checks.s7_latent_diffusion.rules import FLOW, KEEP

ORDER = "patches in reading order; within a patch its rows, within a row its columns, within a pixel its channels"
SHAPES = [
    (1, 1, 2, 2, 2),
    (2, 3, 4, 6, 2),
    (1, 2, 6, 3, 3),
    (3, 2, 4, 4, 1),
    (2, 4, 4, 4, 4),
    (2, 2, 2, 8, 2),
    (1, 5, 9, 6, 3),
]
"""(B, C, H, W) and p: not square, one patch, patches of one pixel."""
WRONG = [(4, 6, 4), (6, 4, 4), (5, 4, 2), (4, 5, 2), (3, 3, 2), (2, 2, 4), (6, 6, 5)]
"""(H, W) and p, of which p divides at the most one."""


def cut(x: Tensor, p: int) -> Tensor:
    """Patch by patch, pixel by pixel."""
    tokens = []
    for top in range(0, x.shape[2], p):
        for left in range(0, x.shape[3], p):
            pixels = [x[:, :, top + row, left + column] for row in range(p) for column in range(p)]
            tokens.append(torch.cat(pixels, dim=1))
    return torch.stack(tokens, dim=1)


def picture(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    """Numbers from 0 up: each says where it was."""
    return torch.arange(torch.Size(shape).numel(), dtype=dtype).reshape(shape)


def test_patchify_by_hand_on_two_channels(code):
    """A picture of 2 by 2 pixels and two channels is one patch: pixel by pixel, its channels side by side."""
    got = code.patchify(picture(1, 2, 2, 2), 2)
    want = torch.tensor([[[0.0, 4, 1, 5, 2, 6, 3, 7]]], dtype=torch.float64)
    close(got, want, "0..3 is the first channel, 4..7 the second: (row, column, channel) is 0 4, 1 5, 2 6, 3 7")


def test_patchify_by_hand_on_a_row_of_patches(code):
    """A picture of 2 by 4 pixels is two patches, left and right."""
    want = torch.tensor([[[0.0, 1, 4, 5], [2, 3, 6, 7]]], dtype=torch.float64)
    close(code.patchify(picture(1, 1, 2, 4), 2), want, "0..3 is the upper row, 4..7 the lower: " + ORDER)


def test_patchify_cuts_pictures_of_any_shape_in_reading_order(code):
    """Pictures numbered pixel by pixel, square and not, in patches of every size."""
    for *shape, p in SHAPES:
        x = picture(*shape)
        close(code.patchify(x, p), cut(x, p), ORDER)


def test_patchify_works_on_any_layout_and_dtype_and_leaves_the_picture_alone(code, rng):
    """However the numbers lie in memory, the dtype is kept and the picture too."""
    for layout in cases.LAYOUTS:
        for dtype in (torch.float32, torch.float64):
            x = cases.normal((2, 3, 4, 6), rng, layout).to(dtype)
            got = expect.untouched(lambda x: code.patchify(x, 2), KEEP, x=x)
            close(got, cut(x, 2), KEEP)


def test_patchify_refuses_a_side_that_the_patch_does_not_divide(code):
    """A side that p does not divide raises ValueError, height and width alike."""
    calls = {
        f"{height} by {width} pixels in patches of {p}": lambda h=height, w=width, p=p: code.patchify(
            picture(1, 2, h, w), p
        )
        for height, width, p in WRONG
    }
    refused("where p does not divide both sides, the picture cannot be cut: ValueError", **calls)


def test_patchify_lets_gradients_through(code, rng):
    """Nothing but the order changes, and gradients find their way back to their pixels."""
    (x,) = tracked(cases.normal((2, 3, 4, 6), rng))
    pull = cases.normal((2, 6, 12), rng)
    mirror = x.detach().clone().requires_grad_()
    (want,) = torch.autograd.grad(cut(mirror, 2), mirror, pull)
    gradients(code.patchify(x, 2), pull, FLOW, x=(x, want))
