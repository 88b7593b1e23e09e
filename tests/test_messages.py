"""What a failing check says of networks, of what models were given, of gradients and of measurements; a second in all."""

import re

import pytest
import torch
from torch import Tensor, nn

from exercises.checks import expect
from exercises.checks.expect import Mismatch
from exercises.checks.s5_flow_matching import pairs
from exercises.checks.spies import Spy
from grader.checks.under_test import UnderTest
from grader.course import ROOT


class Net(nn.Module):
    """One layer, in a place that torch sees or does not."""

    def __init__(self, width: int = 2, kept: bool = True) -> None:
        super().__init__()
        layer = nn.Linear(width, width)
        self.layers = nn.ModuleList([layer]) if kept else [layer]

    def forward(self, x: Tensor) -> Tensor:
        return self.layers[0](x)


class Answers:
    """A module under test."""

    Net = Net


def said(call) -> dict[str, str]:
    with pytest.raises(Mismatch) as caught:
        call()
    return dict(caught.value.facts)


def test_a_call_of_a_network_is_shown_with_the_arguments_that_it_was_made_with_and_its_mode() -> None:
    network = UnderTest(Answers()).Net(width=3)
    for mode in (True, False):
        got = network.train(mode)(torch.zeros(2, 3))
        called = said(lambda got=got: expect.tensor(got, "", shape=(2, 4)))["called"]
        assert called == f"Net(width=3){'' if mode else '.eval()'}(x=[[0, 0, 0], [0, 0, 0]] (float32))"


def test_a_call_of_a_network_s_method_is_shown_too() -> None:
    network = UnderTest(Answers()).Net()
    got = expect.calling(network, "forward", torch.zeros(1, 2))
    assert said(lambda: expect.finite(got / 0, ""))["called"] == "Net().forward(x=[[0, 0]] (float32))"


def test_layers_in_a_plain_list_are_told_what_torch_does_not_see() -> None:
    expect.module(UnderTest(Answers()).Net(), "")
    facts = said(lambda: expect.module(UnderTest(Answers()).Net(kept=False), "Net is an nn.Module"))
    assert facts["came back"] == "a module without parameters: torch finds no layer in it"
    assert all(word in facts["because"] for word in ("parameters()", "state_dict()", "to()", "nn.ModuleList"))


@pytest.mark.parametrize("t", [7, torch.tensor([7])])
def test_what_a_model_was_given_is_not_taken_for_what_came_back(t) -> None:
    UnderTest(Answers())
    model = Spy()
    model(torch.zeros(2, 1, dtype=torch.float64), t)
    facts = said(lambda: expect.tensor(model.seen[0].t, "", shape=(2,), dtype=torch.int64))
    assert facts["came back"].startswith("the t that the model was given: ")


def test_a_gradient_that_is_no_number_says_where_such_come_from() -> None:
    x = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    value = torch.where(x > 0, x.log(), x)
    facts = said(lambda: expect.gradients(value, torch.ones_like(value), "", x=(x, torch.ones_like(x))))
    assert facts["came back"] == "a gradient of nan at [0] (3 of 3)"
    assert "torch.where" in facts["because"]


def test_a_measurement_says_of_what_it_is() -> None:
    def of(**given) -> str:
        return said(lambda: expect.holds(False, "", want="", **given))["came back"]

    assert of(got=0.3, told="a share of 0.3") == "a share of 0.3"
    assert of(got=["another draw", "another draw"]) == "another draw"
    assert of(got=[f"t = {t}" for t in range(10)]).endswith("t = 7 and 2 more")
    assert re.fullmatch(r"float32 \(20,\), from 0 to 19", of(got=torch.arange(20.0)))
    assert said(lambda: expect.equal(3, 4, "", of="calls of the model"))["expected"] == "4 calls of the model"


def test_what_gives_the_answer_away_is_told_in_the_report_and_waits_at_the_desk() -> None:
    why = "⟦4 + 4 = 8; ⟧from the beginning⟦, x = a + b⟧, in two steps⟦: y = x + x⟧"
    with pytest.raises(Mismatch) as caught:
        expect.equal(1, 2, why)
    assert dict(caught.value.facts)["because"] == "4 + 4 = 8; from the beginning, x = a + b, in two steps: y = x + x"
    assert caught.value.hinted == "from the beginning, in two steps"
    with pytest.raises(Mismatch) as caught:
        expect.equal(1, 2, "⟦x = 3⟧")
    assert caught.value.hinted == ""
    assert (
        expect.veiled("the odds t : (1-t) are divided⟦: t / 2⟧, towards 0")
        == "the odds t : (1-t) are divided, towards 0"
    )


