"""`unstatic doctor`: what this machine can do to keep submissions in, what it lacks, and how to get that."""

import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from rich.console import Console
from rich.table import Table

from grader.faults import GraderFault
from grader.sandbox.host.isolation import LAYERS, Machine, machine, unsupported

WHAT = {
    "bwrap": "own namespaces, only the needed files, no network, no environment",
    "landlock": "no other files, no TCP, no signals outside",
    "seccomp": "no system calls that honest code does not need",
    "cgroup": "one cap on memory and processes for all of a jail",
}


def report() -> int:
    """Print it; the exit status is 0 where submissions run as they should and are kept in, else 1."""
    console = Console(highlight=False)
    versions = ", ".join(f"{name} {_version(name)}" for name in ("torch", "numpy", "pytest", "hypothesis"))
    console.print(f"Python {platform.python_version()} on {platform.system()} {platform.release()}, {versions}")
    if why := unsupported():
        console.print(why)
        return 1
    found = machine()
    table = Table("layer", "what it does", "here", box=None, pad_edge=False)
    for layer in LAYERS:
        table.add_row(
            layer, WHAT[layer], "works" if layer in found.layers else found.reasons.get(layer, "does not work")
        )
    console.print(table)
    console.print(f"isolation: {found.level}")
    trouble = _trial(found.level)
    console.print(f"a first submission: {trouble or 'runs in the jail as it does outside'}")
    for remedy in remedies(found):
        console.print(f"- {remedy}")
    return 0 if found.level != "none" and not trouble else 1


def _trial(level: str) -> str:
    """Why honest code does not run in a jail of this level; "" if it does."""
    from grader.sandbox.host.selftest import proven_sandbox  # which imports torch, as nothing else of the command does

    try:
        proven_sandbox(level).close()
    except GraderFault as fault:
        return str(fault)
    return ""


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"


def remedies(found: Machine) -> list[str]:
    """What would add the layers that are lacking."""
    advice = []
    if "bwrap" not in found.layers:
        advice += _for_bubblewrap(found.reasons.get("bwrap", ""))
    if "landlock" not in found.layers:
        advice.append(
            "Landlock needs Linux 5.13 or later, and `landlock` among the kernel's security modules "
            "(cat /sys/kernel/security/lsm)."
        )
    if "seccomp" not in found.layers:
        advice.append(
            "seccomp: pip install 'unstatic[instructor]' brings pyseccomp; it needs libseccomp "
            "(Debian, Ubuntu: apt install libseccomp2)."
        )
    if "cgroup" not in found.layers:
        advice.append(
            "cgroup: run as root, or under `systemd-run --user --scope -p Delegate=yes`; without it, "
            "memory is capped for each process instead of for all together."
        )
    return advice


def _for_bubblewrap(reason: str) -> list[str]:
    if "not installed" in reason:
        return ["bubblewrap: apt install bubblewrap (Debian, Ubuntu), dnf install bubblewrap (Fedora)."]
    advice = ["bubblewrap is there and cannot make a user namespace."]
    if Path("/proc/sys/kernel/apparmor_restrict_unprivileged_userns").exists():
        advice.append(
            "Ubuntu 24.04 and later: sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0, or an AppArmor "
            "profile for /usr/bin/bwrap that says `userns,`."
        )
    if Path("/.dockerenv").exists() or Path("/run/.containerenv").exists():
        advice.append(
            "In a container: start it with --security-opt seccomp=unconfined --security-opt systempaths=unconfined "
            "(Docker, Podman), or grade at level landlock, which needs nothing."
        )
    return advice
