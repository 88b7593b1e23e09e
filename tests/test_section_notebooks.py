"""The notebook of a section, made from the one source; and its check(...). nbgrader is not needed here."""

import html
import importlib.util
import json
import re
import sys
from types import SimpleNamespace

import pytest

from exercises.toolkit import checking
from grader.course import Section, section
from grader.desk import in_notebook
from grader.intake.notebooks import MOST_CELLS, OBJECTS
from grader.intake.reading import read
from grader.nbgrader.submitted import cells_of, inert, rebuilt
from grader.sandbox.guest.jupyter import Shell
from grader.source.markers import emptied, stub_of
from grader.source.notebooks import notebook, parts
from tests.each import pytest_generate_tests  # noqa: F401  runs what follows for each section

S1 = section("s1_forward_reverse")


def source(cell) -> str:
    return "".join(cell["source"])


def named(made, name):
    return next(cell for cell in made["cells"] if cell["metadata"].get("nbgrader", {}).get("grade_id") == name)


def code(text: str) -> list[str]:
    """The lines of a module that are more than space."""
    return [line for line in text.splitlines() if line.strip()]


def test_the_pieces_of_a_module_are_all_of_it_but_its_docstring(section: Section) -> None:
    whole = section.solution.read_text("utf-8").split('"""', 2)[2]
    assert sorted(code("\n".join(part.text for part in parts(section)))) == sorted(code(whole))


def test_a_notebook_has_an_answer_and_a_test_an_exercise_in_the_order_of_the_course(section: Section) -> None:
    cells = [cell for cell in notebook(section)["cells"] if "nbgrader" in cell["metadata"]]
    marks = [cell["metadata"]["nbgrader"] for cell in cells]
    assert [one["grade_id"] for one in marks if one["solution"]] == [f"answer-{name}" for name in section.exercises]
    tests = {one["grade_id"]: one["points"] for one in marks if one["grade"]}
    assert tests == {f"check-{name}": exercise.points for name, exercise in section.exercises.items()}
    assert all(one["locked"] for one in marks if not one["solution"])
    ids = [cell["id"] for cell in notebook(section)["cells"]]
    assert len(ids) == len(set(ids))


def test_a_formula_stands_where_jupyter_shows_it_as_one(section: Section) -> None:
    formulas = section.lesson.read_text("utf-8").count("```math\n")
    lessons = [source(cell) for cell in notebook(section)["cells"] if cell["cell_type"] == "markdown"]
    assert formulas > 5
    assert sum(len(re.findall(r"^\$\$\n.+?\n\$\$$", text, re.M | re.S)) for text in lessons) == formulas
    assert not [text for text in lessons if "```math" in text]


def test_a_notebook_with_our_answers_is_our_module_to_the_grader(section: Section, tmp_path) -> None:
    path = tmp_path / f"{section.stem}.ipynb"
    path.write_text(json.dumps(notebook(section)), encoding="utf-8")
    submission = read(path)
    assert submission.notes == []
    text = submission.sections[section.stem].text
    lost = set(code("\n".join(part.text for part in parts(section)))) - set(code(text))
    assert not lost


def test_an_emptied_notebook_is_the_stub(section: Section) -> None:
    cells = [
        emptied(source(cell), "cell")
        for cell in notebook(section)["cells"]
        if cell["metadata"].get("nbgrader", {}).get("solution")
    ]
    stub = set(code(stub_of(section.solution.read_text("utf-8"))))
    assert not [line for cell in cells for line in code(cell) if line not in stub]
    for cell in cells:
        compile(cell, "cell", "exec")


def test_pictures_are_inside_and_links_lead_out_of_the_notebook_or_nowhere(section: Section) -> None:
    for cell in notebook(section)["cells"]:
        if cell["cell_type"] == "markdown":
            for target in re.findall(r"\]\(([^)\s]+)\)", source(cell)):
                kind, _, name = target.partition(":")
                assert kind in ("http", "https", "attachment") or target.startswith("#"), target
                assert kind != "attachment" or name in cell["attachments"]


# ------------------------------------------------------------------------------------------------- check(q_sample)


@pytest.fixture(scope="module")
def defined():
    """What a notebook with our answers to section 1 defines."""
    found: dict = {"__name__": "__main__"}
    exec(compile(S1.solution.read_text("utf-8"), "/tmp/ipykernel_1/1.py", "exec"), found)
    return found


