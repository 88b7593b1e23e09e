"""Submissions that try something by the way in which they are handed in, and cannot lie in a repository as they are.

Each function makes one below a folder and returns its path; its docstring is as that of a file in `tests/attacks`, with
what `grader.intake.reading` must make of it: "not-gradable", or "ignored" where the module is read and the rest is not.
"""

import io
import json
import os
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

from grader.intake import reading as intake
from tests.corpus import STEM

MODULE = f"{STEM}.py"
CODE = "def compute_alpha_bar(betas):\n    return betas\n"
Builder = Callable[[Path], Path]


def verdict(path: Path) -> str:
    """What intake makes of a submission: "not-gradable", "ignored" if only the module is read, or what else is in it."""
    (submission,) = intake.read_all([path])
    if not submission.sections:
        return "not-gradable"
    text = submission.sections[STEM].text
    return "ignored" if text == CODE and list(submission.sections) == [STEM] else "read"


def _archive(
    folder: Path, entries: dict[str, bytes], edit: Callable[[zipfile.ZipInfo], None] = lambda info: None
) -> Path:
    path = folder / "ada.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            info = zipfile.ZipInfo(name)
            edit(info)
            archive.writestr(info, data)
    return path


def _folder(folder: Path, **more: str) -> Path:
    path = folder / "ada"
    path.mkdir()
    (path / MODULE).write_text(CODE)
    for name, text in more.items():
        (path / name.replace("__dot__", ".")).write_text(text)
    return path


def traversal(folder: Path) -> Path:
    """Ways in: an archive with a path that leaves it: not-gradable."""
    return _archive(folder, {f"../{MODULE}": CODE.encode()})


def absolute_path(folder: Path) -> Path:
    """Ways in: an archive with a path from the root: not-gradable."""
    return _archive(folder, {f"/tmp/unstatic-attack/{MODULE}": CODE.encode()})


def link_in_an_archive(folder: Path) -> Path:
    """Ways in: an archive whose module is a link to the machine's files: not-gradable."""

    def link(info: zipfile.ZipInfo) -> None:
        info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16

    return _archive(folder, {MODULE: b"/etc/passwd"}, link)


def link_in_a_folder(folder: Path) -> Path:
    """Ways in: a folder whose module is a link to the machine's files: not-gradable."""
    path = folder / "ada"
    path.mkdir()
    (path / MODULE).symlink_to("/etc/passwd")
    return path


def link_as_a_submission(folder: Path) -> Path:
    """Ways in: a submission that is a link to a folder: not-gradable."""
    path = folder / "bob"
    path.symlink_to(_folder(folder), target_is_directory=True)
    return path


def pipe(folder: Path) -> Path:
    """Ways in: a module that is a named pipe, which makes a reader wait for ever: not-gradable."""
    path = folder / MODULE
    os.mkfifo(path)
    return path


def bomb(folder: Path) -> Path:
    """Ways in: an archive that unpacks to two hundred megabytes: not-gradable."""
    path = folder / "ada.zip"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open(MODULE, "w", force_zip64=True) as file,
    ):
        block = b"#" * (1 << 20)
        for _ in range(200):
            file.write(block)
    return path


def lying_sizes(folder: Path) -> Path:
    """Ways in: an archive whose entries are larger than they say: not-gradable."""
    path = _archive(folder, {MODULE: b"#" * 100_000})
    data = bytearray(path.read_bytes())
    for signature, place in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        start = data.index(signature) + place
        data[start : start + 4] = (10).to_bytes(4, "little")
    path.write_bytes(bytes(data))
    return path


def long_paths(folder: Path) -> Path:
    """Ways in: an archive in an archive of few kilobytes, whose paths have fifty folders each and come to gigabytes: not-gradable."""
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        for number in range(40):
            path = "/".join([f"{number}{'a' * 1250}"] * 49)
            archive.writestr(zipfile.ZipInfo(f"{path}/{MODULE}"), CODE)
    return _archive(folder, {"inner.zip": inner.getvalue()})


def same_name_twice(folder: Path) -> Path:
    """Ways in: an archive with two modules of one name: not-gradable."""
    import warnings

    path = folder / "ada.zip"
    with zipfile.ZipFile(path, "w") as archive, warnings.catch_warnings(action="ignore"):
        archive.writestr(MODULE, CODE)
        archive.writestr(MODULE, CODE.replace("return betas", "return 1"))
    return path


def encrypted(folder: Path) -> Path:
    """Ways in: an archive that says it is encrypted: not-gradable."""
    path = _archive(folder, {MODULE: CODE.encode()})
    data = bytearray(path.read_bytes())
    for signature, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + place] |= 1
    path.write_bytes(bytes(data))
    return path


