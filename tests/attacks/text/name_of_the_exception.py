"""Text: a class of exceptions whose name is markup and a formula, and whose bases lie.

expect: compute_alpha_bar fail
"""


def compute_alpha_bar(betas):
    name = "=HYPERLINK(\"http://127.0.0.1\")<script>alert(1)</script>\n\x1b[31m"
    raise type(name, (KeyError, ValueError), {"__module__": "builtins"})(name)
