"""What a check sees through the connection is what it would see in its own process."""

import socket

import pytest
import torch
from torch import nn

from exercises.toolkit.processes import Drain
from grader.rpc.codec import Incoming
from grader.rpc.connection import Connection
from grader.rpc.frames import Channel
from grader.rpc.limits import Violation
from grader.rpc.plain import Foreign
from tests.crossing import crossing

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
def require(x): x.requires_grad_(); return x.sum()
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
def bad(x): raise ValueError("gamma must be positive")
def two(x): return (x, [x + 1, {"a": 1.5, "n": None}], True, "text", 3)
def same(x): return x
def array(x): return numpy.zeros(3)
def marginal_sum(sde, x):
    mean, std = sde.marginal(x, like=x)
    return mean + std
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


@pytest.fixture(scope="module")
def code():
    with crossing(SOURCE) as code:
        yield code


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


def test_values_cross_with_their_types(code):
    tensor, (more, table), flag, text, number = code.two(X)
    assert torch.equal(tensor, X)
    assert torch.equal(more, X + 1)
    assert (table, flag, text, number) == ({"a": 1.5, "n": None}, True, "text", 3)


def test_what_does_not_cross_arrives_as_foreign(code):
    assert code.array(X) == Foreign("numpy.ndarray")


def test_gradients_flow_through_a_call(code):
    x = X.clone().requires_grad_()
    code.square(x).sum().backward()
    torch.testing.assert_close(x.grad, 4 * X)


def test_second_derivatives_flow_through_a_call(code):
    x = X.clone().requires_grad_()
    (first,) = torch.autograd.grad(code.square(x).sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), x)
    torch.testing.assert_close(second, torch.full_like(X, 4))


def test_gradients_reach_a_model_that_the_check_hands_out_and_the_data(code):
    model, x = Model(), X.clone().requires_grad_()
    code.loss(model, x, T).backward()
    got = model.linear.weight.grad, x.grad
    model.zero_grad()
    x.grad = None
    (model(x, T) - x).square().mean().backward()
    torch.testing.assert_close(got, (model.linear.weight.grad, x.grad))


def test_gradients_of_a_parameter_can_be_asked_for_without_leaving_them(code):
    model = Model()
    (grad,) = torch.autograd.grad(code.loss(model, X, T), model.linear.bias)
    assert grad.shape == (2,)
    assert model.linear.bias.grad is None


@pytest.mark.parametrize("function", ["change", "change_behind_autograd"])
def test_an_argument_changed_in_place_is_changed_at_the_checks_side(code, function):
    x = torch.ones(4)
    getattr(code, function)(x)
    torch.testing.assert_close(x, torch.full((4,), 2.0))


def test_an_argument_changed_through_numpy_is_noticed(code):
    x = torch.ones(4)
    code.change_through_numpy(x)
    assert torch.equal(x, torch.full((4,), 7.0))


def test_an_argument_with_other_numbers_put_in_its_place_is_changed(code):
    x = torch.arange(4.0)
    code.put_other_numbers(x)
    assert torch.equal(x, torch.arange(4.0) * 2)


def test_an_argument_that_is_turned_in_place_has_its_numbers_in_the_other_order(code):
    x = torch.arange(4.0).reshape(2, 2)
    code.turn(x)
    assert torch.equal(x, torch.tensor([[0.0, 2.0], [1.0, 3.0]]))


@pytest.mark.parametrize(
    "tensor",
    [
        torch.zeros(2, 3),
        torch.zeros(2, 3, dtype=torch.bool),
        torch.zeros(2, 3, dtype=torch.bfloat16),
        torch.zeros(2, 3, dtype=torch.int64),
        torch.zeros(3, 2).T,
        torch.zeros(2, 4)[:, :3],
        torch.full((2, 3), float("nan")),
    ],
    ids=["float", "bool", "bfloat16", "int", "permuted", "with gaps", "nan"],
)
def test_a_part_of_an_argument_of_any_kind_that_is_changed_is_changed_at_the_checks_side(code, tensor):
    want = tensor.clone()
    want[..., -1:] = 1
    code.change_some(tensor)
    torch.testing.assert_close(tensor, want, equal_nan=True)


def test_a_result_can_be_changed_in_place_whether_it_has_a_gradient_or_not(code):
    for x in (X.clone(), X.clone().requires_grad_()):
        got, (more, _), *_ = code.two(x * 1)
        more.mul_(2)
        torch.testing.assert_close(more, 2 * (X + 1))
        torch.testing.assert_close(got, X)


def test_an_argument_can_be_left_with_a_gradient(code):
    x = torch.ones(2)
    code.leave_grad(x)
    assert x.requires_grad
    torch.testing.assert_close(x.grad, torch.full((2,), 2.0))


def test_grad_mode_is_seen_at_both_sides(code):
    model, x = Model(), X.clone().requires_grad_()
    assert not code.without_grad(model, x, T).requires_grad
    assert model.calls[-1][2] is False
    with torch.no_grad():
        assert code.modes(torch.is_grad_enabled) is False
    with torch.inference_mode():
        assert code.modes(torch.is_inference_mode_enabled) is True


