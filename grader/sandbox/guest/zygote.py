"""The zygote: imports the submission once, and forks for each check."""

import dis
import faulthandler
import gc
import importlib.util
import linecache
import os
import signal
import socket
import sys
import threading
from types import FunctionType, ModuleType
from typing import NoReturn

from grader.sandbox.guest.jupyter import surround
from grader.sandbox.guest.orders import OrderError, receive_order, send_order
from grader.sandbox.guest.process_state import seed, switch_back
from grader.sandbox.guest.running import Run
from grader.sandbox.guest.uses import class_attributes, uses
from grader.sandbox.guest.worker import flush, serve

JUMPS = frozenset((*dis.hasjrel, *dis.hasjabs))


class Zygote:
    """Imports the submission once and forks for each check."""

    def __init__(self, orders: socket.socket, order: dict, source_fd: int, output_fd: int) -> None:
        self.orders = orders
        self.stem, self.filename = order["stem"], order["filename"]
        self.seed, self.order = order["seed"], order
        with open(source_fd, encoding="utf-8", newline="") as source:
            source.seek(0)
            self.text = source.read()
        self.output_fd = output_fd
        self.module: ModuleType | None = None

    def get_ready(self) -> None:
        """What is to be done before anything of the submission's runs: what goes wrong here is ours."""
        _use_output(self.output_fd)
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr] # of who is stopped the last line is told too
        faulthandler.register(signal.SIGUSR1, file=2, all_threads=False)  # whoever takes too long is asked where it is
        seed(self.seed)
        send_order(self.orders, {"op": "begun"})

    def run(self) -> NoReturn:
        answer = self._import()
        switch_back()
        seed(self.seed)  # each check finds the generators so
        flush()
        gc.collect()
        gc.freeze()  # a check that collects garbage looks at its own only, and touches less of what it shares
        send_order(self.orders, {**answer, "threads": _threads()})
        while True:
            try:
                order, (sock, output) = receive_order(self.orders)
            except OrderError:
                os._exit(0)
            if order["here"]:
                self._serve(sock, output)
            self._check(sock, output)

    def _import(self) -> dict:
        """Run the module's code, or the notebook's cells, under its own name. What it raises is told; what it defined is there."""
        spec = importlib.util.spec_from_loader(self.stem, loader=None, origin=self.filename)
        module = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]
        module.__file__ = self.filename
        sys.modules[self.stem] = module
        _remember_lines(self.filename, self.text)
        surround(module.__dict__, self.filename)
        run = Run(self.text, self.filename, module.__dict__, self.order)
        run.all()
        _end_monitor()
        self.module = module
        found = {"uses": uses(module), "stubs": _stubs(module)}
        return {"op": "loaded", **found, "trouble": run.trouble, "values": run.values(), "cut": run.cut}

    def _check(self, sock: int, output: int) -> None:
        """Fork a check and tell how it ended, or why there is none."""
        try:
            pid = os.fork()
        except OSError as error:
            send_order(self.orders, {"op": "unforked", "why": str(error)[:200]})
            os.close(sock)
            os.close(output)
            return
        if pid == 0:
            self.orders.close()
            self._serve(sock, output)
        os.close(sock)
        os.close(output)
        _, status = os.waitpid(pid, 0)
        send_order(self.orders, {"op": "exited", "status": os.waitstatus_to_exitcode(status)})

    def _serve(self, sock: int, output: int) -> NoReturn:
        _use_output(output)
        assert self.module is not None
        serve(socket.socket(fileno=sock), self.module, self.filename)


def _stubs(module: ModuleType) -> list[str]:
    """The public functions and classes that nobody has begun with."""
    return [name for name, value in list(vars(module).items())[:2000] if not name.startswith("_") and _is_stub(value)]


def _is_stub(value: object) -> bool:
    """Whether calling it can only raise NotImplementedError, whatever it is given: its code knows no other way out."""
    function = class_attributes(value).get("__init__") if issubclass(type(value), type) else value
    if type(function) is not FunctionType:
        return False
    names = set(function.__code__.co_names)
    if "NotImplementedError" not in names or names - {"NotImplementedError", "super", "__init__"}:
        return False
    steps = dis.get_instructions(function.__code__)
    return not any(step.opcode in JUMPS or step.opname.startswith(("RETURN", "YIELD")) for step in steps)


def _remember_lines(filename: str, text: str) -> None:
    """Let tracebacks and inspect find the source, which is in no file."""
    lines = [line + "\n" for line in text.split("\n")]  # as the compiler counts; splitlines knows more ends of a line
    linecache.cache[filename] = (len(text), None, lines, filename)


def _end_monitor() -> None:
    """End the thread with which tqdm watches its bars: it would make each check import everything again."""
    bars = sys.modules.get("tqdm.std")
    monitor = getattr(getattr(bars, "tqdm", None), "monitor", None)
    if monitor is not None:
        monitor.exit()


def _use_output(fd: int) -> None:
    """Send what is printed where the judge counts it."""
    os.dup2(fd, 1)
    os.dup2(fd, 2)
    os.close(fd)


def _threads() -> int:
    """How many threads run, or are about to."""
    import torch

    try:
        running = len(os.listdir("/proc/self/task"))
    except OSError:
        running = threading.active_count()
    return max(running, torch.get_num_threads())
