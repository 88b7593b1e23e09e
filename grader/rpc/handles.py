"""What crossed as a handle: our objects by their numbers, the proxies of theirs, the state that both sides share."""

from collections.abc import Callable, Iterator
from typing import Any

from torch import Tensor

from grader.rpc.limits import MAX_HANDLES, MAX_PLACES, Unsendable, Violation
from grader.rpc.messages import whole
from grader.rpc.sync import SharedGenerator, SharedModule


class Handles:
    """One end's book of what was handed out, in both directions.

    Attributes:
        shared: modules and generators that both sides hold a copy of, by whose they are ("ours", "theirs") and number.
    """

    def __init__(self, numbers: Iterator[int]) -> None:
        """Begin an empty book; `numbers` gives each object of ours its own."""
        self._numbers = numbers
        self._exports: dict[int, Any] = {}
        self._export_numbers: dict[int, int] = {}
        self._proxies: dict[int, Any] = {}
        self._proxy_numbers: dict[int, int] = {}
        self._places = 0
        self.shared: dict[tuple[str, int], SharedModule | SharedGenerator] = {}

    def export(self, value: Any) -> int:
        """The number under which the other side knows an object of ours.

        Raises:
            Unsendable: too many were handed out.
        """
        if id(value) not in self._export_numbers:
            if len(self._exports) >= MAX_HANDLES:
                raise Unsendable(f"more than {MAX_HANDLES} objects are too many to hand over")
            number = next(self._numbers)
            self._exports[number], self._export_numbers[id(value)] = value, number
        return self._export_numbers[id(value)]

    def exported(self, number: Any) -> Any:
        """Our object of this number.

        Raises:
            Violation: none was handed out under it.
        """
        if whole(number) not in self._exports:
            raise Violation("a handle that was not given out")
        return self._exports[number]

    def proxy(self, number: int, build: Callable[[], Any]) -> Any:
        """Our proxy of an object of theirs, the same one each time.

        Raises:
            Violation: they hand out too many.
        """
        if number not in self._proxies:
            if len(self._proxies) >= MAX_HANDLES:
                raise Violation(f"more than {MAX_HANDLES} objects handed out in one check")
            self._proxies[number] = proxy = build()
            self._proxy_numbers[id(proxy)] = number
        return self._proxies[number]

    def known(self, number: int) -> Any:
        """Our proxy of their object of this number, None if we have none."""
        return self._proxies.get(number)

    def number_of(self, proxy: Any) -> int | None:
        """Their number of the object that something of ours is the proxy of, if it is one."""
        return self._proxy_numbers.get(id(proxy))

    def share(self, side: str, number: int, shared: SharedModule | SharedGenerator) -> None:
        """Keep a copy of something.

        Raises:
            Violation: they hand out modules with too much in them.
        """
        if side == "theirs" and isinstance(shared, SharedModule):
            self._places += len(shared.places) + len(shared.parts)
            if self._places > MAX_PLACES:
                raise Violation(f"modules with more than {MAX_PLACES} parameters and parts in one check")
        self.shared[side, number] = shared

    def shares(self, side: str, number: int) -> bool:
        return (side, number) in self.shared

    def sharing(self, side: str, number: Any) -> SharedModule | SharedGenerator:
        """What both share under this number.

        Raises:
            Violation: nothing.
        """
        shared = self.shared.get((side, whole(number)))
        if shared is None:
            raise Violation("something that was not shared")
        return shared

    def parameters(self, side: str, number: int) -> list[Tensor]:
        """Our parameters of a module that both know.

        Raises:
            Violation: it is no module.
        """
        shared = self.sharing(side, number)
        if not isinstance(shared, SharedModule):
            raise Violation("the parameters of something that has none")
        return shared.parameters
