"""What a check says to a learner: what came back and what was expected, where, what holds already; and of what runs on."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from grader.desk import practice, reading
from tests.classroom import JUMP, PRODUCT, S1, Desk, open_desk


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A desk of section 1 alone: what is next is known as soon as that is."""
    with open_desk(tmp_path, S1.stem) as desk:
        yield desk


def checked(desk: Desk, name: str, *edits: tuple[str, str]) -> str:
    desk.hand_in(*edits)
    said = desk.unstatic("check", name)
    assert said.returncode == 1
    return " ".join(said.stdout.split())


def test_an_answer_that_runs_on_is_interrupted_with_the_line_that_was_running(desk: Desk, monkeypatch) -> None:
    monkeypatch.setenv("UNSTATIC_SECONDS", "0.2")
    line = "while True: 1 + 1"
    said = checked(desk, "q_sample", (JUMP, line))
    assert "runs on without an end" in said
    assert "it ran on for 0.2 s and was interrupted" in said
    assert f"running {S1.stem}.py:50, in q_sample: {line}" in said
    assert "looks like" not in said


def test_an_answer_that_catches_everything_is_interrupted_all_the_same(desk: Desk, monkeypatch) -> None:
    monkeypatch.setenv("UNSTATIC_SECONDS", "0.2")
    loop = "while True:\n        try:\n            for i in range(1000): pass\n        except:\n            pass"
    assert "runs on without an end" in checked(desk, "q_sample", (JUMP, loop))


def test_an_import_that_runs_on_is_interrupted_with_its_line(desk: Desk, monkeypatch) -> None:
    monkeypatch.setenv("UNSTATIC_SECONDS", "0.2")
    said = checked(desk, "q_sample", ("import torch\n", "import torch\nwhile True: pass\n"))
    assert "ran on for 0.2 s" in said
    assert "while True: pass" in said


def test_the_limit_can_be_set_and_one_that_is_no_number_is_refused(desk: Desk, monkeypatch) -> None:
    monkeypatch.setenv("UNSTATIC_SECONDS", "soon")
    said = desk.unstatic("check", "forward_step")
    assert said.returncode in (1, 2)
    desk.hand_in()
    said = desk.unstatic("check", "forward_step")
    assert (said.returncode, said.stdout) == (2, "")
    assert "UNSTATIC_SECONDS=soon: give a number of seconds" in said.stderr
    desk.hand_in((JUMP, "while True: pass"))
    assert "ran on for 0.1 s" in desk.unstatic("check", "q_sample", "--seconds", "0.1").stdout


def test_every_line_of_the_learner_s_own_on_the_way_is_shown(desk: Desk) -> None:
    deep = "a = deeper(alpha_bar, t, x0)\n    return a\n\n\ndef deeper(table, t, x0):\n    return table[5000]"
    said = checked(desk, "q_sample", (JUMP, deep))
    assert f"at {S1.stem}.py:55, in deeper: return table[5000]" in said
    assert f"from {S1.stem}.py:50, in q_sample: a = deeper(alpha_bar, t, x0)" in said


LAYERS = """
import torch
from torch import nn


class TinyDenoiser(nn.Module):
    def __init__(self, dim=2, hidden=128):
        super().__init__()
        self.last = nn.Linear(dim, dim)
        self.layers = {kind}
        self.rows = nn.Embedding(3, dim)

    def forward(self, x, t):
        {line}
        return self.last(x)
"""


@pytest.mark.parametrize(
    ("kind", "line", "note"),
    [
        ("[nn.Linear(dim, dim).double()]", "x = self.layers[0](x)", "self.layers is a plain list of layers"),
        ("None", "x = x + self.rows(torch.full_like(t, 5))", "an nn.Embedding of n rows has the rows 0 to n - 1"),
        ("None", "x = self.last(torch.zeros(x.shape).double())", "two dtypes meet in this line"),
        ("None", "raise RuntimeError('of my own')", ""),
    ],
)
def test_what_torch_means_by_its_words_is_told(desk: Desk, kind: str, line: str, note: str) -> None:
    ours = S1.solution.read_text(encoding="utf-8").replace("class TinyDenoiser(", "class Ours(")
    desk.module.write_text(ours + LAYERS.format(kind=kind, line=line), encoding="utf-8")
    said = " ".join(desk.unstatic("check", "TinyDenoiser").stdout.split())
    assert "raised" in said
    assert note in said
    assert (" note " in said) == bool(note)


