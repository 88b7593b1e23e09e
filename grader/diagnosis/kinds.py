"""The kinds of mistakes that every exercise shares, each a wrapper around the reference function.

Changing an argument in place, losing a dtype or a gradient, one sample's value for all, a plain number for a tensor: these
are named once, here, for the exercises that exist and those to come.
"""

import inspect
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Generator, Tensor, nn

Function = Callable[..., Any]


class Kind(NamedTuple):
    """A mistake as what becomes of a right function.

    Attributes:
        name: a phrase.
        explanation: what the rule is.
        wrap: from the function to the wrong one.
    """

    name: str
    explanation: str
    wrap: Callable[[Function], Function]


IN_PLACE = "A function leaves its arguments as they are, for whoever called may need them again. Work on a copy, or without methods that end in an underscore."
GRADIENT = "Tensor functions are differentiable in data, noise, predictions and the model's parameters. Here the result is cut off: look for detach, no_grad, item, data or a new tensor made from numbers."
DTYPE = "Results keep the data's dtype, whatever the tables come in, and whatever it is: float64 data give float64 results to float64's precision."
BATCH = "A batch holds independent samples, each with its own level. With one value for all, only batches in which all agree come out right."
ARGUMENT = "What is given as an argument is to be used. With it at another value, the result has to be another."
RANDOM = "Randomness comes in through the generator alone: its state decides what comes back, and no other."
STATE = "A function leaves what belongs to its caller as it was: the model's mode, its gradients, torch's own settings."
BOUND = "A bound that keeps a quotient or a root finite makes the table another one wherever it bites: at the ends of a schedule. What the equation says there is what is asked for."
TABLES = ("alpha_bar", "betas")
BOUNDS = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8)
SHAPE = (
    "The result has the shape that the contract says, whatever the shape of the sample is: vectors, pictures, videos."
)


def kinds_of(function: Function) -> list[Kind]:
    """The shared mistakes that this function may have, by its arguments."""
    names = list(inspect.signature(function).parameters)
    defaults = {n: p.default for n, p in inspect.signature(function).parameters.items() if p.default is not p.empty}
    return [
        *_results(),
        *_places(names),
        *_values(names, defaults),
        *_randomness(names),
        *_state(names),
        *_shapes(names),
    ]


def _after(change: Callable[[Any], Any]) -> Callable[[Function], Function]:
    """A function whose result is changed."""

    def wrap(function: Function) -> Function:
        return lambda *args, **kwargs: change(function(*args, **kwargs))

    return wrap


def _each(change: Callable[[Tensor], Any]) -> Callable[[Any], Any]:
    """A change of every tensor in a result."""

    def changed(result: Any) -> Any:
        if isinstance(result, tuple | list):
            return type(result)(map(changed, result))
        return change(result) if isinstance(result, Tensor) else result

    return changed


