"""The course's site as the workflow builds it, once for all tests of a run, whichever process they are in."""

import os
from pathlib import Path

import pytest

from grader.sandbox.host.scratch import lock
from grader.site import build


def built_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site's folder, which nobody may write to. Built as in a workflow, so that what a theme asks of GitHub would be seen."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent  # which the workers of a run share
    site = folder / "built-site"
    with (folder / "built-site.lock").open("w", encoding="utf-8") as held, pytest.MonkeyPatch.context() as patch:
        lock(held.fileno())  # who comes second waits, and finds it built
        if not site.is_dir():
            patch.setenv("GITHUB_REPOSITORY", "ada/unstatic")
            build.build(site)
    return site
