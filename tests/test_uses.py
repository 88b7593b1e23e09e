"""What a submission's names use is read off its objects: none of its code runs for that, and it takes no longer than it may."""

import json
import time
from types import CodeType, ModuleType

import pytest

from grader.rpc.names import looked_up
from grader.sandbox.guest import uses as looking
from grader.sandbox.guest.orders import MAX_ORDER
from grader.sandbox.guest.uses import uses
from grader.sandbox.guest.zygote import _stubs
from grader.sandbox.host.imported import Imported


def module(text: str, **given: object) -> ModuleType:
    made = ModuleType("s1_forward_reverse")
    vars(made).update(given)
    exec(text, vars(made))
    return made


def reaches(text: str, name: str, other: str) -> bool:
    return Imported(uses={one: frozenset(used) for one, used in uses(module(text)).items()}).reaches(name, other)


def test_what_is_used_by_way_of_private_names_is_reached_and_what_is_not_used_is_not():
    text = "def a(): ...\ndef b(): ...\ndef __c(): a()\ndef _d(): __c()\ndef e(): _d()\n"
    assert reaches(text, "e", "a")
    assert not reaches(text, "e", "b")
    assert not reaches(text, "a", "e")


@pytest.mark.parametrize(
    "text",
    [
        "import functools\ndef a(): ...\nclass C:\n    @functools.cached_property\n    def way(self): return a()\ndef e(): return C().way",
        "import functools\ndef a(x): ...\nclass C:\n    def _way(self, x): a(x)\n    way = functools.partialmethod(_way, 1)\ndef e(): return C().way()",
        "import functools\ndef a(): ...\n@functools.singledispatch\ndef e(x): ...\n@e.register\ndef _(x: int): a()",
        "def a(): ...\nclass B:\n    def way(self): a()\nclass e(B): ...",
        "def a(): ...\nclass C:\n    class D:\n        def way(self): a()\ne = C()",
        "def a(): ...\ndef e():\n    def inner():\n        return [a() for _ in range(2)]\n    return inner()",
        "def a(): ...\nclass C:\n    def __init__(self, f): self.f = f\n    def __call__(self): return self.f()\ne = C(a)",
        "def a(): ...\nb = a\nc = {1: [(b,)]}\ndef e(): c[1][0][0]()",
        "def a(): ...\ndef e(*, f=a): f()",
        "import abc\ndef a(): ...\nclass C(abc.ABC):\n    @property\n    def way(self): return a()\ndef e(): return C",
    ],
)  # fmt: skip
def test_there_are_many_ways_to_use_something(text):
    assert reaches(text, "e", "a")


def test_what_comes_out_of_a_library_uses_nothing_of_the_submission():
    """Its own names may be the same."""
    library = module("def sample(): ...\ndef extract(): sample()\n")
    made = module("def sample(): ...\ndef e(): extract()\n", extract=library.extract)
    assert uses(made) == {"extract": [], "sample": [], "e": ["extract"]}


HOSTILE = """
ran = []
class Meta(type):
    __dict__ = __class__ = __mro__ = property(lambda cls: ran.append("meta"))
    def __eq__(cls, other): ran.append("eq")
    def __hash__(cls): ran.append("hash"); return 0
    def __getattribute__(cls, name): ran.append(name); raise KeyError(name)
    def __instancecheck__(cls, other): ran.append("instance")
class Lies(metaclass=Meta):
    __dict__ = __class__ = __wrapped__ = __func__ = property(lambda self: ran.append("property"))
    def __getattribute__(self, name): ran.append(name); raise KeyError(name)
    def __eq__(self, other): ran.append("eq")
    def __hash__(self): ran.append("hash"); return 0
    def __call__(self): ...
class Many(list):
    def __iter__(self): ran.append("iter"); return iter(())
class Table(dict):
    def values(self): ran.append("values")
class Slots:
    __slots__ = ("f",)
def empty():
    def inner(): return later
    return inner
    later = 1
lies, kept, table, slots, e = Lies(), Many([Lies()]), Table(a=Lies()), Slots(), empty()
plain = type("Plain", (), {})()
plain.__dict__ = table
ran.clear()
"""


def test_no_code_of_the_submission_runs_for_it():
    made = module(HOSTILE)
    assert {"lies", "kept", "table", "slots", "e", "plain"} <= set(uses(made))
    assert _stubs(made) == []
    assert made.ran == []


def test_it_is_bounded_in_time_and_size():
    holder: list = []
    for _ in range(60):  # each has the one before twice
        holder = [holder, holder]
    lines = [f"def name_{number}(): " + "; ".join(f"word_{number}_{k}" for k in range(300)) for number in range(1500)]
    made = module("\n".join(lines), wide=[object() for _ in range(10**6)], deep=holder)
    for number in range(3000):
        setattr(made, f"holder_{number}", [[[] for _ in range(900)]])
    start = time.process_time()
    told = uses(made)
    assert time.process_time() - start < 10
    assert len(told) == looking.MOST_NAMES
    assert max(map(len, told.values())) == looking.MOST_USED
    assert len(json.dumps(told)) < MAX_ORDER


def test_code_that_holds_other_code_again_and_again_is_looked_at_once():
    code: CodeType = compile("a", "", "eval")
    for number in range(100):
        around = compile("b", "", "eval")
        code = around.replace(co_consts=(code, code), co_names=(f"name_{number}",))
    assert looked_up(code) == {"a", *(f"name_{number}" for number in range(100))}
