"""The learners' repository: all that a learner needs, and no answer. Without what says so, a test costs under a second."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib

import pytest

from grader import cli
from grader.course import ROOT, Section, section
from grader.diagnosis.listed import load
from grader.source import release
from grader.source.folder import FolderError
from tests.each import pytest_generate_tests  # noqa: F401  runs what follows for each section

S1 = section("s1_forward_reverse")
WEEK = ("s1_forward_reverse", "s5_flow_matching")


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """The whole course, released once."""
    to = tmp_path_factory.mktemp("release") / "diffusion"
    release.release(to)
    return to


@pytest.fixture
def desk(tmp_path):
    """The first section, released for a test to work in."""
    release.release(tmp_path / "desk", [S1.stem])
    return tmp_path / "desk"


def run(folder, *arguments):
    """A command in a release, as its learner's environment has it: what is not in the release cannot be imported."""
    environment = os.environ | {"PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1", "COLUMNS": "100"}
    environment.pop("PYTEST_ADDOPTS", None)
    return subprocess.run(
        [sys.executable, "-c", ALONE.format(arguments=arguments)],
        cwd=folder, env=environment, capture_output=True, text=True, encoding="utf-8", timeout=300, check=False,
    )  # fmt: skip


ALONE = """
import runpy, sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {{"solutions", "jinja2", "pyseccomp", "packaging_of_ours"}}:
            raise ModuleNotFoundError(f"No module named {{name!r}}, as at a learner's", name=name)
sys.meta_path.insert(0, Absent())
module, *sys.argv[1:] = {arguments!r}
runpy.run_module(module, run_name="__main__", alter_sys=True)
"""


def texts(folder):
    """The files of a release that are text, by path."""
    found = {}
    for path in folder.rglob("*"):
        if path.is_file() and path.suffix not in (".png", ".gz"):
            found[path.relative_to(folder).as_posix()] = path.read_text(encoding="utf-8")
    return found


def answers(of: Section) -> set[str]:
    """The lines of a section's answers that are in no given code, and are not too short to be anybody's."""
    solution = of.solution.read_text(encoding="utf-8")
    inside = re.findall(r"### BEGIN SOLUTION\n(.*?)### END SOLUTION", solution, re.S)
    lines = {line.strip() for answer in inside for line in answer.splitlines() if len(line.strip()) > 15}
    files = [path for folder in ("exercises", "grader") for path in (ROOT / folder).rglob("*.py")]
    given = {line.strip() for path in files for line in path.read_text("utf-8").splitlines()}
    assert len(lines - given) > 10, f"{of.stem}: nothing to look for"
    return lines - given


def test_a_release_has_no_line_of_any_answer(repository, section: Section) -> None:
    wanted = answers(section)
    found = {
        (path, line.strip())
        for path, text in texts(repository).items()
        for line in text.splitlines()
        if line.strip() in wanted
    }
    assert not found


def test_the_search_for_answers_finds_one(repository, tmp_path) -> None:
    """What the test above looks for is found where it is."""
    assert answers(S1) & {line.strip() for line in S1.solution.read_text("utf-8").splitlines()}


def test_a_release_has_nothing_of_the_listed_mistakes(repository, section: Section) -> None:
    everything = "\n".join(texts(repository).values())
    assert load(section.stem)
    assert not [known.name for known in load(section.stem) if known.explanation.strip() in everything]
    assert "[[misconception]]" not in everything


def test_a_release_holds_what_it_imports(repository) -> None:
    lost = []
    for path, text in texts(repository).items():
        for node in ast.walk(ast.parse(text)) if path.endswith(".py") else []:
            names = [node.module] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                base = repository.joinpath(*name.split("."))
                there = base.with_suffix(".py").is_file() or (base / "__init__.py").is_file()
                if name.split(".")[0] in ("grader", "exercises", "solutions", "tests") and not there:
                    lost.append((path, name))
    assert lost == [
        ("grader/desk/progress.py", "grader.diagnosis.diagnose")
    ]  # asked for only where mistakes are listed


def test_every_link_in_a_release_leads_somewhere(repository, tmp_path) -> None:
    release.release(tmp_path / "week", WEEK)
    for root in (repository, tmp_path / "week"):
        for page in root.rglob("*.md"):
            for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
                path = target.partition("#")[0]
                assert path.startswith(("http:", "https:")) or (page.parent / path).exists(), (page, target)


