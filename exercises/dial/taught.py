"""The networks of the dial: one that learns the moons, and those that the learner's functions teach."""

import copy
from collections.abc import Callable
from functools import cached_property
from typing import Any

import torch
from torch import Generator, Tensor, nn

from exercises.dial.views import ALPHA_BAR, MOONS, Counted, Exact, Learned, rng
from exercises.toolkit.plane import AtLevels, PlaneNet, learn
from exercises.toolkit.training import training

SIGMA_MIN, SIGMA_MAX = 0.01, 20.0
"""Between which a consistency model jumps."""


class Flow(nn.Module):
    """A network as a flow's velocity, told its time t, which goes from noise, 0, to data, 1, in the place of λ."""

    def __init__(self, net: PlaneNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        return self.net(x, 3 * (2 * t - 1))


class Jump(nn.Module):
    """A network as the F of a consistency function; for data of variance 1 what a denoiser's F should say is -v."""

    def __init__(self, net: PlaneNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor, c_noise: Tensor) -> Tensor:
        return -self.net(x, -4 * c_noise)


class Models:
    """All that a sampler may ask: a view of the moons, and the networks that the learner's functions teach.

    Attributes:
        code: the learner's functions.
        seen: the view in use; it counts.
    """

    def __init__(self, code: Any, told: Callable[[str], None]) -> None:
        self.code, self.told = code, told
        self.seen = Counted(Exact())

    def counted(self, model: Callable[..., Tensor]) -> Callable[..., Tensor]:
        def call(*arguments: Tensor) -> Tensor:
            self.seen.calls += 1
            return model(*arguments)

        return call

    @cached_property
    def data(self) -> Tensor:
        return MOONS.sample(20_000, rng(1)).float()

    @cached_property
    def net(self) -> PlaneNet:
        """The network that has learned the moons."""
        self.told("a network learns the moons")
        torch.manual_seed(0)
        net = PlaneNet()
        learn(net, self.data, 2500, generator=rng(2))
        return net

    @cached_property
    def students(self) -> dict[int, AtLevels]:
        """Of 16 steps down to 1, taught round by round from the network's 32."""
        teacher, found = AtLevels(self.net, ALPHA_BAR), {}
        for n in (32, 16, 8, 4, 2):
            self.told(f"a student of {n // 2} steps learns from its teacher of {n}")
            student = copy.deepcopy(teacher)
            for updates, lr in ((400, 1e-3), (100, 2e-4)):
                self.code.distill(teacher, student, self.data, ALPHA_BAR, n, updates, 512, lr, rng(n))
            found[n // 2] = teacher = student
        return found

    @cached_property
    def straightened(self) -> Flow:
        """The network's flow, straightened once by reflow."""
        teacher = Counted(Learned(self.net))
        self.told("a flow is straightened")
        noise = torch.randn(20_000, 2, generator=rng(3))
        noise, data = (side.detach() for side in self.code.reflow_pairs(teacher.velocity, noise, 64))
        torch.manual_seed(1)
        flow = Flow(PlaneNet())

        def loss_of(generator: Generator) -> Tensor:
            rows = torch.randint(len(noise), (512,), generator=generator)
            return self.code.cfm_loss(flow, noise[rows], data[rows], torch.rand(512, generator=generator))

        for _ in training(flow, loss_of, 2500, generator=rng(4), lr=1e-2):
            pass
        return flow

    @cached_property
    def jumper(self) -> Jump:
        """The network's paths, learned from end to end by consistency distillation."""
        teacher = Counted(Learned(self.net))
        self.told("a consistency model learns to jump")
        network = Jump(copy.deepcopy(self.net))
        slow = copy.deepcopy(network)
        bends = torch.linspace(SIGMA_MAX ** (1 / 7), SIGMA_MIN ** (1 / 7), 33) ** 7

        def loss_of(generator: Generator) -> Tensor:
            rows = torch.randint(len(self.data), (512,), generator=generator)
            noise = torch.randn(512, 2, generator=generator)
            step = torch.randint(len(bends) - 1, (512,), generator=generator)
            low, high = bends[step + 1], bends[step]
            return self.code.consistency_distillation_loss(
                network, slow, teacher.denoiser, self.data[rows], noise, low, high, 1.0, SIGMA_MIN
            )

        for _ in training(network, loss_of, 2500, generator=rng(5), lr=2e-3):
            with torch.no_grad():
                for kept, new in zip(slow.parameters(), network.parameters(), strict=True):
                    kept.lerp_(new, 0.05)
        return slow
