"""What of a course's file changes how submissions are judged: time, checks of its own, whether a mistake is charged once."""

import json
from pathlib import Path

import pytest

from grader.cli import main
from grader.course import section

STEM = "s1_forward_reverse"
pytestmark = pytest.mark.usefixtures("lent_judges")
REFERENCE = section(STEM).solution.read_text(encoding="utf-8")
RIGHT = "return (1 - beta).sqrt() * x + beta.sqrt() * noise"
QUICK = ["--only", "forward_step", "--seed", "1", "--json", "out.json"]


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def hand_in(name: str, text: str) -> None:
    Path(name).mkdir()
    Path(name, f"{STEM}.py").write_text(text, encoding="utf-8")


def graded(*arguments: str, course: str) -> dict:
    Path("course.toml").write_text(course, encoding="utf-8")
    assert main(["grade", *arguments, "--course", "course.toml"]) == 0
    found = json.loads(Path("out.json").read_text())
    return {one["name"]: {row["exercise"]: row for row in one["exercises"]} for one in found["submissions"]}


def test_a_learner_with_extra_time_is_not_out_of_time_with_an_import_of_22_seconds():
    slow = f"import time\n\ntime.sleep(22)\n{REFERENCE}"
    hand_in("ada", slow)
    hand_in("bob", slow)
    found = graded("ada", "bob", *QUICK, "--jobs", "2", course="[time.learners]\nada = 1.5")
    assert {name: rows["forward_step"]["verdict"] for name, rows in found.items()} == {"ada": "pass", "bob": "timeout"}


CHECK = """
import torch
from exercises.checks import expect

def test_forward_step_of_many(code):
    x, zero = torch.ones({count}), torch.zeros({count})
    expect.close(code.forward_step(x, 0.75, zero), x / 2, "half of {count}")
"""


def test_checks_of_the_instructor_count_beside_ours_and_a_hidden_one_stays_hidden():
    hand_in("ada", REFERENCE)
    hand_in("bob", REFERENCE.replace(RIGHT, f"if x.numel() == 100_003:\n        return x\n    {RIGHT}"))
    hand_in("eve", REFERENCE.replace(RIGHT, f"if x.numel() == 100_019:\n        return x\n    {RIGHT}"))
    for folder, count in (("mine", 100_003), ("secret", 100_019)):
        Path(folder, STEM).mkdir(parents=True)
        text = CHECK.format(count=count).replace("of_many", f"of_many_{folder}")
        Path(folder, STEM, "test_forward_step.py").write_text(text)
    cohort = ("ada", "bob", "eve", *QUICK, "--learners", "out")
    plain = graded(*cohort, course="")
    assert {rows["forward_step"]["verdict"] for rows in plain.values()} == {"pass"}
    found = graded(*cohort, course='checks = "mine"\nhidden_checks = "secret"')
    verdicts = {name: rows["forward_step"]["verdict"] for name, rows in found.items()}
    assert verdicts == {"ada": "pass", "bob": "fail", "eve": "fail"}
    checks = found["eve"]["forward_step"]["checks"]
    last = [(check["name"], check["verdict"], check.get("hidden")) for check in checks[-2:]]
    assert last == [
        ("test_forward_step_of_many_mine", "pass", None),
        ("test_forward_step_of_many_secret", "fail", True),
    ]
    assert "half of 100019" in found["eve"]["forward_step"]["message"]
    assert "half of 100003" in Path("out/bob.md").read_text()
    told = Path("out/eve.md").read_text()
    assert "A check of your instructor's that is not shown did not pass." in told
    assert "100019" not in told
    assert "of many secret" not in told
    assert "holds      " in told
    assert "of many mine" in told
    assert graded(*cohort, course="") == plain


def test_a_plain_assert_of_the_instructor_s_is_told_in_its_own_words():
    hand_in("ada", REFERENCE)
    check = "import torch\n\ndef test_forward_step_{}(code):\n    assert code.forward_step(torch.ones(2), 0.5, torch.ones(2)) is {}\n"
    said = {
        "mine": ('0, "it is not nothing"', "it is not nothing"),
        "bare": ("0", "what the check asserts does not hold"),
    }
    for folder, (words, told) in said.items():
        Path(folder, STEM).mkdir(parents=True)
        Path(folder, STEM, "test_forward_step.py").write_text(check.format("is_nothing", words))
        message = graded("ada", *QUICK, course=f'checks = "{folder}"')["ada"]["forward_step"]["message"].split("\n")
        assert message == [
            "check      is nothing",
            "called     forward_step([1, 1] (float32), 0.5, [1, 1] (float32))",
            f"because    {told}",
        ]


def test_a_course_may_charge_a_mistake_wherever_it_shows():
    wrong = "return torch.cumprod(1 - betas, dim=0)"
    assert wrong in REFERENCE
    hand_in("ada", REFERENCE.replace(wrong, "return 1 - torch.cumsum(betas, dim=0)"))
    only = ("ada", "--only", "compute_alpha_bar", "q_posterior", "--seed", "1", "--json", "out.json")
    once, everywhere = (graded(*only, course=course)["ada"]["q_posterior"] for course in ("", "charge_once = false"))
    assert (once["verdict"], once["score"]) == ("pass", once["points"])
    assert (everywhere["verdict"], everywhere["score"]) == ("blocked", 0)
