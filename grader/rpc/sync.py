"""State that both sides of the connection hold a copy of: a module's parameters and buffers, a generator's state.

The owner describes a module once; the other side builds a proxy of the same tree. From then on each side compares
its copy, before every message, with what the other side was last told, and sends what differs. Only one side runs at a
time, so there is nothing to merge.
"""

import re
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeGuard

import torch
from torch import Generator, Tensor, nn

from grader.rpc.limits import Violation
from grader.rpc.messages import changes_to
from grader.rpc.tensors import NUMPY, crosses

SMALL = 1 << 16
"""Tensors of up to so many elements are compared by content. Larger ones are compared by their version counter and address, which do not
change when somebody writes through `.data`."""
MAX_PARTS = 20_000
"""A module and its submodules, at all depths."""
TABLE, TABLE_AT, TABLE_SIZE = struct.Struct("<iiQ"), 8, 624
"""Two fields in a generator's state, and where they are: how many numbers of its table are left, and the index of the next one. The table
of the Mersenne twister has `TABLE_SIZE` numbers."""
NAME = re.compile(r"[A-Za-z0-9_]{1,200}")

Number = Callable[[Tensor], int]
"""Puts a tensor into the message that is being written and returns its number there."""


def same_bits(a: Tensor, b: Tensor) -> bool:
    """Equal in dtype, shape and value, NaN being equal to NaN."""
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    a, b = a.detach(), b.detach()
    return torch.equal(a, b) or bool(((a == b) | ((a != a) & (b != b))).all())


def _transformed(tensor: Tensor) -> bool:
    """Whether torch.func put it in a parameter's place for the time of a call; it goes over as that call's argument."""
    return torch._C._functorch.is_functorch_wrapped_tensor(tensor)


@dataclass
class Copy:
    """What the other side was last told of one tensor."""

    version: int
    address: int
    content: Tensor | bytes | None
    """Its numbers: as bytes, which are compared quickest, where numpy knows them, and else as a tensor."""
    dtype: torch.dtype
    shape: torch.Size

    @classmethod
    def of(cls, tensor: Tensor | None) -> "Copy | None":
        if tensor is None:
            return None
        content: Tensor | bytes | None = None
        if tensor.numel() <= SMALL:
            content = _bytes_of(tensor)
            if content is None:
                content = tensor.detach().clone()
        return cls(_version(tensor), tensor.data_ptr(), content, tensor.dtype, tensor.shape)

    def matches(self, tensor: Tensor) -> bool:
        if self.content is None:
            return _version(tensor) == self.version and tensor.data_ptr() == self.address
        if isinstance(self.content, Tensor):
            return same_bits(self.content, tensor)
        if tensor.dtype is not self.dtype or tensor.shape != self.shape:
            return False
        now = _bytes_of(tensor)
        if now is None:
            then = torch.frombuffer(bytearray(self.content), dtype=self.dtype) if self.content else tensor
            return same_bits(then.view(self.shape), tensor)
        return now == self.content


def _version(tensor: Tensor) -> int:
    """How often it was changed in place; of one made in inference mode torch keeps no count."""
    return 0 if tensor.is_inference() else tensor._version


def _bytes_of(tensor: Tensor) -> bytes | None:
    """A tensor's numbers, in the order of its axes; None where numpy does not know them, or torch.func would look on."""
    tensor = tensor.detach()
    plain = tensor.dtype in NUMPY and tensor.is_cpu and not tensor.is_conj() and not tensor.is_neg()
    return tensor.numpy().tobytes() if plain and not torch._C._are_functorch_transforms_active() else None


def _told(told: Copy | None, tensor: Tensor | None) -> bool:
    """Whether the other side was told of this tensor, or of there being none."""
    return told is None if tensor is None else told is not None and told.matches(tensor)


@dataclass
class Place:
    """Where a parameter or buffer lives: `getattr(part, name)`, looked up anew each time, for it may be replaced."""

    part: nn.Module
    kind: str
    name: str
    told: Copy | None = None
    told_grad: Copy | None = None
    told_flag: bool = False

    @property
    def tensor(self) -> Tensor | None:
        table = self.part._parameters if self.kind == "p" else self.part._buffers
        return table[self.name] if self.name in table else None  # noqa: SIM401 - a ScriptModule's table has no get

    def remember(self) -> None:
        tensor = self.tensor
        if tensor is not None and _transformed(tensor):
            return
        self.told = Copy.of(tensor)
        self.told_grad = Copy.of(tensor.grad if tensor is not None and tensor.is_leaf else None)
        self.told_flag = tensor is not None and tensor.requires_grad


