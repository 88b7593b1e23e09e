"""The checks of UNet."""

import torch
from torch import Generator, Tensor, nn

from exercises.checks import cases, expect
from exercises.checks.cases import numbers
from exercises.checks.rules import KEEP, KEPT, TWIN
from exercises.checks.s2_ddpm.slopes import slopes_in

LARGE_T = 10_000
INSISTING = (TypeError, ValueError, LookupError, AttributeError, AssertionError, RuntimeError)
"""What a network may raise that is called without what it needs; no process that ends, nor a fault of the grader's."""
STRIDES = (1e-6, 1e-7, 1e-8, 1e-4, 1e-3, 1e-2, 3e-2, 0.1)
"""A difference quotient is exact to 1e-6, but for a kink as of a ReLU on the way: nearer by there is seldom one. Where a part of a
network, as a softmax or a normalisation, works in float32 whatever x is, the rounding of near steps drowns the slope, and not of far ones."""


def made(code, *args, **kwargs) -> nn.Module:
    network = code.UNet(*args, **kwargs)
    expect.module(network, "UNet is an nn.Module, and its layers are registered in it")
    return network


def awake(code, rng: Generator, *args, size: float = 1.0, **kwargs) -> nn.Module:
    """A network in float64 that was moved away from its initialisation, where its answer is zero."""
    network = made(code, *args, **kwargs).double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(size * direction(parameter, rng))
    return network


def direction(parameter: Tensor, rng: Generator) -> Tensor:
    """A random change of about the size in which layers are initialised."""
    scale = parameter[0].numel() ** -0.5 if parameter.ndim > 1 and parameter.numel() else 0.2
    return scale * torch.randn(parameter.shape, dtype=torch.float64, generator=rng).to(parameter.dtype)


def answer(network: nn.Module, x: Tensor, t: Tensor, *y: Tensor) -> Tensor:
    why = "the answer has x's shape and dtype, and is finite"
    got = network(x, t, *y)
    expect.tensor(got, why, shape=x.shape, dtype=x.dtype, device=x.device)
    expect.finite(got, why)
    return got


