"""The desk and the grader give one verdict: what crosses behaves as it does in one process. A second each."""

import functools
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from tests.crossing import crossing

SOURCE = """
import threading
import torch
import types
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple
from torch import nn

class AsTuple(NamedTuple):
    beta: float
    def marginal(self, t, like): return t * self.beta, t + 1

class AsDict(dict):
    def marginal(self, t, like): return t * self["beta"], t + 1

class AsList(list):
    def marginal(self, t, like): return t * self[0], t + 1

def as_class(b):
    class Static:
        beta = b
        @staticmethod
        def marginal(t, like): return t * b, t + 1
    return Static

def as_function(b):
    def sde(): ...
    sde.beta = b
    sde.marginal = lambda t, like: (t * b, t + 1)
    return sde

def make(kind, b):
    makers = {"tuple": AsTuple, "dict": lambda b: AsDict(beta=b), "list": lambda b: AsList([b]), "class": as_class,
              "function": as_function, "namespace": lambda b: types.SimpleNamespace(beta=b, marginal=as_class(b).marginal)}
    return makers[kind](b)

def use(sde, x): return sde.marginal(x, x)[0] + sde.marginal(x, like=x)[1]

class Pair(NamedTuple):
    mean: object
    variance: object
    def std(self): return self.variance.sqrt()

def pair(x): return Pair(x, x * x)

def looks(it): return hasattr(it, "nothing"), hasattr(it, "marginal"), getattr(it, "steps", 7)

class Scale:
    def __init__(self): self.by = 2.0
    def __call__(self, x): return x * self.by
    def reset(self): self.by = 3.0; return 1

def scale(): return Scale()
def call(it, x): return it(x)

def jvp(fn, x, v): return torch.func.jvp(fn, (x,), (v,))
def jvp_of_a_model(model, x, v): return torch.func.jvp(lambda y: model(y, y), (x,), (v,))
def jvp_of_a_method(sde, x, v): return torch.func.jvp(lambda y: sde.marginal(y, y)[0], (x,), (v,))
def jvp_without_recording(fn, x, v):
    with torch.no_grad(): return jvp(fn, x, v)
def jvp_of_jvp(fn, x, v): return torch.func.jvp(lambda y: torch.func.jvp(fn, (y,), (v,))[1], (x,), (v,))
def grad_of_jvp(fn, x, v): return torch.func.grad(lambda y: torch.func.jvp(fn, (y,), (v,))[1].sum())(x)
def each_jvp(fn, x, v): return torch.func.vmap(lambda x, v: torch.func.jvp(fn, (x,), (v,))[1])(x, v)
def each_vjp(fn, x, v): return torch.func.vmap(lambda x, v: torch.func.vjp(fn, x)[1](v)[0])(x, v)
def each_gradient(fn, x, v): return torch.func.vmap(torch.func.grad(lambda y: fn(y).sum()))(x)
def each_jacobian(fn, x, v): return torch.func.vmap(torch.func.jacrev(fn))(x)
def each_jacobian_forward(fn, x, v): return torch.func.vmap(torch.func.jacfwd(fn))(x)
def each_hessian(fn, x, v): return torch.func.vmap(torch.func.hessian(lambda y: fn(y).sum()))(x)

def loss(fn, x): return (fn(x) - x).square().mean()
def go_backward(fn, x): loss(fn, x).backward()

def pool(fn, x):
    with ThreadPoolExecutor(2) as threads: return sum(threads.map(fn, [x + i for i in range(8)]))

def two_threads(fn, x):
    found = {}
    threads = [threading.Thread(target=lambda k=k: found.update({k: [fn(x + i) for i in range(5)][-1]})) for k in range(2)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    return found[0] + found[1]

def held():
    import gc
    from grader.rpc.closures import SharedClosure
    held = [one for one in gc.get_objects() if isinstance(one, SharedClosure) and not one.owner]
    return sorted({float(tensor.sum()) for one in held[-1:] for tensor in one.parameters})

def traced(fn, x, v): return torch.func.linearize(fn, x)[1](v)
"""
DESK: dict[str, Any] = {}
exec(compile(SOURCE, "submission.py", "exec"), DESK)

X = torch.linspace(-1, 1, 6, dtype=torch.float64).reshape(3, 2)
V = torch.flip(X, [0])
MATRIX = torch.tensor([[1.0, 2.0], [-1.0, 0.5]], dtype=torch.float64)


def bent(x: torch.Tensor) -> torch.Tensor:
    return torch.sin(x) @ MATRIX


class Process:
    """An object of a check's."""

    steps_of_its_own = 3

    def marginal(self, t, like):
        return 2 * t.sin(), t + 1


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.linear = nn.Linear(2, 2).double()

    def forward(self, x, t):
        return torch.sin(self.linear(x))


@pytest.fixture(scope="module")
def jail():
    with crossing(SOURCE) as code:
        yield code


def same(jail: Any, ask: Callable[[Any], Any]) -> None:
    """What is asked gives the same at the desk and through the connection."""
    torch.testing.assert_close(ask(jail), ask(SimpleNamespace(**DESK)))


