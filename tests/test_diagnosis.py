"""A wrong answer is named for the mistake that gives the same wrong results, and for no other; nothing escapes."""

import logging
import random
from textwrap import indent
from types import ModuleType, SimpleNamespace

import pytest
import torch

from exercises.checks.expect import Mismatch
from grader.checks.collect import collect
from grader.checks.run import Evidence, outcome
from grader.checks.state import tidy
from grader.checks.under_test import UnderTest
from grader.course import section
from grader.diagnosis import candidates, patient
from grader.diagnosis.diagnose import diagnose
from grader.diagnosis.evidence import PASSED, same
from grader.diagnosis.listed import Misconception, MisconceptionError, load
from grader.diagnosis.reference import EndlessError, reference
from grader.faults import Missing, raised

STEM, SEED = "s1_forward_reverse", 7


def failures(exercise: str, source: str, seed: int = SEED) -> dict:
    """What the checks of the exercise say of a submission, given as source."""
    module = ModuleType("submission")
    exec(source, module.__dict__)
    found = {}
    for check in collect(STEM):
        if check.exercise == exercise:
            with tidy(seed):
                result = outcome(check, UnderTest(module), seed)
            if result.error:
                found[check.name] = result.evidence
    return found


def name_of(exercise: str, source: str) -> str | None:
    found = diagnose(STEM, exercise, failures(exercise, source), SEED)
    return found and found.name


NO_ROOTS = """
def q_sample(x0, t, noise, alpha_bar):
    keep = alpha_bar.to(x0.dtype).gather(0, t).view(-1, *[1] * (x0.ndim - 1))
    return noise - keep * (noise - x0)
"""
NO_ROOTS_IN_FLOAT32 = """
def q_sample(x0, t, noise, alpha_bar):
    keep = alpha_bar.float()[t].view(-1, *[1] * (x0.ndim - 1))
    return (keep * x0.float() + (1 - keep) * noise.float()).to(x0.dtype)
"""
FAINT = """
def q_sample(x0, t, noise, alpha_bar):
    keep = alpha_bar.to(x0.dtype).gather(0, t).view(-1, *[1] * (x0.ndim - 1))
    return keep.sqrt() * x0 + 0.9 * (1 - keep).sqrt() * noise
"""
RIGHT = FAINT.replace("0.9 * ", "")
RAISES = """
def q_sample(x0, t, noise, alpha_bar):
    raise RuntimeError("no idea")
"""
WRONG_FIRST = """
import torch

def sample(model, x_T, betas, generator=None):
    alpha_bar = (1 - betas).cumprod(0)
    x = x_T
    with torch.no_grad():
        for i in range(len(betas) - 1, 0, -1):
            eps = model(x, torch.tensor([i] * len(x)))
            x = (x - betas[i] / (1 - alpha_bar[i]).sqrt() * eps) / (1 - betas[i]).sqrt()
            if i > 0:
                variance = (1 - alpha_bar[i - 1]) / (1 - alpha_bar[i]) * betas[i]
                x = x + variance.sqrt() * torch.randn(x.shape, dtype=x.dtype, generator=generator)
    return x
"""


@pytest.mark.parametrize(
    ("exercise", "source", "name"),
    [
        pytest.param("q_sample", NO_ROOTS, "no square roots in the jump", id="written otherwise"),
        pytest.param("q_sample", NO_ROOTS_IN_FLOAT32, "no square roots in the jump", id="computed in float32"),
        pytest.param("q_sample", FAINT, "the weight of the noise 0.9 times as large", id="unknown"),
        pytest.param("q_sample", RIGHT, None, id="right"),
        pytest.param("q_sample", RAISES, None, id="raises"),
        pytest.param("sample", WRONG_FIRST, "the last step left out", id="a loop of its own"),
    ],
)
def test_a_mistake_is_named_however_it_is_written_and_nothing_else_is(exercise, source, name):
    assert name_of(exercise, source) == name


def test_it_is_named_only_if_every_check_agrees():
    found = failures("q_sample", NO_ROOTS)
    assert len(found) > 2
    for left_out in found:
        fewer = {name: got for name, got in found.items() if name != left_out}
        other = found | {left_out: found[left_out]._replace(got=torch.zeros(2))}
        for changed in (fewer, other):  # then it is told what was seen, and no more
            named = diagnose(STEM, "q_sample", changed, SEED)
            assert named is None or "weight" in named.name or "something else beside it" in named.explanation
    other = found | {"test_q_sample_is_no_such_check": Evidence(1)}
    assert diagnose(STEM, "q_sample", other, SEED) is None


