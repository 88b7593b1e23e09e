"""A judge in a process of its own, as the grader sees it: requests there, rows back, and its last words if it ends.

Requests and answers go over a socket of their own, so that whatever pytest, a check or a library does to the standard
streams concerns nobody else. The judge finds an environment in which nothing of the caller's changes how Python or
pytest work, and a temporary folder that is removed with it.
"""

import contextlib
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading

from grader.course import ROOT
from grader.faults import GraderFault
from grader.judging.results import Row
from grader.rpc.pauses import pause
from grader.sandbox.host.scratch import Scratch

SILENCE_SECONDS = 400
"""A judge that says nothing for so long hangs: more than a section's budget, with the judge's own work."""
END_SECONDS = 5
"""A judge with nothing to do has so long to end by itself."""
LAST_WORDS = 2000
"""Bytes of what a judge printed that are kept, its end."""
MEANT_FOR_OTHERS = ("PYTEST", "HYPOTHESIS")
"""Variables whose names begin so are not handed on to the judge: they change how pytest or Hypothesis work."""
PYTHON = ("PYTHONHOME", "PYTHONPATH")
"""Of Python's own variables (PYTHON...) only these are handed on: they say where Python is."""


def environment(scratch: str) -> dict[str, str]:
    """The caller's environment without what would change a verdict, in one locale everywhere."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(MEANT_FOR_OTHERS) and (not name.startswith("PYTHON") or name in PYTHON)
    }
    return kept | {"TMPDIR": scratch, "LC_ALL": "C.UTF-8", "PYTHONUTF8": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}


class JudgeProcess:
    """A judge that is ready for one request after the other."""

    def __init__(self, level: str) -> None:
        """Start it and wait until it is ready.

        Raises:
            GraderFault: it does not start, or its jail does not.
        """
        self._answers: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._words, self._idle = b"", False
        with contextlib.ExitStack() as ends:
            try:
                self._start(level, ends)
            except (OSError, RuntimeError) as error:  # no process, no descriptor, no thread
                raise GraderFault(f"the judge's process does not start: {error}") from error
            self._hear()
            self._idle = True
            self._ends = ends.pop_all()

    def _start(self, level: str, ends: contextlib.ExitStack) -> None:
        """Start its process, and the threads that listen to it; `ends` gets what is to be done in the end."""
        scratch = Scratch()
        ends.callback(scratch.close)
        self._socket, theirs = socket.socketpair()
        ends.enter_context(self._socket)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "grader.judging.judge", level, str(theirs.fileno()), str(scratch.path)],
                cwd=ROOT,
                env=environment(str(scratch.path)),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # Ctrl-C is for us; the judge ends when we do
            )
        assert self._process.stdout is not None
        ends.enter_context(self._process.stdout)
        self._threads = [threading.Thread(target=target, daemon=True) for target in (self._listen, self._overhear)]
        ends.callback(self._end)
        for thread in self._threads:
            thread.start()

    def _listen(self) -> None:
        with contextlib.suppress(OSError), self._socket.makefile("rb") as lines:
            for line in lines:
                pause()
                self._answers.put(line)
        self._answers.put(b"")

    def _overhear(self) -> None:
        """Keep the end of what it prints; a judge has nothing to print but what goes wrong."""
        assert self._process.stdout is not None
        with self._process.stdout as printed:
            while data := printed.read1(1 << 16):  # type: ignore[attr-defined]
                self._words = (self._words + data)[-LAST_WORDS:]

    def _hear(self, silence: float = SILENCE_SECONDS) -> dict:
        try:
            line = self._answers.get(timeout=silence)
        except queue.Empty:
            raise GraderFault(f"the judge said nothing for {silence:g} s{self._last_words()}") from None
        if not line.endswith(b"\n"):
            raise self._ended()
        answer = json.loads(line)
        if "fault" in answer:
            raise GraderFault(answer["fault"])
        return answer

    def _ended(self) -> GraderFault:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(10)
            self._threads[1].join(10)
        status = self._process.poll()
        how = "closed its connection" if status is None else f"ended with exit status {status}"
        if status is not None and status < 0:
            names = {int(one): one.name for one in signal.Signals}
            how = f"was ended by {names.get(-status, f'signal {-status}')}"
        return GraderFault(f"the judge's process {how}{self._last_words()}")

    def _last_words(self) -> str:
        words = self._words.decode(errors="replace").strip()
        return f"; its last words: {words}" if words else "; it left no word"

    def grade(self, request: dict) -> list[Row]:
        """The rows of a request, which has the fields of `sitting.Request`.

        Raises:
            GraderFault: the judge ends, or says that it cannot.
        """
        self._idle = False
        try:
            pause()
            self._socket.sendall(json.dumps(request).encode() + b"\n")
        except OSError as error:
            raise self._ended() from error
        silence = SILENCE_SECONDS * max((1.0, *request.get("time", {}).values()))
        while "rows" not in (answer := self._hear(silence)):
            pass
        self._idle = True
        return answer["rows"]

    def _end(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        if self._idle:  # then it closes its jail, and leaves no control group
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(END_SECONDS)
        self._process.kill()
        self._process.wait()
        for thread in self._threads:
            if thread.ident is not None:  # it was started
                thread.join()

    def close(self) -> None:
        """End it, and leave nothing of it behind; once is enough."""
        self._ends.close()