def _before(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable[[Function], Function]:
    """A function whose arguments, by name, are changed."""

    def wrap(function: Function) -> Function:
        signature = inspect.signature(function)

        def wrong(*args: Any, **kwargs: Any) -> Any:
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            return function(**change(dict(bound.arguments)))

        return wrong

    return wrap


def _floating(value: Any) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point()


def _results() -> Iterator[Kind]:
    def cast(dtype: torch.dtype) -> Callable[[Any], Any]:
        return _each(lambda value: value.to(dtype) if value.is_floating_point() else value)

    yield Kind("a result cut off from its gradient", GRADIENT, _after(_each(lambda value: value.detach())))
    yield Kind("a result computed without recording gradients", GRADIENT, _unrecorded)
    yield Kind("the result always in float32", DTYPE, _after(cast(torch.float32)))
    yield Kind("the result always in float64", DTYPE, _after(cast(torch.float64)))
    yield Kind("the result in half precision", DTYPE, _after(cast(torch.float16)))
    yield Kind("the result in half precision", DTYPE, _after(cast(torch.bfloat16)))
    yield Kind("computed in float32 whatever the data's dtype", DTYPE, _in_single)
    yield Kind("all tables and data in float32", DTYPE, _before(lambda given: {
        name: value.float() if _floating(value) else value for name, value in given.items()
    }))  # fmt: skip
    bounds = "The contract asks for the result as it is. Clamped, it is wrong wherever the data go further, and no gradient comes from there."
    yield Kind("the result clamped to [-1, 1]", bounds, _after(_each(lambda value: value.clamp(-1, 1))))
    yield Kind("the result clamped to [0, 1]", bounds, _after(_each(lambda value: value.clamp(0, 1))))
    number = "The contract says a tensor. A plain number has no dtype, no device and no gradient."
    yield Kind("a plain number returned, not a tensor", number, _after(_each(lambda value: value.item())))
    yield Kind("a list returned, not a tensor", number, _after(_each(lambda value: value.tolist())))
    yield Kind("a NumPy array returned, not a tensor", number, _after(_each(lambda value: value.detach().numpy())))
    yield Kind(
        "nothing returned",
        "The function computes and hands nothing back: the return is missing. The caller gets None.",
        _after(lambda result: None),
    )
    yield Kind("whole numbers returned", DTYPE, _after(_each(lambda value: value.long())))
    yield Kind(
        "fractions returned where whole numbers belong",
        DTYPE,
        _after(_each(lambda value: value.float() if not value.is_floating_point() else value)),
    )


def _unrecorded(function: Function) -> Function:
    def wrong(*args: Any, **kwargs: Any) -> Any:
        with torch.no_grad():
            return function(*args, **kwargs)

    return wrong


def _in_single(function: Function) -> Function:
    def wrong(*args: Any, **kwargs: Any) -> Any:
        floats = [value for value in (*args, *kwargs.values()) if _floating(value)]
        dtype = floats[0].dtype if floats else torch.float32
        args = tuple(value.float() if _floating(value) else value for value in args)
        kwargs = {name: value.float() if _floating(value) else value for name, value in kwargs.items()}
        return _each(lambda value: value.to(dtype) if value.is_floating_point() else value)(function(*args, **kwargs))

    return wrong


def _places(names: list[str]) -> Iterator[Kind]:
    def writing(name: str, change: Callable[[Tensor, Any], Any]) -> Callable[[Function], Function]:
        def wrap(function: Function) -> Function:
            signature = inspect.signature(function)

            def wrong(*args: Any, **kwargs: Any) -> Any:
                result = function(*args, **kwargs)
                target = signature.bind(*args, **kwargs).arguments.get(name)
                return change(target, result) if isinstance(target, Tensor) else result

            return wrong

        return wrap

    def into(target: Tensor, result: Any) -> Any:
        return target.mul_(0).add_(result) if isinstance(result, Tensor) else beside(target, result)

    def beside(target: Tensor, result: Any) -> Any:
        target.add_(1)
        return result

    def unseen(target: Tensor, result: Any) -> Any:
        with torch.no_grad():
            return into(target, result)

    def hidden(target: Tensor, result: Any) -> Any:
        target.data.add_(1)
        return result

    for change in (into, unseen, beside, hidden):
        for name in names:
            yield Kind(f"the argument {name} changed in place", IN_PLACE, writing(name, change))

    def cut(name: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
        def change(given: dict[str, Any]) -> dict[str, Any]:
            value = given[name]
            if isinstance(value, Tensor):
                return given | {name: value.detach()}
            if callable(value) and not isinstance(value, type):
                return given | {name: _Detached(value)}
            return given

        return change

    for name in names:
        yield Kind(f"no gradient through {name}", GRADIENT, _before(cut(name)))


class _Detached:
    """A model whose answers are cut off from their gradients."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return _each(lambda value: value.detach())(self._model(*args, **kwargs))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)


def _values(names: list[str], defaults: dict[str, Any]) -> Iterator[Kind]:
    def of(name: str, change: Callable[[Tensor], Tensor]) -> Callable[[Function], Function]:
        return _before(lambda given: given | ({name: change(given[name])} if isinstance(given[name], Tensor) else {}))

    for name in names:
        for which, change in (
            ("the first sample's {} for the whole batch", lambda value: value[:1].expand(value.shape)),
            ("the last sample's {} for the whole batch", lambda value: value[-1:].expand(value.shape)),
            ("the largest {} for the whole batch", lambda value: value.max().expand(value.shape)),
            ("the smallest {} for the whole batch", lambda value: value.min().expand(value.shape)),
            ("the mean {} for the whole batch", lambda value: value.mean().expand(value.shape)),
            ("{} of another sample of the batch", lambda value: value.flip(0)),
        ):
            yield Kind(which.format(name), BATCH, of(name, change))
        for which, change in (
            ("{} not used: 0 in its place", torch.zeros_like),
            ("{} not used: 1 in its place", torch.ones_like),
            ("{} not used: fresh normal numbers in its place", torch.randn_like),
        ):
            yield Kind(which.format(name), ARGUMENT, of(name, change))
    for name in names:
        if name in TABLES:
            for bound in BOUNDS:
                above, inside = partial(torch.clamp, min=bound), partial(torch.clamp, min=bound, max=1 - bound)
                yield Kind(f"{name} held above {bound:g}", BOUND, of(name, above))
                yield Kind(f"{name} held {bound:g} away from 0 and 1", BOUND, of(name, inside))
    for name, default in defaults.items():
        yield Kind(f"{name} not used", ARGUMENT, _before(partial(_set, name, default)))
    for name in names:
        yield Kind(f"{name} clamped to [-1, 1]", ARGUMENT, of(name, lambda value: value.clamp(-1, 1)))


def _set(name: str, value: Any, given: dict[str, Any]) -> dict[str, Any]:
    return given | {name: value}


def _randomness(names: list[str]) -> Iterator[Kind]:
    if "generator" not in names:
        return
    yield Kind("the generator not used", RANDOM, _before(lambda given: given | {"generator": None}))
    yield Kind(
        "a generator of its own, the same each time",
        RANDOM,
        _before(lambda given: given | {"generator": Generator().manual_seed(0)}),
    )
    yield Kind("the generator seeded anew", RANDOM, _before(
        lambda given: given | {"generator": given["generator"].manual_seed(0) if given["generator"] is not None else None}
    ))  # fmt: skip
    yield Kind(
        "torch's own seed set in the function",
        RANDOM,
        _before(lambda given: given | {"generator": torch.manual_seed(0)}),
    )


def _state(names: list[str]) -> Iterator[Kind]:
    def leaving(change: Callable[[nn.Module], Any]) -> Callable[[Function], Function]:
        def wrap(function: Function) -> Function:
            def wrong(*args: Any, **kwargs: Any) -> Any:
                result = function(*args, **kwargs)
                for value in (*args, *kwargs.values()):
                    if isinstance(value, nn.Module):
                        change(value)
                return result

            return wrong

        return wrap

    def grads(model: nn.Module) -> None:
        for parameter in model.parameters():
            parameter.grad = torch.zeros_like(parameter)

    def backward(function: Function) -> Function:
        def wrong(*args: Any, **kwargs: Any) -> Any:
            result = function(*args, **kwargs)
            if isinstance(result, Tensor) and result.requires_grad:
                result.sum().backward(retain_graph=True)
            return result

        return wrong

    yield Kind("backward called, where the caller says when", STATE, backward)
    yield Kind("gradients left on the model's parameters", STATE, leaving(grads))
    yield Kind("the model's parameters frozen", STATE, leaving(lambda model: model.requires_grad_(False)))
    yield Kind("the model left in evaluation mode", STATE, leaving(lambda model: model.eval()))
    yield Kind("the model left in training mode", STATE, leaving(lambda model: model.train()))
    yield Kind(
        "the model called once too often",
        "One call of the model is enough, and each costs as much as the rest together.",
        _twice,
    )

    def default(function: Function) -> Function:
        def wrong(*args: Any, **kwargs: Any) -> Any:
            torch.set_default_dtype(torch.float64)
            return function(*args, **kwargs)

        return wrong

    yield Kind("torch's default dtype changed", STATE, default)


def _twice(function: Function) -> Function:
    def wrong(*args: Any, **kwargs: Any) -> Any:
        function(*args, **kwargs)
        return function(*args, **kwargs)

    return wrong


def _has_axes(count: int, tensors: list[Tensor]) -> bool:
    return max((value.ndim for value in tensors), default=0) == count


def _shapes(names: list[str]) -> Iterator[Kind]:
    def only(fits: Callable[[list[Tensor]], bool]) -> Callable[[Function], Function]:
        def wrap(function: Function) -> Function:
            def wrong(*args: Any, **kwargs: Any) -> Any:
                tensors = [value for value in (*args, *kwargs.values()) if isinstance(value, Tensor)]
                if not fits(tensors):
                    raise RuntimeError("the axes are fixed")
                return function(*args, **kwargs)

            return wrong

        return wrap

    for count, what in ((2, "vectors"), (3, "three axes"), (4, "pictures")):
        yield Kind(f"made for {what} only", SHAPE, only(partial(_has_axes, count)))
    yield Kind(
        "view, where the numbers may lie in another order", SHAPE, only(lambda ts: all(t.is_contiguous() for t in ts))
    )
    for what, change in (
        ("the result with an axis too many", lambda value: value[None]),
        ("the result with an axis too many", lambda value: value[..., None]),
        ("the result without its axes of one", lambda value: value.squeeze()),
        ("the result as one long row", lambda value: value.flatten()),
        ("the mean of the result", lambda value: value.double().mean().to(value.dtype)),
        ("the sum of the result", lambda value: value.sum()),
        ("the result a batch of one", lambda value: value.reshape(1)),
    ):
        yield Kind(what, SHAPE, _after(_each(change)))
    yield Kind(
        "a list in place of a tuple",
        SHAPE,
        _after(lambda result: list(result) if isinstance(result, tuple) else result),
    )
    yield Kind(
        "the results in the reverse order",
        SHAPE,
        _after(lambda result: result[::-1] if isinstance(result, tuple) else result),
    )
    yield Kind(
        "the first result alone", SHAPE, _after(lambda result: result[0] if isinstance(result, tuple) else result)
    )
