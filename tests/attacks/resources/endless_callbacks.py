"""Resources: call the check's model for ever.

expect: simple_loss timeout
expect: q_sample pass
"""


def simple_loss(model, x0, t, noise, alpha_bar):
    while True:
        model(x0, t)
