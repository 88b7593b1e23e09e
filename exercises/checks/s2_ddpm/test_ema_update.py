"""The checks of ema_update."""

import torch
from torch import Generator, Tensor, nn

from exercises.checks import cases, expect
from exercises.checks.cases import numbers
from exercises.checks.describe import describe

AVERAGE = "θ_ema becomes decay θ_ema + (1 - decay) θ, once for each parameter and each floating-point buffer"


class Assorted(nn.Module):
    """A model with everything that can be averaged or copied: shared, frozen and nested, and some of it not in its state."""

    def __init__(self, rng: Generator) -> None:
        super().__init__()
        self.weight = nn.Parameter(cases.normal((3, 2), rng))
        self.single = nn.Parameter(cases.normal((4,), rng).float())
        self.frozen = nn.Parameter(cases.normal((2,), rng), requires_grad=False)
        self.tied = self.weight
        self.inner = nn.Module()
        self.inner.gain = nn.Parameter(cases.normal((), rng))
        self.inner.tied = self.weight
        self.register_buffer("mean", cases.normal((3,), rng))
        self.register_buffer("hidden", cases.normal((2, 2), rng).float(), persistent=False)
        self.inner.register_buffer("mean", self.mean)
        self.inner.register_buffer("level", cases.normal((), rng))
        self.inner.register_buffer("seen", torch.randint(1, 1000, (2,), generator=rng))
        self.register_buffer("count", torch.randint(1, 1000, (), generator=rng))
        self.register_buffer("flags", torch.rand(5, generator=rng) < 0.5)
        self.register_buffer("halved", cases.normal((3,), rng).half())
        self.register_buffer("brief", cases.normal((3,), rng).bfloat16())

    def tensors(self) -> dict[str, Tensor]:
        """Every parameter and buffer, once."""
        return {**dict(self.named_parameters()), **dict(self.named_buffers())}

    def values(self) -> dict[str, Tensor]:
        return {name: tensor.detach().clone() for name, tensor in self.tensors().items()}


def averaged(slow: dict[str, Tensor], fast: dict[str, Tensor], decay: float) -> dict[str, Tensor]:
    return {
        name: (decay * slow[name].double() + (1 - decay) * fast[name].double()).to(slow[name].dtype)
        if slow[name].is_floating_point()
        else fast[name]
        for name in slow
    }


def compare(model: Assorted, want: dict[str, Tensor], why: str, updates: int = 1) -> None:
    found = model.tensors()
    why_shared, names = "shared tensors stay shared, and none is lost", sorted(found)
    strange = [f"{name} a tensor of its own" for name in names if name not in want]
    strange += [f"no {name}" for name in want if name not in found]
    expect.holds(
        not strange, why_shared, got=names, want=f"the tensors {', '.join(sorted(want))}", told=", ".join(strange)
    )
    for name, tensor in found.items():
        expect.tensor(tensor, f"{why} ({name})", shape=want[name].shape, dtype=want[name].dtype)
    wrong = [
        (name, tensor.detach()) for name, tensor in found.items() if not near(tensor.detach(), want[name], updates)
    ]
    if not wrong:
        return
    first, tensor = wrong[0]
    others = [name for name, _ in wrong[1:]]
    too = f"; {', '.join(others)} {'is' if len(others) == 1 else 'are'} wrong too" if others else ""
    told = f"{_kind(model, first)} {first}: {describe(tensor)}{too}"
    expect.holds(False, why, got=wrong, want=f"{first}: {describe(want[first])}", told=told)


def _kind(model: Assorted, name: str) -> str:
    """What a tensor of the model is."""
    if name in dict(model.named_parameters()):
        return "the frozen parameter" if name == "frozen" else "the parameter"
    tensor = dict(model.named_buffers())[name]
    return "the floating-point buffer" if tensor.is_floating_point() else "the buffer of whole numbers or flags"


def near(got: Tensor, want: Tensor, updates: int) -> bool:
    if not want.is_floating_point():
        return torch.equal(got, want)
    # the decay may be a float32 tensor, off by 3e-8: 20 updates make it 5e-7 of numbers up to 5
    tolerance = {torch.float64: 3e-6, torch.float32: 3e-6, torch.float16: 5e-3, torch.bfloat16: 4e-2}[want.dtype]
    if updates > 1 and want.itemsize == 2:  # a change of less than half a last place is lost, each time
        tolerance *= 4
    return torch.allclose(got, want, rtol=tolerance, atol=tolerance)


