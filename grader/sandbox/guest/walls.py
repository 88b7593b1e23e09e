"""The walls around a submission, put up by its supervisor from within: namespaces, Landlock, seccomp, limits."""

import json
import os
import resource
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from grader.sandbox.guest import confine
from grader.sandbox.guest.cleanup import kill
from grader.sandbox.guest.confine import libc, must

CLONE_NEWNS, CLONE_NEWIPC, CLONE_NEWPID = 0x20000, 0x8000000, 0x20000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REC, MS_PRIVATE = 1, 2, 4, 8, 0x4000, 0x40000
PR_SET_PDEATHSIG = 1

DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
SCRATCH_SIZE = "256m"
GIB = 1 << 30
MEMORY = 2 * GIB
"""Bytes that a process may take beside what torch takes to be imported: a build for GPUs takes many more."""
PROCESSOR_SECONDS = 150
"""More than a section's budget of wall time, for what runs on unwatched; where a course gives more of that, there is more of these."""
PROCESSES = 256
"""Processes and threads of the jail's user at a time. Without bubblewrap that is the grader's user, and all that runs in that name counts."""
LIMITS = {
    resource.RLIMIT_FSIZE: 128 << 20,
    resource.RLIMIT_NPROC: PROCESSES,
    resource.RLIMIT_NOFILE: 256,
    resource.RLIMIT_CORE: 0,
}


@dataclass(frozen=True)
class Walls:
    """What is to be put around a submission.

    Attributes:
        layers: of "bwrap" (we are inside it: namespaces of our own can be had), "landlock" and "seccomp".
        readable: what Landlock leaves readable.
        listable: of what it leaves the names.
        scratch: the folders that a submission may write to.
    """

    layers: list[str]
    readable: list[str]
    listable: list[str]
    scratch: list[str]

    def raise_all(self, times: float = 1.0) -> None:
        """Put them up, around this process and its children.

        Args:
            times: as much time as usual that the course gives this submission.

        Raises:
            OSError: one of them cannot be had.
        """
        for layer in self.layers:
            self.put_up(layer)
        if "bwrap" not in self.layers:  # which gives them up itself: graded as root, a submission would be root
            confine.give_up_privileges()
        for limit, value in {**LIMITS, resource.RLIMIT_CPU: round(PROCESSOR_SECONDS * times), **memory_limit()}.items():
            hard = resource.getrlimit(limit)[1]
            cap = value if hard == resource.RLIM_INFINITY else min(value, hard)
            resource.setrlimit(limit, (cap, cap))

    def raise_last(self) -> None:
        """Put up what is around the submission alone: who clears up after it has to change what files are."""
        if "bwrap" not in self.layers and "seccomp" in self.layers:
            confine.leave_files_as_they_are()

    def put_up(self, layer: str) -> None:
        if layer == "bwrap":
            _enter_namespaces(self.scratch)
        elif layer == "landlock":
            confine.landlock(self.readable, self.listable, [*self.scratch, *DEVICES])
        elif layer == "seccomp":
            confine.seccomp()


def memory_limit() -> dict[int, int]:
    """The limit on this process's address space; none where its size is not to be found out."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except OSError:
        return {}
    return {resource.RLIMIT_AS: pages * resource.getpagesize() + MEMORY}


def probe(**walls: Any) -> NoReturn:
    """Print, as JSON, which of the layers can be had here, and why the others cannot."""
    wanted = Walls(**walls)
    found: list[str] = []
    reasons = {}
    for layer in wanted.layers:
        try:
            wanted.put_up(layer)
            found.append(layer)
        except OSError as error:
            reasons[layer] = str(error)
    print(json.dumps({"layers": found, "reasons": reasons}), flush=True)
    os._exit(0)


def _enter_namespaces(scratch: list[str]) -> None:
    """Become process 1 of a process namespace, with file systems of our own and no way to change them."""
    must(libc.unshare(CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWPID), "unshare")
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    child = os.fork()
    if child:
        signal.signal(signal.SIGTERM, lambda *_: kill(child))  # and so all in its namespace: the guest is over
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
        _, status = os.waitpid(child, 0)
        os._exit(os.waitstatus_to_exitcode(status) & 0xFF)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    must(libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None), "making mounts private")
    for path in scratch:
        options = f"size={SCRATCH_SIZE},nr_inodes=20k,mode=1777".encode()
        must(libc.mount(b"tmpfs", path.encode(), b"tmpfs", MS_NOSUID | MS_NODEV, options), f"mounting {path}")
    os.chdir(os.getcwd())  # into what was mounted there: the folder below it cannot be written to
    flags = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC
    must(libc.mount(b"proc", b"/proc", b"proc", flags, None), "mounting /proc")
    confine.give_up_privileges()
