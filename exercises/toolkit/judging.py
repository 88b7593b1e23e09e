"""Judges of generated digits: a small classifier that real ones have taught, and a distance on what it sees.

Neither is enough alone. Ten images, one of each digit, repeated for ever have every label right; samples that ignore
their label can be at distance 0. Ask for both, at a fixed number of samples, and state beside the threshold what real
images reach and what static does.
"""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

FEATURES = 64


class DigitJudge(nn.Module):
    """Two convolutions, each of which halves the side, and two linear layers: images (B, 1, side, side) to ten classes."""

    def __init__(self, side: int):
        super().__init__()
        self.see = nn.Sequential(
            *(nn.Conv2d(1, 32, 5, stride=2, padding=2), nn.ReLU()),
            *(nn.Conv2d(32, 64, 3, stride=2, padding=1), nn.ReLU()),
            *(nn.Flatten(), nn.Linear(64 * math.ceil(side / 4) ** 2, FEATURES), nn.ReLU()),
        )
        self.tell = nn.Linear(FEATURES, 10)

    def forward(self, images: Float[Tensor, "B 1 side side"]) -> Float[Tensor, "B 10"]:
        return self.tell(self.see(images))


def train_judge(
    images: Float[Tensor, "N 1 side side"], labels: Int[Tensor, "N"], epochs: int = 5, seed: int = 0
) -> DigitJudge:
    """A judge taught by these images, on their device: 98 % of MNIST's test images right, in some ten seconds.

    The same seed gives the same judge on the same machine; torch's global generator is left as it was.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        judge = DigitJudge(images.shape[-1]).to(images.device)
        orders = [torch.randperm(len(images)).split(100) for _ in range(epochs)]
    batches = [rows.to(images.device) for order in orders for rows in order]
    optimizer = torch.optim.Adam(judge.parameters(), lr=2e-3)
    falling = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=len(batches))
    for rows in batches:
        optimizer.zero_grad()
        F.cross_entropy(judge(images[rows]), labels[rows]).backward()
        optimizer.step()
        falling.step()
    return judge.eval().requires_grad_(False)


@torch.no_grad()
def accuracy(judge: DigitJudge, images: Float[Tensor, "N 1 side side"], labels: Int[Tensor, "N"]) -> float:
    """The share of the images that the judge takes for what they are said to be: 0.1 by chance."""
    told = torch.cat([judge(some).argmax(dim=1) for some in images.split(1000)])
    return (told == labels).double().mean().item()


@torch.no_grad()
def features(judge: DigitJudge, images: Float[Tensor, "N 1 side side"]) -> Float[Tensor, "N F"]:
    """What the judge's last layer decides by."""
    return torch.cat([judge.see(some) for some in images.split(1000)])


def frechet_distance(x: Float[Tensor, "n F"], y: Float[Tensor, "m F"]) -> float:
    """How far two sets of features are apart, as if both were normal; the 2-Wasserstein distance squared.

        |μ_x - μ_y|² + tr(Σ_x + Σ_y - 2 (Σ_x^½ Σ_y Σ_x^½)^½)
        (Heusel et al., arXiv:1706.08500, eq. 6, there on the features of Inception: FID)

    Few samples look far from anything: two sets of one distribution are at a distance that falls like 1/n. Compare at
    the same n only.
    """
    x, y = x.double(), y.double()
    root = _root(torch.cov(x.T))
    # The trace of a root is the sum of the roots of the eigenvalues
    shared = torch.linalg.eigvalsh(root @ torch.cov(y.T) @ root).clamp(min=0).sqrt().sum()
    spread = torch.cov(x.T).trace() + torch.cov(y.T).trace() - 2 * shared
    return ((x.mean(0) - y.mean(0)).square().sum() + spread).item()


def _root(matrix: Float[Tensor, "F F"]) -> Float[Tensor, "F F"]:
    """The symmetric root of a matrix that has no negative eigenvalue but for rounding."""
    values, vectors = torch.linalg.eigh(matrix)
    return vectors * values.clamp(min=0).sqrt() @ vectors.T
