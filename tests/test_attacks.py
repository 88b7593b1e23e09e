"""The corpus of attacks, and of honest submissions that are noisy, against the grader of this machine."""

import errno
import json
import os
import re
import socket
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from grader.diagnosis import patient
from grader.judging import sitting as judging
from grader.judging.judge import Judge
from grader.judging.results import Row, document
from grader.reports import report
from grader.sandbox.guest.confine import SCOPED, landlock_abi
from grader.sandbox.host import command, isolation, session
from tests import built
from tests.attack_table import PAGE, rows_of
from tests.corpus import Entry, attacks, noise
from tests.traces import Traces

LEVEL = isolation.choose()
CHECK_SECONDS = 4
"""A check's time in these tests: what loops for ever would otherwise take four times as long."""
HURRIED = 0.25
"""The part of it for an exercise that must run out of time, whatever it is given."""
BRISK = 0.5
"""The same for one that may run out of time, or end otherwise first."""
PATIENT = 4
"""The same for what ends by itself, which takes its time on a busy machine."""
LIVES_ON = "wire/hang_up_and_live_on"
"""It closes the connection in each check, and each time we wait to be told of an end that does not come."""
PORT = 47_113
IMPORT_NOTE = re.compile(
    r"note       (importing stopped at line \d+ \(|line \d+: this (import|statement) was left out \()"
)
"""How the only notes begin that a module can bring about."""
LONGEST_MESSAGE = 50_000
"""Characters: what failed is told in 4,000, and beside it a hundred pieces that ended early in 300 each."""
EFFORT = 50_000
"""So many steps are spent on each stage of naming a mistake, a sixteenth of what a grading spends: no attack has one to name."""
graded: list[Row] = []


needs_walls = pytest.mark.skipif(
    "bwrap" not in LEVEL and not ("landlock" in LEVEL and landlock_abi() >= SCOPED),
    reason=f"this machine isolates at level {LEVEL!r}, through which signals get out: the attacks would do harm",
)


class Bench:
    """One judge for the whole corpus, beside things that a submission must not reach."""

    def __init__(self, folder: Path) -> None:
        self.before = Traces.now()
        self.folder = folder
        with warnings.catch_warnings(action="ignore"):
            self.judge = Judge(LEVEL)

    def close(self) -> None:
        self.judge.close()


@pytest.fixture(scope="module")
def bench(tmp_path_factory) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("host")
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        patch.setattr(judging, "CHECK_SECONDS", CHECK_SECONDS)
        patch.setattr(patient, "EFFORT", EFFORT)
        patch.setattr(tempfile, "tempdir", str(folder))
        patch.setenv("UNSTATIC_CANARY", "to be seen by no submission")
        listener = stack.enter_context(socket.socket())
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listen(listener, ("127.0.0.1", PORT))
        if hasattr(socket, "AF_UNIX") and Path("/proc").exists():
            named = stack.enter_context(socket.socket(socket.AF_UNIX))
            listen(named, "\0unstatic-canary")
        bench = Bench(folder)
        yield bench
        bench.close()


def listen(listener: socket.socket, address: tuple[str, int] | str) -> None:
    """Be there for a submission to reach; another run of these tests that is there already serves as well."""
    try:
        listener.bind(address)
        listener.listen()
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise


def names(entries: list[Entry]) -> list[str]:
    return [entry.name for entry in entries]


def skip_without(layers: tuple[str, ...]) -> None:
    if lacking := set(layers) - set(LEVEL.split("+")):
        pytest.skip(f"it takes {' and '.join(lacking)}, which this machine has not")


def times(entry: Entry) -> dict[str, float]:
    """The part of a check's time for each exercise: none waits for long, and none fails for want of it."""
    if not any("timeout" in verdicts for verdicts in entry.expect.values()):
        return dict.fromkeys(entry.expect, PATIENT)
    short = {name: HURRIED for name, verdicts in entry.expect.items() if verdicts == ("timeout",)}
    either = {
        name: BRISK for name, verdicts in entry.expect.items() if "timeout" in verdicts and "pass" not in verdicts
    }
    return either | short


