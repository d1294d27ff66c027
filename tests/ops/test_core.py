"""Conversion, slices, scatters, gradients and control flow against real Keras, and where torchkeras knows better."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import torchkeras
from tests.oracle import keras
from torchkeras import Variable, ops
from torchkeras.graph import KerasTensor

from .parity import case, check, check_symbolic, close, f, i

TABLE = [
    case("cast", f(3, 2), "int32"),
    case("cast", i(3, 2), "float16"),
    case("saturate_cast", f(3, 2, low=-500, high=500), "int8"),
    case("saturate_cast", np.array([300.0, -5.0, np.nan, np.inf], "float32"), "uint8"),
    case("saturate_cast", np.array([1e6, -1e6, np.inf, 1.0], "float32"), "float16"),
    case("saturate_cast", np.array([2.0, 0.0, -1.0, 0.5], "float32"), "bool"),
    case("saturate_cast", np.array([-5, 200, 2**40]), "int8"),
    case("saturate_cast", np.array([True, False]), "float32"),
    case("stop_gradient", f(3, 2)),
    case("slice", f(3, 4), [1, 0], [2, 3], batched=0),
    case("slice", f(3, 4), np.array([0, 1]), [2, 3], batched=0),
    case("slice_update", f(3, 4), [1, 0], f(2, 3), batched=0),
    case("slice_update", i(3, 4), [1, 0], f(2, 3), batched=0, gradient=False),
    case("unstack", f(2, 3, 2), axis=1),
    case("unstack", f(2, 3, 2), 2, -1),
    case("scatter", np.array([[0, 1], [0, 1], [2, 2]]), f(3), (3, 3), batched=2),
    case("scatter", np.array([[0], [-1]]), f(2, 3), (4, 3), batched=2),
    *(case("scatter_update", f(4, 3), np.array([[0, 1], [2, 2]]), f(2), reduction) for reduction in (None, "add")),
    *(case("scatter_update", f(4, 3), np.array([[0], [0], [-1]]), f(3, 3), r, gradient=False) for r in ("add", "max", "min", "mul")),
    case("scatter_update", i(4), np.array([[0], [2]]), f(2), gradient=False),
    case("rearrange", f(2, 6, 3), "b (h w) c -> b w h c", h=2, batched=0),
    case("rearrange", f(2, 2, 3), "a b c -> (b c) a", batched=0),
]


@pytest.mark.parametrize("name, args, kwargs, batched, gradient, tol", TABLE)
def test_op_is_keras(name, args, kwargs, batched, gradient, tol):
    check(name, args, kwargs, gradient, tol)


@pytest.mark.parametrize("name, args, kwargs, batched, gradient, tol", TABLE)
def test_symbolic_op_is_keras(name, args, kwargs, batched, gradient, tol):
    if batched:
        check_symbolic(name, args, kwargs, batched)


def test_every_public_name_is_flat_and_in_its_submodule():
    for module in ("image", "linalg", "nn", "numpy"):
        for name in dir(getattr(keras.ops, module)):
            if not name.startswith("_"):
                assert getattr(ops, name) is getattr(getattr(ops, module), name) or module == "numpy"
    missing = [name for name in dir(keras.ops) if not name.startswith("_") and not hasattr(ops, name)]
    assert missing == []


# -- conversion ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("x", [1, 2.5, True, [1, 2], [[1, 2.5]], [True], np.float64(2), np.zeros(2), np.arange(3), np.zeros(2, "int8")])
def test_conversion_is_keras(x):
    ours, theirs = ops.convert_to_tensor(x), keras.ops.convert_to_tensor(x)
    assert ours.dtype == theirs.dtype
    close(ours, theirs, 0)


def test_conversion():
    assert ops.convert_to_tensor([1, 2], "float16").dtype is torch.float16
    assert ops.convert_to_tensor(KerasTensor((None, 2)), "int32").dtype == "int32"
    assert ops.convert_to_numpy(torch.ones(2, dtype=torch.bfloat16)).dtype == "float32"
    assert ops.convert_to_numpy(Variable(np.ones(2), dtype="float32")).tolist() == [1.0, 1.0]
    assert ops.is_tensor(torch.ones(1)) and not ops.is_tensor(np.ones(1)) and not ops.is_tensor(KerasTensor((1,)))
    assert ops.shape([[1, 2]]) == (1, 2) and ops.shape(KerasTensor((None, 2))) == (None, 2)
    assert ops.dtype(np.ones(1)) == "float64" and ops.dtype([1]) == "int32"


def test_the_largest_integer_is_reached():
    """Keras overflows to the smallest, because the largest is no float."""
    assert ops.saturate_cast(np.array([1e30, -1e30, 2.0]), "int64").tolist() == [2**63 - 1, -(2**63), 2]


@settings(max_examples=40, deadline=None)
@given(st.sampled_from("uint8 int8 int16 int32 int64 float32 float16 bool".split()), st.sampled_from("uint8 int8 int16 int32".split()))
def test_saturation_moves_to_the_nearest_value(source, target):
    x = f(20, low=-6e4, high=6e4).astype("int64" if source[0] in "iu" else source).astype(source)
    expected = np.clip(x.astype("float64"), np.iinfo(target).min, np.iinfo(target).max).astype(target)
    assert ops.saturate_cast(x, target).tolist() == expected.tolist()


# -- slices and scatters ---------------------------------------------------------------------------------------------------------------


def test_slices_at_traced_places():
    x = torch.rand(4, 5)
    compiled = torch.compile(lambda x, s: ops.slice(ops.slice_update(x, s, torch.ones(2, 2)), s, [2, 3]), fullgraph=True, backend="eager")
    start = torch.tensor([1, 2])
    expected = x.clone()
    expected[1:3, 2:4] = 1
    close(compiled(x, start), expected[1:3, 2:5], 0)


def test_slice_to_the_end():
    assert ops.slice(np.arange(6).reshape(2, 3), [1, 1], [-1, -1]).tolist() == [[4, 5]]


def test_einops_patterns():
    """Keras's own `rearrange` fails on these."""
    x = np.arange(24).reshape(2, 3, 4)
    assert ops.rearrange(x, "b ... -> ... b").shape == (3, 4, 2)
    assert ops.rearrange(x, "a b c -> a 1 (b c)").tolist() == x.reshape(2, 1, 12).tolist()
    assert ops.rearrange(KerasTensor((None, 6)), "b (h w) -> b h w", h=2).shape == (None, 2, 3)


