"""Handwritten digits: the subset of MNIST that the course ships, or all of it through torchvision.

Where the subset comes from, and under which terms, is in data/mnist/README.md.
"""

import gzip
import hashlib
import zlib
from pathlib import Path

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from exercises.toolkit.vision import import_torchvision

SIDE = 28
HOME = Path(__file__).resolve().parents[2] / "data" / "mnist"


def mnist(
    train: bool = True, size: int = SIDE, full: bool = False, root: Path | str | None = None
) -> tuple[Float[Tensor, "N 1 size size"], Int[Tensor, "N"]]:
    """Images of digits in [-1, 1], ink being 1, and which digits they are.

    Args:
        train: the training images (10,000 of the subset, 60,000 in full) or the test images (1,000 or 10,000).
        size: side of the images. Less than 28 averages over the area of each new pixel; 8 and 14 are still legible.
        full: all of MNIST, which torchvision downloads once (11 MB), instead of the subset.
        root: where torchvision keeps the full set; data/mnist/full by default.

    Raises:
        ValueError: size is not in 1..28, or a file of the subset is damaged.
        ImportError: the full set is asked for and torchvision is not installed.
        OSError: a file of the subset is missing, or the full set is neither here nor to be had.
    """
    if not 1 <= size <= SIDE:
        raise ValueError(f"size must be in 1..{SIDE}, got {size}")
    images, labels = _full(train, Path(root or HOME / "full")) if full else _subset(train)
    images = images.float()[:, None]
    if size < SIDE:
        images = torch.cat([_shrink(some, size) for some in images.split(1000)])
    return images / 127.5 - 1, labels.long()


def _subset(train: bool) -> tuple[UInt8[Tensor, "N 28 28"], UInt8[Tensor, "N"]]:
    part = "train" if train else "t10k"
    images, labels = _unpacked(f"{part}-images-idx3-ubyte"), _unpacked(f"{part}-labels-idx1-ubyte")
    # In the IDX format the values follow a header of 4 bytes, and 4 more for each axis
    pixels = torch.frombuffer(images, dtype=torch.uint8, offset=16)
    return pixels.reshape(-1, SIDE, SIDE), torch.frombuffer(labels, dtype=torch.uint8, offset=8)


def _unpacked(name: str) -> bytearray:
    """The content of a shipped file, which is what SHA256SUMS says it is."""
    path = HOME / f"{name}.gz"
    lines = (HOME / "SHA256SUMS").read_text(encoding="ascii").splitlines()
    expected = {of: digest for digest, of in map(str.split, lines)}[name]
    try:
        content = gzip.decompress(path.read_bytes())
    except (EOFError, gzip.BadGzipFile, zlib.error):
        content = b""
    if hashlib.sha256(content).hexdigest() != expected:
        raise ValueError(f"{path} is damaged: its checksum is not that of SHA256SUMS; get it again (git checkout)")
    return bytearray(content)


def _full(train: bool, root: Path) -> tuple[UInt8[Tensor, "N 28 28"], UInt8[Tensor, "N"]]:
    datasets = import_torchvision().datasets
    try:
        digits = datasets.MNIST(root, train=train, download=True)
    except (OSError, RuntimeError) as error:
        raise OSError(
            f"the full MNIST is not in {root} and could not be downloaded: go online once, put its four IDX files into "
            f"{root / 'MNIST' / 'raw'}, or use the subset (full=False)"
        ) from error
    return digits.data, digits.targets


def _shrink(images: Float[Tensor, "n 1 28 28"], size: int) -> Float[Tensor, "n 1 size size"]:
    """Average over the area of each new pixel: what it covers in part counts for that part. Rounded, to be bytes again."""
    share = torch.eye(SIDE).repeat_interleave(size, dim=0).reshape(size, SIDE, SIDE).mean(dim=1)
    return (share @ images @ share.T).round()
