"""Which names a function's code looks up. Without torch: the jail asks before it has that."""

from types import CodeType


def looked_up(code: CodeType) -> set[str]:
    """The names that code looks up outside of itself, the functions within it included."""
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            names |= looked_up(constant)
    return names
