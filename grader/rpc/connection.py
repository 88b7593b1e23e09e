"""One end of the connection: calls, callbacks, modules and gradients over a `Channel`.

Both processes run a `Connection`. Control passes back and forth like in one process: whoever sends a request waits for its
answer, and meanwhile serves the requests that come the other way, so that a check can hand a model to the submission,
and the submission can call it.

**Functions and objects** cross as handles: the owner keeps the object, the other side holds a proxy that calls it.
**Modules** cross as handles too, but the proxy is an nn.Module with real parameters and buffers, copies of the
owner's (`grader.rpc.sync`). What one side changes in place (an optimiser's step, `.grad`, train/eval, a dtype) is sent
with the next message.
**Gradients**: each call whose answer has a gradient is one node of the caller's graph (`grader.rpc.autograd`). The owner keeps what it computed as a
`Record`; the node's backward is again a request, answered from the record and recorded in its turn, so that second
derivatives, `torch.func` and a backward through a callback inside a call work.
**Arguments** that the callee changed in place are changed in place at the caller's.
"""

import contextlib
import copy
import itertools
import secrets
import struct
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from grader.rpc.arguments import Before, apply_changes, changes
from grader.rpc.autograd import (
    AnswerNode,
    Record,
    RecordReference,
    Records,
    RemoteCall,
    Slot,
    ask,
)
from grader.rpc.codec import NOTHING, Incoming, Outgoing, offered
from grader.rpc.frames import Channel
from grader.rpc.handles import Handles
from grader.rpc.limits import MAX_NESTED, Unsendable, Violation
from grader.rpc.messages import MIRRORED, OUR_VIEW, a_list, changes_of_shared, flags, mentions, whole
from grader.rpc.modes import current_mode, in_forward_mode, in_mode, refuse_tracing, transformed
from grader.rpc.proxies import FUNCTIONAL

NOTHING_BY_NAME: list = ["d", []]
"""The keywords of a call that has none."""