@needs_walls
@pytest.mark.parametrize("entry", attacks(), ids=names(attacks()))
def test_an_attack_gets_what_it_must_and_touches_no_other_exercise(bench, entry, monkeypatch):
    skip_without(entry.needs)
    if entry.name == LIVES_ON:
        monkeypatch.setattr(session, "END_SECONDS", 1)
    rows = entry.grade(bench.judge, times(entry))
    graded.extend(rows.values())
    assert {name: row["verdict"] for name, row in rows.items() if row["verdict"] not in entry.expect[name]} == {}
    for name, row in rows.items():
        honest = "pass" in entry.expect[name]
        assert row["score"] == (row["points"] if row["verdict"] == "pass" else 0)
        assert honest or (row["score"] == 0 and row["message"])
        assert len(row["message"]) < LONGEST_MESSAGE
        lines = [line for line in row["message"].splitlines() if not IMPORT_NOTE.match(line)]
        assert not any(line.startswith(("grader ", "note ")) for line in lines)


@pytest.mark.parametrize("entry", noise(), ids=names(noise()))
def test_an_honest_submission_keeps_its_marks_however_noisy(bench, entry):
    skip_without(entry.needs)
    rows = entry.grade(bench.judge, times(entry))
    assert {name: row["verdict"] for name, row in rows.items()} == dict.fromkeys(entry.expect, "pass"), rows
    assert all(row["score"] == row["points"] for row in rows.values())


@pytest.mark.parametrize("builder", built.BUILDERS, ids=lambda builder: builder.__name__)
def test_a_hostile_way_of_handing_in_is_refused_or_ignored(tmp_path, builder):
    start = time.process_time()
    path = builder(tmp_path)
    assert built.verdict(path) == built.promised(builder)[2]
    assert time.process_time() - start < 30


def test_the_corpus_has_every_class_and_promises_something_about_each():
    entries = attacks()
    assert len(entries) >= 70
    assert {entry.family for entry in entries} == {
        "Ending the process", "Patching the referee", "Reading what is hidden", "Notes between checks", "Resources",
        "Numerics", "Text", "The wire", "The oracle", "Ways out",
    }  # fmt: skip
    assert len({entry.tries for entry in entries}) == len(entries)
    assert all(any("pass" not in verdicts for verdicts in entry.expect.values()) for entry in entries)
    assert len(noise()) >= 20


def test_the_report_of_all_this_is_harmless():
    row: Row = {
        "section": "s1_forward_reverse", "exercise": "q_sample", "points": 2.0, "score": 0.0, "verdict": "fail",
        "message": "raised     \x1b[2J<script>alert(1)</script>\ud800\u202e", "misconception": None, "checks": [],
    }  # fmt: skip
    found = document(1, LEVEL, [(f"=cmd|'{number}<script>\x1b[2J", [one]) for number, one in enumerate([row, *graded])])
    page = report.html(found)
    assert "<script>alert" not in page
    assert "<img src" not in page
    assert not set(page) & {"\x1b", "\u202e", "\0"}
    page.encode()
    assert json.loads(json.dumps(found)) == found


def test_the_table_of_the_attacks_is_fresh():
    """`python -m tests.attack_table` writes it again."""
    listed = rows_of(PAGE.read_text(encoding="utf-8"))
    promised = {(one.family, one.tries): one.expect for one in attacks()}
    promised |= {built.promised(builder)[:2]: {"": (built.promised(builder)[2],)} for builder in built.BUILDERS}
    assert {(family, tries) for family, tries, _, _ in listed} == set(promised)
    for family, tries, must, got in listed:
        expect = promised[family, tries]
        assert must == "; ".join(f"{name} {' or '.join(verdicts)}".strip() for name, verdicts in expect.items())
        gotten = [words.split() for words in got.split("; ")]
        assert all(words[-1] in expect[words[0] if len(words) > 1 else ""] for words in gotten)


def test_a_course_that_lies_where_the_jail_can_read_is_covered(tmp_path, monkeypatch):
    for name in ("grader", "solutions", "exercises"):
        (tmp_path / name).mkdir()
    (tmp_path / "grader" / "sandbox" / "guest").mkdir(parents=True)
    (tmp_path / "grader" / "sandbox" / "guest" / "forkserver.py").touch()
    monkeypatch.setattr(command, "ROOT", tmp_path)
    monkeypatch.setattr(command, "_host_folders", lambda: [tmp_path])
    words = command.command("bwrap", "forkserver", "main", "/tmp")
    covered = {words[place + 1] for place, word in enumerate(words) if word == "--tmpfs"}
    assert {str(tmp_path / name) for name in ("grader", "solutions", "exercises")} <= covered


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="what is left is looked for in /proc")
def test_nothing_is_left_behind(bench):
    """The last test of this file: the jail is closed, and what its submissions made is gone with it."""
    bench.close()
    deadline = time.monotonic() + 60
    while Traces.now().beyond(bench.before) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert Traces.now().beyond(bench.before) == {}
    assert [name for name in os.listdir(bench.folder) if not name.startswith("torchinductor_")] == []
