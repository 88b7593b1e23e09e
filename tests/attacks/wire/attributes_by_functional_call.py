"""The wire: ask a check's model, as if for a functional call, for attributes that are no parameters.

expect: simple_loss tamper
expect: forward_step pass
"""


def simple_loss(model, x0, t, noise, alpha_bar):
    return model._connection.call(model._target, "<functional call>", ({"seen": torch.zeros(())}, [x0, t], {}), {})
