"""What the checks of section 3 say again and again: the rules of the course, and how near is near."""

KEEP = "results keep x's dtype and device, and arguments stay as they are"
FLOW = "the result is differentiable in data, noise and predictions"
EACH = "each sample has its own numbers: a value (B,) must become (B, 1, ..., 1) before it multiplies (B, *S)"
SINGLE = {"rtol": 1e-4, "atol": 1e-4}
"""For float32, in data or times: an honest coefficient is off by some 10 ulp after a cancellation in 1 - exp(-0.03),
10 * 6e-8 / 0.03 = 2e-5, and it multiplies numbers up to 5."""
FREE = {"rtol": 1e-5, "atol": 1e-5}
"""What a guard may move a result by, of its size, where deviations and norms that are divided by are 0.1 and more: less costs nothing."""
GRID = {"rtol": 1e-5, "atol": 1e-5}
"""For what is computed on a grid of times. A grid may have been made in float32, off by 6e-8 a time and so by some
1e-6 a result; on the grids here, of fewer than ten steps, every other method is off by a thousandth or more."""
PARAMETERS = {"rtol": 1e-6, "atol": 1e-9}
"""For closed forms of an sde, whose parameters may be kept in float32: 6e-8, some ten times."""
ROOTED = {"rtol": 1e-5, "atol": 1e-9}
"""For an std that is a root: a guard under it may move it by so much of its size."""
JUMP = "marginal(t, like) is a pair (mean_coef, std), each of shape (B, 1, ..., 1)"
MOVE = "coefficients(x, t) is a pair (drift, diffusion): drift like x, diffusion of shape (B, 1, ..., 1)"
PEOPLE = "the score model is told a float t of shape (B,), in x's dtype: every sample is at the same time"