@dataclass
class SharedModule:
    """One side's copy of a module that both know.

    Attributes:
        module: the owner's module, or the proxy for it.
        parts: it and all its submodules.
        places: its parameters and buffers, each tensor once.
    """

    module: nn.Module
    parts: list[nn.Module]
    places: list[Place]
    told_training: list[bool] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.remember()

    def remember(self) -> None:
        for place in self.places:
            place.remember()
        self.told_training = [part.training for part in self.parts]

    @property
    def parameters(self) -> list[Tensor]:
        return [place.tensor for place in self.places if place.kind == "p" and place.tensor is not None]

    def changes(self, number: Number) -> dict | None:
        """What the other side must be told, or None."""
        values: list = []
        grads: list = []
        flags: list = []
        for k, place in enumerate(self.places):
            tensor = place.tensor
            if tensor is None or _transformed(tensor) or not crosses(tensor):
                continue
            grad = tensor.grad if tensor.is_leaf else None
            if place.told is None or not place.told.matches(tensor):
                values.append([k, number(tensor.detach())])
            if not _told(place.told_grad, grad):
                grads.append([k, None if grad is None else number(grad.detach())])
            if tensor.requires_grad != place.told_flag:
                flags.append([k, tensor.requires_grad])
        training = [part.training for part in self.parts]
        delta: dict = {"values": values, "grads": grads, "flags": flags}
        delta = {key: changed for key, changed in delta.items() if changed}
        if training != self.told_training:
            delta["training"] = training
        if delta:
            self.remember()
        return delta or None

    def apply(self, delta: Any, tensors: list[Tensor]) -> None:
        """Take over what the other side changed."""
        if not isinstance(delta, dict):
            raise Violation("a change that is no change")
        try:
            self._take(delta, tensors)
        except (RuntimeError, TypeError) as error:
            raise Violation("a change that does not fit the parameter") from error
        training = delta.get("training", [part.training for part in self.parts])
        if not isinstance(training, list) or len(training) != len(self.parts):
            raise Violation("train/eval flags for another module")
        for part, flag in zip(self.parts, training, strict=True):
            part.training = flag is True
        self.remember()

    def _take(self, delta: dict, tensors: list[Tensor]) -> None:
        with torch.no_grad():
            for place, value in self._pairs(delta.get("values"), tensors):
                _overwrite(place, value)
            for place, value in self._pairs(delta.get("flags"), None):
                if place.tensor is not None:
                    place.tensor.requires_grad_(value is True)
            for place, value in self._pairs(delta.get("grads"), tensors):
                if place.tensor is not None:
                    place.tensor.grad = None if value is None else value.clone()

    def _pairs(self, changes: Any, tensors: list[Tensor] | None) -> list[tuple[Place, Any]]:
        pairs = []
        for place, value in changes_to(changes, len(self.places)):
            if tensors is not None and value is not None:
                if not is_index(value, tensors):
                    raise Violation("a change to a value that was not sent")
                value = tensors[value]
            pairs.append((self.places[place], value))
        return pairs


def _overwrite(place: Place, value: Tensor | None) -> None:
    tensor = place.tensor
    if value is None or tensor is None:
        raise Violation("a parameter without a value")
    overwrite(tensor, value)


def overwrite(tensor: Tensor, value: Tensor) -> None:
    """Make a tensor what its copy on the other side has become, of another shape or dtype too."""
    if tensor.dtype == value.dtype and tensor.shape == value.shape:
        tensor.copy_(value)
    else:
        tensor.data = value.clone()


def is_index(value: Any, items: Sequence) -> TypeGuard[int]:
    return type(value) is int and 0 <= value < len(items)


