"""What a sandbox shows of the host, where a submission may write in it, and that honest code runs in it."""

import contextlib
import errno
import gc
import mmap
import os
import resource
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from grader import faults
from grader.course import ROOT
from grader.judging.judge import Judge, Request
from grader.judging.process import JudgeProcess
from grader.sandbox.guest import confine, forkserver, rehearsal, selftest, supervisor, walls
from grader.sandbox.guest.orders import OrderError, receive_order
from grader.sandbox.host import cgroup, command, doctor, isolation, scratch
from grader.sandbox.host.limits import Clock
from grader.sandbox.host.sandbox import Sandbox
from grader.sandbox.host.selftest import try_out
from tests.corpus import attacks
from tests.traces import Traces, control_groups, descendants


def test_the_scratch_folder_does_not_hide_an_interpreter_that_lies_in_tmp(monkeypatch):
    monkeypatch.setattr(command, "_host_folders", lambda: [Path("/usr"), Path("/tmp/course/.venv")])
    line = command.command("bwrap", "forkserver", "main", "")
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


@pytest.fixture(scope="module")
def jail():
    with contextlib.closing(Sandbox(isolation.choose())) as jail:
        yield jail


def test_honest_code_runs_in_a_jail(jail):
    try_out(jail)


needs_groups = pytest.mark.skipif("cgroup" not in isolation.choose(), reason="no control group can be made here")


def stays_outside(process: Path, group: str) -> bool:
    """Whether a process is not in a control group; one that ends has left it a moment before it is gone."""
    deadline = time.monotonic() + 5
    while group not in (process / "cgroup").read_text():
        state = (process / "stat").read_text().rpartition(")")[2].split()[0]
        if state in "ZX":
            return False
        if time.monotonic() > deadline:
            return True
        time.sleep(0.01)
    return False


@needs_groups
def test_all_of_a_jail_is_in_its_control_group(jail):
    """Who is put there once it runs may have forked before, and its child is outside for good."""
    below, ahead = 0, [jail._process.pid]
    while ahead:
        process = Path(f"/proc/{ahead.pop()}")
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
            assert not stays_outside(process, jail._group._folders[0].name), process
            ahead += map(int, (process / "task" / process.name / "children").read_text().split())
            below += 1
    assert below > 1


PR_GET_DUMPABLE = 3
BURNS = """
import os
for _ in range(min(20 * os.cpu_count(), 200)):
    if os.fork() == 0:
        os.setsid()
        while True:
            pass
"""
WORKS = """
import time
def slowdown():
    start, own = time.perf_counter(), time.process_time()
    while time.process_time() < own + 0.3:
        pass
    return (time.perf_counter() - start) / (time.process_time() - own)
"""


@needs_groups
@pytest.mark.skipif(not cgroup.shares_processor(), reason="control groups share out no processor here")
def test_however_many_burn_in_one_jail_another_has_as_much_of_the_processors(jail):
    """8 s. Each in a session of its own, which the kernel would hold to be as much as all of another jail is."""
    at_work = WORKS, 1, Clock(60)
    with (
        contextlib.closing(Sandbox(isolation.choose())) as other,
        contextlib.closing(jail.admit("trial", "x.py", *at_work)) as learner,
        contextlib.closing(other.admit("trial", "x.py", BURNS, 1, Clock(60))),
        learner.session(Clock(60)) as session,
    ):
        found = session.slowdown()
    assert found < 10  # 1.5 where nothing else runs; as one of all that burn it was 20, on up to ten processors


HOLDER = """
import os, time
block = bytes(1 << 20)
while True:
    opened = os.memfd_create("held")
    for _ in range(100):
        os.write(opened, block)
"""


@needs_groups
def test_memory_that_is_no_process_s_own_costs_its_exercise_and_no_other(monkeypatch):
    """Files in memory are held by a small program; the kernel ends large ones for it, and not the forkserver. Eight seconds."""
    monkeypatch.setattr(cgroup, "MEMORY", 1 << 30)
    judge = Judge(isolation.choose())
    code = (
        (ROOT / "solutions" / "s1_forward_reverse.py").read_text()
        + f"""
def compute_alpha_bar(betas):
    import subprocess, sys
    subprocess.run([sys.executable, "-I", "-S", "-c", {HOLDER!r}])
    return betas
"""
    )
    try:
        rows = judge.grade(
            Request("s1_forward_reverse", "x.py", code, 1, ("forward_step", "compute_alpha_bar", "q_sample"))
        )
    finally:
        judge.close()
    before, held, after = (row["verdict"] for row in rows)
    assert (before, after) == ("pass", "pass")
    assert held in ("crash", "tamper", "memory", "fail")


