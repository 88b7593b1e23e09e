"""What Windows has not, taken away: modules that cannot be imported, names that are not there. Python runs it at its start."""

import os
import signal
import socket
import sys

MODULES = {"fcntl", "resource", "termios", "pwd", "grp", "pty"}
NAMES = {
    os: "fork forkpty setsid getuid geteuid killpg mkfifo waitid O_NOFOLLOW O_DIRECTORY O_CLOEXEC O_NONBLOCK",
    socket: "AF_UNIX",
    signal: "SIGALRM SIGKILL SIGUSR1 SIGCHLD SIGHUP setitimer",
}


class Absent:
    def find_spec(self, name, path=None, target=None):
        if name in MODULES:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


sys.meta_path.insert(0, Absent())
for name in MODULES:
    sys.modules.pop(name, None)
for module, names in NAMES.items():
    for name in names.split():
        if hasattr(module, name):
            delattr(module, name)
