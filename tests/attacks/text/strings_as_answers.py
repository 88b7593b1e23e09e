"""Text: answers that are strings with lone surrogates, NULs and markup, by the megabyte.

expect: compute_alpha_bar fail
"""


def compute_alpha_bar(betas):
    return ["\ud800\0<script>alert(1)</script>\x1b[2J" * 10_000, {"\udfff": "=1+1"}]