@pytest.mark.parametrize("kind", ["tuple", "dict", "list", "class", "function", "namespace"])
def test_an_object_of_any_make_has_its_methods_on_both_sides(jail, kind):
    same(jail, lambda code: code.make(kind, 2.0).marginal(X, X))
    same(jail, lambda code: code.use(code.make(kind, 2.0), X))


@pytest.mark.parametrize("kind", ["tuple", "class", "function", "namespace"])
def test_an_attribute_of_such_an_object_can_be_read(jail, kind):
    assert jail.make(kind, 2.5).beta == 2.5


def test_a_named_tuple_is_a_tuple_with_names_and_methods(jail):
    got = jail.pair(X)
    assert isinstance(got, tuple)
    assert len(got) == 2
    for part, want in ((got[1], X * X), (got.variance, X * X), (got.std(), X.abs()), (next(iter(got)), X)):
        torch.testing.assert_close(part, want)
    assert jail.make("dict", 2.0)["beta"] == 2.0


@pytest.mark.parametrize("it", [Process(), Model(), bent], ids=["object", "model", "function"])
def test_looking_for_what_a_check_s_object_has_not_says_that_it_has_it_not(jail, it):
    same(jail, lambda code: code.looks(it)[::2])


def test_an_object_that_can_be_called_and_has_methods_can_be_called_from_both_sides(jail):
    class Twice:
        def __call__(self, x):
            return 2 * x

        def reset(self):
            return 1

    same(jail, lambda code: code.call(Twice(), X))
    same(jail, lambda code: (code.scale()(X), torch.tensor(code.scale().reset())))


JVPS = ["jvp", "jvp_without_recording", "jvp_of_jvp", "grad_of_jvp", "each_jvp", "each_vjp", "each_gradient",
        "each_jacobian", "each_jacobian_forward", "each_hessian"]  # fmt: skip


@pytest.mark.parametrize("how", JVPS)
def test_torch_func_goes_through_a_function_of_the_check_s(jail, how):
    same(jail, lambda code: getattr(code, how)(bent, X, V))


def test_jvp_goes_through_models_and_methods_too_recording_or_not(jail):
    same(jail, lambda code: code.jvp_of_a_model(Model(), X, V))
    same(jail, lambda code: code.jvp_of_a_method(Process(), X, V))
    with torch.no_grad():
        same(jail, lambda code: code.jvp_of_a_model(Model(), X, V))


def weight(value: float = 2.0) -> torch.Tensor:
    return torch.tensor(value, dtype=torch.float64, requires_grad=True)


GLOBAL = weight()


def of_a_closure():
    w = weight()
    return [w], lambda x: w * x


def of_a_network():
    model = Model()
    return list(model.parameters()), lambda x: model(x, x)


def of_a_computed_tensor():
    w = weight()
    computed = w.exp()
    return [w], lambda x: computed * x


def of_a_global():
    GLOBAL.grad = None
    return [GLOBAL], lambda x: GLOBAL * x


def of_a_partial():
    w = weight()
    return [w], functools.partial(torch.mul, w)


def of_a_method():
    holder = SimpleNamespace(w=weight())

    class Scale:
        def __init__(self) -> None:
            self.w = holder.w

        def by(self, x):
            return self.w * x

    return [holder.w], Scale().by


def of_a_default():
    w = weight()
    return [w], lambda x, w=w: w * x


CLOSURES = [of_a_closure, of_a_network, of_a_computed_tensor, of_a_global, of_a_partial, of_a_method, of_a_default]


@pytest.mark.parametrize("build", CLOSURES, ids=lambda build: build.__name__)
def test_gradients_reach_what_a_plain_function_closes_over(jail, build):
    def ask(code: Any) -> list:
        tensors, function = build()
        code.loss(function, X).backward()
        return [tensor.grad for tensor in tensors]

    same(jail, ask)


@pytest.mark.parametrize("build", [of_a_closure, of_a_network, of_a_computed_tensor], ids=lambda build: build.__name__)
def test_an_answer_that_goes_backward_itself_leaves_the_same_gradients_there(jail, build):
    def ask(code: Any) -> list:
        tensors, function = build()
        code.go_backward(function, X)
        return [tensor.grad for tensor in tensors]

    same(jail, ask)


def test_gradients_add_up_on_what_a_function_closes_over(jail):
    def ask(code: Any) -> list:
        (w,), function = of_a_closure()
        function(X).sum().backward()
        for _ in range(2):
            code.go_backward(function, X)
            code.loss(function, X).backward()
        return [w.grad]

    same(jail, ask)


def test_no_value_that_a_check_s_function_closes_over_is_in_the_jail(jail):
    secret = weight(1234.5)
    jail.loss(lambda x: secret * x, X)
    assert jail.held() == [0.0]


@pytest.mark.parametrize("how", ["pool", "two_threads"])
def test_threads_that_call_back_take_turns(jail, how):
    same(jail, lambda code: getattr(code, how)(bent, X))
    model = Model()
    same(jail, lambda code: getattr(code, how)(lambda x: model(x, x), X).detach())


def test_what_cannot_be_traced_says_so_and_what_to_use(jail):
    with pytest.raises(RuntimeError, match=r"cannot be traced .*use torch.func.jvp"):
        jail.traced(bent, X, V)
