"""What the diagnosis makes of mistakes that are in no list: shared by all exercises, derived from the syntax tree, several at once."""

import ast
from types import SimpleNamespace

import pytest
import torch

from grader.checks.collect import collect
from grader.diagnosis import candidates
from grader.diagnosis.edits import edits_of
from grader.diagnosis.evidence import alike, broken, differs
from grader.diagnosis.reference import reference
from grader.diagnosis.replay import Call, Done, calls_of, replay
from grader.diagnosis.words import words
from tests.test_diagnosis import name_of

HEAD = """
import torch
from torch import nn
from exercises.toolkit import extract

def q_sample(x0, t, noise, alpha_bar):
    a = extract(alpha_bar, t, x0)
"""
ROOTS = "    x_t = a.sqrt() * x0 + (1 - a).sqrt() * noise\n"


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (ROOTS + "    return x_t.detach()", "a result cut off from its gradient"),
        ("    x0 *= a.sqrt()\n    x0 += (1 - a).sqrt() * noise\n    return x0", "the argument x0 changed in place"),
        (ROOTS.replace("* noise", "* noise.detach()") + "    return x_t", "no gradient through noise"),
        (ROOTS + "    return x_t.tolist()", "a list returned, not a tensor"),
        (ROOTS + "    return x_t.double()", "the result always in float64"),
        (ROOTS.replace("+", "-") + "    return x_t", "√(1 - ᾱ) · the noise subtracted, not added"),
        (ROOTS.replace("1 - a", "1 - a + 1e-3") + "    return x_t", "a guard of 1e-3 added under the root, to 1 - ᾱ"),
        ("    return a.sqrt() * x0 + (1 - a) * noise.clamp(-1, 1)", "the root forgotten on the noise and noise clamped to [-1, 1]"),
        ("    return 0.7 * (a.sqrt() * x0 + (1 - a).sqrt() * noise)", "the result 0.7 times as large as it should be"),
        (ROOTS + "    return x_t + 0.123 * torch.sin(37 * x0)", None),
    ],
)  # fmt: skip
def test_a_mistake_that_nobody_listed_is_named_or_nothing_is_said(body, name):
    """Costs 8 s."""
    assert name_of("q_sample", HEAD + body) == name


NORMED = """
import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

class TinyDenoiser(nn.Module):
    def __init__(self, dim=2, hidden=128):
        super().__init__()
        self.net = nn.Sequential(LINEAR(dim + 1, hidden), nn.SiLU(), nn.Linear(hidden, dim))

    def forward(self, x, t):
        return self.net(torch.cat([x, t[:, None].to(x.dtype) / 1000], dim=1))
"""


def test_a_module_is_not_called_by_the_name_of_another_that_fails_alike():
    """A norm of weights fails the check that dropout fails, with the same words. Costs 4 s."""
    assert (
        name_of("TinyDenoiser", NORMED.replace("LINEAR", "lambda *sizes: spectral_norm(nn.Linear(*sizes))"))
        != "answers that change from call to call in training, as by dropout"
    )


def test_an_edit_is_done_and_undone():
    definition = reference("s1_forward_reverse").definitions["q_posterior"]
    before = ast.dump(definition)
    for edit in edits_of(definition)[:300]:
        undo = edit.do()
        changed = ast.dump(definition) != before
        undo()
        assert changed or edit.says
        assert ast.dump(definition) == before


def test_names_are_in_the_words_of_the_field_and_never_code():
    for exercise in ("q_sample", "q_posterior", "timestep_embedding"):
        for candidate in candidates.derived("s1_forward_reverse", exercise):
            assert not any(code in candidate.name for code in ("torch.", ".sqrt", "extract", "lambda", "**")), (
                candidate.name
            )


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("(1 - a).sqrt()", "√(1 - ᾱ)"),
        ("torch.sqrt(alpha_bar)", "√ᾱ"),
        ("sigma**2 - sigma_min**2", "σ² - σ_min²"),
        ("extract(betas, t, x0) * eps", "β · ε"),
        ("a + " * 20 + "a", "the sum"),
    ],
)
def test_expressions_are_said_in_symbols(code, said):
    assert words(ast.parse(code, mode="eval").body) == said


def test_the_reference_does_again_what_it_did():
    module = reference("s1_forward_reverse").module("simple_loss")
    names = [check.name for check in collect("s1_forward_reverse") if check.exercise == "simple_loss"]
    calls = calls_of("s1_forward_reverse", "simple_loss", next(name for name in names if "perfect" in name), 3)
    assert len(calls) > 5
    for call in calls:
        again = replay(call, module)
        assert not differs(again.result, call.right.result)
        assert alike(again.asked, call.right.asked, call.right.asked)


@pytest.mark.parametrize(
    ("one", "other", "right", "equal"),
    [
        (1.0, 1.0 + 1e-9, 2.0, True),
        (1.0 + 1e-8, 1.0 + 2e-8, 1.0, False),  # guards of two sizes
        ((1.0, 2.0), [1.0, 2.0], (0.0, 0.0), True),
        (1.0, "raised TypeError", 1.0, False),
        ("raised IndexError", "raised RuntimeError", 1.0, True),
    ],
)
def test_two_are_wrong_in_the_same_way(one, other, right, equal):
    assert alike(one, other, right) is equal


def test_what_breaks_down_is_no_result():
    assert broken("raised TypeError")
    assert broken((1.0, "raised TypeError"))
    assert not broken(1.0)


def test_a_mistake_that_would_fill_the_memory_is_let_go():
    """One value a sample, shaped for pictures, makes pairs of all samples of a batch of vectors: here 6 GB of them."""
    x = torch.ones(20_000, 2, dtype=torch.float64)
    call = Call("step", ("x",), (x,), {}, torch.get_rng_state(), False, 1, Done((), x))
    wide = SimpleNamespace(step=lambda x: x * x[:, 0].reshape(-1, 1, 1, 1))
    assert replay(call, wide).result == "raised MemoryError"
    assert replay(call, SimpleNamespace(step=lambda x: x * x[:, :1])).result == ("large", (20_000, 2))