def test_the_seed_must_be_that_of_the_run():
    named = diagnose(STEM, "q_sample", failures("q_sample", NO_ROOTS, seed=8), SEED)
    assert named is None or "no square roots" not in named.name


def test_of_two_that_explain_it_the_first_listed_is_named(monkeypatch):
    real = next(known for known in load(STEM) if known.name == "no square roots in the jump")
    twin = Misconception(**vars(real) | {"name": "its twin"})
    fresh = candidates.listed.__wrapped__
    monkeypatch.setattr(candidates, "listed", lambda *of: fresh(*of))
    for listed in ([real, twin], [twin, real]):
        monkeypatch.setattr(candidates, "load", lambda stem, listed=listed: listed)
        assert diagnose(STEM, "q_sample", failures("q_sample", NO_ROOTS), SEED) is listed[0]


def test_a_cohort_costs_one_run_of_each(monkeypatch):
    found = failures("q_sample", NO_ROOTS)
    assert diagnose(STEM, "q_sample", found, SEED)
    monkeypatch.setattr(patient, "outcome", lambda *_: pytest.fail("a check is run again"))
    assert diagnose(STEM, "q_sample", found, SEED).name == "no square roots in the jump"


def test_no_exception_escapes_and_each_is_logged(monkeypatch, caplog):
    def broken(stem, exercise):
        raise RuntimeError("the disk is full")

    monkeypatch.setattr(candidates, "listed", broken)
    with caplog.at_level(logging.ERROR):
        check = next(check for check in collect(STEM) if check.exercise == "q_sample")
        assert diagnose(STEM, "q_sample", {check.name: Evidence(1)}, SEED) is None
    assert "q_sample" in caplog.text
    assert "the disk is full" in caplog.text


def test_a_diagnosis_leaves_no_trace_in_the_process():
    found = failures("sample", WRONG_FIRST)
    patient.answer.cache_clear()
    before, draws = torch.get_rng_state(), random.getstate()
    assert diagnose(STEM, "sample", found, SEED)
    assert torch.equal(torch.get_rng_state(), before)
    assert random.getstate() == draws


NAN = float("nan")


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.0 + 1e-6]), True),
        (torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.001]), False),
        (torch.tensor([NAN, torch.inf]), torch.tensor([NAN, torch.inf]), True),
        (torch.ones(2), torch.ones(2, dtype=torch.float64), True),
        (torch.ones(2), torch.ones(2, dtype=torch.int64), False),
        (torch.ones(2), torch.ones(1), False),
        (torch.ones(2), torch.ones(2).requires_grad_(), True),
        (torch.tensor([True]), torch.tensor([True]), True),
        (torch.tensor([1]), torch.tensor([2]), False),
        (torch.ones(()), 1.0, False),
        (1.0, 1.0 + 1e-7, True),
        (1.0, 1.1, False),
        (NAN, NAN, True),
        (1, True, False),
        (1, 1.0, False),
        ("raised TypeError", "raised TypeError", True),
        ("raised TypeError", "raised ValueError", False),
        ([1, (2.0, "a")], [1, (2.0, "a")], True),
        ([1, 2], [1, 2, 3], False),
        ((1,), [1], False),
        ({"a": torch.ones(1)}, {"a": torch.ones(1)}, True),
        ({"a": 1}, {"b": 1}, False),
        (None, None, True),
        (None, PASSED, False),
    ],
)
def test_results_are_equal_to_within_rounding(one, other, equal):
    assert same(one, other) is equal
    assert same(other, one) is equal


def check_that(action) -> SimpleNamespace:
    return SimpleNamespace(run=lambda code, seed: action())


def throw(error: BaseException):
    def action():
        raise error

    return action


@pytest.mark.parametrize(
    ("error", "verdict", "got"),
    [
        (Mismatch("why", 3, "3", "4"), "fail", 3),
        (ZeroDivisionError("1 / 0"), "fail", "raised ZeroDivisionError"),
        (SystemExit(0), "fail", "raised SystemExit"),
        (BaseExceptionGroup("flaky", [ExceptionGroup("both", [Mismatch("why", 3, "3", "4"), ValueError()])]), "fail", 3),
        (Missing("q_sample"), "unfinished", "raised Missing"),
        (raised({"kind": "Odd", "bases": ["ValueError"], "text": "?"}), "fail", "raised Odd"),
        (raised({"kind": "NotImplementedError", "bases": ["NotImplementedError"]}), "unfinished", "raised NotImplementedError"),
    ],
)  # fmt: skip
def test_an_outcome_says_what_came_back(error, verdict, got):
    assert outcome(check_that(throw(error)), None, 1)[:2] == (verdict, got)


