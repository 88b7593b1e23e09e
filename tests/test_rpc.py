"""What a check sees through the connection is what it would see in its own process: values, arguments, exceptions, objects."""

import socket

import pytest
import torch

from exercises.toolkit.processes import Drain
from grader.rpc.codec import Incoming, Outgoing
from grader.rpc.connection import Connection
from grader.rpc.frames import Channel
from grader.rpc.limits import MAX_DEPTH, MAX_ITEMS, Violation
from grader.rpc.plain import Foreign
from grader.rpc.sync import TABLE, TABLE_AT, TABLE_SIZE
from tests.crossed import SOURCE, T, X
from tests.crossing import crossing


@pytest.fixture(scope="module")
def code():
    with crossing(SOURCE) as code:
        yield code


def test_values_cross_with_their_types(code):
    tensor, (more, table), flag, text, number = code.two(X)
    assert torch.equal(tensor, X)
    assert torch.equal(more, X + 1)
    assert (table, flag, text, number) == ({"a": 1.5, "n": None}, True, "text", 3)


def test_what_does_not_cross_arrives_as_foreign(code):
    assert code.array(X) == Foreign("numpy.ndarray")


@pytest.mark.parametrize("function", ["change", "change_behind_autograd"])
def test_an_argument_changed_in_place_is_changed_at_the_checks_side(code, function):
    x = torch.ones(4)
    getattr(code, function)(x)
    torch.testing.assert_close(x, torch.full((4,), 2.0))


def test_an_argument_changed_through_numpy_is_noticed(code):
    x = torch.ones(4)
    code.change_through_numpy(x)
    assert torch.equal(x, torch.full((4,), 7.0))


def test_an_argument_with_other_numbers_put_in_its_place_is_changed(code):
    x = torch.arange(4.0)
    code.put_other_numbers(x)
    assert torch.equal(x, torch.arange(4.0) * 2)


def test_an_argument_that_is_turned_in_place_has_its_numbers_in_the_other_order(code):
    x = torch.arange(4.0).reshape(2, 2)
    code.turn(x)
    assert torch.equal(x, torch.tensor([[0.0, 2.0], [1.0, 3.0]]))


def test_an_argument_may_become_one_of_another_shape_or_dtype(code):
    x = torch.arange(4.0)
    code.add_an_axis(x)
    assert torch.equal(x, torch.arange(4.0)[None])
    code.widen(x)
    assert x.dtype == torch.float64
    assert torch.equal(x, torch.arange(4.0).double()[None])


@pytest.mark.parametrize(
    "tensor",
    [
        torch.zeros(2, 3),
        torch.zeros(2, 3, dtype=torch.bool),
        torch.zeros(2, 3, dtype=torch.bfloat16),
        torch.zeros(2, 3, dtype=torch.int64),
        torch.zeros(3, 2).T,
        torch.zeros(2, 4)[:, :3],
        torch.full((2, 3), float("nan")),
    ],
    ids=["float", "bool", "bfloat16", "int", "permuted", "with gaps", "nan"],
)
def test_a_part_of_an_argument_of_any_kind_that_is_changed_is_changed_at_the_checks_side(code, tensor):
    want = tensor.clone()
    want[..., -1:] = 1
    code.change_some(tensor)
    torch.testing.assert_close(tensor, want, equal_nan=True)


def test_a_result_can_be_changed_in_place_whether_it_has_a_gradient_or_not(code):
    for x in (X.clone(), X.clone().requires_grad_()):
        got, (more, _), *_ = code.two(x * 1)
        more.mul_(2)
        torch.testing.assert_close(more, 2 * (X + 1))
        torch.testing.assert_close(got, X)


def test_an_exception_is_what_it_was_and_says_where(code):
    with pytest.raises(ValueError, match="gamma must be positive") as caught:
        code.bad(X)
    assert caught.value.function == "bad"
    assert SOURCE.splitlines()[caught.value.line - 1].startswith("def bad")


def test_an_assertion_in_a_model_of_the_checks_comes_back_as_itself(code):
    def model(x, t):
        raise AssertionError("t is too large")

    with pytest.raises(AssertionError, match="t is too large") as caught:
        code.loss(model, X, T)
    assert type(caught.value) is AssertionError


def test_objects_are_handles_whose_methods_can_be_called(code):
    sde = code.SDE()
    assert sde.beta == 3.0
    assert torch.equal(sde.marginal(X, None), 3 * X)

    class Ours:
        def marginal(self, t, like):
            return t, 2 * like

    torch.testing.assert_close(code.marginal_sum(Ours(), X), 3 * X)
    torch.testing.assert_close(code.marginal_sum(Ours(), X), 3 * X)


def test_layouts_survive(code):
    assert code.strides(torch.ones(3, 1).expand(3, 4))[0] == [1, 0]
    assert code.strides(torch.ones(3, 4).T) == ([1, 4], False)
    assert code.strides(torch.ones(3, 4)[:, ::2])[1] is False
    with pytest.raises(RuntimeError, match="single memory location"):
        code.change(torch.ones(3, 1).expand(3, 4))


