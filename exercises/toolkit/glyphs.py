"""Small pictures in which everything is known: white bars, crosses and frames on black, anywhere on 8 by 8 pixels."""

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

SIDE = 8
NAMES = ("upright", "level", "cross", "frame")
"""What the labels 0 to 3 are."""


def all_glyphs() -> tuple[Float[Tensor, "N 1 8 8"], Int[Tensor, "N"]]:
    """Every picture there is, -1 black and 1 white, with its label."""
    size = 5
    shapes = torch.zeros(len(NAMES), size, size)
    shapes[0, :, 2] = shapes[1, 2, :] = shapes[2, :, 2] = shapes[2, 2, :] = 1
    shapes[3, [0, -1], :] = shapes[3, :, [0, -1]] = 1
    pictures, labels = [], []
    for label, shape in enumerate(shapes):
        for row in range(SIDE - size + 1):
            for column in range(SIDE - size + 1):
                picture = torch.full((1, SIDE, SIDE), -1.0)
                picture[0, row : row + size, column : column + size] += 2 * shape
                pictures.append(picture)
                labels.append(label)
    return torch.stack(pictures), torch.tensor(labels)


def glyphs(count: int, generator: Generator | None = None) -> tuple[Float[Tensor, "N 1 8 8"], Int[Tensor, "N"]]:
    """Draw pictures and their labels, each of the 64 pictures as often as any other."""
    pictures, labels = all_glyphs()
    which = torch.randint(len(pictures), (count,), generator=generator)
    return pictures[which], labels[which]


def nearest_glyph(images: Float[Tensor, "B 1 8 8"]) -> tuple[Float[Tensor, "B"], Int[Tensor, "B"]]:
    """How far each image is from the nearest of all pictures (root mean square over its pixels), and that one's label."""
    pictures, labels = all_glyphs()
    distance, which = torch.cdist(images.flatten(1), pictures.to(images).flatten(1)).min(dim=1)
    return distance / SIDE, labels.to(images.device)[which]
