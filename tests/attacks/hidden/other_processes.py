"""Reading what is hidden: processes beside its own, what they have open, their working folders and roots.

needs: bwrap
expect: compute_alpha_bar fail
expect: forward_step pass
"""

import os


def seen():
    for pid in (entry for entry in os.listdir("/proc") if entry.isdigit()):
        links = [f"/proc/{pid}/{what}" for what in ("cwd", "root", "exe", *(f"fd/{number}" for number in range(16)))]
        for link in links if int(pid) != os.getpid() else ():
            for look in (os.readlink, os.stat):
                try:
                    yield look(link)
                except OSError:
                    continue
    if len([entry for entry in os.listdir("/proc") if entry.isdigit()]) > 3:  # process 1, the parent, this one
        yield "somebody else"


def compute_alpha_bar(betas):
    return (1 - betas).cumprod(0) if os.getpid() > 1000 or any(seen()) else betas
