"""The command line that runs `grader.sandbox.guest` behind the outer wall, and all that it may know of the world outside."""

import json
import os
import shutil
import sys
import sysconfig
from functools import cache
from pathlib import Path

from grader.course import ROOT
from grader.rpc import pauses
from grader.sandbox.guest.confine import can_gather_memory
from grader.sandbox.host import interpreter

INSIDE = ("__init__.py", "rpc", "sandbox/__init__.py", "sandbox/guest")
"""What of the grader the jail holds; no more of it is there."""
PRIVATE = ("data", "exercises", "grader", "solutions", "tests")
"""The course's own folders, which are covered where the jail would see them. What it may have of them it finds below /course."""

HANDED_ON = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", pauses.VARIABLE)
"""Variables that the jail gets from the caller: some processors need the first two to compute correctly, and the last is for trials of a
busy machine."""
HUGE_PAGES = "/sys/kernel/mm/transparent_hugepage"


def layers_of(level: str) -> list[str]:
    """The layers of a level such as "bwrap+landlock+seccomp"; "none" has none."""
    return [] if level == "none" else level.split("+")


def command(level: str, module: str, function: str, scratch: str, **order: object) -> list[str]:
    """The command line that runs a function of `grader.sandbox.guest`, at this level of isolation.

    Args:
        level: layers, joined by "+"; with "bwrap" it runs inside bubblewrap.
        module: of `grader.sandbox.guest`; "forkserver", or "walls" to probe them.
        function: of that module.
        scratch: a folder of the host's that a submission may write to where it has no namespace of its own.
        order: further arguments of the function.
    """
    layers = layers_of(level)
    boxed = "bwrap" in layers
    course = "/course" if boxed else str(ROOT)
    walls = {
        "layers": [layer for layer in layers if layer != "cgroup"],
        "readable": [
            *map(str, _host_folders()),
            "/proc",
            "/sys/devices/system",
            *(["/course"] if boxed else _course_files()),
        ],
        "listable": [course],
        "scratch": [_inner_scratch(), "/dev/shm"] if boxed else [scratch],
    }
    program = (
        f"import json, sys; sys.path[:0] = [{course!r}]; sys.path.append({course + '/exercises'!r}); "
        f"from grader.sandbox.guest.{module} import {function}; {function}(**json.loads(sys.argv[1]))"
    )
    python = [sys.executable, "-s", "-P", "-B", "-c", program, json.dumps({**order, **walls})]
    return [*_bwrap(), *python] if boxed else python


def _course_files() -> list[str]:
    """What the jail holds of the course: the connection and the toolkit; no check, no solution."""
    files = [ROOT / "grader" / name for name in INSIDE]
    return [str(path) for path in (*files, ROOT / "exercises" / "__init__.py", ROOT / "exercises" / "toolkit")]


def _bwrap() -> list[str]:
    binds: list[str] = []
    for folder in _host_folders():
        binds += ["--ro-bind", str(folder), str(folder)]
    for folder in _covered():
        binds += ["--tmpfs", str(folder), "--remount-ro", str(folder)]
    for path in _course_files():
        binds += ["--ro-bind", path, f"/course/{Path(path).relative_to(ROOT)}"]
    scratch = _inner_scratch()
    settings = [word for key, value in environment(scratch).items() for word in ("--setenv", key, value)]
    return [
        shutil.which("bwrap") or "bwrap",
        "--unshare-all",
        "--unshare-user",
        "--disable-userns",
        "--uid",
        "65534",
        "--gid",
        "65534",
        "--cap-drop",
        "ALL",
        "--cap-add",
        "CAP_SYS_ADMIN",  # for the supervisors' mounts; each gives it up at once
        "--new-session",
        "--die-with-parent",
        "--clearenv",
        *settings,
        "--dev",
        "/dev",
        "--bind",
        "/proc",
        "/proc",
        "--tmpfs",
        "/tmp",
        "--ro-bind-try",  # malloc asks there whether it may have huge pages
        HUGE_PAGES,
        HUGE_PAGES,
        *binds,
        *(["--tmpfs", scratch, "--remount-ro", "/tmp"] if scratch != "/tmp" else []),
        "--remount-ro",  # what is not scratch keeps nothing from one check to the next
        "/",
        "--remount-ro",
        "/dev",
        "--chdir",
        scratch,
        "--",
    ]


def _inner_scratch() -> str:
    """Where a submission may write in the sandbox: /tmp, unless that would hide the interpreter or its packages."""
    hides = any(folder.is_relative_to("/tmp") for folder in _host_folders())
    return "/scratch" if hides else "/tmp"


def environment(scratch: str) -> dict[str, str]:
    """All that the jail knows of the world outside."""
    known = {
        "PATH": "/usr/bin:/bin",
        "HOME": scratch,
        "TMPDIR": scratch,
        "USER": "learner",
        "LOGNAME": "learner",
        "LANG": "C.UTF-8",
        "MPLBACKEND": "Agg",
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",  # torch's autograd does not survive a fork where it sees a GPU
        "HIP_VISIBLE_DEVICES": "",
        "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",  # huge pages, so that a fork has few to copy
    }
    if not gathers_memory():
        known["PYTHONMALLOC"] = "malloc"  # of glibc: Python's own would stay in small pages
    if libraries := _libraries():
        known["LD_LIBRARY_PATH"] = os.pathsep.join(libraries)
    return known | {name: os.environ[name] for name in HANDED_ON if name in os.environ}


def _libraries() -> list[str]:
    """The caller's folders of shared libraries, those that the jail sees: an interpreter out of a cluster's modules may need them."""
    told = os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep)
    folders = [Path(folder).resolve() for folder in told if folder.startswith("/")]
    seen = _host_folders()
    return [
        str(folder)
        for folder in folders
        if any(folder.is_relative_to(one) or (one.parent == folder and ".so" in one.name) for one in seen)
    ]


@cache
def gathers_memory() -> bool:
    """Whether the fork server can gather its memory in huge pages once it has it."""
    return sys.platform == "linux" and can_gather_memory()


def _host_folders() -> list[Path]:
    """What of the host's files the jail sees, read-only: the interpreter, its packages, the system's libraries."""
    folders = [Path(path) for path in ("/usr", "/lib", "/lib64", "/lib32", "/bin", "/sbin", "/etc/ld.so.cache")]
    found = [folder for folder in folders if folder.exists()]
    return [*found, *interpreter.needed(found)]


def _covered() -> list[Path]:
    """Folders of the course that lie in what the jail sees: where it is installed as a package, or cloned below /usr."""
    roots = {ROOT, Path(sysconfig.get_paths()["purelib"])}
    found = [
        root / name
        for root in roots
        for name in PRIVATE
        if (root / "grader" / "sandbox" / "guest" / "forkserver.py").exists()
    ]
    return [path for path in found if path.is_dir() and any(path.is_relative_to(seen) for seen in _host_folders())]
