"""The caps of a connection, and what is raised beyond them."""

MAX_HEAD = 8 << 20
"""Bytes of JSON in a frame: a list of 100,000 losses fits."""
MAX_BODY = 1 << 28
"""Bytes of tensors in a frame."""
MAX_ELEMENTS = 1 << 27
"""Elements of a tensor, after expanding."""
MAX_EXPANDED = 1 << 30
"""Bytes of a message's tensors, after expanding."""
MAX_DEPTH = 40
"""Nesting of lists, tuples and dicts."""
MAX_NESTED = 30
"""Requests of one end within one another. From 60 on torch runs a backward pass in another thread, which would wait for its turn for ever."""
MAX_ITEMS = 500_000
"""Values in a message."""
MAX_BITS = 1 << 12
"""Bits of an integer; Python's JSON reads four times as many."""
MAX_NUMBER = 1 << 53
"""Up to here all whole numbers have different hashes; beyond, half a million keys of one hash cost a dictionary hours."""
MAX_TENSORS = 20_000
"""Tensors in a frame."""
MAX_DIMS = 32
"""Dimensions of a tensor."""
MAX_HANDLES = 20_000
"""Objects that one side may hand out in a check."""
MAX_PLACES = 20_000
"""Parameters, buffers and parts of all modules that one side hands out in a check; each is looked at before each message. The course's have 500."""


class Violation(Exception):
    """A message that no honest connection sends: broken framing, an unknown tag, a cap exceeded."""


class Unsendable(ValueError):
    """A value of ours that is too large to cross."""


class Closed(Exception):
    """The other side is gone."""
