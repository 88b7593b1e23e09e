"""What is asked of every network of the section, whatever it is built of.

A network in the grader lives in another process: each call of it goes there and back, so that batches are made large and
calls few.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Generator, Tensor, nn

from exercises.checks import expect
from exercises.checks.describe import in_modes
from exercises.checks.rules import KEPT, TWIN

ALONE = "a sample's output depends on what belongs to that sample, and on nothing else: no batch norm, no dropout"
STRIDES = (1e-6, 1e-7, 1e-8, 1e-4, 1e-3, 1e-2, 3e-2, 0.1)
"""A difference quotient is exact to 1e-6, but for a kink as of a ReLU on the way: nearer by there is seldom one. Where a part of a
network, as a softmax or a normalisation, works in float32 whatever x is, the rounding of near steps drowns the slope, and not of far ones."""
SLOPE = "the gradient is the slope of the answer: nothing on the way is detached or computed under no_grad"


def made(code, name: str, *args, **kwargs) -> nn.Module:
    network = getattr(code, name)(*args, **kwargs)
    expect.module(network, f"{name} is an nn.Module, and its layers are registered in it")
    return network


def awake(network: nn.Module, rng: Generator, size: float = 1.0) -> nn.Module:
    """The network in float64, moved away from its initialisation, where some of it may be zero."""
    network.double()
    with torch.no_grad():
        for parameter in trained(network):
            parameter.add_(size * direction(parameter, rng))
    return network


def trained(network: nn.Module) -> list[nn.Parameter]:
    return [parameter for parameter in network.parameters() if parameter.requires_grad]


def direction(parameter: Tensor, rng: Generator) -> Tensor:
    """A random change of about the size in which layers are initialised."""
    return spread(parameter) * torch.randn(parameter.shape, dtype=torch.float64, generator=rng).to(parameter.dtype)


def spread(parameter: Tensor) -> float:
    """How far a number of a parameter is moved by `direction`, about."""
    return parameter[0].numel() ** -0.5 if parameter.ndim > 1 and parameter.numel() else 0.2


def answer(network: Callable[..., Tensor], *inputs: Tensor, why: str = "the answer has x's shape and dtype") -> Tensor:
    """What the network makes of its inputs: like the first of them, and finite."""
    got = network(*inputs)
    expect.tensor(got, why, shape=inputs[0].shape, dtype=inputs[0].dtype, device=inputs[0].device)
    expect.finite(got, why)
    return got


def unlike(one: Tensor, other: Tensor) -> bool:
    """Whether two answers differ by more than float64 rounds."""
    return float((one - other).detach().abs().max()) > 1e-9 * float(one.detach().abs().max())


def alone(
    call: Callable[..., Tensor], network: nn.Module, inputs: dict[str, Tensor], others: dict[str, Tensor]
) -> None:
    """Row 1 of the answer is the same from call to call, in other company and by itself, in both modes.

    Args:
        call: the network, or a method of it, called with the inputs in their order.
        network: whose mode is set.
        inputs: by name, a batch of three samples or more.
        others: another such batch, whose row 1 is replaced.
    """
    company = {name: other.clone() for name, other in others.items()}
    for name, given in inputs.items():
        company[name][1] = given[1]
    network.eval()
    unseen = call(*inputs.values()).detach()
    found = {}
    for mode in ("training", "eval"):
        network.train(mode == "training")
        found[mode] = _moved(call, inputs, company)
    told = in_modes(found)
    if not told and not _near(call(*inputs.values()), unseen):
        told = "an answer in eval mode that remembers what was seen in training mode"
    expect.holds(not told, ALONE, got=told, want="the same row each time, and in any company")


def leaves_alone(call: Callable[..., Tensor], network: nn.Module, why: str, **inputs: Tensor) -> None:
    """The inputs, given in their order, are as they were after a call in either mode, recorded or not: of a network whose gates are open."""
    for training, recorded in ((True, True), (False, True), (False, False)):
        network.train(training)
        with torch.set_grad_enabled(recorded):
            expect.untouched(lambda *copies: call(*copies), why, **inputs)


def _moved(call: Callable[..., Tensor], inputs: dict[str, Tensor], company: dict[str, Tensor]) -> str:
    """By what row 1 of the answer is moved, in words; "" by nothing."""
    whole = call(*inputs.values()).detach()
    again, mixed = call(*inputs.values()), call(*company.values())
    single = call(*(given[1:2] for given in inputs.values()))
    expect.tensor(single, ALONE, shape=whole[1:2].shape)
    if not _near(again, whole):
        return "an answer that changes from one call to an equal one"
    if not _near(mixed[1], whole[1]):
        leaks = [
            name
            for name in inputs
            if not _near(call(*(company[k] if k == name else inputs[k] for k in inputs))[1], whole[1])
        ]
        return f"a row that changes with the other samples' {' or '.join(leaks) or 'inputs'}"
    return "" if _near(single[0], whole[1]) else "a row that changes with the size of the batch"


def _near(got: Tensor, want: Tensor) -> bool:
    return float((got - want).detach().abs().max()) <= 1e-6 * float(want.detach().abs().max())


def twins_agree(one: nn.Module, other: nn.Module, call: Callable[[nn.Module], Tensor]) -> None:
    """`other`, given all that `one` keeps, answers as `one` does."""
    with torch.no_grad():
        for kept, copied in zip(one.state_dict().values(), other.state_dict().values(), strict=True):
            copied.copy_(kept)
    got, want = call(other), call(one)
    expect.tensor(got, KEPT, shape=want.shape)
    expect.holds(_near(got, want), KEPT, got="another answer from the twin", want="the same answer", told=TWIN)


def heads_count(one: nn.Module, other: nn.Module, call: Callable[[nn.Module], Tensor], why: str) -> None:
    """`other` is made as `one` is, but for the number of heads: with the same weights, if they fit, it answers otherwise."""
    kept, copied = one.state_dict(), other.state_dict()
    if [value.shape for value in kept.values()] == [value.shape for value in copied.values()]:
        with torch.no_grad():
            for value, copy in zip(kept.values(), copied.values(), strict=True):
                copy.copy_(value)
    expect.holds(unlike(call(one), call(other)), why, got="the same answer of more heads", want="another answer")


def honest_slopes(call: Callable[[], Tensor], network: nn.Module, rng: Generator, **inputs: Tensor) -> None:
    """Autograd's gradients, in each input and in the parameters, are the slopes that are measured.

    Args:
        call: gives the network's answer to the inputs as they are then.
        network: in float64; a third of its parameters is looked at together.
        rng: where the directions come from.
        inputs: by name, leaves that require a gradient.
    """
    got = call()
    expect.holds(got.requires_grad, SLOPE, got="an answer without a gradient", want="an answer with one")
    pull = torch.randn(got.shape, dtype=torch.float64, generator=rng)
    weights = trained(network)
    found = torch.autograd.grad((got * pull).sum(), [*inputs.values(), *weights], allow_unused=True)
    pairs = list(zip([*inputs.values(), *weights], found, strict=True))
    groups = [(name, [pair]) for name, pair in zip(inputs, pairs, strict=False)]
    groups += [("its parameters", pairs[len(inputs) + k :: 3]) for k in range(3)]
    wrong = {name: None for name, group in groups if not _honest(call, group, pull, rng)}
    got = [f"{'no' if _none(name, groups) else 'another'} gradient in {name}" for name in wrong]
    expect.holds(not got, SLOPE, got=got, want="the slopes that are measured")


def _none(name: str, groups: list[tuple[str, list]]) -> bool:
    """Whether no gradient at all came to what is called so."""
    grads = [grad for other, group in groups if other == name for _, grad in group]
    return all(grad is None or not bool(grad.any()) for grad in grads)


def _honest(call: Callable[[], Tensor], group: list, pull: Tensor, rng: Generator) -> bool:
    """Whether the gradients of a group of leaves, given as (leaf, gradient), are the slope along a random direction."""
    moves = [direction(value.detach(), rng) for value, _ in group]
    parts = [0.0 if grad is None else float((grad * move).sum()) for (_, grad), move in zip(group, moves, strict=True)]
    usual = [
        0.0 if grad is None else float(grad.norm()) * spread(value) for value, grad in group
    ]  # along any direction
    size, values = sum(part**2 for part in (*parts, *usual)) ** 0.5, [value for value, _ in group]
    measured = (_quotient(call, values, moves, pull, step) for step in STRIDES)
    return any(abs(sum(parts) - slope) <= 1e-3 * (size + abs(slope)) + 1e-7 for slope in measured)


def _quotient(
    call: Callable[[], Tensor], values: list[Tensor], moves: list[Tensor], pull: Tensor, step: float
) -> float:
    ends = []
    with torch.no_grad():
        for move_by in (step, -2 * step, step):  # there, back beyond, and home
            for value, move in zip(values, moves, strict=True):
                value.add_(move_by * move)
            if len(ends) < 2:
                ends.append(float((call() * pull).sum()))
    return (ends[0] - ends[1]) / (2 * step)


class Adam:
    """A few steps of Adam (arXiv:1412.6980), without what torch.optim imports for it."""

    def __init__(self, network: nn.Module, lr: float) -> None:
        self.weights, self.lr, self.count = trained(network), lr, 0
        self.means = [torch.zeros_like(weight) for weight in self.weights]
        self.squares = [torch.zeros_like(weight) for weight in self.weights]

    def step(self, loss: Tensor) -> None:
        expect.holds(loss.requires_grad, "it can be trained", got="an answer without a gradient", want="one with")
        found = torch.autograd.grad(loss, self.weights, allow_unused=True)
        self.count += 1
        with torch.no_grad():
            for weight, grad, mean, square in zip(self.weights, found, self.means, self.squares, strict=True):
                if grad is None:
                    continue
                mean.lerp_(grad, 0.1)
                square.lerp_(grad.square(), 0.01)
                size = (square / (1 - 0.99**self.count)).sqrt() + 1e-12
                weight.sub_(self.lr / (1 - 0.9**self.count) * mean / size)


def apart(outputs: Tensor, names: Sequence[object], why: str) -> None:
    """No two rows of an answer are alike.

    Args:
        outputs: a row for each name.
        names: what the rows were asked for, in words or numbers.
        why: the reason that teaches.
    """
    alike = [
        f"{names[one]} like {names[other]}"
        for one in range(len(names))
        for other in range(one)
        if not unlike(outputs[one], outputs[other])
    ]
    expect.holds(not alike, why, got=alike[:8], want="another answer for each")


def alike(got: Tensor, want: Tensor, why: str, told: str) -> None:
    """Two answers are equal up to rounding; `told` says in words what they are if not, whatever the network is made of."""
    expect.tensor(got, why, shape=want.shape)
    expect.holds(_near(got, want), why, got=told, want="the same answer")


def grows(why: str, first: nn.Module, **larger: nn.Module) -> None:
    """Each network has more parameters than the one before it; the names say what it was given more of."""
    sizes = [size_of(network) for network in (first, *larger.values())]
    still = [name.replace("_", " ") for name, before, size in zip(larger, sizes, sizes[1:], strict=False) if size <= before]  # fmt: skip
    expect.holds(
        not still,
        why,
        got=["no more parameters for", *still],
        want="more parameters each time",
        told=f"no more parameters for: {', '.join(still)}",
    )


def by_default(short: nn.Module, spelt_out: nn.Module, why: str) -> None:
    """A network made without its optional arguments is as large as one that was given the defaults."""
    expect.holds(size_of(short) == size_of(spelt_out), why, got="another size by default", want="the size of the defaults")  # fmt: skip


def size_of(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())