@pytest.mark.parametrize("reduction", [None, "add", "max", "min", "mul"])
def test_gradients_of_scatters(reduction):
    """Keras changes a tensor in place that the gradient needs."""
    x, updates = torch.randn(4, 3, dtype=torch.float64, requires_grad=True), torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    places = np.array([[0], [-1]])
    assert torch.autograd.gradcheck(lambda a, b: ops.scatter_update(a, places, b, reduction), (x, updates))
    assert torch.autograd.gradcheck(lambda b: ops.scatter(np.array([[0], [0]]), b, (4, 3)), updates)


# -- gradients -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")  # torch.compile does it itself
def test_custom_gradient():
    @ops.custom_gradient
    def double(x, y):
        def gradient(*args, upstream):
            close(args[0], x.detach(), 0)
            return upstream * 2, upstream * 3

        return x * y, gradient

    x, y = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
    double(x, y).sum().backward()
    assert (x.grad.tolist(), y.grad.tolist()) == ([2.0, 2.0], [3.0, 3.0])
    one = ops.custom_gradient(lambda v: (v * 2, lambda upstream_gradient: upstream_gradient * 7))
    z = torch.ones(2, requires_grad=True)
    torch.compile(one, fullgraph=True, backend="aot_eager")(z).sum().backward()
    assert z.grad.tolist() == [7.0, 7.0]


