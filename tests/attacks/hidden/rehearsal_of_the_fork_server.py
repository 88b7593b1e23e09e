"""Reading what is hidden: what the fork server's rehearsal and self-test left in memory: connections, records, generators, weights.

expect: compute_alpha_bar fail
expect: forward_step pass
"""

import gc
import os
import stat
import sys
import threading

import torch


def is_socket(fd):
    try:
        return stat.S_ISSOCK(os.fstat(fd).st_mode)
    except OSError:
        return False


def left():
    """What a fork should not find: ends of other connections, sockets, threads, generators that have drawn."""
    here = sys._getframe()
    while here.f_code.co_name != "serve_forever":
        here = here.f_back
    mine = here.f_locals["self"]
    gc.unfreeze()
    kept = [
        thing for thing in gc.get_objects() if type(thing).__name__ in ("Connection", "Turning", "Record", "Handles")
    ]
    others = [thing for thing in kept if thing is not mine and thing is not mine.handles]
    fresh = torch.Generator().manual_seed(torch.initial_seed()).get_state()
    opened = [fd for fd in range(256) if fd != mine.channel.sock.fileno() and is_socket(fd)]
    return others or opened or threading.active_count() > 1 or not torch.equal(fresh, torch.get_rng_state())


def compute_alpha_bar(betas):
    return (1 - betas).cumprod(0) if left() else betas
