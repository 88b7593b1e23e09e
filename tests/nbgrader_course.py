"""nbgrader's own commands, the notebooks that are handed in, and the attacks among them."""

import json
import os
import subprocess
import sys
from pathlib import Path

from grader.course import Section, section

S1 = section("s1_forward_reverse")
STEM = S1.stem
LATE = "2026-01-01 00:00:00 UTC"
NBGRADER = """
import runpy, sys
sys.modules["rfc3987_syntax"] = None  # jsonschema builds its grammar for over a second, for a format that no notebook has
runpy.run_module("nbgrader", run_name="__main__", alter_sys=True)
"""


def nbgrader(course: Path, *arguments: str, expect: int = 0) -> str:
    """One of nbgrader's commands in a course; returns what it said."""
    environment = os.environ | {
        "OMP_NUM_THREADS": "1",
        "HOME": str(course),
        "JUPYTER_CONFIG_DIR": str(course / ".jupyter"),
    }
    ran = subprocess.run(
        [sys.executable, "-c", NBGRADER, *arguments],
        cwd=course, env=environment, capture_output=True, text=True, encoding="utf-8", timeout=500, check=False,
    )  # fmt: skip
    assert ran.returncode == expect, ran.stdout[-4000:] + ran.stderr[-8000:]
    return ran.stdout + ran.stderr


def released(course: Path, stem: str = STEM) -> dict:
    return json.loads((course / "release" / stem / f"{stem}.ipynb").read_text("utf-8"))


def source(course: Path, stem: str = STEM) -> dict:
    return json.loads((course / "source" / stem / f"{stem}.ipynb").read_text("utf-8"))


def cell(made: dict, name: str) -> dict:
    return next(one for one in made["cells"] if one["metadata"].get("nbgrader", {}).get("grade_id") == name)


def answer(course: Path, *names: str, of: Section = S1, **edits: tuple[str, str]) -> dict:
    """The released notebook with our answers to some exercises (all, if none is named), with these edits in them."""
    made, ours = released(course, of.stem), source(course, of.stem)
    for name in names or of.exercises:
        text = "".join(cell(ours, f"answer-{name}")["source"])
        for find, replace in [edits[name]] if name in edits else []:
            assert find in text
            text = text.replace(find, replace)
        cell(made, f"answer-{name}")["source"] = text
    return made


def hand_in(course: Path, student: str, made: dict | bytes, received: str = LATE, stem: str = STEM) -> Path:
    folder = course / "submitted" / student / stem
    folder.mkdir(parents=True, exist_ok=True)
    data = made if isinstance(made, bytes) else json.dumps(made).encode()
    (folder / f"{stem}.ipynb").write_bytes(data)
    (folder / "timestamp.txt").write_text(received)
    return folder


def code_cell(text: str, **metadata) -> dict:
    return {"cell_type": "code", "metadata": metadata, "source": text, "outputs": [], "execution_count": None}


# ----------------------------------------------------------------------------------------------------- the attacks

TRANSFORMER = """
from IPython import get_ipython
get_ipython().input_transformers_cleanup.append(lambda lines: ["2.0\\n"])
"""
GRADEBOOK = """
import glob, sqlite3
for path in glob.glob("**/gradebook.db", recursive=True) + glob.glob("../../../gradebook.db"):
    with sqlite3.connect(path) as db:
        db.execute("update grade set manual_score = 99")
"""


def skip_tags(made: dict) -> None:
    for one in made["cells"]:
        one["metadata"]["tags"] = ["skip-execution", "raises-exception", "remove_cell"]


def transformer(made: dict) -> None:
    made["cells"].insert(0, code_cell(TRANSFORMER))


def gradebook(made: dict) -> None:
    made["cells"].insert(0, code_cell(GRADEBOOK))


def edited_tests(made: dict) -> None:
    for one in made["cells"]:
        if one["metadata"].get("nbgrader", {}).get("grade"):
            one["source"] = "99.0"
            one["metadata"]["nbgrader"] |= {"points": 99, "checksum": "0" * 32}


def doubled_tests(made: dict) -> None:
    for one in [one for one in made["cells"] if one["metadata"].get("nbgrader", {}).get("grade")]:
        made["cells"].append(json.loads(json.dumps(one)) | {"source": "pass", "id": f"again-{one['id']}"})


def deleted_tests(made: dict) -> None:
    made["cells"] = [one for one in made["cells"] if not one["metadata"].get("nbgrader", {}).get("grade")]


def full_outputs(made: dict) -> None:
    for one in made["cells"]:
        if one["cell_type"] == "code":
            one["outputs"] = [
                {"output_type": "execute_result", "data": {"text/plain": "2.0"}, "metadata": {}, "execution_count": 1}
            ]


def solutions_as_tests(made: dict) -> None:
    """The marks of tests and answers exchanged."""
    for one in made["cells"]:
        marks = one["metadata"].get("nbgrader", {})
        if marks:
            marks |= {"grade": not marks["grade"], "solution": not marks["solution"], "points": 5}


ATTACKS = (
    skip_tags,
    transformer,
    gradebook,
    edited_tests,
    doubled_tests,
    deleted_tests,
    full_outputs,
    solutions_as_tests,
)
