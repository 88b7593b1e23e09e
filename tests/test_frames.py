"""Whatever bytes come over the wire, the decoder returns values or raises `Violation`, at once and in little memory."""

import json
import resource
import struct
import time

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grader.rpc import frames, limits, tensors
from grader.rpc.frames import read_frame, read_prefix, write_frame
from grader.rpc.limits import Violation
from grader.rpc.plain import Decoding, encode

QUICK = settings(
    max_examples=300, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
SECONDS = 5
"""What no message of the sizes used here may take, on a loaded machine either."""
MEGABYTES = 1500


@pytest.fixture(autouse=True)
def _little():
    """Each test here stays within a bound on time and on memory."""
    peak, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    yield
    assert time.process_time() - start < 60
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak < MEGABYTES << 10


def unknown(tag, parts):
    raise Violation(tag)


def decode(head, body):
    """Everything that a frame says, or None if it is refused; nothing else may come of it."""
    start = time.process_time()
    try:
        message, tensors = read_frame(head, memoryview(bytearray(body)))
        values = [Decoding(unknown)(value) for value in message.values()]
        total = sum(float(tensor.double().sum()) for tensor in tensors if not tensor.is_complex())
        return message, tensors, values, total
    except Violation:
        return None
    finally:
        assert time.process_time() - start < SECONDS


NUMBERS = st.one_of(
    st.integers(-2, 40), st.sampled_from([1 << 27, 1 << 28, 1 << 31, 1 << 63, 1 << 70, -1, 1.0, True]), st.floats()
)
WORDS = st.one_of(
    st.sampled_from(
        ["l", "t", "d", "T", "argument", "?", "dtype", "device", "cpu", "float64", "bool", "complex64", "G", "m", ""]
    ),
    st.text(max_size=5),
)
LEAVES = st.one_of(st.none(), st.booleans(), NUMBERS, WORDS)
JSON = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=4), max_leaves=20
)
TAGGED = st.recursive(
    LEAVES, lambda inner: st.tuples(WORDS, inner, inner).map(list) | st.lists(inner, max_size=4), max_leaves=20
)
METAS = st.fixed_dictionaries(
    {},
    optional={
        "dtype": WORDS | JSON,
        "shape": st.lists(NUMBERS, max_size=5) | JSON,
        "offset": NUMBERS,
        "expand": st.lists(NUMBERS, max_size=3) | JSON,
        "order": st.permutations([0, 1, 2]) | st.lists(NUMBERS, max_size=3) | JSON,
        "gap": st.booleans() | LEAVES,
    },
)
LIKELY = st.fixed_dictionaries(
    {
        "dtype": st.sampled_from(sorted(tensors.DTYPES)),
        "shape": st.lists(st.integers(0, 5) | st.sampled_from([1 << 26, 1 << 27]), max_size=5),
        "offset": st.integers(0, 80),
    },
    optional={
        "expand": st.lists(st.integers(0, 4), max_size=3),
        "order": st.integers(0, 5).flatmap(lambda n: st.permutations(range(n))),
        "gap": st.booleans(),
    },
)


@given(st.binary(max_size=200), st.binary(max_size=100))
@QUICK
def test_random_bytes_are_refused_or_decoded(head, body):
    decode(head, body)


@given(st.binary(min_size=16, max_size=16))
@QUICK
def test_a_random_prefix_is_refused_or_within_the_caps(prefix):
    for start in (b"", frames.MAGIC):
        try:
            head, body = read_prefix((start + prefix)[:16])
        except Violation:
            continue
        assert head <= limits.MAX_HEAD
        assert body <= limits.MAX_BODY


@given(JSON, st.lists(METAS | JSON, max_size=3), st.binary(max_size=100))
@QUICK
def test_random_json_is_refused_or_decoded(value, metas, body):
    decode(json.dumps({"value": value, "tensors": metas}).encode(), body)
    decode(json.dumps(value).encode(), body)


@given(TAGGED)
@QUICK
def test_random_tags_are_refused_or_decoded(value):
    decode(json.dumps({"value": value, "tensors": []}).encode(), b"")


@given(st.lists(LIKELY, max_size=4), st.binary(min_size=0, max_size=200))
@QUICK
def test_tensors_that_are_almost_right_are_refused_or_built_within_the_body(metas, body):
    found = decode(json.dumps({"tensors": metas}).encode(), body)
    if found is not None:
        for meta, tensor in zip(metas, found[1], strict=True):
            assert list(tensor.shape) == meta["shape"]
            assert str(tensor.dtype) == f"torch.{meta['dtype']}"


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.tuples(inner, inner) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=10,
)


