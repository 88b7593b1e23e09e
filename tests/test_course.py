"""The course file, the contract of the exercises, and what lies in the folders agree.

The order of the exercises is the course file's: where it has to be elsewhere, it is compared with that.
"""

import ast
import importlib
import re
from collections import Counter
from pathlib import Path

import pytest

from grader.course import ROOT, sections
from grader.source.stubs import is_fresh
from tests.contract import promised, signatures
from tests.each import ALTERNATIVES, alternatives, answers, exercises, pytest_generate_tests  # noqa: F401  for each


def where(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


# ------------------------------------------------------------------------------------------------- what is still to do


def test_nothing_is_left_to_do(exercise):
    """What `make new` wrote for somebody to replace says TODO(exercise)."""
    of, name, sign = sections()[exercise.section], exercise.name, f"TODO({exercise.name})"
    files = [ROOT / "exercises" / "course.toml", ROOT / "CHANGELOG.md", of.solution, of.lesson]
    files += [of.checks / f"test_{name}.py", of.misconceptions / f"{name}.toml"]
    files += [ROOT / "solutions" / "pictures" / f"{of.stem}.py", *alternatives(of.stem)]
    left = [
        f"{where(path)}:{number}: {line.strip()}"
        for path in files
        if path.is_file()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if sign in line
    ]
    assert not left, "\n".join([f"{name} is not finished:", *left])


# ----------------------------------------------------------------------------------- the course file and the contract


def test_the_sections_keep_their_order_and_their_stems():
    assert list(sections()) == sorted(sections()), (
        "exercises/course.toml: the sections stand in the order of their numbers"
    )


def test_the_stub_is_what_the_solution_gives(section):
    assert is_fresh(section), f"{where(section.stub)} is not what {where(section.solution)} gives: run `make exercises`"


def test_the_solution_defines_the_exercises_in_the_order_of_the_course_file(section):
    nodes = ast.parse(section.solution.read_text(encoding="utf-8")).body
    defined = [node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    public = [name for name in defined if not name.startswith("_")]
    assert public == list(section.exercises), (
        f"{where(section.solution)} defines {public}, exercises/course.toml lists {list(section.exercises)}: "
        f"bring the first into the order of the second"
    )


def test_the_signature_is_the_contracts(exercise):
    of = sections()[exercise.section]
    wanted = own(promised().get(of.stem, {}), exercise.name)
    assert wanted, (
        f"tests/contract.toml has no {exercise.name} in [{of.stem}]: when its signature is final, run `make contract`"
    )
    for path in (of.solution, of.stub):
        module = importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
        found = own(signatures(of, module), exercise.name)
        assert found == wanted, (
            f"{where(path)} has {found}, tests/contract.toml promises {wanted}: other people's code relies on it. "
            f"If the promise is to be broken, take it out there and run `make contract`"
        )


def own(table: dict[str, str], exercise: str) -> dict[str, str]:
    return {name: signature for name, signature in table.items() if name.split(".")[0] == exercise}


def test_the_contract_promises_no_exercise_that_is_not_there():
    lost = [(stem, name) for stem, table in promised().items() for name in table if not held(stem, name.split(".")[0])]
    assert not lost, (
        f"tests/contract.toml promises {lost}, which exercises/course.toml lacks: other people's code relies on it"
    )


def held(stem: str, exercise: str) -> bool:
    return stem in sections() and exercise in sections()[stem].exercises


def test_needs_are_what_the_solution_calls(exercise):
    of = sections()[exercise.section]
    tree = ast.parse(of.solution.read_text(encoding="utf-8"))
    node = next(node for node in tree.body if getattr(node, "name", None) == exercise.name)
    named = {node.id for node in ast.walk(node) if isinstance(node, ast.Name)}
    called = sorted((named & of.exercises.keys()) - {exercise.name})
    assert sorted(exercise.needs) == called, (
        f"{exercise.name} in {where(of.solution)} calls {called}, exercises/course.toml has needs = {sorted(exercise.needs)}"
    )


def test_no_hint_is_code(exercise):
    """No line of the answer stands in a hint, with or without its `return`."""
    text = sections()[exercise.section].solution.read_text(encoding="utf-8")
    part = re.split(rf"^(?:def|class) {exercise.name}\b", text, flags=re.M)[1]
    answer = "".join(
        re.findall(
            r"### BEGIN SOLUTION\n(.*?)### END SOLUTION", re.split(r"^(?:def|class) ", part, flags=re.M)[0], re.S
        )
    )
    lines = {line.strip().removeprefix("return ") for line in answer.splitlines()}
    given = [line for line in lines if len(line) > 15 for hint in exercise.hints if line in hint]
    assert not given, f"exercises/course.toml: a hint of {exercise.name} gives the line {given}: say it in words"


# ------------------------------------------------------------------------------------------- what lies in the folders

FOLDERS = {
    "exercises": ("{}.py", {"__init__.py", "conftest.py", "course.toml"}),
    "exercises/checks": (
        "{}",
        {
            "__init__.py",
            "callers.py",
            "cases.py",
            "chance.py",
            "describe.py",
            "expect.py",
            "notes.py",
            "rules.py",
            "spies.py",
        },
    ),
    "exercises/end_to_end": ("test_{}.py", {"__init__.py"}),
    "exercises/gallery": ("{}.py", {"__init__.py"}),
    "exercises/lessons": ("{}.md", {"README.md"}),
    "exercises/shortcut": ("test_{}.py", {"__init__.py"}),
    "solutions": ("{}.py", {"__init__.py"}),
    "solutions/misconceptions": ("{}", set()),
    "solutions/numbers": ("{}.py", {"__init__.py"}),
    "solutions/pictures": ("{}.py", {"__init__.py", "__main__.py", "paper.py"}),
}
"""For each folder, what a section's file or folder is called, and the files that belong to no section."""


@pytest.mark.parametrize("folder", FOLDERS)
def test_each_file_belongs_to_a_section_and_no_section_lacks_one(folder):
    pattern, given = FOLDERS[folder]
    entries = (path for path in (ROOT / folder).iterdir() if path.name != "__pycache__")
    files = {path.name for path in entries if path.is_file() or "." not in pattern}
    wanted = given | {pattern.format(stem) for stem in sections()}
    assert files == wanted, (
        f"{folder}/ lacks {sorted(wanted - files)} and holds {sorted(files - wanted)}, which belongs to no section"
    )


def test_each_exercise_has_a_file_of_checks_and_one_of_misconceptions(section):
    for files, pattern in (
        (section.checks.glob("test_*"), "test_{}.py"),
        (section.misconceptions.iterdir(), "{}.toml"),
    ):
        found, wanted = set(files), {pattern.format(name) for name in section.exercises}
        folder = where(section.checks if pattern.startswith("test_") else section.misconceptions)
        names = {path.name for path in found}
        assert names == wanted, (
            f"{folder}/ lacks {sorted(wanted - names)} and holds {sorted(names - wanted)}, which is no exercise's"
        )


def test_each_folder_is_known():
    known = {
        *FOLDERS,
        "exercises/capstone",
        "exercises/dial",
        "exercises/toolkit",
        "solutions/alternatives",
        "solutions/moving",
    } - {
        "exercises",
        "solutions",
    }
    folders = [path for top in ("exercises", "solutions") for path in (ROOT / top).iterdir() if path.is_dir()]
    names = {path.relative_to(ROOT).as_posix() for path in folders if not path.name.startswith(("__", "."))}
    assert names == known, (
        f"{sorted(names ^ known)}: a folder of exercises/ or solutions/ that FOLDERS above and the folder do not agree on"
    )


def test_each_alternative_belongs_to_a_section_and_says_what_is_different():
    for path in (path for path in ALTERNATIVES.rglob("*") if path.is_file() and "__pycache__" not in path.parts):
        assert path.name in {f"{stem}.py" for stem in sections()}, f"{where(path)}: call it for its section, sN_name.py"
        first = path.read_text(encoding="utf-8").splitlines()[0]
        assert first.startswith('"""Different: '), f"{where(path)}:1: begin with Different: and say in what"
        assert answers(path), f"{where(path)} defines no exercise of {path.stem}"


def test_no_two_checks_or_exercises_share_a_name():
    """Of two functions with one name in a file, Python keeps the second: the first would never run."""
    names = Counter(exercise.name for exercise in exercises())
    for path in (path for of in sections().values() for path in of.checks.glob("*.py")):
        body = ast.parse(path.read_text(encoding="utf-8")).body
        within = Counter(node.name for node in body if isinstance(node, ast.FunctionDef))
        names.update(name for name in within.elements() if name.startswith("test_") or within[name] > 1)
    twice = [name for name, count in names.items() if count > 1]
    assert not twice, (
        f"{twice}: defined more than once in exercises/checks/ or exercises/course.toml; call one otherwise"
    )


def test_only_its_own_file_names_a_check():
    """A check may be renamed: its name is what a learner reads first, and is made better as one goes."""
    checks = {name for path in ROOT.glob("exercises/checks/s*/test_*.py") for name in functions(path)}
    pages = [*ROOT.glob("tests/*.py"), *ROOT.glob("grader/**/*.py"), *ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]
    words = {path: set(re.findall(r"\w+", path.read_text(encoding="utf-8"))) for path in pages}
    named = {where(path): sorted(found & checks) for path, found in words.items() if found & checks}
    assert not named, f"{named}: take the name from collect(), or say it in words"


def functions(path: Path) -> list[str]:
    body = ast.parse(path.read_text(encoding="utf-8")).body
    return [node.name for node in body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]


@pytest.mark.parametrize("name", ["test_course.py", "test_exercises.py", "test_lessons.py", "test_docs.py"])
def test_every_assertion_about_the_course_says_what_is_missing(name):
    tree = ast.parse((ROOT / "tests" / name).read_text(encoding="utf-8"))
    bare = [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Assert) and node.msg is None]
    assert not bare, f"tests/{name}: the assertions in lines {bare} say nothing: what is missing, and in which file?"
