"""Write an nbgrader course: `unstatic release DIR --nbgrader`. An assignment is a section, with one notebook."""

import json
from collections.abc import Collection
from pathlib import Path

from grader.course import sections
from grader.source import folder
from grader.source.notebooks import notebook
from grader.source.release import refuse_the_course, told

PRISTINE = ".unstatic/released"
"""Where the files lie as we wrote them last, those that an instructor may change."""


def write(to: Path, stems: Collection[str] = ()) -> list[str]:
    """Write the course to a folder, or bring the one that is there up to date; says what was done.

    Args:
        to: the folder. What was collected, graded or changed in it is kept.
        stems: the sections that are to be in it, beside those that are in it already; all of them if empty.

    Raises:
        folder.FolderError: it cannot be written to as it is.
        grader.source.markers.MarkerError: a solution's markers cannot be trusted.
        OSError: the system says no.
    """
    refuse_the_course(to)
    before = folder.record(to)
    if before.get("kind", "nbgrader") != "nbgrader":
        raise folder.FolderError(f"{to} holds a learners' repository: choose another folder")
    had = set(before.get("sections", []))
    chosen = [of for stem, of in sections().items() if not stems or stem in stems or stem in had]
    theirs = {"nbgrader_config.py": CONFIG.encode()}
    for of in chosen:
        text = json.dumps(notebook(of), indent=1, ensure_ascii=False) + "\n"
        theirs[f"source/{of.stem}/{of.stem}.ipynb"] = text.encode()
    anew = {path: f"{PRISTINE}/{path}" for path in theirs}
    files = theirs | {anew[path]: data for path, data in theirs.items()} | {".gitignore": IGNORED.encode()}
    done = folder.write(to, files, theirs, kind="nbgrader", sections=[of.stem for of in chosen])
    said = told(to, done, chosen, anew)
    if "settings import configure" not in (to / "nbgrader_config.py").read_text(encoding="utf-8", errors="replace"):
        said.append(
            "Take care: nbgrader_config.py is yours and does not call our `configure`. Until it does, as ours in "
            f"{anew['nbgrader_config.py']}, nbgrader executes what is handed in."
        )
    return [*said, f"Go on there: cd {to} && nbgrader generate_assignment {chosen[0].stem}"]


CONFIG = '''"""The settings of this nbgrader course. They are yours: add what you like below."""

from grader.nbgrader.settings import configure

c = get_config()  # noqa: F821  nbgrader gives it
configure(c)  # submissions are judged in a sandbox and never run in a kernel: keep this line

c.CourseDirectory.course_id = "unstatic"

# c.Judged.jobs = 4  # submissions at a time; by default one a core
# c.Judged.isolation = "bwrap+landlock"  # the least that is accepted; `unstatic doctor` says what this machine has
# c.Judged.seed = 1  # what the checks' inputs are drawn from; by default this folder's own, in .unstatic/seed
'''
IGNORED = """gradebook.db
.unstatic/
autograded/
downloaded/
feedback/
submitted/
"""
