"""The rules of the course, as the checks of several sections say them, and how near is near."""

from exercises.checks.expect import PLAIN

KEEP = "results keep the data's dtype and device, whatever the tables come in, and arguments stay as they are"
FLOW = "the result is differentiable in data, noise and predictions"
AS_IT_IS = (
    "ᾱ is taken as it is, nothing added, clamped or clipped, down to the 2e-9 with which the cosine schedule ends"
)
FREE = {"rtol": 1e-5, "atol": 1e-5}
"""What a guard may move a result by, of its size: less costs nothing."""
SMALL = {"rtol": 1e-5, "atol": 1e-7}
"""The same for a table's own numbers, which may be small."""
EACH = "each sample has its own level: a value (B,) must become (B, 1, ..., 1) before it multiplies (B, *S)"
KEPT = f"two networks with equal parameters and buffers are equal; {PLAIN}"
TWIN = "another answer from a second network that was given the first one's state_dict()"
DRAWN = "all randomness is drawn from the generator that is given"

SINGLE = {"rtol": 1e-4, "atol": 1e-4}
"""For float32 in data or tables. With betas from 0.1 an honest coefficient is off by some 10 ulp after the cancellation
in 1 - ᾱ, 10 * 6e-8 / 0.1 = 6e-6, and it multiplies numbers up to 5."""
