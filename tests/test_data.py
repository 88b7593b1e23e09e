"""The digits that the course ships, the full set behind them, and what judges the digits that are drawn."""

import gzip
import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Generator

from exercises.toolkit import mnist as loader
from exercises.toolkit import vision
from exercises.toolkit.judging import accuracy, features, frechet_distance, train_judge
from exercises.toolkit.mnist import mnist
from grader.course import ROOT

LARGEST = 2_000_000
"""Bytes of data/mnist."""


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the shipped files, which the loader reads, to be damaged."""
    shutil.copytree(loader.HOME, tmp_path / "mnist", ignore=shutil.ignore_patterns("full"))
    monkeypatch.setattr(loader, "HOME", tmp_path / "mnist")
    return tmp_path / "mnist"


# ------------------------------------------------------------------------------------------------------- the subset


@pytest.mark.parametrize(("train", "each"), [(True, 1000), (False, 100)])
def test_the_subset_has_as_many_of_each_digit(train: bool, each: int) -> None:
    images, labels = mnist(train)
    assert images.shape == (10 * each, 1, 28, 28)
    assert (images.dtype, labels.dtype) == (torch.float32, torch.int64)
    assert labels.bincount().tolist() == [each] * 10
    assert (images.min(), images.max()) == (-1, 1)
    bytes_again = (images + 1) * 127.5
    torch.testing.assert_close(bytes_again, bytes_again.round(), rtol=0, atol=1e-4)  # float32 at 255: 2e-5


def test_the_subset_is_small_and_explained() -> None:
    files = [path for path in loader.HOME.iterdir() if path.is_file()]
    assert sum(path.stat().st_size for path in files) < LARGEST
    text = (loader.HOME / "README.md").read_text(encoding="utf-8")
    assert [path.name for path in files if path.name.removesuffix(".gz") not in text] == ["README.md"]


@pytest.mark.parametrize("size", [14, 8, 1])
def test_smaller_images_average_over_the_area(size: int) -> None:
    large, _ = mnist(train=False)
    small, _ = mnist(train=False, size=size)
    assert small.shape == (1000, 1, size, size)
    assert small.abs().max() <= 1
    # Averages keep the mean; each pixel is rounded to a byte, half of 2/255 at most
    assert (small.mean(dim=(1, 2, 3)) - large.mean(dim=(1, 2, 3))).abs().max() <= 1 / 255
    if 28 % size == 0:
        expected = torch.nn.functional.avg_pool2d(large, 28 // size)
        assert (small - expected).abs().max() <= 1.01 / 255


@pytest.mark.parametrize("size", [0, 29, 32])
def test_a_size_that_cannot_be_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match=rf"size must be in 1\.\.28, got {size}"):
        mnist(size=size)


@pytest.mark.parametrize("damage", ["cut", "flipped", "other", "empty"])
def test_a_damaged_file_is_told_in_a_sentence(copied: Path, damage: str) -> None:
    path = copied / "t10k-labels-idx1-ubyte.gz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    other = gzip.compress(bytes(1008))
    path.write_bytes({"cut": content[:100], "flipped": content, "other": other, "empty": b""}[damage])
    with pytest.raises(ValueError, match=r"t10k-labels-idx1-ubyte\.gz is damaged: .* get it again"):
        mnist(train=False)


def test_the_script_takes_the_same_number_of_each_digit_from_all_of_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    script = script_at(loader.HOME / "make_subset.py")
    labels = np.random.default_rng(0).integers(0, 10, 2000)
    places = script.chosen(labels, 500)
    assert np.bincount(labels[places]).tolist() == [50] * 10
    assert (np.diff(places) > 0).all()
    assert places[0] < 100
    assert places[-1] > 1900


def test_the_script_refuses_files_that_are_not_the_originals(tmp_path: Path) -> None:
    script = script_at(loader.HOME / "make_subset.py")
    with pytest.raises(SystemExit, match="cannot be read"):
        script.main(tmp_path)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(b"mine")
    with pytest.raises(SystemExit, match="is not MNIST's original file"):
        script.main(tmp_path)


def script_at(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script


# ------------------------------------------------------------------------------------------------------ the full set


def use_instead(monkeypatch: pytest.MonkeyPatch, dataset) -> None:
    library = SimpleNamespace(datasets=SimpleNamespace(MNIST=dataset))
    monkeypatch.setattr(loader, "import_torchvision", lambda: library)


def test_the_full_set_comes_through_torchvision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def dataset(root: Path, train: bool, download: bool) -> SimpleNamespace:
        assert (root, train, download) == (tmp_path, False, True)
        return SimpleNamespace(data=torch.full((3, 28, 28), 255, dtype=torch.uint8), targets=torch.tensor([3, 1, 4]))

    use_instead(monkeypatch, dataset)
    images, labels = mnist(train=False, size=14, full=True, root=str(tmp_path))
    assert torch.equal(images, torch.ones(3, 1, 14, 14))
    assert labels.tolist() == [3, 1, 4]


def test_without_a_network_the_full_set_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def dataset(root: Path, train: bool, download: bool) -> SimpleNamespace:
        raise RuntimeError("Error downloading train-images-idx3-ubyte.gz")

    use_instead(monkeypatch, dataset)
    with pytest.raises(OSError, match=r"could not be downloaded: go online once, .* or use the subset"):
        mnist(full=True, root=tmp_path)


def test_without_torchvision_the_full_set_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision", None)
    with pytest.raises(ImportError, match="torchvision is not installed: pip install"):
        mnist(full=True)


MISFIT = """
import torch