def test_a_result_has_a_gradient_only_if_it_has_one_over_there(code):
    assert not code.square(X).requires_grad
    assert code.through_hidden(X.float()).requires_grad


def test_training_a_model_of_the_checks_changes_it(code):
    model, generator = Model(), torch.Generator().manual_seed(0)
    before, state = model.linear.weight.detach().clone(), generator.get_state()
    losses = code.train(model, X, 3, generator)
    assert [type(loss) for loss in losses] == [float] * 3
    assert len(model.calls) == 3
    assert not torch.equal(model.linear.weight, before)
    assert model.linear.weight.grad is not None
    assert not torch.equal(generator.get_state(), state)


def test_the_same_generator_state_gives_the_same_training(code):
    losses = []
    for _ in range(2):
        torch.manual_seed(0)
        losses.append(code.train(Model(), X, 3, torch.Generator().manual_seed(5)))
    assert losses[0] == losses[1]


def test_a_generator_is_drawn_from_in_turn(code):
    generator, twin = torch.Generator().manual_seed(1), torch.Generator().manual_seed(1)
    for _ in range(2):
        assert torch.equal(code.generator_draw(generator), torch.randn(3, generator=twin))
        assert torch.equal(torch.randn(3, generator=generator), torch.randn(3, generator=twin))


def test_changes_through_data_reach_the_owner(code):
    ours, theirs = nn.Linear(2, 2), nn.Linear(2, 2)
    want = (ours.weight + theirs.weight).detach() / 2
    code.ema(ours, theirs, 0.5)
    torch.testing.assert_close(ours.weight.detach(), want)


def test_train_eval_and_requires_grad_reach_the_owner(code):
    model = Model()
    code.eval_and_freeze(model)
    assert not model.training
    assert not any(module.training for module in model.modules())
    assert not any(p.requires_grad for p in model.parameters())


def test_torch_func_transforms_a_callable_of_the_checks(code):
    matrix = torch.tensor([[1.0, 2.0], [-1.0, 0.5]], dtype=torch.float64)

    def fn(x):
        return torch.sin(x) @ matrix

    probe = torch.flip(X, [0])
    want = (torch.func.vjp(fn, X)[1](probe)[0] * probe).sum(1)
    torch.testing.assert_close(code.divergence(fn, X, probe), want)
    torch.testing.assert_close(code.push(fn, X, probe), torch.func.jvp(fn, (X,), (probe,)))
    torch.testing.assert_close(code.jacobian(fn, X), torch.func.jacrev(fn)(X))
    torch.testing.assert_close(code.mapped(fn, X), fn(X))
    torch.testing.assert_close(
        code.hessian(lambda x: fn(x).sum(), X[0]), torch.func.hessian(lambda x: fn(x).sum())(X[0])
    )


def test_torch_func_transforms_a_function_of_the_submissions(code):
    torch.testing.assert_close(torch.func.grad(lambda x: code.square(x).sum())(X), 4 * X)
    torch.testing.assert_close(torch.func.jvp(code.square, (X,), (X,))[1], 4 * X * X)


def test_a_gradient_inside_the_submission_works_under_no_grad(code):
    with torch.no_grad():
        torch.testing.assert_close(code.score(lambda x, t: torch.sin(x), X, T), torch.cos(X))


def test_a_gradient_of_a_gradient_inside_the_submission_flows_back(code):
    x = X.clone().requires_grad_()
    code.penalty(lambda value: value**3, x).backward()
    torch.testing.assert_close(x.grad, 36 * X**3)


def test_an_exception_is_what_it_was_and_says_where(code):
    with pytest.raises(ValueError, match="gamma must be positive") as caught:
        code.bad(X)
    assert caught.value.function == "bad"
    assert SOURCE.splitlines()[caught.value.line - 1].startswith("def bad")


def test_an_assertion_in_a_model_of_the_checks_comes_back_as_itself(code):
    def model(x, t):
        raise AssertionError("t is too large")

    with pytest.raises(AssertionError, match="t is too large") as caught:
        code.loss(model, X, T)
    assert type(caught.value) is AssertionError


def test_objects_are_handles_whose_methods_can_be_called(code):
    sde = code.SDE()
    assert sde.beta == 3.0
    assert torch.equal(sde.marginal(X, None), 3 * X)

    class Ours:
        def marginal(self, t, like):
            return t, 2 * like

    torch.testing.assert_close(code.marginal_sum(Ours(), X), 3 * X)
    torch.testing.assert_close(code.marginal_sum(Ours(), X), 3 * X)


