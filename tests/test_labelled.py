"""Section 6's given world and networks: points have their labels, and what a network is told reaches what it says."""

import torch

from exercises.toolkit.labelled import THREE, DigitNet, PlaneNet, draw


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_a_drawn_point_is_mostly_where_its_label_is_likeliest() -> None:
    y = torch.arange(3000) % 3
    points = draw(THREE, y, seeded(0))
    clean = torch.zeros(3000, dtype=torch.int64), torch.ones(1, dtype=torch.float64)
    assert points.dtype == torch.float64
    assert torch.equal(points, draw(THREE, y, seeded(0)))
    share = (THREE.log_p(points, *clean).argmax(dim=1) == y).double().mean().item()
    assert abs(share - 0.92) < 6.5 * (0.92 * 0.08 / 3000) ** 0.5  # the clouds overlap


def test_the_networks_hear_level_and_label_and_keep_samples_apart() -> None:
    torch.manual_seed(0)
    for model, shape in ((PlaneNet(100, 4), (2,)), (DigitNet(100, 11, width=8), (1, 28, 28))):
        x, t, y = torch.randn(3, *shape, generator=seeded(1)), torch.tensor([0, 50, 99]), torch.tensor([0, 1, 2])
        said = model(x, t, y)
        assert said.shape == x.shape
        torch.testing.assert_close(model(x[1:], t[1:], y[1:]), said[1:], rtol=1e-4, atol=1e-5)
        for other in (model(x, t.flip(0), y), model(x, t, y.flip(0))):
            assert not torch.allclose(other[0], said[0])
            torch.testing.assert_close(other[1], said[1], rtol=1e-4, atol=1e-5)


def test_without_labels_the_plane_s_network_is_called_without_one() -> None:
    logits = PlaneNet(100, out=3)(torch.zeros(5, 2), torch.arange(5))
    assert logits.shape == (5, 3)