# -- control flow ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("space", ["ours", "theirs"])
def test_control_flow_is_keras(space):
    """Each line holds for real Keras too."""
    o = ops if space == "ours" else keras.ops
    t = o.convert_to_tensor
    number = lambda x: np.asarray(x.tolist()).tolist()  # noqa: E731
    assert number(o.cond(t(False), lambda: t(1), lambda: t(2))) == 2
    assert number(o.switch(t(1), [lambda a: a, lambda a: a + 1], t(3))) == 4
    assert number(o.switch(7, [lambda a: a, lambda a: a + 1], t(3))) == 4
    assert number(o.switch(-7, [lambda a: a, lambda a: a + 1], t(3))) == 3
    assert number(o.while_loop(lambda k: k < 5, lambda k: k + 1, t(0))) == 5
    assert [number(v) for v in o.while_loop(lambda k, v: k < 5, lambda k, v: (k + 1, v * 2), (t(0), t(1.0)))] == [5, 32.0]
    assert [number(v) for v in o.while_loop(lambda k: k < 5, lambda k: k + 1, (t(0),), maximum_iterations=2)] == [2]
    assert number(o.fori_loop(0, 3, lambda k, v: v + k, t(10))) == 13
    carry, ys = o.scan(lambda c, x: (c + x, c * x), t(1.0), t([0.0, 1.0, 2.0]))
    assert (number(carry), number(ys)) == (4.0, [0.0, 1.0, 4.0])
    carry, ys = o.scan(lambda c, x: (c + x, c), t(0.0), t([1.0, 2.0, 3.0]), reverse=True)
    assert (number(carry), number(ys)) == (6.0, [5.0, 3.0, 0.0])
    carry, ys = o.scan(lambda c, _: (c + 1, c), t(0), length=3)
    assert (number(carry), number(ys)) == (3, [0, 1, 2])
    assert number(o.map(lambda x: x * 2, t([1, 2, 3]))) == [2, 4, 6]
    assert number(o.vectorized_map(lambda x: x[0] + x[1], (t([1, 2]), t([3, 4])))) == [4, 6]
    assert number(o.associative_scan(lambda a, b: a + b, t([1, 2, 3, 4, 5]))) == [1, 3, 6, 10, 15]
    assert number(o.associative_scan(lambda a, b: a + b, t([[1, 2, 3]]), reverse=True, axis=1)) == [[6, 5, 3]]


def test_nests_and_empty_axes():
    carry, ys = ops.scan(lambda c, x: ({"a": c["a"] + x[0]}, [c["a"], None]), {"a": 0.0}, (np.arange(3.0), np.ones(3)))
    assert (carry["a"].item(), ys[0].tolist(), ys[1]) == (3.0, [0.0, 0.0, 1.0], None)
    carry, ys = ops.scan(lambda c, x: (c + x.sum(), x * 2), 0.0, np.zeros((0, 4), "float32"))  # Keras fails
    assert carry.item() == 0.0 and ys.shape == (0, 4)
    assert ops.map(lambda x: {"s": x[0] + x[1]}, (np.arange(2), np.arange(2)))["s"].tolist() == [0, 2]
    assert ops.map(lambda x: x.sum(), np.zeros((0, 4), "float32")).shape == (0,)
    assert ops.associative_scan(lambda a, b: a + b, np.zeros((0, 2), "float32")).shape == (0, 2)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 17), st.booleans())
def test_associative_scan_of_matrices(n, reverse):
    x = torch.randn(n, 2, 2, dtype=torch.float64)
    ours = ops.associative_scan(lambda a, b: a @ b, x, reverse=reverse)
    total, expected = torch.eye(2, dtype=torch.float64), []
    for m in x.flip(0) if reverse else x:
        total = total @ m
        expected.append(total)
    close(ours, torch.stack(expected[::-1] if reverse else expected) if n else x, 1e-9)


def test_control_flow_is_differentiable():
    x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    ops.scan(lambda c, v: (c * v, c), torch.tensor(1.0), x)[0].backward()
    assert x.grad.tolist() == [6.0, 3.0, 2.0]


def test_symbolic_control_flow():
    x, flag, index = KerasTensor((None, 3)), KerasTensor((), "bool"), KerasTensor((), "int32")
    assert ops.cond(flag, lambda: torch.ones(2, 3), lambda: torch.zeros(2, 3)).shape == (2, 3)
    assert ops.switch(index, [lambda v: v * 2, lambda v: v + 1], x).shape == (None, 3)
    looped = ops.while_loop(lambda k, v: k < 3, lambda k, v: (k + 1, v * 2), (index, x))
    assert [t.shape for t in looped] == [(), (None, 3)]
    assert ops.fori_loop(0, 5, lambda k, v: v + 1, x).shape == (None, 3)
    carry, ys = ops.scan(lambda c, v: (c + v, v.sum()), KerasTensor((3,)), x)
    assert (carry.shape, ys.shape) == ((3,), (None,))
    assert ops.map(lambda v: v[:2], x).shape == (None, 2)
    assert ops.vectorized_map(lambda v: v.sum(), x).shape == (None,)
    assert ops.associative_scan(lambda a, b: a + b, x).shape == (None, 3)
    assert [t.shape for t in ops.unstack(x, axis=1)] == [(None,)] * 3


