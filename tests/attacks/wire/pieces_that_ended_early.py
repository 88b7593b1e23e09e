"""The wire: word of thousands of pieces that ended early, each to be told beside each exercise.

expect: compute_alpha_bar fail
expect: forward_step pass
"""

import sys

zygote = sys.modules["grader.sandbox.guest.zygote"]
send = zygote.send_order


def told(sock, order, descriptors=None):
    if order.get("op") == "loaded":
        piece = {"kind": "Error", "text": "x" * 90, "bases": [], "ordinary": True, "at": 1, "left_out": True}
        order = {**order, "trouble": [{**piece, "at": line} for line in range(1, 4000)]}
    send(sock, order, descriptors)


zygote.send_order = told


def compute_alpha_bar(betas):
    return betas
