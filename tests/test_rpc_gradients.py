"""Gradients through the connection are those of one process: of calls, of models, of gradients, and by `torch.func`."""

import pytest
import torch

from tests.crossed import SOURCE, Model, T, X
from tests.crossing import crossing


@pytest.fixture(scope="module")
def code():
    with crossing(SOURCE) as code:
        yield code


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


def test_torch_func_differentiates_a_functional_call(code):
    model = Model()
    found = code.functional_gradient(model, X)
    parameters = dict(model.named_parameters())
    want = torch.autograd.grad(model(X, X).square().sum(), list(parameters.values()))
    for name, grad in zip(parameters, want, strict=True):
        torch.testing.assert_close(found[name], grad)


def test_an_argument_that_no_longer_takes_gradients_is_so_for_the_caller(code):
    x, hidden = X.clone().requires_grad_(), (X.clone().requires_grad_() * 2)
    code.release(x)
    assert not x.requires_grad
    code.release(hidden)  # no leaf: at the desk torch refuses, and nothing changes
    assert hidden.requires_grad
