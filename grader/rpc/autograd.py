"""A call over the connection as one node of the autograd graph."""

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from grader.rpc.limits import Violation


@dataclass
class Record:
    """What a served request computed, kept while the other side may ask for its gradients.

    Attributes:
        inputs: the tensors that gradients may be asked for; None where one takes none.
        outputs: the tensors that were sent back.
    """

    inputs: list[Tensor | None]
    outputs: list[Tensor]

    def gradients(self, grads: list[Any], wanted: list[bool], *, create: bool) -> list[Tensor | None]:
        """A vector-Jacobian product: those of the inputs that are wanted, by what came for the outputs.

        With `create` it is differentiable itself.
        """
        pairs = [(o, g) for o, g in zip(self.outputs, grads, strict=False) if isinstance(g, Tensor) and o.requires_grad]
        asked = [(k, tensor) for k, tensor in enumerate(self.inputs) if tensor is not None and wanted[k]]
        results: list[Tensor | None] = [None] * len(self.inputs)
        if pairs and asked:
            found = torch.autograd.grad(
                [out for out, _ in pairs],
                [tensor for _, tensor in asked],
                [grad for _, grad in pairs],
                allow_unused=True,
                create_graph=create,
                retain_graph=True,
            )
            for (k, _), grad in zip(asked, found, strict=True):
                results[k] = grad
        return results


class RecordReference:
    """Held by the graph that a record serves; when the graph is gone, the owner is told to forget the record."""

    def __init__(self, number: int, gone: list[int]) -> None:
        self.number: int | Mapped = number
        self._own, self._gone = number, gone

    def __del__(self) -> None:
        self._gone.append(self._own)


@dataclass(frozen=True)
class Mapped:
    """Something of each element of a dimension that `torch.func.vmap` maps.

    Attributes:
        level: how many transforms are around it.
        of: each element's, in order.
    """

    level: int
    of: list[Any]


class Records:
    """The records of the elements of a mapped dimension."""

    def __init__(self, level: int, records: "list[RecordReference | Records | None]") -> None:
        self._held = records
        self.number: int | Mapped = Mapped(level, [None if record is None else record.number for record in records])


def _level() -> int:
    """How many transforms are around what `vmap` is doing now."""
    return len(torch._C._functorch.get_interpreter_stack() or [])


def _pick(value: Any, level: int, k: int) -> Any:
    """What is the k-th element's of something that may be mapped, at this level among others."""
    if not isinstance(value, Mapped):
        return value
    return value.of[k] if value.level == level else Mapped(value.level, [_pick(one, level, k) for one in value.of])


class Line(Protocol):
    """What a node needs to reach the other side: a `grader.rpc.connection.Connection`."""

    def exchange(self, request: dict, tensors: list[Tensor]) -> tuple[dict, list[Tensor]]: ...

    def refer(self, record: Any) -> RecordReference: ...

    def gradient(
        self,
        record: "RecordReference | Records",
        connected: list[Tensor] | None,
        grads: list[Tensor | None],
        wanted: list[bool],
    ) -> list[Tensor | None]: ...


class Slot:
    """What a `RemoteCall` needs and finds out beside tensors.

    Attributes:
        sent: which of the node's tensors are sent; the others only connect the graph.
        answer: the answer's message.
        arrived: the answer's tensors.
        record: the reference to what the owner keeps for gradients; None if there are none.
    """

    def __init__(self, sent: range) -> None:
        self.sent = sent
        self.answer: dict = {}
        self.arrived: list[Tensor] = []
        self.record: RecordReference | Records | None = None


def ask(connection: Line, request: dict, slot: Slot, sent: list[Tensor]) -> tuple[Tensor, ...]:
    """Send a request; what the slot is for is found out, and the answer's tensors are ready to be changed in place."""
    answer, arrived = connection.exchange(request, sent)
    flags = answer.get("gradient")
    if not isinstance(flags, list) or len(flags) != len(arrived):
        raise Violation("an answer that does not say which of its tensors have gradients")
    slot.answer = answer
    if answer.get("record") is not None:
        slot.record = connection.refer(answer["record"])
    return tuple(tensor.clone() if tensor._is_view() else tensor for tensor in arrived)


