"""Modules and generators that two processes know are the same in both: parameters, buffers, modes, states."""

import pytest
import torch
from torch import nn

from tests.crossed import SOURCE, Model, T, X
from tests.crossing import crossing


@pytest.fixture(scope="module")
def code():
    with crossing(SOURCE) as code:
        yield code


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


def test_gradients_that_are_there_when_a_module_crosses_cross_with_it(code):
    model = nn.Linear(2, 2)
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, 2.0)
    code.clear_gradients(model)
    assert all(parameter.grad is None for parameter in model.parameters())
    theirs = code.with_gradients(2)
    assert all(parameter.grad.eq(2).all() for parameter in theirs.parameters())
    code.clear_gradients(theirs)
    assert all(parameter.grad is None for parameter in theirs.parameters())


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


def test_inference_mode_keeps_nobody_from_copies_and_networks_of_their_own(code):
    model = Model()
    assert torch.equal(code.quiet_copy(model, X, T), model(X, T).detach())
    assert any(parameter.numel() for parameter in code.quiet_net().parameters())


def test_functional_call_takes_other_parameters(code):
    assert code.functional(Model(), X).abs().max() == 0


def test_what_a_model_answered_may_be_changed_in_place(code):
    model = Model()
    torch.testing.assert_close(code.change_result(model, X, X), 2 * model(X, X))