def told(name: str, defined, **instead) -> str:
    return in_notebook.verdict(S1.exercises[name], defined | instead)


def test_a_right_answer_passes_in_the_notebook(defined) -> None:
    assert told("q_sample", defined) == "✓ q_sample passes: 2 points"


def test_a_wrong_answer_gets_the_words_of_pytest_in_the_notebook(defined) -> None:
    from grader.desk.progress import Progress

    def q_sample(x0, t, noise, alpha_bar):
        a = alpha_bar[t].reshape(-1, *[1] * (x0.ndim - 1))
        return a * x0 + (1 - a) * noise

    said = told("q_sample", defined, q_sample=q_sample)
    assert said.startswith("✗ q_sample")
    assert "in this notebook" in said
    from types import ModuleType

    module = ModuleType(S1.stem)
    module.__dict__.update(defined | {"q_sample": q_sample})
    finding = Progress(modules={S1.stem: module}).attempt("q_sample").findings[0]
    words = " ".join(said.split())
    assert all(
        " ".join(text.split()) in words for label, text in finding.facts if label in ("called", "got", "expected")
    )


def test_a_stub_in_a_notebook_is_still_to_be_written(defined) -> None:
    text = "def q_sample(x0, t, noise, alpha_bar):\n    raise NotImplementedError\n"
    import linecache

    linecache.cache["/tmp/ipykernel_1/2.py"] = (len(text), None, text.splitlines(True), "/tmp/ipykernel_1/2.py")
    own = {"__name__": "__main__"}
    exec(compile(text, "/tmp/ipykernel_1/2.py", "exec"), own)
    assert told("q_sample", defined, q_sample=own["q_sample"]) == "· q_sample is still to be written"
    assert told("simple_loss", defined | {"simple_loss": lambda *_: 1 / 0}, q_sample=own["q_sample"]).startswith(
        "◦ simple_loss waits"
    )


def test_an_error_in_a_cell_is_told_with_its_line(defined) -> None:
    own: dict = {"__name__": "__main__"}
    exec(
        compile("def q_sample(x0, t, noise, alpha_bar):\n    return x0 / zero\n", "/tmp/ipykernel_1/3.py", "exec"), own
    )
    assert "line 2 of your cell, in q_sample" in told("q_sample", defined, q_sample=own["q_sample"])


def test_check_says_what_it_takes_and_does_nothing_where_there_is_no_notebook(capsys, monkeypatch) -> None:
    in_notebook.check(3, {})
    assert "check(q_sample)" in capsys.readouterr().out
    stand_in = SimpleNamespace(get_ipython=lambda: Shell({}, lambda text: None))
    for around in (None, SimpleNamespace(get_ipython=lambda: None), stand_in):
        monkeypatch.setitem(sys.modules, "IPython", around)
        assert checking.check(3) is None
    assert capsys.readouterr().out == ""


# --------------------------------------------------------------------------------------- what becomes of a submission


@pytest.fixture(scope="module")
def released():
    made = notebook(S1)
    for cell in made["cells"]:
        if cell["metadata"].get("nbgrader", {}).get("solution"):
            cell["source"] = emptied(source(cell), "cell")
    return made


def handed_in(released, change=lambda cells: None) -> list[dict]:
    made = json.loads(json.dumps(released))
    change(made["cells"])
    return cells_of(json.dumps(made).encode())


def test_an_untouched_notebook_is_rebuilt_as_it_was_released(released) -> None:
    assert rebuilt(released, handed_in(released)) == released


def test_deleted_cells_are_there_again_in_their_places_and_bring_no_answer(released) -> None:
    def delete(cells):
        cells[:] = [cell for cell in cells if "q_sample" not in cell["id"]]

    made = rebuilt(released, handed_in(released, delete))
    assert [cell["id"] for cell in made["cells"]] == [cell["id"] for cell in released["cells"]]
    assert source(named(made, "answer-q_sample")) == "# This cell was not handed in."
    assert named(made, "check-q_sample") == named(released, "check-q_sample")