def no_text(folder: Path) -> Path:
    """Ways in: a module that is not UTF-8 and does not say what it is: not-gradable."""
    path = folder / MODULE
    path.write_bytes(b"# caf\xe9\n" + CODE.encode())
    return path


def zeros(folder: Path) -> Path:
    """Ways in: a module with NULs in it: not-gradable."""
    path = folder / MODULE
    path.write_bytes(CODE.encode() + b"\0")
    return path


def sparse(folder: Path) -> Path:
    """Ways in: a module of a terabyte with nothing in it: not-gradable."""
    path = folder / MODULE
    with path.open("wb") as file:
        file.truncate(1 << 40)
    return path


def nested_source(folder: Path) -> Path:
    """Ways in: brackets a hundred thousand deep, for the compiler to choke on: not-gradable."""
    path = folder / MODULE
    path.write_text(CODE + "x = " + "(" * 100_000 + ")" * 100_000 + "\n")
    return path


def long_number(folder: Path) -> Path:
    """Ways in: a number of ten million digits: not-gradable."""
    path = folder / MODULE
    path.write_text(CODE + "x = " + "9" * 10_000_000 + "\n")
    return path


def broken_notebook(folder: Path) -> Path:
    """Ways in: a notebook of lists in lists in lists: not-gradable."""
    path = folder / f"{STEM}.ipynb"
    path.write_text('{"cells": ' + "[" * 200_000 + "]" * 200_000 + "}")
    return path


def skipped_cells(folder: Path) -> Path:
    """Ways in: a notebook whose tags and metadata ask the grader to skip, to pass and to trust it: read."""
    cell = {"cell_type": "code", "metadata": {"tags": ["skip-execution", "raises-exception"],
            "nbgrader": {"grade": True, "points": 99, "solution": False}}, "source": CODE, "outputs": []}  # fmt: skip
    path = folder / f"{STEM}.ipynb"
    path.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {"trusted": True}, "cells": [cell]}))
    return path


def settings_of_pytest(folder: Path) -> Path:
    """Ways in: conftest.py, pytest.ini and tox.ini beside the module, which deselect and pass all tests: ignored."""
    return _folder(
        folder,
        conftest__dot__py="def pytest_runtest_call(item): return True\n",
        pytest__dot__ini="[pytest]\naddopts = --deselect .\n",
        tox__dot__ini="[pytest]\naddopts = --co\n",
    )


def shadows(folder: Path) -> Path:
    """Ways in: modules named torch, math, pytest and sitecustomize beside the module: ignored."""
    names = ("torch", "math", "pytest", "sitecustomize", "usercustomize", "grader")
    return _folder(folder, **{f"{name}__dot__py": "raise SystemExit(0)\n" for name in names})


def pickles(folder: Path) -> Path:
    """Ways in: pickled results and answers beside the module: ignored."""
    path = _folder(folder, timestamp__dot__txt="1970-01-01", results__dot__json='{"score": 99}')
    (path / "answers.pkl").write_bytes(b"cos\nsystem\n(S'touch /tmp/unstatic-attack-unpickled'\ntR.")
    return path


def git_hooks(folder: Path) -> Path:
    """Ways in: a repository whose settings run programs: ignored."""
    path = _folder(folder, __dot__gitattributes="* filter=x\n")
    (path / ".git").mkdir()
    (path / ".git" / "config").write_text('[core]\n\tfsmonitor = "touch /tmp/unstatic-attack-git"\n')
    return path


def name_that_is_a_formula(folder: Path) -> Path:
    """Ways in: a submission whose name is a formula, markup and an escape sequence: ignored."""
    path = folder / "=cmd|' \x1b[2J<script>alert(1)<"
    path.mkdir()
    (path / MODULE).write_text(CODE)
    return path


BUILDERS: tuple[Builder, ...] = (
    traversal, absolute_path, link_in_an_archive, link_in_a_folder, link_as_a_submission, pipe, bomb, lying_sizes,
    long_paths, same_name_twice, encrypted, no_text, zeros, sparse, nested_source, long_number, broken_notebook, skipped_cells,
    settings_of_pytest, shadows, pickles, git_hooks, name_that_is_a_formula,
)  # fmt: skip


def promised(builder: Builder) -> tuple[str, str, str]:
    """The class, what is tried, and what intake must make of it."""
    family, _, rest = (builder.__doc__ or "").rstrip(".").partition(": ")
    tries, _, expect = rest.rpartition(": ")
    return family, tries, expect
