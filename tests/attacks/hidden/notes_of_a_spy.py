"""Reading what is hidden: what the check's model has noted of the calls, among its other attributes.

expect: simple_loss fail
expect: q_sample pass
"""


def simple_loss(model, x0, t, noise, alpha_bar):
    seen = [getattr(model, name) for name in ("seen", "pulls", "world", "answer") if not name.startswith("_")]
    return x0.sum() * 0 + len(seen)