def test_an_outcome_of_a_right_answer_is_a_pass():
    assert outcome(check_that(lambda: None), None, 1) == ("pass", None, None, "", None)


def test_not_implemented_by_torch_is_wrong_and_by_the_stub_unfinished():
    def stub():
        raise NotImplementedError

    def torch_cannot():
        torch.zeros(2, dtype=torch.complex64).to_sparse().bitwise_and(1)

    assert outcome(check_that(stub), None, 1).verdict == "unfinished"
    assert outcome(check_that(torch_cannot), None, 1).verdict == "fail"


def test_a_keyboard_interrupt_comes_through():
    with pytest.raises(KeyboardInterrupt):
        outcome(check_that(throw(KeyboardInterrupt())), None, 1)


ENTRY = """
[[misconception]]
name = "a mistake"
find = "dim=0"
replace = "dim=1"
explanation = "So it is."
"""


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        (ENTRY.replace('"dim=0"', '"dim=2"'), "'a mistake'.*occurs 0 times.*choose text"),
        (ENTRY.replace('"dim=0"', '"betas"'), "'a mistake'.*occurs [2-9] times.*choose text"),
        (ENTRY.replace('"dim=1"', '"dim=0"'), "'a mistake'.*same as `find`"),
        (ENTRY.replace('"dim=1"', '"dim=("'), "'a mistake'.*not Python.*mend"),
        (ENTRY + ENTRY, "'a mistake'.*name is taken"),
        (ENTRY.replace("find =", "finds ="), "entry 1 .'a mistake'.*one too many"),
        (ENTRY.replace('name = "a mistake"', ""), "entry 1.*lacks a key"),
        (ENTRY.replace("[[misconception]]", "[[mistake]]"), r"write \[\[misconception\]\] tables only"),
        ("[[misconception", "not TOML"),
    ],
)
def test_a_bad_entry_is_an_error_that_names_it_and_the_remedy(tmp_path, monkeypatch, text, remedy):
    solution = section(STEM).solution.read_bytes()
    monkeypatch.setattr("grader.course.ROOT", tmp_path)
    section(STEM).misconceptions.mkdir(parents=True)
    section(STEM).solution.write_bytes(solution)
    (section(STEM).misconceptions / "compute_alpha_bar.toml").write_text(text, encoding="utf-8")
    with pytest.raises(MisconceptionError, match=remedy):
        load.__wrapped__(STEM)[0].module()


def test_a_file_that_is_no_exercises_is_an_error_that_names_it(tmp_path, monkeypatch):
    monkeypatch.setattr("grader.course.ROOT", tmp_path)
    section(STEM).misconceptions.mkdir(parents=True)
    (section(STEM).misconceptions / "compute.toml").write_text(ENTRY, encoding="utf-8")
    with pytest.raises(MisconceptionError, match=r"holds compute\.toml; call a file <exercise>\.toml"):
        load.__wrapped__(STEM)


def test_an_edit_stays_within_its_exercise_and_reaches_those_that_call_it():
    known = next(known for known in load(STEM) if known.name == "no square roots in the jump")
    reference, edited = section(STEM).solution.read_text(encoding="utf-8"), known.source()
    assert edited == reference.replace(known.find, known.replace)
    module, x = known.module(), torch.ones(1, 1)
    loss = module.simple_loss(lambda x_t, t: x_t, x, torch.tensor([0]), 0 * x, torch.tensor([0.25]))
    assert loss == 0.25**2
    assert known.module() is not known.module()


def walked(loop: str) -> list[int]:
    """What a function of section 1 gives in which a mistake has put this loop."""
    text = f"def forward_step(x, beta, noise):\n    seen, k = [], 0\n{indent(loop, '    ')}\n    return seen"
    code = reference(STEM).compiled(reference(STEM).parsed(text))
    return reference(STEM).module("forward_step", {"forward_step": code}).forward_step(0, 0, 0)


def test_a_loop_of_a_mistake_that_is_tried_ends_sometime_and_does_what_it_did() -> None:
    """Beside another mistake, or with other arguments, it may know no end."""
    some = (
        "while k < 9:\n    k += 1\n    if k == 3:\n        continue\n    if k == 6:\n        break\n    seen.append(k)"
    )
    assert walked(some) == [1, 2, 4, 5]
    assert walked("while k < 2:\n    k += 1\nelse:\n    seen.append(k)") == [2]
    with pytest.raises(EndlessError):
        walked("while True:\n    while k < 2:\n        k += 1")
