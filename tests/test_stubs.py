"""`python -m grader.source.stubs`: writes what is stale, says what is, and never over a learner's answers."""

import pytest

from grader.course import ROOT, section, sections
from grader.source import stubs
from grader.source.markers import MarkerError

STEM = "s1_forward_reverse"


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A copy of the solutions and their stubs in a folder of their own."""
    originals = [path for of in sections().values() for path in (of.solution, of.stub)]
    contents = {path.relative_to(ROOT): path.read_bytes() for path in originals}
    monkeypatch.setattr("grader.course.ROOT", tmp_path)
    monkeypatch.setattr("grader.source.stubs.ROOT", tmp_path)
    for path, content in contents.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(content)
    return section(STEM)


def change(path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_a_fresh_stub_is_left_alone(course, capsys):
    before = course.stub.stat().st_mtime_ns
    assert stubs.main([]) == stubs.main(["--check"]) == 0
    assert course.stub.stat().st_mtime_ns == before
    assert f"exercises/{STEM}.py is fresh" in capsys.readouterr().out


def test_check_names_a_stale_stub_and_writes_nothing(course, capsys):
    change(course.solution, "How badly the model guesses", "How well the model guesses")
    before = course.stub.read_bytes()
    assert stubs.main(["--check"]) == 1
    assert course.stub.read_bytes() == before
    assert f"exercises/{STEM}.py is stale" in capsys.readouterr().out


def test_a_stale_or_missing_stub_is_written(course):
    change(course.solution, "How badly the model guesses", "How well the model guesses")
    assert stubs.main([]) == 0
    assert stubs.main(["--check"]) == 0
    course.stub.unlink()
    assert stubs.main(["--check"]) == 1
    assert stubs.main([]) == 0
    assert stubs.main(["--check"]) == 0


@pytest.mark.parametrize("work", ["    return (1 - betas).cumprod(0)", "    return betas where I got stuck"])
def test_a_learners_work_is_kept_unless_forced(course, capsys, work):
    change(
        course.stub,
        '(DDPM, arXiv:2006.11239, above eq. 4)\n    """\n    raise NotImplementedError',
        f'(DDPM, arXiv:2006.11239, above eq. 4)\n    """\n{work}',
    )
    before = course.stub.read_bytes()
    assert stubs.main([]) == 1
    assert course.stub.read_bytes() == before
    assert "--force" in capsys.readouterr().out
    assert stubs.main(["--force"]) == 0
    assert stubs.is_fresh(course)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('above eq. 4)\n    """\n', 'above eq. 4)\n    """\n    shares = 1 - betas\n'),
        ("    def forward(self, x", "    def half(self, x):\n        return x / 2\n\n    def forward(self, x"),
        ("class TinyDenoiser(", "def my_helper(x):\n    return 2 * x\n\n\nclass TinyDenoiser("),
    ],
)
def test_half_an_answer_is_kept_where_the_stub_is_stale(course, capsys, before, after):
    change(course.stub, before, after)
    change(course.solution, "How badly the model guesses", "How well the model guesses")
    begun = course.stub.read_bytes()
    assert stubs.main([]) == 1
    assert course.stub.read_bytes() == begun
    assert f"exercises/{STEM}.py holds answers and was kept" in capsys.readouterr().out


def test_no_stub_of_ours_is_taken_for_an_answer(course):
    assert [of.stem for of in sections().values() if stubs.holds_answers(of)] == []


def test_an_exercise_that_the_solution_lacks_is_an_error(course):
    change(course.solution, "def predict_x0(", "def _predict_x0(")
    with pytest.raises(MarkerError, match="does not define predict_x0"):
        stubs.main([])
