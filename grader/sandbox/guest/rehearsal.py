"""A check's calls, rehearsed by the fork server with itself: what runs for the first time runs slowly, and in a fork that is every time.

Both ends of a connection are here and take turns: whoever would wait lets the other go on. Nothing of it is left but what the
interpreter and torch have set up, the interpreter's own notes on our code first of all.
"""

import socket
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from grader.rpc.connection import Connection
from grader.rpc.frames import Channel
from grader.rpc.proxies import FunctionProxy
from grader.sandbox.guest import selftest

TIMES = 16
"""As often as Python 3.11 runs a function until it has made its notes on it, and once more."""


class Turning(Channel):
    """A channel that lets the other end go on where it would wait."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        sock.setblocking(False)
        self.other: Callable[[], object] = lambda: None

    def _receive_some(self, view: memoryview) -> int:
        while True:
            try:
                return super()._receive_some(view)
            except BlockingIOError:
                self.other()


class Model(nn.Module):
    """A network with one weight."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        return self.weight * x


def loss(model: Callable[..., Tensor], x: Tensor, t: Tensor, scale: float = 1.0) -> Tensor:
    """What answers do: look something up, ask a model, compute."""
    level = torch.linspace(0.1, 0.9, 8, dtype=x.dtype)[t].reshape(-1, *[1] * (x.ndim - 1))
    return (scale * level.sqrt() * model(x, t) - x).square().mean()


def mix(x: Tensor, t: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    level = torch.linspace(0.1, 0.9, 8, dtype=x.dtype)[t].reshape(-1, *[1] * (x.ndim - 1))
    return level.sqrt() * x + (1 - level).sqrt() * noise, level


def step(model: nn.Module, x: Tensor, t: Tensor, generator: torch.Generator) -> float:
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    value = loss(model, x + torch.randn(x.shape, generator=generator, dtype=x.dtype), t)
    optimizer.zero_grad()
    value.backward()
    optimizer.step()
    return value.item()


def rehearse() -> None:
    """Call functions of ours over a connection of ours, as checks do."""
    ends = [Turning(sock) for sock in socket.socketpair()]
    about: dict[str, Any] = {
        "describe_error": lambda error: {},
        "build_error": lambda data: RuntimeError(str(data)),
        "catches": (),
    }
    judge, worker = (Connection(end, open_objects=bool(k), **about) for k, end in enumerate(ends))
    ends[0].other, ends[1].other = worker.serve_one, judge.serve_one
    code = SimpleNamespace(loss=loss, mix=mix, step=step, network=selftest.network, Model=Model)
    number = worker.handles.export(code)
    there = SimpleNamespace(**{name: FunctionProxy(judge, number, name, name) for name in vars(code)})
    x, t, generator = torch.ones(2, 4, 4, 4, dtype=torch.float64), torch.tensor([0, 1]), torch.Generator()
    for _ in range(TIMES):
        model = Model().double()
        there.mix(x, t, x)
        there.loss(model, x, t, scale=2.0).backward()
        there.step(model, x, t, generator)
        there.Model()(x.float(), t).sum().backward()
        there.network(x.clone().requires_grad_()).square().mean().backward()
    for connection in (judge, worker):
        connection.forget()
    for end in ends:
        end.close()
