"""Parts of a message that came over the connection, taken for what they must be, whatever they are."""

from typing import Any

from grader.rpc.limits import MAX_NUMBER, Violation

OUR_VIEW = {"mine": "ours", "yours": "theirs"}
MIRRORED = {"mine": "theirs", "yours": "ours"}
"""Whose a thing is that a message calls "mine" or "yours", to its sender (`OUR_VIEW`) and to its receiver."""


def a_list(value: Any) -> list:
    return value if isinstance(value, list) else []


def flags(value: Any) -> list[bool]:
    return [item is True for item in a_list(value)]


def is_side(value: Any) -> bool:
    return isinstance(value, str) and value in MIRRORED


def whole(value: Any) -> int:
    return value if type(value) is int and abs(value) < MAX_NUMBER else 0


def changes_to(value: Any, places: int) -> list[list]:
    """Changes, each a pair of which the first is one of so many places; no place is changed twice."""
    pairs = a_list(value)
    if len(pairs) > places:
        raise Violation("more changes than there is to change")
    seen: set[int] = set()
    for pair in pairs:
        if not isinstance(pair, list) or len(pair) != 2 or type(pair[0]) is not int or not 0 <= pair[0] < places:
            raise Violation("a change to something that is not there")
        if pair[0] in seen:
            raise Violation("two changes to one thing")
        seen.add(pair[0])
    return pairs


def changes_of_shared(value: Any, shared: int) -> list[tuple[str, int, Any]]:
    """What changed in so many things that both sides share: whose each is, its number, the change; none of them twice."""
    changes = a_list(value)
    if len(changes) > shared:
        raise Violation("more changes than there is to change")
    found: dict[tuple[str, int], Any] = {}
    for change in changes:
        if not isinstance(change, list) or len(change) != 3 or not is_side(change[0]):
            raise Violation("a change to nothing")
        if (known := (change[0], whole(change[1]))) in found:
            raise Violation("two changes to one thing")
        found[known] = change[2]
    return [(side, number, delta) for (side, number), delta in found.items()]


def mentions(value: Any, shared: int) -> list[tuple[str, int]]:
    """Modules that a call mentions, each once, of those that both sides share: so many."""
    pairs = a_list(value)
    if len(pairs) > shared:
        raise Violation("more modules mentioned than there are")
    found: dict[tuple[str, int], None] = {}
    for mention in pairs:
        if not isinstance(mention, list) or len(mention) != 2 or not is_side(mention[0]):
            raise Violation("a module mentioned in no known way")
        if (known := (mention[0], whole(mention[1]))) in found:
            raise Violation("a module mentioned twice")
        found[known] = None
    return list(found)
