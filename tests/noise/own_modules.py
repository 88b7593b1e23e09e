"""Noise: subclasses of Parameter and Module, a metaclass, a dataclass that is a module's configuration, hooks.

expect: TinyDenoiser pass
expect: compute_alpha_bar pass
"""

from dataclasses import dataclass, field

import torch
from torch import nn

Honest = TinyDenoiser


@dataclass(frozen=True)
class Configuration:
    dim: int = 2
    hidden: int = 128
    tags: list = field(default_factory=list)


class Registry(type(nn.Module)):
    known = {}

    def __new__(mcs, name, bases, namespace):
        mcs.known[name] = kind = super().__new__(mcs, name, bases, namespace)
        return kind


class Base(nn.Module, metaclass=Registry):
    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        cls.registered = True


class Gain(nn.Parameter):
    pass


class TinyDenoiser(Base):
    def __init__(self, dim=2, hidden=128):
        super().__init__()
        self.configuration = Configuration(dim, hidden)
        self.inner = Honest(dim, hidden)
        self.gain = Gain(torch.ones(()))
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64), persistent=False)
        self.register_forward_pre_hook(self.count)

    def count(self, module, args):
        self.calls += 1

    def forward(self, x, t):
        return self.gain.to(x.dtype) * self.inner(x, t)
