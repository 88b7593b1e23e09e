"""Text: code compiled under the module's own name with lines that it has not, so that the report quotes something else.

expect: compute_alpha_bar fail
"""


def compute_alpha_bar(betas):
    exec(compile("\n" * 500_000 + "raise ValueError('here')", compute_alpha_bar.__code__.co_filename, "exec"))