def test_traceable():
    x = torch.rand(4, 3)
    function = lambda x: ops.scan(lambda c, v: (c + v, c * v), x[0], ops.map(lambda v: v * 2, x))[1]  # noqa: E731
    close(torch.compile(function, fullgraph=True, backend="eager")(x), function(x), 1e-6)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: ops.convert_to_tensor([1], sparse=True), r"torch layers take dense tensors"),
        (lambda: ops.convert_to_numpy(KerasTensor((1,))), r"`x` must have values"),
        (lambda: ops.slice(f(3, 4), [2, 0], [2, 4]), r"inputs.shape=\(3, 4\), start_indices=\(2, 0\), shape=\(2, 4\)"),
        (lambda: ops.slice(f(3, 4), [2], [2, 1]), r"one entry per axis"),
        (lambda: ops.slice_update(f(3, 4), [2, 0], f(2, 4)), r"inputs.shape=\(3, 4\).*updates.shape=\(2, 4\)"),
        (lambda: ops.scatter(np.array([[5]]), f(1), (3,)), r"Received: 5 on axis 0"),
        (lambda: ops.scatter(np.array([[1]]), f(2), (3,)), r"values.shape=\(2,\), indices.shape=\(1, 1\)"),
        (lambda: ops.scatter_update(f(3), np.array([[-4]]), f(1)), r"Received: -4 on axis 0"),
        (lambda: ops.scatter_update(f(3), np.array([[1]]), f(1), "mean"), r"`reduction` must be None, 'add'"),
        (lambda: ops.unstack(f(3), 2), r"num=2, x.shape=\(3,\)"),
        (lambda: ops.unstack(KerasTensor((None, 3))), r"`num` must be given"),
        (lambda: ops.rearrange(f(2, 6), "b (h w) -> b h w"), r"pattern='b \(h w\) -> b h w', shape=\(2, 6\)"),
        (lambda: ops.rearrange(f(2, 6), "b c -> b"), r"each axis once"),
        (lambda: ops.rearrange(f(2, 6), "b -> b"), r"every axis"),
        (lambda: ops.scan(lambda c, x: (c, x), 0.0), r"`length` must be given"),
        (lambda: ops.scan(lambda c, x: (c, x), 0.0, f(3), 2), r"sizes \[3\], length=2"),
        (lambda: ops.scan(lambda c, x: (c, x), 0.0, f(3), unroll=0), r"`unroll` must be"),
        (lambda: ops.map(lambda x: x, 1.0), r"a first axis"),
        (lambda: ops.associative_scan(lambda a, b: a, (f(2), f(3))), r"shapes \[\(2,\), \(3,\)\]"),
        (lambda: ops.cond(KerasTensor((), "bool"), lambda: torch.ones(2), lambda: torch.ones(3)), r"one structure, shape and type"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_ops_are_found_in_the_package():
    assert torchkeras.ops is ops


def test_branches_of_a_switch_may_be_symbolic():
    x = KerasTensor((None, 2))
    first, second = ops.switch(KerasTensor((), "int32"), [lambda x: (x[:, 0], x[0]), lambda x: (x[:, 1], x[1])], x)
    assert (first.shape, second.shape) == ((None,), (2,))


def test_a_list_of_tensors_is_a_tensor():
    a, b = torch.ones(2), torch.arange(2)
    assert ops.sum([a, b], 0).tolist() == [1.0, 2.0]
    assert ops.add([a, a], [[b, b]]).shape == (1, 2, 2)
    assert ops.softmax([a.to(torch.bfloat16)] * 2).dtype is torch.bfloat16


def test_numbers_of_numpy_and_flags_of_any_kind_are_taken():
    x = np.arange(6.0, dtype="float32").reshape(2, 3)
    assert ops.sum(x, np.int64(1), keepdims=1).shape == (2, 1)
    assert ops.softmax(x, np.int64(0)).shape == (2, 3)
    assert ops.top_k(x, np.int64(2))[0].shape == (2, 2)
    assert ops.gaussian_blur(x.reshape(2, 3, 1), np.array([1, 1]), np.array([1.0, 1.0])).shape == (2, 3, 1)
    assert ops.max(3.0, axis=-1, keepdims=None).shape == ()
    assert ops.convert_to_tensor([2**40, 1]).dtype is torch.int64


def test_types_without_kernels_are_computed_in_the_next_one():
    x = torch.tensor([[0, 1, 2], [3, 4, 5]], dtype=torch.uint16)
    assert ops.max(x, 1).tolist() == [2, 5]
    half = torch.eye(3, dtype=torch.bfloat16) * 2
    assert ops.inv(half).dtype is torch.bfloat16
    assert ops.inv(half)[0, 0].item() == 0.5


def test_a_slice_of_fewer_axes_leaves_the_others_whole():
    assert ops.slice(np.arange(6).reshape(3, 2), (1,), (2,)).tolist() == [[2, 3], [4, 5]]