@pytest.mark.skipif(
    not Path("/proc/self/oom_score_adj").exists(), reason="here nobody is named whom the kernel ends first"
)
def test_where_memory_runs_out_a_submission_goes_first_whoever_grades():
    """Nor has anybody else a look into what is about to hold it. Of what is not dumpable root alone may say that it goes first."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(BaseException):
            if os.getuid() == 0:
                os.setuid(65534)
            confine.libc.prctl(forkserver.PR_SET_DUMPABLE, 0, 0, 0, 0)
            supervisor._go_first()
            dumpable = confine.libc.prctl(PR_GET_DUMPABLE, 0, 0, 0, 0)
            os.write(writer, f"{Path('/proc/self/oom_score_adj').read_text()} {dumpable}".encode())
        os._exit(0)
    os.close(writer)
    with open(reader) as told:
        assert told.read().split() == ["1000", "0"]
    os.waitpid(pid, 0)


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("raise RuntimeError('could not create a primitive')", "could not create a primitive"),
        ("def network(x): raise RuntimeError('no fork')", "no fork"),
        ("def network(x): return x\ndef train(x, steps): return [1.0, 0.5]", "other numbers"),
        ("import os; os._exit(3)", "exit status 3"),
    ],
)
def test_a_jail_in_which_it_does_not_run_judges_nobody(jail, tmp_path, monkeypatch, code, says):
    (tmp_path / "trial.py").write_text(code)
    monkeypatch.setattr(selftest, "__file__", str(tmp_path / "trial.py"))
    with pytest.raises(faults.GraderFault, match=says):
        try_out(jail)
    with pytest.raises(faults.GraderFault, match=says):
        Judge(isolation.choose())


def test_the_doctor_tells_of_a_jail_in_which_it_does_not_run(tmp_path, monkeypatch, capsys):
    (tmp_path / "trial.py").write_text("raise RuntimeError('could not create a primitive')")
    monkeypatch.setattr(selftest, "__file__", str(tmp_path / "trial.py"))
    assert doctor.report() == 1
    assert "could not create a primitive" in " ".join(capsys.readouterr().out.split())


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the size of a process is not to be found out here")
def test_the_limit_on_memory_counts_from_what_torch_takes():
    """Torch built for GPUs takes many times the address space of torch built for CPUs."""
    before = walls.memory_limit()[resource.RLIMIT_AS]
    with contextlib.closing(mmap.mmap(-1, 1 << 30)):
        assert walls.memory_limit()[resource.RLIMIT_AS] >= before + (1 << 30)


def test_a_jail_sees_no_gpu():
    """Where torch sees one, going backward before a fork makes going backward after it an error."""
    assert command.environment("/tmp")["CUDA_VISIBLE_DEVICES"] == ""


def test_a_jail_finds_the_shared_libraries_of_folders_that_it_sees(tmp_path, monkeypatch):
    """And is told of no other folder of the caller's."""
    linked, seen = tmp_path / "lib", Path(sys.base_prefix).resolve() / "lib"
    linked.symlink_to(seen)
    monkeypatch.setenv("LD_LIBRARY_PATH", f"{linked}:{tmp_path}::lib:/usr/lib/none")
    assert command.environment("/tmp")["LD_LIBRARY_PATH"] == f"{seen}:/usr/lib/none"
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
    assert "LD_LIBRARY_PATH" not in command.environment("/tmp")


def test_a_killed_graders_folders_and_groups_are_removed_by_the_next_and_a_living_ones_are_not(tmp_path, monkeypatch):
    """The maker dies without a word; what it held is free then, whatever its process id was."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(scratch, "YOUNG_SECONDS", 0)
    living = scratch.Scratch()
    program = "import os; from grader.sandbox.host.scratch import Scratch; Scratch(); os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False)
    assert len(list(tmp_path.iterdir())) == 2
    scratch.Scratch().close()
    assert list(tmp_path.iterdir()) == [living.path]
    living.close()
    assert not list(tmp_path.iterdir())


def test_what_only_begins_like_a_killed_graders_folder_is_kept(tmp_path, monkeypatch):
    """Somebody's copy of the course in the temporary folder, as GitHub names what one downloads, is nobody's to remove."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(scratch, "YOUNG_SECONDS", 0)
    theirs = [tmp_path / name for name in ("unstatic-main", "unstatic-x7_k2p0q", f"unstatic-{'0f' * 20}")]
    for folder in theirs:
        folder.mkdir(mode=0o700)
        (folder / "answers.py").touch()
    scratch.Scratch().close()
    assert all((folder / "answers.py").exists() for folder in theirs)