@pytest.mark.parametrize(
    "tensor",
    [
        torch.tensor(3.5),
        torch.zeros(0, 3),
        torch.tensor([True, False]),
        torch.tensor([1, 2], dtype=torch.int8),
        torch.ones(2, dtype=torch.bfloat16),
        torch.ones(2, dtype=torch.complex64),
        torch.tensor([float("nan"), float("inf")]),
        torch.ones(1, 2, 1, 3).transpose(1, 3),
    ],
)
def test_tensors_of_every_kind_survive_the_way_there_and_back(code, tensor):
    back = code.two(tensor)[0]
    torch.testing.assert_close(back, tensor, equal_nan=True)
    seen = [k for k, size in enumerate(tensor.shape) if size > 1]  # the stride of a dimension of size 1 is arbitrary
    assert [back.stride(k) for k in seen] == [tensor.stride(k) for k in seen]


def test_two_calls_share_the_submissions_state(code):
    first = code.remember(X)
    assert code.remember(X) == first + 1


def test_a_given_process_is_called_where_it_is_handed_and_comes_back_as_itself(code):
    asked = []
    call, code.connection._serve_call = code.connection._serve_call, lambda *message: asked.append(message)
    sde = Drain(0.8, 0.5, 0.3, 1.2)
    try:
        got = code.marginal_sum(sde, T.double())
        assert code.same(sde) is sde
    finally:
        code.connection._serve_call = call
    mean, std = sde.marginal(T.double(), T.double())
    torch.testing.assert_close(got, mean + std)
    assert asked == []


@pytest.mark.parametrize("x", [X, X.float(), torch.arange(6)], ids=lambda x: str(x.dtype))
def test_an_argument_that_is_returned_is_the_argument_itself(code, x):
    assert code.same(x) is x
    assert code.two(x)[0] is x
    assert code.same([x, {"x": x}])[1]["x"] is x
    assert code.copied(x) is not x
    changed = x.clone()
    assert code.change_and_return(changed) is changed
    assert torch.equal(changed, 2 * x)


def test_an_argument_that_is_returned_keeps_its_gradient(code):
    x = X.clone().requires_grad_()
    (grad,) = torch.autograd.grad((code.same(x * x) + code.square(x)).sum(), x)
    torch.testing.assert_close(grad, 6 * X)
    torch.testing.assert_close(torch.func.vmap(code.same)(X), X)


def test_what_a_model_returns_of_its_arguments_is_the_argument_itself_in_the_submission(code):
    assert code.is_same(lambda x: x, X)
    assert not code.is_same(lambda x: x.clone(), X)


@pytest.mark.parametrize("number", [1, -1, True, 0.0, "0", None, [0]])
def test_an_answer_names_no_other_arguments_than_the_call_had(number):
    with socket.socket(socket.AF_UNIX) as sock:
        judge = Connection(
            Channel(sock), describe_error=dict, build_error=Exception, catches=Exception, open_objects=False
        )
        model = torch.nn.Linear(2, 2)
        outgoing = Outgoing(judge)
        outgoing.encode([X, model])
        assert list(outgoing.values) == [0]  # the parameters are none of its arguments
        with pytest.raises(Violation, match="unknown tag 'argument'"):
            Incoming(judge, [X], outgoing.values).decode(["argument", number])


def test_what_is_made_by_name_is_not_taken_from_the_jail():
    with socket.socket(socket.AF_UNIX) as sock:
        judge = Connection(
            Channel(sock), describe_error=dict, build_error=Exception, catches=Exception, open_objects=False
        )
        with pytest.raises(Violation, match="unknown tag 'v'"):
            Incoming(judge, []).decode(["v", 1, "Drain", [0.8, 0.5, 0.3, 1.2]])


def test_what_a_submission_makes_of_a_given_class_crosses_as_any_object_does():
    """The judge makes nothing by a name that comes out of the jail: an honest answer is not to send such."""
    with socket.socket(socket.AF_UNIX) as sock:
        jail = Connection(
            Channel(sock), describe_error=dict, build_error=Exception, catches=Exception, open_objects=True
        )
        assert Outgoing(jail).encode(Drain(0.8, 0.5, 0.3, 1.2))[0] in ("o", "c")


def test_a_model_may_be_named_twice_in_a_message(code):
    model = torch.nn.Linear(2, 2)
    first, second = code.same([model, model])
    assert first is second is model


def test_a_container_without_items_is_refused():
    with socket.socket(socket.AF_UNIX) as sock:
        judge = Connection(
            Channel(sock), describe_error=dict, build_error=Exception, catches=Exception, open_objects=False
        )
        with pytest.raises(Violation, match="a container without items"):
            Incoming(judge, []).decode(["x", 1, "Named", [], 5])


