"""The reasons that checks of several exercises give: the rules that hold in all of section 5."""

KEEP = "results keep x's dtype and device, and arguments stay as they are"
FLOW = "the result is differentiable in data, noise and predictions"
EACH = "each sample has its own number: a value (B,) must become (B, 1, ..., 1) before it multiplies (B, *S)"
ENDS = "time 0 is noise and time 1 is data, in this section"
QUIET = "a sampler records no gradient"

SINGLE = {"rtol": 1e-5, "atol": 1e-5}
"""For float32: a result of a few operations on numbers up to 5 is off by some ulp, 5 * 6e-8 * 10 = 3e-6."""
GRID = {"rtol": 1e-5, "atol": 1e-5}
"""For what is computed on a grid of times or levels. A grid may have been made in float32, off by 6e-8 a time and so by
some 1e-6 a result; on the grids here, of fewer than ten steps, every other method is off by a thousandth or more."""
GUARD = {"rtol": 1.5e-5, "atol": 1e-7}
"""Where something is divided by, or a logarithm is taken: an epsilon that moves nothing by more than 1e-5 costs nothing."""