def test_a_jails_folder_is_not_swept_by_another_grader(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(scratch, "YOUNG_SECONDS", 0)
    with contextlib.closing(Sandbox("none")):
        there = list(tmp_path.iterdir())
        scratch.sweep(tmp_path)
        assert list(tmp_path.iterdir()) == there != []
    assert not list(tmp_path.iterdir())


def test_where_nothing_can_be_locked_a_folder_can_be_had_and_is_swept_by_nobody(tmp_path, monkeypatch):
    def none(*_, **__) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(scratch, "YOUNG_SECONDS", 0)
    monkeypatch.setattr(scratch, "lock", none)
    one = scratch.Scratch()
    scratch.Scratch().close()
    assert list(tmp_path.iterdir()) == [one.path]
    one.close()
    assert not list(tmp_path.iterdir())


def test_a_jail_that_cannot_be_started_is_a_fault_of_ours_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr("grader.sandbox.host.sandbox.command", lambda *_, **__: ["/nowhere/to/be/found"])
    before = sorted(os.listdir("/dev/fd"))
    with pytest.raises(faults.GraderFault, match=r"the jail \(none\) does not start: .*/nowhere/to/be/found"):
        Sandbox("none")
    assert sorted(os.listdir("/dev/fd")) == before
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("order", [b"\x02\0\0\0[]", b"\x01\0\0\0x", b"\xff\xff\xff\xff", b"\x02\0"])
def test_what_is_no_order_leaves_no_descriptor_open(order):
    """Whoever sends such from a jail would else fill the judge's table of them."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        before = sorted(os.listdir("/dev/fd"))
        socket.send_fds(theirs, [order], [0, 1, 2])
        theirs.shutdown(socket.SHUT_WR)
        with pytest.raises(OrderError):
            receive_order(ours)
        assert sorted(os.listdir("/dev/fd")) == before


def test_who_drips_an_order_is_not_waited_for_once_its_time_is_over():
    """Each byte comes in time, the order does not."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(60)
        theirs.sendall(b"\0\0\x08\0")
        over = threading.Event()

        def drip() -> None:
            while not over.wait(0.05):
                theirs.sendall(b" ")

        dripping = threading.Thread(target=drip)
        dripping.start()
        start = time.monotonic()
        try:
            with pytest.raises(OrderError):
                receive_order(ours, seconds=0.5)
            assert time.monotonic() - start < 10
            assert ours.gettimeout() == 60
        finally:
            over.set()
            dripping.join()


@pytest.mark.skipif("bwrap" not in isolation.choose(), reason="bubblewrap does not work here")
def test_a_submission_that_keeps_its_supervisor_busy_is_gone_before_the_next_is_let_in(jail):
    """3 s. The supervisor reads what comes in the zygote's name, a byte at a time, while twenty processes burn."""
    attack = next(entry for entry in attacks() if entry.name == "wire/drip_an_order_to_the_supervisor")
    before = descendants(jail._process.pid)
    with pytest.raises(faults.TimedOut):
        jail.admit(attack.stem, "x.py", attack.text, 1, Clock(2, what="its import"))
    left = descendants(jail._process.pid) - before
    try_out(jail)
    assert not left & descendants(jail._process.pid)


@pytest.mark.parametrize("end", ["close", "kill the judge", "kill the grader"])
def test_a_judge_leaves_nothing_in_the_temporary_folder(tmp_path, monkeypatch, end):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    if end == "kill the grader":
        program = (
            "import os; from grader.judging.process import JudgeProcess; from grader.sandbox.host import isolation\n"
            "from tests.traces import control_groups\n"
            "print(*control_groups(JudgeProcess(isolation.choose())._process.pid), flush=True); os.kill(os.getpid(), 9)"
        )
        killed = subprocess.run(
            [sys.executable, "-c", program], cwd=ROOT, check=False, stdout=subprocess.PIPE, text=True
        )
        groups = [Path(path) for path in killed.stdout.split()]
        deadline = time.monotonic() + 60
        while list(tmp_path.iterdir()) and time.monotonic() < deadline:
            time.sleep(0.1)
    else:
        judge = JudgeProcess(isolation.choose())
        groups = control_groups(judge._process.pid)
        assert list(tmp_path.iterdir())
        if end == "kill the judge":
            judge._process.kill()
            with pytest.raises(faults.GraderFault, match="was ended by SIGKILL"):
                judge.grade({})
        judge.close()
    assert not list(tmp_path.iterdir())
    assert bool(groups) == ("cgroup" in isolation.layers_of(isolation.choose()))
    if end != "kill the judge":  # then the next grader removes its groups
        assert not [group for group in groups if group.exists()]


GATHERS = """
from grader.sandbox.guest.confine import gather_memory
held = [bytes(200) for _ in range(800_000)]
def huge():
    return sum(int(line.split()[1]) for line in open("/proc/self/smaps_rollup") if line.startswith("AnonHugePages"))
before = huge()
gather_memory()
print(before, huge())
"""


@pytest.mark.skipif(not command.gathers_memory(), reason="this kernel makes no huge pages when asked to")
def test_memory_that_was_in_small_pages_is_gathered_in_huge_ones():
    said = subprocess.run([sys.executable, "-c", GATHERS], cwd=ROOT, check=True, capture_output=True, text=True)
    before, after = map(int, said.stdout.split())
    # Kilobytes, of the 180 MB that are held; of a quarter as much, how many whole huge pages it covers is the addresses' luck
    assert after - before > 80 << 10


def test_where_memory_cannot_be_gathered_it_comes_from_malloc(monkeypatch):
    for gathers in (True, False):
        monkeypatch.setattr(command, "gathers_memory", lambda gathers=gathers: gathers)
        assert ("PYTHONMALLOC" in command.environment("/tmp")) is not gathers


def test_a_rehearsal_leaves_no_descriptor_open():
    before = sorted(os.listdir("/dev/fd"))
    rehearsal.rehearse()
    assert sorted(os.listdir("/dev/fd")) == before


def test_a_rehearsal_leaves_no_object_whenever_garbage_is_collected():
    """Graphs that hold their connection hid it from the collector, unless that came at the right moments."""
    kept = set(map(id, gc.get_objects()))
    gc.disable()
    try:
        rehearsal.rehearse()
        gc.collect()
    finally:
        gc.enable()
    left = [type(thing).__name__ for thing in gc.get_objects() if id(thing) not in kept]
    assert not {"Connection", "Handles", "Record", "Slot", "Turning"} & set(left)


WITHOUT_BWRAP = "+".join(layer for layer in isolation.machine().layers if layer not in ("bwrap", "cgroup"))


@pytest.mark.skipif("landlock" not in WITHOUT_BWRAP, reason="Landlock does not work here")
def test_without_namespaces_what_kills_its_supervisor_ends_before_the_next_guest_and_with_the_jail():
    """8 s. Nobody else is above it by then but the fork server."""
    before = Traces.now()
    confine.libc.prctl(forkserver.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)  # what nobody ends comes to us, and is seen
    attack = next(entry for entry in attacks() if entry.name == "ending/kill_the_supervisor")
    look = "import os, tempfile, time\ntime.sleep(0.3)\nraise ValueError(os.listdir(tempfile.gettempdir()))\n"
    for after in (False, True):
        judge = Judge(WITHOUT_BWRAP)
        try:
            assert {name: row["verdict"] for name, row in attack.grade(judge).items()} == {
                "compute_alpha_bar": "tamper", "forward_step": "pass",
            }  # fmt: skip
            if after:
                rows = judge.grade(Request("s1_forward_reverse", "x.py", look, 1, ("compute_alpha_bar",)))
                assert "ValueError: []" in rows[0]["message"]
        finally:
            judge.close()
        assert Traces.now().beyond(before) == {}
    confine.libc.prctl(forkserver.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


@pytest.mark.skipif("landlock" not in WITHOUT_BWRAP, reason="Landlock does not work here")
@pytest.mark.parametrize("name", ["administer", "change_what_files_are"])
def test_without_namespaces_a_submission_administers_nothing(name):
    """4 s each. Root's privileges, and what Landlock does not look at."""
    attack = next(entry for entry in attacks() if entry.name == f"ways/{name}")
    if set(attack.needs) - set(WITHOUT_BWRAP.split("+")):
        pytest.skip(f"it takes {' and '.join(attack.needs)}, which this machine has not")
    with contextlib.closing(Judge(WITHOUT_BWRAP)) as judge:
        assert attack.grade(judge)["compute_alpha_bar"]["verdict"] == "fail"