def test_the_parts_of_a_release_fit_together(repository) -> None:
    """Its lock has what its project asks for, its workflow is pinned, its folders are those of the map."""
    project = tomllib.loads((repository / "pyproject.toml").read_text("utf-8"))["project"]
    lock = (repository / "constraints.txt").read_text("utf-8")
    locked = {line.split("==")[0].lower() for line in lock.splitlines() if "==" in line}
    assert {re.split(r"[^\w-]", wanted)[0] for wanted in project["dependencies"]} <= locked
    assert not {"nbgrader", "ruff", "mypy", "pyseccomp"} & locked
    uses = re.findall(r"uses: (\S+)", (repository / ".github/workflows/status.yml").read_text("utf-8"))
    assert uses
    assert all(re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", one) for one in uses)
    assert not (repository / "solutions").exists()
    assert not (repository / "grader" / "judging").exists()


def test_sections_pick_weeks_and_another_week_comes_beside_them(tmp_path) -> None:
    to = tmp_path / "weeks"
    assert cli.main(["release", str(to), "--sections", "s1"]) == 0
    assert [path.name for path in sorted(to.glob("exercises/s*.py"))] == ["s1_forward_reverse.py"]
    assert not list(to.rglob("*s2_ddpm*"))
    assert list(tomllib.loads((to / "exercises/course.toml").read_text("utf-8"))) == ["s1_forward_reverse"]
    assert cli.main(["release", str(to), "--sections", "s5"]) == 0
    assert list(tomllib.loads((to / "exercises/course.toml").read_text("utf-8"))) == list(WEEK)


def test_releasing_again_keeps_what_a_learner_wrote(desk) -> None:
    mine = desk / "exercises" / f"{S1.stem}.py"
    answer = mine.read_text("utf-8").replace("raise NotImplementedError", "return x", 1)
    mine.write_text(answer, encoding="utf-8")
    (desk / "notes.md").write_text("mine")
    (desk / "exercises/toolkit/extract.py").write_text("# bent\n")
    said = release.release(desk, [S1.stem])
    assert mine.read_text("utf-8") == answer
    assert (desk / "notes.md").read_text() == "mine"
    assert (desk / "exercises/toolkit/extract.py").read_text("utf-8") == (
        ROOT / "exercises/toolkit/extract.py"
    ).read_text("utf-8")
    assert (desk / ".unstatic/kept/1/exercises/toolkit/extract.py").read_text() == "# bent\n"
    assert f"exercises/{S1.stem}.py was changed and is kept as it is." in said


def test_a_stub_that_is_new_comes_beside_the_answers(desk, monkeypatch) -> None:
    mine = desk / "exercises" / f"{S1.stem}.py"
    mine.write_text(mine.read_text("utf-8") + "# mine\n", encoding="utf-8")
    monkeypatch.setattr(release, "render", lambda of: "# another stub\n")
    said = release.release(desk, [S1.stem])
    assert mine.read_text("utf-8").endswith("# mine\n")
    assert (desk / f"exercises/stubs/{S1.stem}.py").read_text() == "# another stub\n"
    assert any(f"ours there is a new one, in exercises/stubs/{S1.stem}.py" in sentence for sentence in said)


def test_a_release_never_goes_into_the_course_itself(capsys) -> None:
    for place in (ROOT, ROOT / "exercises" / "out"):
        assert cli.main(["release", str(place)]) == 2
        assert "is the course itself" in capsys.readouterr().err


def test_a_folder_of_the_other_kind_is_refused(desk) -> None:
    from grader.nbgrader import course

    with pytest.raises(FolderError, match="learners' repository"):
        course.write(desk, [S1.stem])


def test_what_is_picked_of_a_folder_hangs_on_nothing_above_it_and_on_each_name_below(tmp_path) -> None:
    place = tmp_path / "full" / ".course" / "toolkit"
    kept = ["a.py", "images/b.py"]
    for name in (
        *kept,
        ".ipynb_checkpoints/a-checkpoint.py",
        "images/.cache/c.py",
        ".d.py",
        "__pycache__/e.py",
        "full/f.gz",
    ):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).touch()
    assert [path.relative_to(place).as_posix() for path in release._inside(place)] == kept