def test_ema_update_by_hand(code):
    """Numbers that can be worked out by hand."""
    slow, fast = nn.Linear(1, 1, bias=False).double(), nn.Linear(1, 1, bias=False).double()
    with torch.no_grad():
        slow.weight.fill_(1.0)
        fast.weight.fill_(3.0)
    code.ema_update(slow, fast, 0.75)
    expect.close(slow.weight, numbers(1.5)[None], "0.75 * 1 + 0.25 * 3 = 1.5")
    code.ema_update(slow, fast, decay=0.75)
    expect.close(slow.weight, numbers(1.875)[None], "0.75 * 1.5 + 0.25 * 3 = 1.875")


def test_ema_update_averages_parameters_and_floating_buffers_once_and_copies_the_others(code, rng):
    """Parameters and floating buffers are averaged once, other buffers are copied."""
    for decay in (0.9, 0.3, 0.0, 1.0):
        slow, fast = Assorted(rng), Assorted(rng)
        want = averaged(slow.values(), fast.values(), decay)
        code.ema_update(slow, fast, decay)
        why = "shared tensors, frozen ones and buffers outside the state_dict too; integers and flags are copied"
        compare(slow, want, f"{AVERAGE}, here with decay {decay}: {why}")


def test_ema_update_follows_a_model_that_moves(code, rng):
    """The slow model follows one that moves."""
    slow, fast, decay = Assorted(rng), Assorted(rng), 0.8
    want = slow.values()
    for _ in range(3):
        with torch.no_grad():
            for tensor in fast.tensors().values():
                if tensor.is_floating_point():
                    tensor.add_(cases.normal(tuple(tensor.shape), rng))
            fast.count.add_(1)
            fast.flags.logical_not_()
        want = averaged(want, fast.values(), decay)
        code.ema_update(slow, fast, decay)
        compare(slow, want, AVERAGE)


def test_ema_update_closes_in_on_a_model_that_stands_still(code, rng):
    """The slow model closes in on one that stands still."""
    slow, fast, decay = Assorted(rng), Assorted(rng), 0.95
    want = averaged(slow.values(), fast.values(), decay**20)
    for _ in range(20):
        code.ema_update(slow, fast, decay)
    compare(slow, want, "after k updates towards the same θ the old value weighs decay ** k", updates=20)


def test_ema_update_keeps_the_tensors_of_the_slow_model_and_all_that_hangs_on_them(code, rng):
    """The slow model's tensors stay the same objects, with all that hangs on them."""
    slow, fast = Assorted(rng), Assorted(rng)
    code.ema_update(slow, fast, 0.5)
    before = slow.tensors()
    marks = {name: cases.normal(tuple(t.shape), rng).to(t.dtype) for name, t in before.items() if t.is_floating_point()}
    for name, mark in marks.items():
        before[name].grad = mark.clone()
    code.ema_update(slow, fast, 0.5)
    why = "the update is in place: an optimiser or another module may hold the same tensors"
    for name, tensor in slow.tensors().items():
        kept = tensor is before[name] and (name not in marks or tensor.grad is not None)
        expect.holds(kept, why, got=f"{name} replaced", want=f"the same tensor {name}, with another value")
    expect.holds(slow.tied is slow.weight and slow.inner.mean is slow.mean, why, got="untied", want="shared tensors that stay shared")  # fmt: skip


def test_ema_update_records_no_gradient_and_leaves_the_model_alone(code, rng):
    """No gradient is recorded, and the fast model stays as it is."""
    for wants_gradient in (True, False):
        slow, fast = Assorted(rng), Assorted(rng)
        slow.requires_grad_(wants_gradient)
        flags = {name: tensor.requires_grad for name, tensor in slow.tensors().items()}
        before = fast.values()
        code.ema_update(slow, fast, 0.9)
        code.ema_update(slow, fast, 0.9)
        for name, tensor in slow.tensors().items():
            recorded = not tensor.is_leaf or (tensor.requires_grad and not flags[name])
            why = "no gradient is recorded, or each update would keep all the earlier ones alive"
            expect.equal(recorded, False, f"{why} ({name})")
        for name, tensor in fast.tensors().items():
            same = torch.equal(tensor.detach(), before[name]) and tensor.grad is None
            expect.holds(same, "the model that is followed stays as it is", got=f"{name} changed", want=f"{name} as it was")  # fmt: skip
        expect.equal([fast.training, fast.inner.training], [True, True], "the model that is followed stays as it is")
