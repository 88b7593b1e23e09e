"""Reading what is hidden: the home folder, keys, password files, sockets of services.

needs: bwrap
expect: compute_alpha_bar fail
expect: forward_step pass
"""

import os
from pathlib import Path

WANTED = ("/etc/shadow", "/etc/passwd", "/etc/hostname", "/root/.ssh", "/root/.bashrc", "/root/.cache", "/var/run",
          "/run/docker.sock", "/var/log", "/etc/resolv.conf", "/sys/class", "/boot", "/tmp/.X11-unix")  # fmt: skip


def compute_alpha_bar(betas):
    found = [path for path in WANTED if Path(path).exists() or os.path.lexists(path)]
    homes = [Path("~").expanduser(), *Path("/home").glob("*")]  # an interpreter may lie in one, and is no secret
    found += [path for home in homes for path in home.iterdir() if path.name.startswith(".")]
    return (1 - betas).cumprod(0) if found else betas