def test_containers_may_lie_so_deep_within_one_another_and_any_number_beside_one_another():
    """Each is decoded within the one around it: without a limit a message could exhaust the judge's stack."""

    def nested(depth: int, first: int) -> list:
        value = ["l"]
        for number in range(first, first + depth):
            value = ["x", number, "Named", [], ["l", value]]
        return value

    with socket.socket(socket.AF_UNIX) as sock:
        judge = Connection(
            Channel(sock), describe_error=dict, build_error=Exception, catches=Exception, open_objects=False
        )
        Incoming(judge, []).decode(nested(MAX_DEPTH, 1))
        Incoming(judge, []).decode(["l", *[nested(1, 1000 + number) for number in range(2 * MAX_DEPTH)]])
        with pytest.raises(Violation, match="containers within one another"):
            Incoming(judge, []).decode(nested(MAX_DEPTH + 1, 2000))


def test_what_a_container_holds_counts_each_time_that_it_is_named():
    """A list that holds another six hundred times over is as long to walk through as one that holds all of it."""
    whole = ["x", 1, "Named", [], ["l", *range(1000)]]
    again = ["x", 1, "Named", [], ["l"]]
    with socket.socket(socket.AF_UNIX) as sock:
        judge = Connection(
            Channel(sock), describe_error=dict, build_error=Exception, catches=Exception, open_objects=False
        )
        first, second = Incoming(judge, []).decode(["l", whole, again])
        assert first is second
        with pytest.raises(Violation, match=f"more than {MAX_ITEMS} values"):
            Incoming(judge, []).decode(["l", *[again] * (MAX_ITEMS // 1000 + 1)])


class Answering(torch.nn.Linear):
    """A check's model that knows more than a model should tell."""

    def encode(self, x):
        return x

    def answer(self):
        return 42

    def _hidden(self):
        return 42


class Schedule:
    def at(self, t):
        return t

    def _hidden(self):
        return 42


@pytest.mark.parametrize(
    ("value", "offered", "refused"),
    [
        (Answering(2, 2), ["encode"], ["answer", "_hidden", "__init__", "parameters", "register_forward_hook"]),
        (Schedule(), ["at"], ["_hidden", "__init__", "__getattribute__", "nothing"]),
    ],
    ids=["model", "object"],
)
def test_of_the_judges_objects_the_jail_calls_what_is_offered_and_nothing_else(value, offered, refused):
    with socket.socket(socket.AF_UNIX) as sock:
        judge = Connection(
            Channel(sock), describe_error=dict, build_error=Exception, catches=Exception, open_objects=False
        )
        assert Outgoing(judge).encode(value)[3] == offered
        number = judge.handles.export(value)
        assert all(judge.target(number, name) == getattr(value, name) for name in offered)
        for name in refused:
            with pytest.raises(Violation, match="a method that is not offered"):
                judge.target(number, name)


def test_a_generator_that_would_draw_from_beyond_its_table_is_refused_when_it_comes_too():
    state = bytearray(torch.Generator().get_state().numpy().tobytes())
    TABLE.pack_into(state, TABLE_AT, TABLE_SIZE - 24, 1, TABLE_SIZE - 24)
    with socket.socket(socket.AF_UNIX) as sock:
        judge = Connection(
            Channel(sock), describe_error=dict, build_error=Exception, catches=Exception, open_objects=False
        )
        with pytest.raises(Violation, match="draws from beyond its table"):
            Incoming(judge, [torch.frombuffer(state, dtype=torch.uint8)]).decode(["G", 1, 0])
        for number in (1, -1, None, True):
            with pytest.raises(Violation, match="a generator without a state"):
                Incoming(judge, [X]).decode(["G", 2, number])


@pytest.mark.parametrize(
    "tensor", [torch.eye(2).to_sparse(), torch.empty(2, device="meta"), torch.zeros(2, dtype=torch.uint16)]
)
def test_a_tensor_of_a_kind_that_does_not_cross_is_told_by_its_kind(tensor):
    with socket.socket(socket.AF_UNIX) as sock:
        jail = Connection(
            Channel(sock), describe_error=dict, build_error=Exception, catches=Exception, open_objects=True
        )
        assert Outgoing(jail).encode([tensor]) == ["l", ["?", f"{tensor.layout} tensor of {tensor.dtype}"]]


@pytest.mark.parametrize(
    "handle",
    [["o", 1], ["f", 1, None], ["c", 1, None], ["x", 1, ["l"]]],
    ids=["object", "function", "callable", "container"],
)
def test_of_what_the_jail_says_of_an_object_names_are_kept_and_cut(handle):
    tag, number, *more = handle
    with socket.socket(socket.AF_UNIX) as sock:
        judge = Connection(
            Channel(sock), describe_error=dict, build_error=Exception, catches=Exception, open_objects=False
        )
        proxy = Incoming(judge, []).decode([tag, number, "N" * 5000, ["at", 1, None, ["at"]], *more])
        assert len(repr(proxy)) < 250 or tag == "x"  # which is shown as the list that it is
        assert len(getattr(proxy, "_type_name", "")) <= 200
        assert getattr(proxy, "_methods", ("at",)) == ("at",)
