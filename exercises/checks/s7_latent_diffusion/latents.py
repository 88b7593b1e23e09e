"""An autoencoder and models to watch, for the checks of latent_loss and generate."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from exercises.checks import notes


class Toy(nn.Module):
    """An autoencoder in closed form, that notes what it decodes.

    The mean is a picture's average over 4 by 4 pixels, stretched and moved, in two channels; the variance is far from 0
    and depends on the picture. decode has a tanh in it, so that the picture of a scaled latent is not the scaled
    picture, and reaches beyond -1 and 1.
    """

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor([2.0, -3.0], dtype=torch.float64))
        self.shift = nn.Parameter(torch.tensor([0.5, 1.0], dtype=torch.float64))
        self.contrast = nn.Parameter(torch.tensor(1.5, dtype=torch.float64))
        self.drawn: list[Tensor] = []
        self.tracked: list[bool] = []

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        small = F.avg_pool2d(x.mean(dim=1, keepdim=True), 4)
        mean = self.gain.to(x)[:, None, None] * small + self.shift.to(x)[:, None, None]
        return mean, (small.expand_as(mean) - 1) * self.contrast.to(x)

    def decode(self, z: Tensor) -> Tensor:
        self.drawn.append(z.detach().clone())
        self.tracked.append(z.requires_grad)
        return self.picture(z)

    def picture(self, z: Tensor) -> Tensor:
        """What decode draws of a latent."""
        large = z.repeat_interleave(4, 2).repeat_interleave(4, 3)
        return self.contrast.to(z) * torch.tanh(large[:, :1] + 0.5 * large[:, 1:].sum(dim=1, keepdim=True))

    def forward(self, x: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        mean, logvar = self.encode(x)
        return self.decode(mean + torch.exp(logvar / 2) * noise), mean, logvar


@dataclass(frozen=True)
class Asked:
    """One call of a model.

    Attributes:
        z_t, t, y: what it was called with, copied.
        tracked: whether z_t carried a gradient.
    """

    z_t: Tensor
    t: Tensor
    y: Tensor
    tracked: bool


class Listener(nn.Module):
    """A model of latents that notes its calls. Its answer bends with z, and each time and label has its own part in it.

    Attributes:
        calls: the calls.
        noted: whether they are compared with those of known mistakes: where a batch is doubled, either half may come first.
    """

    def __init__(self, noted: bool = False) -> None:
        super().__init__()
        self.noted = noted
        self.weight = nn.Parameter(torch.tensor(0.6, dtype=torch.float64))
        self.bias = nn.Parameter(torch.tensor(0.2, dtype=torch.float64))
        self.calls: list[Asked] = []

    def forward(self, z_t: Tensor, t: Tensor, y: Tensor) -> Tensor:
        copies = (value.detach().clone() if isinstance(value, Tensor) else value for value in (z_t, t, y))
        self.calls.append(Asked(*copies, z_t.requires_grad))
        if self.noted:
            notes.asked((self.calls[-1].z_t, self.calls[-1].t, self.calls[-1].y))
        return self.guess(z_t, t, y)

    def guess(self, z_t: Tensor, t: Tensor, y: Tensor) -> Tensor:
        """The answer, one row a sample."""
        each = (torch.cos(1.0 + 3 * y) + 0.1 * torch.sin(1.0 + t)).to(z_t)[:, None, None, None]
        return self.weight.to(z_t) * torch.sin(z_t) + self.bias.to(z_t) * each * (1 + z_t)