def test_of_a_recursion_both_ends_are_shown(desk: Desk) -> None:
    said = checked(desk, "q_sample", (JUMP, "return q_sample(x0, t, noise, alpha_bar)"))
    assert "RecursionError" in said
    assert "lines more of the way" in said
    assert said.count("in q_sample:") == 6


def test_text_of_the_learner_s_own_making_is_cut(desk: Desk) -> None:
    desk.hand_in((JUMP, "print('y' * 200000)\n    raise ValueError('x' * 200000)"))
    said = desk.unstatic("check", "q_sample").stdout
    assert len(said) < 5000
    assert "ValueError: xxx" in " ".join(said.split())
    assert "(200012 characters)" in " ".join(said.split())


def test_of_a_pair_the_message_says_which_part_and_which_other_has_its_shape(desk: Desk) -> None:
    said = checked(
        desk, "q_posterior", ("return mean, extract(variance, t, x0)", "return extract(variance, t, x0), mean")
    )
    assert "came back the mean: shape (2, 1) (what came as the variance has this shape: is the order right?)" in said


def test_what_did_not_happen_is_a_sentence(desk: Desk) -> None:
    said = checked(desk, "train_denoiser", ("optimizer.step()", "pass"))
    assert "came back [" not in said
    assert "'weight', 'bias'" not in said


def test_a_loss_that_went_backward_already_is_told_as_that(desk: Desk) -> None:
    text = S1.solution.read_text(encoding="utf-8")
    line = next(line for line in text.split("def simple_loss(")[1].split("\n") if line.strip().startswith("return "))
    value = line.strip().removeprefix("return ")
    said = checked(desk, "simple_loss", (line, f"    loss = {value}\n    loss.backward()\n    return loss"))
    assert "retain_graph" not in said
    assert "backward" in said


def test_the_formula_that_is_the_answer_waits_for_the_last_hint(desk: Desk) -> None:
    edits = ("(x_t - (1 - a).sqrt() * eps) / a.sqrt()", "x_t - (1 - a).sqrt() * eps")
    said = checked(desk, "predict_x0", edits)
    assert "because the jump of x_0 = 1 with ε = 1, undone" in said
    assert "√0.36" not in said
    assert "formula told here after the last hint: unstatic hint predict_x0" in said
    for _ in range(3):
        desk.unstatic("hint", "predict_x0")
    said = checked(desk, "predict_x0", edits)
    assert "because (1.4 - √0.64 * 1) / √0.36 = 1: the jump of x_0 = 1 with ε = 1, undone" in said
    assert "formula" not in said


def test_what_holds_already_is_said_before_what_does_not(desk: Desk) -> None:
    said = checked(desk, "q_sample", (JUMP, JUMP.replace("noise", "noise.detach()")))
    assert (
        "holds 5 of 6: numbers that can be worked out by hand; each sample jumps to its own level; it works on" in said
    )
    assert said.index("holds") < said.index("came back")
    assert "holds" not in checked(desk, "compute_alpha_bar", (PRODUCT, "return betas.sum()")), "nothing does"


def test_a_file_in_another_encoding_is_told_in_its_own_letters_and_lines(desk: Desk, monkeypatch) -> None:
    text = S1.solution.read_text(encoding="utf-8").encode("ascii", "replace").decode()
    text = "# coding: latin-1\n" + text.replace("import torch\n", "import torch\n\x0cdu = 'd\xe9j\xe0'.vu\n", 1)
    desk.module.write_bytes(text.encode("latin-1"))
    line = text[: text.index("du =")].count("\n") + 1
    said = " ".join(desk.unstatic("check", "q_sample").stdout.split())
    assert f"{S1.stem}.py:{line}: du = 'd\xe9j\xe0'.vu" in said
    at = text[: text.index("def q_sample")].count("\n") + 1
    assert reading.line_of(S1.exercises["q_sample"], S1) == at
    monkeypatch.setattr("exercises.capstone.system.LEARNING", (S1.stem,))
    digest = practice._digest_of_learning()
    desk.module.write_bytes(text.replace("# coding: latin-1", "# as UTF-8").encode("utf-8"))
    assert practice._digest_of_learning() == digest
