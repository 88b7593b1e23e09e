"""What a sandbox shows of the host, and where a submission may write in it."""

import os
from pathlib import Path

import pytest

from grader.jail import isolation
from grader.jail import keeper as jail
from grader.judging.judge import Judge, Request


def test_the_scratch_folder_does_not_hide_an_interpreter_that_lies_in_tmp(monkeypatch):
    monkeypatch.setattr(jail, "_host_folders", lambda: [Path("/usr"), Path("/tmp/course/.venv")])
    line = jail.command("bwrap", "main", "")
    assert line[line.index("TMPDIR") + 1] == line[line.index("--chdir") + 1] == "/scratch"
    assert '"scratch": ["/scratch", "/dev/shm"]' in line[-1]


@pytest.mark.skipif(not isolation.choose().startswith("bwrap"), reason="bubblewrap does not work here")
def test_bubblewrap_alone_leaves_no_place_where_a_submission_can_keep_a_note():
    """Landlock forbids it too; here it is left out."""
    judge = Judge("bwrap")
    try:
        code = "import os\nfor place in ('/', '/course', '/usr'):\n    try:\n        open(place + '/note', 'w')\n"
        code += "        os._exit(7)\n    except OSError:\n        pass\n"
        code += "open(os.environ['TMPDIR'] + '/note', 'w')\nimport torch\ndef compute_alpha_bar(betas): return (1 - betas).cumprod(0)\n"
        rows = judge.grade(Request("s1_forward_reverse", "x.py", code, 1, ("compute_alpha_bar",)))
    finally:
        judge.close()
    assert rows[0]["verdict"] == "pass", rows[0]["message"]
    assert not os.path.exists("/tmp/note")
