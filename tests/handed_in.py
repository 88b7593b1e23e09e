"""What tests of the intake hand in: files, notebooks and archives, and what the intake makes of them."""

import json
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

from grader.intake.reading import read
from grader.intake.sources import Source

STEM = "s1_forward_reverse"
PY, NB = f"{STEM}.py", f"{STEM}.ipynb"
CODE = "def q_sample(x0, t, noise, alpha_bar):\n    return x0\n"


def write(path: Path, data: str | bytes = CODE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def notebook(*cells: str, **more: object) -> str:
    listed = [{"cell_type": "code", "metadata": {}, "source": cell.splitlines(keepends=True)} for cell in cells]
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": listed, **more})


def pack(
    path: Path, entries: dict[str, str | bytes], edit: Callable[[zipfile.ZipInfo], None] = lambda info: None
) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, data in entries.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            edit(info)
            archive.writestr(info, data)
    return path


def only_source(path: Path) -> Source:
    submission = read(path)
    assert submission.problems == {}
    assert list(submission.sections) == [STEM]
    return submission.sections[STEM]


def problem(path: Path, stem: str | None = STEM) -> str:
    """The only problem of the submission at `path`: one sentence."""
    submission = read(path)
    assert submission.sections == {}
    assert list(submission.problems) == [stem]
    sentence = submission.problems[stem]
    assert sentence
    assert "\n" not in sentence
    assert len(sentence) < 400
    return sentence
