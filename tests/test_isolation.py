"""Which level of isolation a machine has, and that nobody grades with less than was asked for."""

import pytest

from grader.sandbox.host import isolation
from grader.sandbox.host.isolation import Machine, Refused


@pytest.fixture
def machine(monkeypatch):
    def found(*layers: str, **reasons: str) -> None:
        monkeypatch.setattr(isolation, "machine", lambda: Machine(layers, reasons))

    return found


@pytest.mark.parametrize(
    ("layers", "level"),
    [
        (("bwrap", "landlock", "seccomp", "cgroup"), "bwrap+landlock+seccomp+cgroup"),
        (("landlock",), "landlock"),
        (("seccomp", "cgroup"), "none"),
        ((), "none"),
    ],
)
def test_without_a_wall_the_other_layers_keep_nobody_in(machine, layers, level):
    machine(*layers)
    assert isolation.choose() == isolation.choose("none") == level


def test_less_than_is_asked_for_is_refused_with_the_reason(machine):
    machine("landlock", "seccomp", bwrap="bwrap is not installed")
    assert isolation.choose("landlock+seccomp") == "landlock+seccomp"
    with pytest.raises(Refused, match=r"'bwrap\+landlock' is asked for. bwrap: bwrap is not installed"):
        isolation.choose("bwrap+landlock")


def test_a_layer_that_keeps_nobody_in_by_itself_is_not_what_was_asked_for(machine):
    machine("seccomp", "cgroup")
    with pytest.raises(Refused, match="seccomp: it needs bwrap or landlock beside it"):
        isolation.choose("seccomp")


@pytest.mark.parametrize("level", ["", "bwrap+", "docker", "bwrap landlock", "none+bwrap"])
def test_what_is_no_level_is_told_with_those_that_are(level):
    with pytest.raises(ValueError, match="is no isolation; give 'none', or of bwrap, landlock, seccomp, cgroup"):
        isolation.parse(level)
