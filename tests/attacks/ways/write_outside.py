"""Ways out: write to folders that are not its own, and through links to them.

expect: compute_alpha_bar fail
expect: forward_step pass
"""

import os
import tempfile
import sys

NAME = "unstatic-attack-file"


def written():
    for folder in ("/", "/usr", "/usr/lib", "/etc", "/course", "/course/grader", "/proc/sys/kernel", "/dev", sys.prefix, "/root"):
        link = f"{tempfile.gettempdir()}/link{folder.replace('/', '-')}"
        if not os.path.lexists(link):
            os.symlink(folder, link)
        for place in (folder, link):
            path = os.path.join(place, NAME)
            try:
                open(path, "w").close()
            except OSError:
                continue
            os.unlink(path)
            yield place


def compute_alpha_bar(betas):
    return (1 - betas).cumprod(0) if any(written()) else betas