def test_modules_are_handles_with_parameters_of_their_own(code):
    net = code.Net(2)
    x = torch.randn(5, 2)
    assert [name for name, _ in net.named_parameters()] == [
        "gain",
        "linear.weight",
        "linear.bias",
        "norm.weight",
        "norm.bias",
    ]
    assert set(net.state_dict()) >= {"norm.running_mean", "norm.num_batches_tracked"}
    net(x).sum().backward()
    assert all(p.grad is not None for p in net.parameters())
    assert net.norm.num_batches_tracked == 1
    net.eval()
    assert torch.equal(net(x), net(x))
    assert net.norm.num_batches_tracked == 1
    with torch.no_grad():
        net.gain.zero_()
    assert net(x).abs().max() == 0
    assert torch.equal(net.encode(x), x)
    assert net.double()(x.double()).dtype == torch.float64


def test_buffers_at_the_top_of_a_module_cross(code):
    clocks = code.Clocks()
    assert [name for name, _ in clocks.named_buffers()] == ["rates", "phase"]
    assert set(clocks.state_dict()) == {"rates"}
    with torch.no_grad():
        clocks.rates.zero_()
    assert torch.equal(clocks(torch.ones(2)), torch.ones(2))


def test_tied_parameters_stay_tied(code):
    tied = code.Tied()
    assert tied.a.weight is tied.b.weight
    assert len(list(tied.parameters())) == 3
    x = torch.randn(3, 2)
    out = tied(x)
    with torch.no_grad():
        tied.a.weight.zero_()
    assert not torch.equal(tied(x), out)


def test_a_module_of_the_submissions_can_be_handed_back(code):
    net = code.Net(2)
    x = torch.randn(4, 3)
    with torch.no_grad():
        net.linear.weight.zero_()
    losses = code.train(code.Net(2), torch.randn(8, 2), 0, None)
    assert losses == []
    loss = code.loss(lambda x, t: x * net.gain.sum(), x, T)
    assert loss.ndim == 0


def test_a_deep_copy_is_a_copy(code):
    zero, kept = code.zeroed_copy(Model(), X)
    assert zero.abs().max() == 0
    assert kept.abs().max() > 0


def test_functional_call_takes_other_parameters(code):
    assert code.functional(Model(), X).abs().max() == 0


def test_torch_func_differentiates_a_functional_call(code):
    model = Model()
    found = code.functional_gradient(model, X)
    parameters = dict(model.named_parameters())
    want = torch.autograd.grad(model(X, X).square().sum(), list(parameters.values()))
    for name, grad in zip(parameters, want, strict=True):
        torch.testing.assert_close(found[name], grad)


def test_what_a_model_answered_may_be_changed_in_place(code):
    model = Model()
    torch.testing.assert_close(code.change_result(model, X, X), 2 * model(X, X))


def test_layouts_survive(code):
    assert code.strides(torch.ones(3, 1).expand(3, 4))[0] == [1, 0]
    assert code.strides(torch.ones(3, 4).T) == ([1, 4], False)
    assert code.strides(torch.ones(3, 4)[:, ::2])[1] is False
    with pytest.raises(RuntimeError, match="single memory location"):
        code.change(torch.ones(3, 1).expand(3, 4))


@pytest.mark.parametrize(
    "tensor",
    [
        torch.tensor(3.5),
        torch.zeros(0, 3),
        torch.tensor([True, False]),
        torch.tensor([1, 2], dtype=torch.int8),
        torch.ones(2, dtype=torch.bfloat16),
        torch.ones(2, dtype=torch.complex64),
        torch.tensor([float("nan"), float("inf")]),
        torch.ones(1, 2, 1, 3).transpose(1, 3),
    ],
)
def test_tensors_of_every_kind_survive_the_way_there_and_back(code, tensor):
    back = code.two(tensor)[0]
    torch.testing.assert_close(back, tensor, equal_nan=True)
    seen = [k for k, size in enumerate(tensor.shape) if size > 1]  # the stride of a dimension of size 1 is arbitrary
    assert [back.stride(k) for k in seen] == [tensor.stride(k) for k in seen]


def test_two_calls_share_the_submissions_state(code):
    first = code.remember(X)
    assert code.remember(X) == first + 1


def test_a_given_process_is_called_where_it_is_handed_and_comes_back_as_itself(code):
    asked = []
    call, code.connection._serve_call = code.connection._serve_call, lambda *message: asked.append(message)
    sde = Drain(0.8, 0.5, 0.3, 1.2)
    try:
        got = code.marginal_sum(sde, T.double())
        assert code.same(sde) is sde
    finally:
        code.connection._serve_call = call
    mean, std = sde.marginal(T.double(), T.double())
    torch.testing.assert_close(got, mean + std)
    assert asked == []


def test_what_is_made_by_name_is_not_taken_from_the_jail():
    with socket.socket(socket.AF_UNIX) as sock:
        judge = Connection(
            Channel(sock), describe_error=dict, build_error=Exception, catches=Exception, open_objects=False
        )
        with pytest.raises(Violation, match="unknown tag 'v'"):
            Incoming(judge, []).decode(["v", 1, "Drain", [0.8, 0.5, 0.3, 1.2]])