def images(rng: Generator, *shape: int, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    t = torch.randint(LARGE_T, shape[:1], generator=rng)
    return torch.randn(shape, dtype=torch.float64, generator=rng).to(dtype), t


NETWORKS = (
    ({}, (2, 1, 28, 28)),
    ({"in_channels": 3, "width": 16, "multipliers": (1, 2)}, (3, 3, 6, 10)),
    ({"in_channels": 2, "width": 24, "multipliers": (2, 1), "classes": 4}, (1, 2, 8, 4)),
    ({"width": 8, "multipliers": (1, 1, 2, 1)}, (2, 1, 24, 16)),
    ({"width": 8, "multipliers": (1, 2)}, (1, 1, 4, 4)),
    ({"width": 8, "multipliers": (1,), "classes": 2}, (4, 1, 5, 7)),
)
"""Constructor arguments, and the shape of a batch: sides need only be divisible by 2 ** (levels - 1)."""


def test_UNet_answers_zero_in_the_shape_of_x_at_initialisation(code, rng):
    """A fresh network answers 0, in the shape of x."""
    for arguments, shape in NETWORKS:
        network = made(code, **arguments)
        x, t = images(rng, *shape, dtype=torch.float32)
        t[0] = LARGE_T
        given_values = {"x": x, "t": t}
        if "classes" in arguments:
            given_values["y"] = torch.arange(shape[0]) % arguments["classes"]
        got = expect.untouched(lambda *values, network=network: answer(network, *values), KEEP, **given_values).detach()
        why = "the output is zero at initialisation: the network starts by saying nothing"
        expect.holds(float(got.abs().max()) < 1e-6, why, got=got, want="zero")


def test_UNet_keeps_the_dtype_and_takes_any_t_once_it_has_learned(code, rng):
    """The answer has the dtype of x, and any t is taken, once it has learned."""
    for arguments, shape in NETWORKS:
        network = awake(code, rng, **arguments)
        y = [torch.arange(shape[0]) % arguments["classes"]] if "classes" in arguments else []
        for dtype in (torch.float64, torch.float32):
            network.to(dtype)
            x, t = images(rng, *shape, dtype=dtype)
            t[0], t[-1] = 0, 10 * LARGE_T
            given_values = dict(zip(("x", "t", "y"), (x, t, *y), strict=False))
            got = expect.untouched(lambda *values, network=network: answer(network, *values), KEEP, **given_values)
            got = got.detach()
            expect.holds(float(got.abs().max()) > 0, "a network that was moved away from its initialisation answers", got=got, want="numbers")  # fmt: skip


def test_UNet_is_as_wide_as_it_is_told(code):
    """It is as wide as it is told."""

    def size(*args) -> int:
        return sum(parameter.numel() for parameter in made(code, *args).parameters())

    why = "a level has width times its multiplier channels: more of either are more parameters"
    made_with = [(1, 8, (1, 1)), (1, 16, (1, 1)), (1, 16, (2, 1)), (1, 16, (2, 2))]
    sizes = [size(*arguments) for arguments in made_with]
    told = "; ".join(f"UNet{arguments}: {count}" for arguments, count in zip(made_with, sizes, strict=True))
    expect.holds(sizes == sorted(set(sizes)), why, got=sizes, want="more parameters each time", told=told)
    why = "UNet() is UNet(1, 32, (1, 2, 2)): by default one channel, width 32 and multipliers (1, 2, 2)"
    expect.equal(size(), size(1, 32, (1, 2, 2)), why, of="parameters")


def unlike(one: Tensor, other: Tensor) -> bool:
    """Whether two answers differ by more than float64 rounds."""
    return float((one - other).detach().abs().max()) > 1e-9 * float(one.detach().abs().max())


def test_UNet_tells_one_time_from_another(code, rng):
    """Another time gives another answer."""
    network = awake(code, rng, 1, 8, (1, 2)).eval()
    x, _ = images(rng, 2, 1, 4, 4)
    times = (0, 1, 2, 10, 11, 64, 100, 128, 256, 499, 500, 512, 999, 1000, 1024, 2000, 4096, LARGE_T)
    outputs = [answer(network, x, torch.full((2,), t)).detach() for t in times]
    for one in range(len(times)):
        for other in range(one):
            why = "the answer depends on the level: another t, another answer"
            told = f"the same answer for t = {times[other]} and for t = {times[one]}"
            different = unlike(outputs[one], outputs[other])
            expect.holds(different, why, got="the same answer", want="another answer", told=told)


def test_UNet_tells_one_label_from_another(code, rng):
    """Another label gives another answer."""
    for classes in (2, 5, 12):
        network = awake(code, rng, 1, 8, (1, 2), classes=classes).train(classes == 5)  # in training labels count too
        x, t = images(rng, 1, 1, 4, 4)
        x, t = x.expand(classes, 1, 4, 4), t.expand(classes)
        y = torch.arange(classes)
        outputs = answer(network, x, t, y).detach()
        for one in range(classes):
            for other in range(one):
                why = "the answer depends on the label of the sample: another y, another answer"
                told = f"the same answer for y = {other} and for y = {one}"
                different = unlike(outputs[one], outputs[other])
                expect.holds(different, why, got="the same answer", want="another answer", told=told)
        got = network(x, t, y=y.flip(0))
        expect.tensor(got, "y is an argument of forward, by name too", shape=x.shape)
        why = "each sample has its own label: labels in another order give the answers in another order"
        expect.close(got.detach().flip(0), outputs, why, rtol=1e-6, atol=1e-6 * float(outputs.abs().max()))


def test_UNet_treats_each_sample_by_itself_in_training_too(code, rng):
    """Each sample is treated by itself, in training mode too."""
    why = "a sample's output depends on that sample, its t and its y, and on nothing else in the batch"
    network, labels = awake(code, rng, 2, 8, (1, 2), classes=4).eval(), torch.tensor([0, 1, 2, 3])
    given = images(rng, 4, 2, 4, 8)
    before = answer(network, *given, labels).detach()
    for mode in (True, False):
        network.train(mode)
        x, t = images(rng, 4, 2, 4, 8)
        x2, t2 = images(rng, 4, 2, 4, 8)
        y, y2 = labels, torch.tensor([3, 3, 2, 1])
        x2[2], t2[2], t2[3] = x[2], t[2], 100 * LARGE_T
        x.requires_grad_()
        whole = answer(network, x, t, y)
        (pull,) = slopes_in(whole[2].square().sum(), numbers(1.0)[0], "the answer is differentiable in x", x)
        leak = float(pull[[0, 1, 3]].abs().max()) > 1e-9 * float(pull[2].abs().max())
        expect.holds(not leak, why, got="an output that moves with the other samples", want="no influence")
        x, whole = x.detach(), whole.detach()
        again = "the same call gives the same answer: what is random comes in by an argument, so there is no dropout"
        expect.holds(not unlike(answer(network, x, t, y), whole), again, got="another answer", want="the same answer")
        room = 1e-6 * float(whole.abs().max())
        for rest, row in ((answer(network, x2, t2, y2), 2), (answer(network, x[2:3], t[2:3], y[2:3]), 0)):
            moved = float((rest[row].detach() - whole[2]).abs().max()) > room
            expect.holds(not moved, why, got="a row that depends on the others", want="the same row in any company")
    moved = float((answer(network, *given, labels).detach() - before).abs().max()) > 1e-6 * float(before.abs().max())
    got = "an answer in eval mode that remembers what was seen in training mode"
    expect.holds(not moved, why, got=got, want="the same answer")


def slopes(network: nn.Module, x: Tensor, rows: Tensor) -> Tensor:
    """The derivatives of the elements `rows` of the answer to x (1, C, H, W) in x: (rows, C, H, W).

    Of one answer to several copies of x, each copy gives one element at a time, as samples do not influence each other.
    """
    count, why = 16, "the answer is differentiable in x"
    copies = x.repeat(count, 1, 1, 1).requires_grad_()
    got = answer(network, copies, torch.full((count,), 10)).flatten(1)
    found = []
    for some in rows.split(count):
        picked = got[torch.arange(len(some)), some]
        found += [slope[: len(some)] for slope in slopes_in(picked, torch.ones_like(picked), why, copies, keep=True)]
        expect.finite(found[-1], why)
    return torch.cat(found)


def rank(matrix: Tensor) -> int:
    """How many numbers it takes to hand on what the matrix does, in float64: the others are 1e-16 of the largest."""
    sizes = torch.linalg.svdvals(matrix)
    return int((sizes > 1e-12 * sizes[0]).sum())


def test_UNet_hands_detail_across_by_skips(code, rng):
    """Fine detail goes across by the skips."""
    network = awake(code, rng, 8, 8, (1, 1, 1)).eval()
    x, _ = images(rng, 1, 8, 8, 8)
    # 512 numbers come in, 8 * 8 * 8; the level below holds 8 * 4 * 4 = 128 of them, and the lowest 32
    rows = torch.randperm(512, generator=rng)[:160]
    passed = rank(slopes(network, x, rows).flatten(1))
    why = "without a skip at full resolution all detail would have to pass the level below, which holds 128 numbers"
    expect.holds(
        passed > 128,
        why,
        got=passed,
        want="an output that depends on the image in more than 128 ways",
        told=f"an output that depends on it in {passed} ways",
    )


def test_UNet_lets_every_place_see_every_other_by_attention(code, rng):
    """Every place sees every other, by attention."""
    network = awake(code, rng, 4, 16, (1,)).eval()
    first, last = 36, 66
    # Outputs in the first 36 of 102 rows, inputs in the last 36: convolutions do not reach across
    x, _ = images(rng, 1, 4, 102, 2)
    rows = torch.arange(4 * 102 * 2).reshape(4, 102, 2)[:, :first].flatten()
    passed = rank(slopes(network, x, rows)[:, :, last:].flatten(1))
    why = "self-attention brings each place what it asks for from all others: what reaches 288 outputs from the far end fills about 288 numbers, where the means and variances of normalisations are some 100"  # fmt: skip
    expect.holds(
        passed > 264,
        why,
        got=passed,
        want="an influence of the far end in more than 264 ways",
        told=f"an influence of the far end in {passed} ways",
    )


def test_UNet_can_guess_noise_of_either_sign_and_any_size(code, rng):
    """It can guess noise of either sign and any size."""
    low, high, both = 0.0, 0.0, [False, False]
    for _ in range(20):
        network = awake(code, rng, 2, 8, (1, 2), size=4.0)
        reached = answer(network, *images(rng, 4, 2, 8, 8)).detach()
        low, high = min(low, float(reached.min())), max(high, float(reached.max()))
        both = [low < -1.5, high > 1.5]
        if all(both):
            break
    why = "noise has either sign and no bound, so nothing may squash the output: twenty random networks were tried"
    told = f"outputs from {low:.3g} to {high:.3g}"
    expect.holds(all(both), why, got=both, want="some outputs below -1.5 and some above 1.5", told=told)


def test_UNet_lets_gradients_through_to_all_that_matters(code, rng):
    """Gradients reach the input and every parameter that matters."""
    network = awake(code, rng, 1, 8, (1, 2), classes=3).eval()
    x, t = images(rng, 3, 1, 4, 4)
    y, pull = torch.tensor([2, 0, 1]), cases.normal((3, 1, 4, 4), rng)
    x.requires_grad_()
    every = [x, *(parameter for parameter in network.parameters() if parameter.requires_grad)]
    why = "the gradient is the slope of the answer: nothing on the way is detached or computed under no_grad"
    got = answer(network, x, t, y)
    expect.holds(
        got.requires_grad, why, got=False, want="an answer with a gradient", told="an answer without a gradient"
    )
    found = torch.autograd.grad((got * pull).sum(), every, allow_unused=True)
    for first in range(4):
        some = [(value, grad) for value, grad in list(zip(every, found, strict=True))[first::4]]
        moves = [direction(value.detach(), rng) for value, _ in some]
        parts = [
            0.0 if grad is None else float((grad * move).sum()) for (_, grad), move in zip(some, moves, strict=True)
        ]
        size, measured, near = sum(part**2 for part in parts) ** 0.5, [], False
        for step in STRIDES:
            ends = []
            with torch.no_grad():
                for move_by in (step, -2 * step, step):  # there, back beyond, and home
                    for (value, _), move in zip(some, moves, strict=True):
                        value.add_(move_by * move)
                    if len(ends) < 2:
                        ends.append(float((answer(network, x, t, y) * pull).sum()))
            measured.append((ends[0] - ends[1]) / (2 * step))
            near = abs(sum(parts) - measured[-1]) <= 1e-3 * (size + abs(measured[-1]))
            if near:
                break
        slope = min(measured, key=lambda slope: abs(sum(parts) - slope))
        expect.holds(
            near,
            why,
            got=sum(parts),
            want=f"{slope:.6g}, the slope measured",
            told=f"a gradient along which the answer should rise by {sum(parts):.6g}",
        )


def test_UNet_keeps_all_that_it_is_in_parameters_and_buffers(code, rng):
    """All that it is lies in parameters and buffers."""
    network, twin = (awake(code, rng, 1, 8, (1, 2), classes=3).eval() for _ in range(2))
    with torch.no_grad():
        for kept, copied in zip(network.state_dict().values(), twin.state_dict().values(), strict=True):
            copied.copy_(kept)
    x, t = images(rng, 3, 1, 4, 4)
    expected = answer(network, x, t, torch.tensor([2, 0, 1])).detach()
    got = answer(twin, x, t, torch.tensor([2, 0, 1])).detach()
    same = float((got - expected).abs().max()) <= 1e-6 * float(expected.abs().max())
    expect.holds(same, KEPT, got="another answer from the twin", want="the same answer", told=TWIN)


def test_UNet_can_learn_away_from_its_first_answer(code, rng):
    """It begins by saying nothing; a step along the gradient makes it say something."""
    network = made(code, 1, 8, (1, 2)).double()
    x, t = images(rng, 2, 1, 4, 4)
    some = [parameter for parameter in network.parameters() if parameter.requires_grad]
    aim = cases.normal((2, 1, 4, 4), rng)
    why = "zero at initialisation is where learning starts: the gradient must reach what makes the answer zero"
    found = torch.autograd.grad((answer(network, x, t) * aim).sum(), some, allow_unused=True)
    with torch.no_grad():
        for parameter, grad in zip(some, found, strict=True):
            if grad is not None:
                parameter.add_(grad)
    got = answer(network, x, t).detach()
    expect.holds(float(got.abs().max()) > 1e-6, why, got=got, want="an answer that has moved")


def test_UNet_takes_no_label_for_none(code, rng):
    """Label 0 is a label: where the network answers without one, it is another answer."""
    network = awake(code, rng, 1, 8, (1, 2), classes=3).eval()
    x, t = images(rng, 1, 1, 4, 4)
    try:
        without = network(x, t)
    except INSISTING:
        return  # a network made for labels may insist on them
    why = "y = 0 is the first class, and not the absence of a label"
    got = answer(network, x, t, torch.tensor([0])).detach()
    expect.holds(unlike(got, without.detach()), why, got="the answer for no label", want="an answer of its own")
