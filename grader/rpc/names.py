"""Which names a function's code looks up. Without torch: the jail asks before it has that."""

from types import CodeType


def looked_up(code: CodeType) -> set[str]:
    """The names that code looks up outside of itself, the functions within it included."""
    names: set[str] = set()
    seen = {id(code)}
    ahead = [code]
    while ahead:
        here = ahead.pop()
        names.update(here.co_names)
        inner = [one for one in here.co_consts if type(one) is CodeType and id(one) not in seen]
        seen.update(map(id, inner))
        ahead += inner
    return names