def share(module: nn.Module, number: Number) -> tuple[SharedModule, dict]:
    """The owner's copy, and the description from which `build_proxy` builds the other side's."""
    paths = list(module.named_modules())
    places: list[Place] = []
    known: dict[int, int] = {}
    slots, ties = [], []
    for index, (_, part) in enumerate(paths):
        for kind, table in (("p", part._parameters), ("b", part._buffers)):
            for name, tensor in table.items():
                if tensor is None or not crosses(tensor):
                    continue
                if id(tensor) in known:
                    ties.append([index, kind, name, known[id(tensor)]])
                    continue
                known[id(tensor)] = len(places)
                places.append(Place(part, kind, name))
                persistent = name not in part._non_persistent_buffers_set
                slots.append([index, kind, name, persistent, tensor.requires_grad, number(tensor.detach())])
    shared = SharedModule(module, [part for _, part in paths], places)
    graded = [(k, place.tensor.grad) for k, place in enumerate(places) if place.told_grad and place.tensor is not None]
    description = {
        "class": type(module).__name__,
        "parts": [path for path, _ in paths],
        "slots": slots,
        "ties": ties,
        "grads": [[k, number(grad.detach())] for k, grad in graded if grad is not None],
        "training": shared.told_training,
    }
    return shared, description


def build_proxy(root: nn.Module, description: Any, tensors: list[Tensor]) -> SharedModule:
    """Give `root` the tree, parameters and buffers of a description that came over the connection."""
    try:
        paths, slots, ties, training = (description[key] for key in ("parts", "slots", "ties", "training"))
        parts = _tree(root, paths)
        places: list[Place] = []
        numbers = [slot[-1] for slot in slots]
        if not all(is_index(k, tensors) for k in numbers):
            raise Violation("a parameter that was not sent")
        if len(set(numbers)) < len(numbers):
            raise Violation("two parameters made of one tensor")
        for index, kind, name, persistent, requires_grad, k in slots:
            _install(parts[index], kind, name, tensors[k].detach().clone(), persistent, requires_grad)
            places.append(Place(parts[index], kind, name))
        for index, kind, name, place in ties:
            table = parts[index]._parameters if kind == "p" else parts[index]._buffers
            table[_name(name)] = places[place].tensor
        if len(training) != len(parts):
            raise Violation("train/eval flags for another module")
        for part, flag in zip(parts, training, strict=True):
            part.training = flag is True
        shared = SharedModule(root, parts, places)
        shared.apply({"grads": description.get("grads")}, tensors)
    except (KeyError, TypeError, ValueError, IndexError, RuntimeError) as error:
        raise Violation("a module described in no known way") from error
    return shared


def _tree(root: nn.Module, paths: list) -> list[nn.Module]:
    if not isinstance(paths, list) or not 0 < len(paths) <= MAX_PARTS or paths[0] != "":
        raise Violation("a module without a tree")
    by_path: dict[str, nn.Module] = {"": root}
    for path in paths[1:]:
        parent, _, name = path.rpartition(".")
        by_path[path] = by_path[parent]._modules[_name(name)] = nn.Module()
    if len(by_path) != len(paths):
        raise Violation("a module with two parts of one name")
    return list(by_path.values())


def _install(part: nn.Module, kind: str, name: str, tensor: Tensor, persistent: bool, requires_grad: bool) -> None:
    if kind == "p":
        part._parameters[_name(name)] = nn.Parameter(tensor, requires_grad=requires_grad is True)
    else:
        part._buffers[_name(name)] = tensor  # register_buffer would ask the owner whether the name is taken
        if persistent is not True:
            part._non_persistent_buffers_set.add(name)


def _name(name: Any) -> str:
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise Violation("a part with an impossible name")
    return name


class SharedGenerator:
    """One side's copy of a random generator that both draw from in turn."""

    def __init__(self, generator: Generator) -> None:
        self.generator = generator
        self._told = generator.get_state()

    def changes(self, number: Number) -> dict | None:
        state = self.generator.get_state()
        if torch.equal(state, self._told):
            return None
        self._told = state
        return {"state": number(state)}

    def apply(self, delta: Any, tensors: list[Tensor]) -> None:
        k = delta.get("state") if isinstance(delta, dict) else None
        if not is_index(k, tensors):
            raise Violation("a generator without a state")
        self.generator.set_state(generator_state(tensors[k]))
        self._told = self.generator.get_state()


def generator_state(state: Tensor) -> Tensor:
    """A state that `Generator.set_state` takes, and that draws from its own table: torch looks at each number in it by itself."""
    fresh = Generator()
    try:
        fresh.set_state(state.clone())
    except (RuntimeError, TypeError) as error:
        raise Violation("a generator in an impossible state") from error
    left, _, following = TABLE.unpack_from(state.numpy().tobytes(), TABLE_AT)
    if left > 1 and left - 1 + following > TABLE_SIZE:  # with one left the table is made anew before the next is drawn
        raise Violation("a generator that draws from beyond its table")
    return state.clone()
