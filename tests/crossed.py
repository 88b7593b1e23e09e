"""What the tests of the connection call from one process in another: a submission with a function for each thing that crosses, and a model."""

import torch
from torch import nn

SOURCE = """
import copy
import numpy
import torch
from torch import nn

def square(x, factor=2.0): return factor * x * x
def loss(model, x, t): return (model(x, t) - x).square().mean()
def change(x): x.mul_(2); return x.sum()
def change_behind_autograd(x): x.data.mul_(2); return x.sum()
def change_through_numpy(x): x.numpy()[...] = 7; return x.sum()
def without_grad(model, x, t):
    with torch.no_grad(): return model(x, t)
def change_some(x): x[..., -1:] = 1; return x.sum()
def put_other_numbers(x): x.data = x.data * 2; return x.sum()
def turn(x): x.t_(); return x.sum()
def add_an_axis(x): x.unsqueeze_(0); return x.sum()
def widen(x): x.data = x.double(); return x.sum()
def require(x): x.requires_grad_(); return x.sum()
def release(x): x.requires_grad_(False); return 0
def leave_grad(x): x.requires_grad_(); (x * x).sum().backward(); return 0
def train(model, data, steps, generator):
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    losses = []
    for _ in range(steps):
        rows = torch.randint(len(data), (4,), generator=generator)
        loss = (model(data[rows], rows) - data[rows]).square().mean()
        optimizer.zero_grad(); loss.backward(); optimizer.step()
        losses.append(loss.item())
    return losses
def ema(ours, theirs, decay):
    for p, q in zip(ours.parameters(), theirs.parameters()): p.data.mul_(decay).add_(q.data, alpha=1 - decay)
def divergence(fn, x, probe):
    _, pull = torch.func.vjp(fn, x)
    return (pull(probe)[0] * probe).flatten(1).sum(1)
def push(fn, x, probe): return torch.func.jvp(fn, (x,), (probe,))
def jacobian(fn, x): return torch.func.jacrev(fn)(x)
def hessian(fn, x): return torch.func.hessian(fn)(x)
def mapped(fn, x): return torch.func.vmap(fn)(x)
def score(classifier, x, t):
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        return torch.autograd.grad(classifier(x, t).sum(), x)[0]
def penalty(fn, x):
    g, = torch.autograd.grad(fn(x).sum(), x, create_graph=True)
    return g.square().sum()
def clear_gradients(model):
    for parameter in model.parameters(): parameter.grad = None
    return 0
def with_gradients(k):
    net = nn.Linear(k, k)
    for parameter in net.parameters(): parameter.grad = torch.full_like(parameter, 2.0)
    return net
def bad(x): raise ValueError("gamma must be positive")
def two(x): return (x, [x + 1, {"a": 1.5, "n": None}], True, "text", 3)
def same(x): return x
def copied(x): return x.clone()
def change_and_return(x): return x.mul_(2)
def is_same(fn, x): return fn(x) is x
def array(x): return numpy.zeros(3)
def marginal_sum(sde, x):
    mean, std = sde.marginal(x, like=x)
    return mean + std
@torch.inference_mode()
def quiet_copy(model, x, t): return copy.deepcopy(model)(x, t)
@torch.inference_mode()
def quiet_net(): return Net(2)
def zeroed_copy(model, x):
    other = copy.deepcopy(model)
    with torch.no_grad():
        for p in other.parameters(): p.zero_()
    return other(x, x), model(x, x)
def functional(model, x):
    zeros = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
    return torch.func.functional_call(model, zeros, (x, x))
def functional_gradient(model, x):
    def loss(parameters): return torch.func.functional_call(model, parameters, (x, x)).square().sum()
    return torch.func.grad(loss)({name: p.detach() for name, p in model.named_parameters()})
def change_result(model, x, t):
    result = model(x, t)
    result *= 2
    return result
def eval_and_freeze(model):
    model.eval(); model.requires_grad_(False)
def strides(x): return list(x.stride()), x.is_contiguous()
def twice(model, x, t): return model(x, t) + model(x, t)
def modes(fn): return fn()
def generator_draw(generator): return torch.randn(3, generator=generator)
calls = []
def remember(x): calls.append(x); return len(calls)

class Net(nn.Module):
    def __init__(self, dim=2):
        super().__init__()
        self.linear = nn.Linear(dim, 3)
        self.norm = nn.BatchNorm1d(3)
        self.gain = nn.Parameter(torch.ones(3))
    def forward(self, x, t=None): return self.norm(self.linear(x)) * self.gain
    def encode(self, x): return x + self.gain.sum()

class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(2, 2); self.b = nn.Linear(2, 2); self.b.weight = self.a.weight
    def forward(self, x): return self.b(self.a(x))

class Clocks(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("rates", torch.tensor([1.0, 0.5]))
        self.register_buffer("phase", torch.zeros(2), persistent=False)
    def forward(self, t): return torch.cos(t * self.rates + self.phase)

class SDE:
    def __init__(self): self.beta = 3.0
    def marginal(self, t, like): return t * self.beta

hidden = nn.Linear(2, 2)
def through_hidden(x): return hidden(x)
"""


class Model(nn.Module):
    """A model of the check's, which notes how it is called."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(2, 2).double()
        self.calls: list = []

    def forward(self, x, t):
        self.calls.append((x.clone(), t, torch.is_grad_enabled(), self.training))
        return self.linear(x) + t.reshape(-1, 1) if t.ndim == 1 else self.linear(x)


X = torch.linspace(-1, 1, 6, dtype=torch.float64).reshape(3, 2)
T = torch.tensor([0, 1, 2])
