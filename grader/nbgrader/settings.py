"""What an nbgrader course sets so that our judge grades it; its nbgrader_config.py calls `configure`."""

import os
import shutil
import sys
from pathlib import Path
from typing import Any

from nbgrader.converters import Autograde, GenerateAssignment
from nbgrader.preprocessors import ClearSolutions, Execute

from grader.nbgrader.answers import EmptyAnswers
from grader.nbgrader.export import CsvExport
from grader.nbgrader.preprocessor import Judged, SubmittedNotebook
from grader.source.markers import STUB


def configure(c: Any) -> None:
    """Put ours in the place of nbgrader's own: what empties answers, reads submissions, executes them, and exports grades.

    Args:
        c: nbgrader's configuration, `get_config()`.
    """
    if shutil.which("alembic") is None:  # nbgrader calls it by name, and an environment that is not active hides it
        os.environ["PATH"] = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))
    c.GenerateAssignment.preprocessors = _with(GenerateAssignment, "preprocessors", ClearSolutions, EmptyAnswers)
    c.ClearSolutions.code_stub = {"python": STUB}  # of cells in which there are no markers
    c.Autograde.autograde_preprocessors = _with(Autograde, "autograde_preprocessors", Execute, Judged)
    c.Autograde.exporter_class = SubmittedNotebook
    c.ExportApp.plugin_class = CsvExport


def _with(converter: Any, trait: str, theirs: type, ours: type) -> list[type]:
    """The converter's preprocessors, ours in the place of theirs.

    Raises:
        RuntimeError: this nbgrader has none such; then submissions might be executed, so that nothing may go on.
    """
    usual = converter.class_traits()[trait].default()
    if usual.count(theirs) != 1:
        raise RuntimeError(
            f"this nbgrader has no {theirs.__name__} among its {trait}, in whose place we go: install the version of constraints.txt"
        )
    return [ours if one is theirs else one for one in usual]