def test_two_releases_are_the_same_to_the_byte(desk, tmp_path) -> None:
    release.release(tmp_path / "again", [S1.stem])
    assert texts(desk) == texts(tmp_path / "again")


def test_pytest_and_the_commands_work_in_a_release(desk) -> None:
    """As a learner goes about it: a right answer, a wrong one, hints, the stub again. Costs 20 seconds."""
    mine = desk / "exercises" / f"{S1.stem}.py"
    stub = mine.read_text("utf-8")
    reference = S1.solution.read_text("utf-8")
    mine.write_text(reference.replace("(1 - beta).sqrt() * x", "(1 - beta) * x"), encoding="utf-8")
    ran = run(desk, "pytest", "exercises/checks", "-k", "forward_step or q_sample or compute_alpha_bar")
    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert "✗ forward_step" in ran.stdout
    assert "expected" in ran.stdout
    assert "looks like" not in ran.stdout
    assert re.search(r"✓ +q_sample +2/2", ran.stdout)
    assert run(desk, "grader", "check", "q_sample").returncode == 0
    assert "hint 1 of 3" in run(desk, "grader", "hint", "q_sample").stdout
    assert "✗ forward_step" in run(desk, "grader", "watch", "--once").stdout
    shown = run(desk, "grader", "show", "s1")
    assert (desk / "pictures" / f"{S1.stem}.png").is_file(), shown.stdout + shown.stderr
    solution = run(desk, "grader", "solution", "q_sample")
    assert (solution.returncode, solution.stderr) == (1, "")
    assert "Our answers are not in this release" in solution.stdout
    reset = run(desk, "grader", "reset", "s1")
    assert reset.returncode == 0, reset.stdout + reset.stderr
    assert mine.read_text("utf-8") == stub
    assert run(desk, "grader", "grade", ".").returncode == 2


def test_the_site_goes_out_with_all_sections_if_it_is_built(tmp_path, monkeypatch):  # two seconds
    monkeypatch.setattr(release, "SITE", tmp_path / "site")
    said = release.release(tmp_path / "without")
    assert not (tmp_path / "without" / "site").exists()
    assert not any("unstatic read" in line for line in said)
    (tmp_path / "site" / "assets").mkdir(parents=True)
    (tmp_path / "site" / "index.html").write_text("<h1>Unstatic</h1>", encoding="utf-8")
    (tmp_path / "site" / "assets" / "face.woff2").write_bytes(b"\x00\xff")
    assert (
        release.release(tmp_path / "whole")[-1] == "It has the course's site as it was built last, for `unstatic read`."
    )
    assert (tmp_path / "whole" / "site" / "assets" / "face.woff2").read_bytes() == b"\x00\xff"
    release.release(tmp_path / "week", [S1.stem])
    assert not (tmp_path / "week" / "site").exists()


def test_what_a_release_lacks_is_not_asked_of_learners(repository) -> None:
    """It has no Makefile: what a lesson says of `make` is said of the course's own repository."""
    pages = sorted((repository / "exercises" / "lessons").glob("*.md"))
    assert len(pages) > 1
    asked = []
    for page in pages:
        text = " ".join(page.read_text(encoding="utf-8").split())
        sentences = re.findall(r"[^.]*(?:Makefile|`make )[^.]*", text)
        asked += [f"{page.name}: {said}" for said in sentences if "the course's own repository" not in said]
    assert not asked


def test_the_instructors_image_has_all_that_a_release_is_made_of(tmp_path):
    """What the Dockerfile copies, laid out as it lies in the image, makes the learners' repository. Costs 8 s."""
    image = tmp_path / "course"
    image.mkdir()
    kept = {
        line[1:] for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").split("\n") if line.startswith("!")
    }
    for line in (ROOT / "Dockerfile").read_text(encoding="utf-8").split("\n"):
        if line.startswith("COPY "):
            *names, to = line.split()[1:]
            for name in names:
                assert name in kept, f".dockerignore leaves {name} out"
                target = image / (name if to == "./" else to)
                if (ROOT / name).is_dir():
                    shutil.copytree(ROOT / name, target, ignore=shutil.ignore_patterns("__pycache__"))
                else:
                    shutil.copyfile(ROOT / name, target)
    environment = os.environ | {"PYTHONPATH": str(image), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "grader", "release", str(tmp_path / "diffusion"), "--sections", "s1"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "diffusion" / "AGENTS.md").is_file()