MARKED = [path for path in sorted((ROOT / "exercises" / "checks").rglob("*.py")) if path.name not in ("expect.py",)]


def test_marks_come_in_pairs_and_only_in_reasons() -> None:
    """A mark that stands alone would be printed, or swallow what follows."""
    odd = [path.name for path in MARKED if re.search(r"⟦[^⟧\n]*⟦|⟧[^⟦\n]*⟧", path.read_text(encoding="utf-8"))]
    odd += [path.name for path in MARKED if (text := path.read_text(encoding="utf-8")).count("⟦") != text.count("⟧")]
    assert not odd


def test_a_measurement_of_several_things_is_told_one_by_one() -> None:
    facts = said(lambda: expect.holds(False, "", got={"mean": "without bounds", "logvar": 3.0}, want=""))
    assert facts["came back"] == "mean: without bounds, logvar: 3"


def test_of_two_results_it_is_told_which_is_wrong() -> None:
    one, two = torch.tensor([1.0]), torch.tensor([2.0])
    assert said(lambda: pairs.close((one, one), (one, two), ("", "")))["came back"] == "the second of 2: [1] (float32)"
    facts = said(lambda: pairs.close((one, one), (two, one), ("", ""), names=("x_t", "u_t")))
    assert facts["came back"] == "the x_t: [1] (float32)"


def test_a_decoder_that_was_given_something_wrong_is_not_called_a_model() -> None:
    UnderTest(Answers())
    latent = torch.ones(2)
    expect.given(by="decoder", z=latent)
    facts = said(lambda: expect.close(latent, torch.zeros(2), ""))
    assert facts["came back"] == "the z that the decoder was given: [1, 1] (float32)"


def test_an_argument_that_was_changed_in_place_is_told_by_its_name_where_that_can_be_seen() -> None:
    class Changes:
        @staticmethod
        def walk(velocity, noise):
            return noise.add_(1)

    facts = said(lambda: UnderTest(Changes()).walk(None, torch.zeros(1)))
    assert (facts["came back"], facts["expected"]) == ("noise was changed in place", "noise as it was given")


def test_a_model_keeps_its_parameters_unless_the_exercise_trains_it() -> None:
    class Halves:
        @staticmethod
        def sample(model, x):
            with torch.no_grad():
                model.layers[0].bias.mul_(0.5)
            return x

        distill = sample

    facts = said(lambda: UnderTest(Halves()).sample(Net(), torch.zeros(1)))
    assert facts["came back"] == "the parameter layers.0.bias of the first argument was changed in place"
    UnderTest(Halves()).distill(Net(), torch.zeros(1))


def test_a_function_without_a_return_is_asked_for_it() -> None:
    """Not a part of a tuple, which may be None by purpose."""
    asked = "None: does the function end without a return?"
    assert said(lambda: expect.close(None, torch.zeros(2), ""))["came back"] == asked
    assert said(lambda: expect.tensors(None, 2, ""))["came back"] == asked
    assert said(lambda: expect.tensors((None, torch.zeros(2)), 2, ""))["came back"] == "the first of 2: None"


@pytest.mark.parametrize("name", ["t", "sigma", "lam"])
def test_a_model_is_told_its_arguments_in_order_or_by_the_names_that_the_contract_has(name) -> None:
    x, t = torch.ones(2, 1, dtype=torch.float64), torch.zeros(2)
    want = Spy()(x, t)
    for got in (Spy()(x, **{name: t}), Spy()(**{"x": x, name: t}), Spy()(**{name: t, "x_t": x})):
        assert torch.equal(got, want)


@pytest.mark.parametrize(("told", "by_name"), [(1, []), (3, []), (2, ["y"]), (1, ["y"]), (0, ["t"])])
def test_a_model_that_is_told_too_little_or_too_much_says_so(told, by_name) -> None:
    x = torch.ones(2, 1, dtype=torch.float64)
    with pytest.raises(TypeError, match=rf"two arguments, x_t and t: it got {told + len(by_name)}"):
        Spy()(*[x] * told, **dict.fromkeys(by_name, x))