def frame(value, tensors):
    pieces = b"".join(bytes(piece) for piece in write_frame({"value": encode(value, unknown)}, tensors))
    head, body = read_prefix(pieces[: frames.PREFIX.size])
    rest = pieces[frames.PREFIX.size :]
    assert len(rest) == head + body
    return rest[:head], rest[head:]


@given(VALUES)
@QUICK
def test_plain_data_survives(value):
    message, _, _, _ = decode(*frame(value, []))
    assert Decoding(unknown)(message["value"]) == value


@given(VALUES, st.integers(0, 3), st.data())
@QUICK
def test_a_frame_with_bytes_changed_is_refused_or_decoded(value, count, data):
    tensors = [torch.randn(2, 3, dtype=torch.float64).mT, torch.arange(4)[:1].expand(3), torch.ones(3, 3)[:, :2]][
        :count
    ]
    head, body = map(bytearray, frame(value, tensors))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(head) - 1))
        head[place] = data.draw(st.integers(0, 255))
    decode(bytes(head), body[: data.draw(st.integers(0, len(body)))])


@pytest.mark.parametrize(
    "head",
    [
        b"[" * limits.MAX_HEAD,
        b'{"tensors": [], "value": ' + b"[" * 1_000_000 + b"]" * 1_000_000 + b"}",
        b'{"tensors": [], "value": ["l"' + b',["l"]' * 600_000 + b"]}",
        b'{"tensors": [], "value": ["l"' + b",0" * 3_000_000 + b"]}",
        b'{"tensors": [], "value": ' + b"9" * 1_000_000 + b"}",
        b'{"tensors": [], "value": 1e999999}',
        b'{"tensors": [' + b"{}," * 100_000 + b"{}]}",
        b"\xff\xfe" + b"\x00" * 1000,
        b'{"tensors": [], "\\ud800": "\\udfff"}',
    ],
    ids=["open", "nested", "many lists", "many numbers", "a long number", "a large number", "many tensors", "UTF-16", "surrogates"],
)  # fmt: skip
def test_a_bomb_is_refused_or_harmless(head):
    decode(head, b"")


@pytest.mark.parametrize(
    "meta",
    [
        {"shape": [1 << 28] * 20 + [0], "gap": True},
        {"shape": [1 << 28, 0], "gap": True},
        {"shape": [1 << 27], "expand": [0], "dtype": "complex128"},
        {"shape": [1 << 14, 1 << 14], "expand": [0, 1]},
        {"shape": [-1]},
        {"shape": [True]},
        {"shape": [3], "offset": -8},
        {"shape": [3], "offset": 1 << 62},
        {"shape": [3], "order": [0.0]},
        {"shape": [3, 3], "order": [0, True]},
        {"shape": [3], "expand": [1]},
        {"shape": [1] * 33},
    ],
)
def test_an_impossible_tensor_is_refused(meta):
    whole = {"dtype": "float64", "offset": 0, **meta}
    assert decode(json.dumps({"tensors": [whole]}).encode(), bytes(80)) is None


def test_many_tensors_over_the_same_bytes_are_refused_where_they_would_fill_the_memory():
    one = {"dtype": "float64", "shape": [1 << 20], "expand": [0], "offset": 0}
    assert decode(json.dumps({"tensors": [one] * 2000}).encode(), bytes(8)) is None
    assert decode(json.dumps({"tensors": [one] * 2}).encode(), bytes(8)) is not None


def test_the_prefix_has_no_room_for_more_than_the_caps():
    for head, body in [(limits.MAX_HEAD + 1, 0), (0, limits.MAX_BODY + 1), (0xFFFFFFFF, (1 << 64) - 1)]:
        with pytest.raises(Violation):
            read_prefix(struct.pack("<4sIQ", frames.MAGIC, head, body))


def test_two_tensors_over_the_same_bytes_are_two_all_the_same():
    metas = [{"dtype": "int64", "shape": [size], "offset": offset} for size, offset in ((9, 0), (2, 64), (9, 0))]
    _, found = read_frame(json.dumps({"tensors": metas}).encode(), memoryview(bytearray(80)))
    found[1].fill_(7)
    assert [tensor.tolist() for tensor in found] == [[0] * 9, [7, 7], [0] * 9]


@pytest.mark.parametrize("offset", [1, 8, 32])
@pytest.mark.parametrize("more", [{}, {"gap": True}, {"order": [1, 0]}, {"expand": [0]}])
def test_a_tensor_at_an_odd_address_is_refused(offset, more):
    """Torch reads complex numbers as if they lay at even ones, and the process is gone."""
    meta = {"dtype": "complex128", "shape": [64, 7], "offset": offset, **more}
    with pytest.raises(Violation):
        read_frame(json.dumps({"tensors": [meta]}).encode(), memoryview(bytearray(1 << 14)))
