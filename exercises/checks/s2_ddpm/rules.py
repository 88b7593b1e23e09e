"""What the checks of section 2 say again and again: the rules of the course, and how near is near."""

KINDS = ("eps", "x0", "v")
TABLE = {"rtol": 1e-6, "atol": 1e-9}
"""For a table computed in float64 and rounded to float32, whose rounding is 6e-8 of the value."""
REFUSED = "a schedule has at least one level: T < 1 raises ValueError"
UNKNOWN = ("epsilon", "V", "score", "")
NAMED = "an unknown kind raises ValueError naming the argument: kind"