class Connection:
    """One end of the connection."""

    def __init__(
        self,
        channel: Channel,
        *,
        describe_error: Callable[[BaseException], dict],
        build_error: Callable[[dict], BaseException],
        catches: type[BaseException],
        open_objects: bool,
    ) -> None:
        """Take one end of a connection.

        Args:
            channel: carries the frames.
            describe_error: an exception of our code, as plain data.
            build_error: the exception that such data from the other side means.
            catches: what is described to the other side instead of ending this process.
            open_objects: whether the other side may read attributes of our objects and call any method of theirs. The
                judge says no: of its objects only the public methods that their classes define can be called, of its
                modules only those that models have.
        """
        self.channel = channel
        self._describe_error, self._build_error, self._catches = describe_error, build_error, catches
        self._open_objects = open_objects
        self._records: dict[int, Record] = {}
        self._gone: list[int] = []
        self._numbers = itertools.count(1)
        self._secrets = _random_numbers()
        self.handles = Handles(self._numbers)
        self._anchor = torch.zeros((), requires_grad=True)
        self.may_read = not open_objects
        """Whether attributes of their objects can be asked for: the judge shows none of its own."""
        self.believes = open_objects
        """Whether the other side is the judge, which may name what is to be made here."""
        self._handlers = {
            "call": self._serve_call,
            "grad": self._serve_grad,
            "get": self._serve_get,
            "set": self._serve_set,
            "clone": self._serve_clone,
        }
        self._turn = threading.RLock()
        """Who has sent a request goes on until its answer is here: threads take turns."""
        self._nested = 0
        """How many requests of ours wait for their answers."""

    # ------------------------------------------------------------------------------------------------ we request

    def call(self, target: int, method: str | None, args: tuple, kwargs: dict[str, Any]) -> Any:
        """Call one of their objects, or a method of it."""
        with self._turn:
            outgoing = Outgoing(self)
            request = {"op": "call", "target": target, "method": method, "args": outgoing.encode(list(args))}
            if kwargs:
                request["kwargs"] = outgoing.encode(kwargs)
            if self.handles.shares("theirs", target):
                outgoing.mention("yours", target)
            parameters: list[Tensor] = []
            if outgoing.mentions:
                request["modules"] = outgoing.mentions
                for side, number in outgoing.mentions:
                    parameters += self.handles.parameters(OUR_VIEW[side], number)
            answered = self._request(request, outgoing.tensors, parameters)
            return self._decode(*answered, outgoing.values)

    def get(self, target: int, name: str) -> Any:
        """Read an attribute of one of their objects."""
        return self._decode(*self._request({"op": "get", "target": target, "name": name}, [], []))

    def set(self, target: int, name: str, value: Any) -> None:
        """Put a value of ours in the place of an attribute of one of their objects."""
        outgoing = Outgoing(self)
        request = {"op": "set", "target": target, "name": name, "value": outgoing.encode(value)}
        self._decode(*self._request(request, outgoing.tensors, []))

    def clone(self, target: int) -> Any:
        """A deep copy of one of their modules, made at their side."""
        return self._decode(*self._request({"op": "clone", "target": target}, [], []))

    def gradient(
        self,
        record: RecordReference | Records,
        connected: list[Tensor] | None,
        grads: list[Tensor | None],
        wanted: list[bool],
    ) -> list[Tensor | None]:
        """A vector-Jacobian product of a record of theirs; with `connected`, the inputs, it is differentiable itself."""
        given = [grad for grad in grads if grad is not None]
        numbers = iter(range(len(given)))
        request = {
            "op": "grad",
            "record": record.number,  # of each element, within torch.func.vmap
            "grads": [None if grad is None else ["T", next(numbers)] for grad in grads],
            "wanted": wanted,
            "create": connected is not None,
        }
        results = self._decode(*self._request(request, given, list(connected or [])))
        if not isinstance(results, list) or len(results) < len(wanted):
            raise Violation("gradients of something else")
        return results[: len(wanted)]

    def _request(self, request: dict, sent: list[Tensor], connected: list[Tensor]) -> tuple[dict, tuple, list[Tensor]]:
        """Send a request as a node of our graph.

        Args:
            request: the message.
            sent: the tensors that it carries.
            connected: tensors that the answer depends on as well, and that the other side has already.

        Returns:
            the answer, its tensors as results of the node, and the tensors that the request carried.
        """
        tensors = [*sent, *connected]
        dual = in_forward_mode()
        refuse_tracing()
        if not dual and (mode := current_mode()) != "grad":  # derivatives forward are made of those backward
            request["mode"] = mode
        request["needs"] = [t.requires_grad or (dual and t.is_floating_point()) for t in tensors]
        slot = Slot(range(len(sent)))
        if dual or transformed():
            anchor = self._anchor.detach() if dual else self._anchor
            *results, _ = RemoteCall.apply(self, request, slot, anchor, *tensors)
            return slot.answer, tuple(results), sent
        own = ask(self, request, slot, sent)
        if True in slot.answer["gradient"] and torch.is_grad_enabled():
            own = AnswerNode.apply(self, slot, own, self._anchor, *tensors)
        return slot.answer, own, sent

    def _decode(
        self, answer: dict, results: tuple, sent: list[Tensor], arguments: Mapping[int, Tensor] = NOTHING
    ) -> Any:
        apply_changes(answer.get("changed"), results, sent)
        return Incoming(self, list(results), arguments).decode(answer.get("value"))

    def exchange(self, request: dict, tensors: list[Tensor]) -> tuple[dict, list[Tensor]]:
        """Send a request and serve theirs until its answer comes.

        Raises:
            RecursionError: too many requests wait for their answers already.
            Violation: what came is no answer to this request.
            BaseException: what `build_error` makes of an error of theirs.
        """
        with self._turn, self._one_deeper():
            request["seq"] = next(self._secrets)
            self._send(request, tensors)
            failed: BaseException | None = None
            while True:
                message, arrived = self._receive()
                if message.get("op") not in ("return", "raise"):
                    failed = self._serve(message, arrived) or failed
                    continue
                if message.get("seq") != request["seq"]:
                    raise Violation("an answer to a question that was not asked")
                if isinstance(failed, AssertionError):  # a check that failed inside a model which it handed out
                    raise failed
                if message["op"] == "raise":
                    raise self._build_error(message)
                return message, arrived

    @contextlib.contextmanager
    def _one_deeper(self) -> Iterator[None]:
        if self._nested >= MAX_NESTED:
            raise RecursionError(f"calls between a check and its answer within one another, {MAX_NESTED} deep")
        self._nested += 1
        try:
            yield
        finally:
            self._nested -= 1

    # ----------------------------------------------------------------------------------------------- they request

    def serve_forever(self) -> None:
        """Serve requests until the other side closes, which raises `limits.Closed`."""
        while True:
            self.serve_one()

    def serve_one(self) -> None:
        """Wait for a request and answer it."""
        self._serve(*self._receive())

    def _serve(self, message: dict, arrived: list[Tensor]) -> BaseException | None:
        """Answer one request; returns the error if the answer was one."""
        handler = self._handlers.get(str(message.get("op")))
        if handler is None:
            raise Violation("a message with an unknown purpose")
        failed = None
        try:
            with in_mode(message.get("mode")):
                answer, tensors = handler(message, arrived)
        except Violation:
            raise
        except self._catches as error:
            failed, answer, tensors = error, {"op": "raise", **self._describe_error(error)}, []
        try:
            self._send({"seq": message.get("seq"), **answer}, tensors)
        except Unsendable as error:
            failed, answer = error, {"op": "raise", **self._describe_error(error)}
            self._send({"seq": message.get("seq"), **answer}, [])
        return failed

    def _serve_call(self, message: dict, arrived: list[Tensor]) -> tuple[dict, list[Tensor]]:
        needs = flags(message.get("needs"))
        if len(needs) < len(arrived):
            raise Violation("a call that does not say which tensors take gradients")
        before = Before(arrived, self.channel.body)
        leaves = [_leaf(tensor, need) for tensor, need in zip(arrived, needs, strict=False)]
        incoming = Incoming(self, leaves)
        args, kwargs = incoming.decode(message.get("args")), incoming.decode(message.get("kwargs", NOTHING_BY_NAME))
        if not isinstance(args, list) or not isinstance(kwargs, dict):
            raise Violation("a call without arguments")
        inputs = [leaf if leaf.requires_grad else None for leaf in leaves]
        for side, number in mentions(message.get("modules"), len(self.handles.shared)):
            inputs += [p if p.requires_grad else None for p in self.handles.parameters(MIRRORED[side], number)]
        target = self.target(message.get("target"), message.get("method"))
        result = target(*args, **kwargs)
        answer, tensors = self._answer(result, inputs, leaves)
        if changed := changes(leaves, before, needs, tensors):
            answer["changed"] = changed
            answer["gradient"] += [False] * (len(tensors) - len(answer["gradient"]))
        return answer, tensors

    def _serve_grad(self, message: dict, arrived: list[Tensor]) -> tuple[dict, list[Tensor]]:
        record = self._records.get(whole(message.get("record")))
        wanted, needs = flags(message.get("wanted")), flags(message.get("needs"))
        grads, create = message.get("grads"), message.get("create") is True
        if (
            record is None
            or len(wanted) != len(record.inputs)
            or len(needs) < len(arrived)
            or not isinstance(grads, list)
        ):
            raise Violation("gradients of a call that was not made")
        leaves = [_leaf(tensor, create and need) for tensor, need in zip(arrived, needs, strict=False)]
        decoded = [Incoming(self, leaves).decode(grad) for grad in grads]
        results = record.gradients(decoded, wanted, create=create)
        connected = record.inputs if create else []
        return self._answer(results, [*(leaf if leaf.requires_grad else None for leaf in leaves), *connected])

    def _serve_get(self, message: dict, arrived: list[Tensor]) -> tuple[dict, list[Tensor]]:
        target, name = self.handles.exported(message.get("target")), message.get("name")
        if not self._open_objects or not isinstance(name, str):
            raise Violation("a look into an object that shows nothing")
        return self._answer(getattr(target, name), [])

    def _serve_set(self, message: dict, arrived: list[Tensor]) -> tuple[dict, list[Tensor]]:
        target, name = self.handles.exported(message.get("target")), message.get("name")
        if not self._open_objects or not isinstance(name, str):
            raise Violation("a change to an object that shows nothing")
        setattr(target, name, Incoming(self, arrived).decode(message.get("value")))
        return self._answer(None, [])

    def _serve_clone(self, message: dict, arrived: list[Tensor]) -> tuple[dict, list[Tensor]]:
        target = self.handles.exported(message.get("target"))
        if not isinstance(target, nn.Module):
            raise Violation("a copy of something that is no module")
        return self._answer(copy.deepcopy(target), [])

    def _answer(
        self, result: Any, inputs: list[Tensor | None], arguments: Sequence[Tensor] = ()
    ) -> tuple[dict, list[Tensor]]:
        """The answer that carries a result; what has a gradient is recorded."""
        outgoing = Outgoing(self, arguments)
        answer: dict = {"op": "return", "value": outgoing.encode(result)}
        answer["gradient"] = [tensor.requires_grad for tensor in outgoing.tensors]
        if any(answer["gradient"]):
            answer["record"] = next(self._numbers)
            self._records[answer["record"]] = Record(inputs, list(outgoing.tensors))
        return answer, outgoing.tensors

    def target(self, number: Any, method: Any) -> Callable:
        """What the other side may call of an object of ours."""
        target = self.handles.exported(number)
        if method is None:
            return target
        if not isinstance(method, str):
            raise Violation("a method without a name")
        if method == FUNCTIONAL and isinstance(target, nn.Module):
            return lambda state, args, kwargs: _functional_call(target, state, args, kwargs)
        if not self._open_objects and method not in offered(target):
            raise Violation("a method that is not offered")
        return getattr(target, method)

    # ----------------------------------------------------------------------------------------------------- messages

    def _send(self, message: dict, tensors: list[Tensor]) -> None:
        """Send a message, and with it what changed in the state that both sides share."""
        carried = list(tensors)

        def number(tensor: Tensor) -> int:
            carried.append(tensor)
            return len(carried) - 1

        message["count"] = len(tensors)
        if self.handles.shared:
            message["sync"] = [
                ["mine" if side == "ours" else "yours", key, delta]
                for (side, key), shared in self.handles.shared.items()
                if (delta := shared.changes(number)) is not None
            ]
        if self._gone:
            message["gone"] = list(self._gone)
            del self._gone[: len(message["gone"])]  # not all: the collector may add to it at any time
        self.channel.send(message, carried)

    def _receive(self) -> tuple[dict, list[Tensor]]:
        message, carried = self.channel.receive()
        count = message.get("count")
        if type(count) is not int or not 0 <= count <= len(carried):
            raise Violation("a message that does not say how many tensors are its own")
        for number in a_list(message.get("gone")):
            self._records.pop(whole(number), None)
        for side, number, delta in changes_of_shared(message.get("sync"), len(self.handles.shared)):
            self.handles.sharing(MIRRORED[side], number).apply(delta, carried)
        del carried[count:]
        return message, carried

    def forget(self) -> None:
        """Let go of what served requests have computed: graphs that hold this connection are seen by no garbage collector."""
        self._records.clear()

    def refer(self, record: Any) -> RecordReference:
        return RecordReference(whole(record), self._gone)


def _random_numbers() -> Iterator[int]:
    """Numbers of 48 bits that nobody foresees, drawn many at a time."""
    while True:
        for number in struct.unpack("<64Q", secrets.token_bytes(512)):
            yield number >> 16


def _leaf(tensor: Tensor, need: bool) -> Tensor:
    return tensor.requires_grad_() if need and (tensor.is_floating_point() or tensor.is_complex()) else tensor


def _functional_call(module: nn.Module, state: Any, args: Any, kwargs: Any) -> Any:
    """`torch.func.functional_call`, for a state that came over the connection: other attributes are nobody's business."""
    names = {name for name, _ in (*module.named_parameters(), *module.named_buffers())}
    if not isinstance(state, dict) or not isinstance(args, list) or not isinstance(kwargs, dict):
        raise Violation("a call of a module without its state and arguments")
    if not all(name in names and isinstance(value, Tensor) for name, value in state.items()):
        raise Violation("parameters that a module does not have")
    return torch.func.functional_call(module, state, tuple(args), kwargs)