def test_nothing_of_a_cell_but_its_text_comes_through(released) -> None:
    def bend(cells):
        for cell in cells:
            cell["metadata"] |= {"tags": ["skip-execution"], "evil": True}
            cell["outputs"] = [{"output_type": "execute_result", "data": {"text/plain": "99"}}]
            if cell["metadata"].get("nbgrader", {}).get("grade"):
                cell["source"], cell["metadata"]["nbgrader"]["points"] = "99.0", 99
        cells.append(json.loads(json.dumps(cells[-2])))  # a second copy of something
        cells.append(
            {"cell_type": "raw", "metadata": {"raw_mimetype": "text/html"}, "source": "<script>alert(1)</script>"}
        )

    made = rebuilt(released, handed_in(released, bend))
    assert "skip-execution" not in json.dumps(made)
    assert "99" not in source(named(made, "check-q_sample"))
    assert named(made, "check-q_sample") == named(released, "check-q_sample")
    assert "<script" not in json.dumps(made)
    names = [cell["metadata"]["nbgrader"]["grade_id"] for cell in made["cells"] if "nbgrader" in cell["metadata"]]
    assert len(names) == len(set(names))


def test_a_learners_cells_stay_between_ours_in_their_order(released) -> None:
    def add(cells):
        place = next(n for n, cell in enumerate(cells) if cell["id"] == "answer-q_sample")
        cells.insert(
            place,
            {"cell_type": "code", "metadata": {}, "source": ["%matplotlib inline\n", "half = 1 / 2"], "outputs": []},
        )
        cells.insert(place, {"cell_type": "markdown", "metadata": {}, "source": "my thoughts"})

    made = [source(cell) for cell in rebuilt(released, handed_in(released, add))["cells"]]
    place = made.index("my thoughts")
    assert made[place + 1] == "%matplotlib inline\nhalf = 1 / 2"
    assert made[place + 2].startswith("def q_sample")


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b'{"cells": 3}', b'{"cells": [3, {"cell_type": []}]}', b"[" * 100_000]
)
def test_whatever_is_handed_in_the_released_notebook_comes_out(released, data) -> None:
    made = rebuilt(released, cells_of(data))
    ours = [cell["id"] for cell in released["cells"]]
    assert [cell["id"] for cell in made["cells"] if cell["id"] in ours] == ours


@pytest.mark.parametrize(
    "markdown",
    [
        "<script>x</script>",
        "[x](javascript:x)",
        "![x](/etc/passwd)",
        "[x]: javascript:x\n\n[x]",
        "<a href=x>",
        "> [x]: y",
        "see https://example.com/x now",
        "<http://example.com>",
        "see www.example.com",
        "WWW.example.com",
        r"$\href{javascript:x}{y}$",
        r"$ \\href{//example.com}{y} $",
        r"$\mmlToken{mi}[href='//example.com']{y}$",
        r"$\style{background: url(//example.com/x)}{y}$",
        "$ &#92;href{//example.com}{y} $",
        "$ &bsol;href{//example.com}{y} $",
        r"$ \h&#x72ef{//example.com}{y} $",
    ],
)
def test_markdown_of_a_learner_links_nowhere(markdown) -> None:
    text = inert(markdown)
    assert not re.search(r"<[a-z/]|\]\(|^[>\s]*\[|://|www\.", text, re.IGNORECASE), text
    # MathJax reads what comes of backslashes and entities.
    assert not re.search(r"\\(href|mmlToken|style)", html.unescape(text).replace(r"\\", "\\")), text
    if importlib.util.find_spec("nbconvert") is not None:
        from nbconvert.filters.markdown import markdown2html

        shown = markdown2html(text)
        assert not re.search(r"<(?!/?(?:p|blockquote)>)", shown), shown
        assert not re.search(r"\\(href|mmlToken|style)", html.unescape(shown)), shown


def test_comparisons_and_indices_stay_readable() -> None:
    for text in ("$a < b$ and `x[0]`, x_t[1] <= 2", r"$\displaystyle a & b \\ c & d$, A@B.T & more: //"):
        assert inert(text) == text


@pytest.mark.parametrize("most", [3_000_000, 20_000])
def test_of_a_notebook_of_millions_of_cells_none_is_shown_and_of_thousands_the_first(most):
    found = cells_of(b'{"cells": [' + b",".join([b"{}"] * most) + b"]}")
    assert len(found) == (0 if most > OBJECTS else MOST_CELLS)