@torch.library.register_fake("torchvision::nms")
def nms(dets, scores, iou_threshold): ...

@torch.library.register_fake("torchvision::qnms")
def qnms(dets, scores, iou_threshold): ...

import torchvision.datasets
"""
"""What torchvision does on import where its operators could not be loaded."""
USED = """
try:
    import torchvision
except RuntimeError as error:
    print(error)
from exercises.toolkit.vision import import_torchvision
assert import_torchvision() is import_torchvision()
import_torchvision().datasets
"""
"""In a process of its own, as what torch is told of an operator stays."""


def test_a_torchvision_without_its_operators_is_imported_all_the_same(tmp_path: Path) -> None:
    package = tmp_path / "torchvision"
    package.mkdir()
    (package / "__init__.py").write_text(MISFIT)
    (package / "datasets.py").write_text("")
    program = f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(ROOT)!r}]" + USED
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout == "operator torchvision::nms does not exist\n"


def test_another_failure_of_torchvision_is_told_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(name: str) -> None:
        raise RuntimeError("compiled with different CUDA major versions")

    monkeypatch.setattr(vision.importlib, "import_module", fails)
    with pytest.raises(ImportError, match="do not fit together: compiled with different CUDA major versions"):
        vision.import_torchvision()


# --------------------------------------------------------------------------------------------------------- the judges


def test_a_judge_learns_digits_in_seconds_and_the_same_twice() -> None:
    state = torch.get_rng_state()
    images, labels = mnist(size=8)
    judge, again = (train_judge(images[:2000], labels[:2000], epochs=3) for _ in range(2))
    test_images, test_labels = mnist(train=False, size=8)
    assert accuracy(judge, test_images, test_labels) > 0.7  # 0.1 by chance; measured 0.82
    assert accuracy(judge, test_images, test_labels.roll(1)) < 0.3
    assert torch.equal(features(judge, test_images), features(again, test_images))
    assert torch.equal(torch.get_rng_state(), state)


def test_the_frechet_distance_of_normal_features_is_the_formula() -> None:
    """Of the same covariance it is the squared distance of the means; along axes, of the standard deviations too."""
    x = torch.randn(500, 3, dtype=torch.float64, generator=Generator().manual_seed(0))
    shift, scale = torch.tensor([1.0, 2.0, -2.0]), torch.tensor([3.0, 0.5, 1.0])
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(x, x + shift) == pytest.approx(9)
    whitened = (x - x.mean(dim=0)) @ torch.linalg.inv(torch.linalg.cholesky(torch.cov(x.T))).T
    assert frechet_distance(whitened, whitened * scale) == pytest.approx(4 + 0.25)
    mixed = whitened @ torch.tensor([[2.0, 1.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]], dtype=torch.float64)
    # Σ is mixed's: tr(I + Σ - 2 Σ^½), with tr Σ = 6, det = 4 and tr Σ^½ = √(6 + 2·2) on its two axes
    assert frechet_distance(whitened, mixed) == pytest.approx(3 + 6 - 2 * 10**0.5)