class RemoteCall(torch.autograd.Function):
    """`apply(connection, request, slot, anchor, *tensors)` sends a request and returns the answer's tensors.

    `anchor` is a leaf that requires a gradient: with it, an answer that has a gradient at the other side (of a
    parameter that only that side knows, say) has one here, whatever the arguments.
    """

    @staticmethod
    def forward(connection: Line, request: dict, slot: Slot, anchor: Tensor, *tensors: Tensor) -> tuple[Tensor, ...]:
        slot.arrived = list(ask(connection, request, slot, [tensors[k] for k in slot.sent]))
        return (*(tensor.clone() for tensor in slot.arrived), anchor.clone())

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: tuple[Tensor, ...]) -> None:
        ctx.connection, ctx.request, ctx.slot, _, *tensors = inputs
        flags = [*ctx.slot.answer["gradient"], False]
        ctx.mark_non_differentiable(*(out for out, flag in zip(output, flags, strict=True) if flag is not True))
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*tensors)
        ctx.save_for_forward(*tensors)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        wanted = list(ctx.needs_input_grad[4:])
        if ctx.slot.record is None or not any(wanted) or all(grad is None for grad in grads[:-1]):
            return (None, None, None, None, *(None for _ in wanted))
        connected = ctx.saved_tensors if torch.is_grad_enabled() else None
        given = list(grads[:-1])
        if isinstance(ctx.slot.record, Records):
            given = [grad if grad is None else _mapped(grad, ctx.saved_tensors) for grad in given]
        results = ctx.connection.gradient(ctx.slot.record, connected, given, wanted)
        return (None, None, None, None, *results)

    @staticmethod
    def jvp(ctx: Any, *tangents: Tensor | None) -> tuple[Tensor | None, ...]:
        """J v from two vector-Jacobian products: u -> Jᵀu is linear, and its own transpose is J."""
        tensors, given = list(ctx.saved_tensors), tangents[4:]
        wanted = [tangent is not None for tangent in given]
        flags = ctx.slot.answer["gradient"]
        if ctx.slot.record is None or not any(wanted):
            return (*(None for _ in flags), None)
        outputs = [out for out, flag in zip(ctx.slot.arrived, flags, strict=True) if flag is True]
        with torch.enable_grad():
            probes = [torch.zeros_like(out, requires_grad=True) for out in outputs]
            numbered = iter(probes)
            grads = [next(numbered) if flag is True else None for flag in flags]
            pulled = ctx.connection.gradient(ctx.slot.record, tensors, grads, wanted)
            pairs = [(p, v) for p, v in zip(pulled, given, strict=True) if p is not None and p.requires_grad]
            pushed = torch.autograd.grad(
                [p for p, _ in pairs], probes, [v for _, v in pairs], allow_unused=True, create_graph=True
            )
        results = iter(pushed)
        return (*(next(results) if flag is True else None for flag in flags), None)

    @staticmethod
    def vmap(info: Any, in_dims: tuple, connection: Line, request: dict, slot: Slot, anchor: Tensor, *tensors: Tensor):
        """One call for each element of the mapped dimension; the answers are stacked."""
        dims = in_dims[4:]
        rows, slots, level = [], [Slot(slot.sent) for _ in range(info.batch_size)], _level()
        for k, own in enumerate(slots):
            picked = [t if d is None else t.select(d, k) for t, d in zip(tensors, dims, strict=True)]
            asked = dict(request)
            if "record" in request:  # of the gradients of a call that may have been mapped itself
                asked["record"] = _pick(request["record"], level, k)
            rows.append(RemoteCall.apply(connection, asked, own, anchor, *picked))
        slot.answer, slot.arrived = slots[0].answer, slots[0].arrived
        records = [own.record for own in slots]
        slot.record = Records(level, records) if any(record is not None for record in records) else None
        outputs = tuple(torch.stack(column) for column in zip(*rows, strict=True))
        return outputs, tuple(0 for _ in outputs)


def _mapped(grad: Tensor, tensors: tuple[Tensor, ...]) -> Tensor:
    """The gradient, made one that `torch.func.vmap` maps over if it maps over the tensors.

    The records of a mapped call are one for each element, and so its gradients must be, even where all are equal.
    """
    for tensor in tensors:
        if tensor.is_floating_point():
            grad = grad + tensor.detach().flatten()[:0].sum().to(grad.dtype)
    return grad


class AnswerNode(torch.autograd.Function):
    """What `RemoteCall` is, for an answer that is here already and has a gradient, where nothing transforms it.

    `apply(connection, slot, answer, anchor, *tensors)` returns the answer's tensors.
    """

    @staticmethod
    def forward(
        ctx: Any, connection: Line, slot: Slot, answer: tuple[Tensor, ...], anchor: Tensor, *tensors: Tensor
    ) -> tuple[Tensor, ...]:
        ctx.connection, ctx.slot = connection, slot
        flags = slot.answer["gradient"]
        ctx.mark_non_differentiable(*(out for out, flag in zip(answer, flags, strict=True) if flag is not True))
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*tensors)
        return answer

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        wanted = list(ctx.needs_input_grad[4:])
        if ctx.slot.record is None or not any(wanted) or all(grad is None for grad in grads):
            return (None, None, None, None, *(None for _ in wanted))
        connected = ctx.saved_tensors if torch.is_grad_enabled() else None
        return (None, None, None, None, *ctx.connection.gradient(ctx.slot.record, connected, list(grads), wanted))
