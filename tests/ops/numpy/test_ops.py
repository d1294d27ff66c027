"""What the tables do not hold: where Keras is wrong, kinds of arguments, errors by message, graphs, compilation."""

import math

import numpy as np
import pytest
import torch

import torchkeras.ops.numpy as ops
from torchkeras.graph import KerasTensor
from torchkeras.variable import Variable

# -- where Keras is wrong --------------------------------------------------------------------------------------------------------------


def test_64_bits_are_kept():
    big = torch.tensor([2**40, 3])
    assert ops.maximum(big, 0).tolist() == [2**40, 3]  # Keras casts to int32: [0, 3]
    assert ops.cumsum(big).tolist() == [2**40, 2**40 + 3]
    assert ops.prod(big).item() == 3 * 2**40
    assert ops.mean(torch.tensor([1.0, 1.0 + 1e-12], dtype=torch.float64)).dtype is torch.float64


def test_a_number_in_a_tensor_counts():
    # Keras leaves tensors without axes to torch and contradicts its own symbolic type.
    assert ops.add(torch.tensor(0, dtype=torch.uint8), torch.zeros(2, dtype=torch.int8)).dtype is torch.int16


def test_correlate_keeps_the_length_of_the_longer_vector():
    for mode in ("valid", "same", "full"):
        for a, b in (([1.0, 2.0], [0.0, 1.0, 2.0, 5.0, 6.0]), ([1.0, 2.0, 3.0, 4.0], [0.0, 1.0])):
            np.testing.assert_allclose(ops.correlate(a, b, mode).numpy(), np.correlate(a, b, mode))


def test_extremes_of_empty_tensors_are_numpy():
    empty = torch.zeros(0, 3)
    assert ops.max(empty, axis=1).shape == (0,)  # Keras raises
    assert ops.max(empty, axis=0, initial=2.0).tolist() == [2.0, 2.0, 2.0]  # Keras: one number


@pytest.mark.parametrize("mode", ["reflect", "symmetric", "edge", "wrap"])
def test_pad_modes_are_numpy_for_any_width(mode):
    x = np.arange(12.0).reshape(3, 4)
    for width in (1, ((5, 2), (0, 7))):
        np.testing.assert_array_equal(ops.pad(x, width, mode=mode).numpy(), np.pad(x, width, mode=mode))


def test_cross_takes_any_axes_and_plane_vectors():
    a, b = np.random.rand(2, 4, 3), np.random.rand(3, 2, 4)
    np.testing.assert_allclose(ops.cross(a, b, axisb=0, axisc=1).numpy(), np.cross(a, b, axisb=0, axisc=1), rtol=1e-6)
    np.testing.assert_allclose(ops.cross([1.0, 2.0], [3.0, 5.0]).numpy(), -1.0)
    np.testing.assert_allclose(ops.cross([1.0, 2.0], [3.0, 5.0, 1.0]).numpy(), [2.0, -1.0, -1.0])


def test_meshgrid_keeps_types():
    x, y = ops.meshgrid(torch.tensor([1, 2]), torch.tensor([1.0, 2.0, 3.0]))
    assert x.dtype is torch.int64 and y.dtype is torch.float32 and x.shape == y.shape == (3, 2)


def test_linspace_takes_tensors():
    start, stop = np.array([0.0, 1.0]), np.array([1.0, 3.0])
    for axis in (0, -1):
        np.testing.assert_allclose(ops.linspace(start, stop, 4, axis=axis).numpy(), np.linspace(start, stop, 4, axis=axis))
    numbers, step = ops.linspace(0, 10, 5, endpoint=False, retstep=True)
    assert numbers.tolist() == [0, 2, 4, 6, 8] and step == 2


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_nextafter_is_the_neighbour(dtype):
    x = torch.tensor([0.0, 0.0, 1.0, 1.0, -1.0, -1.0, 2.0, torch.inf, torch.nan, 3.0], dtype=dtype)
    to = torch.tensor([1.0, -1.0, 2.0, 0.0, -2.0, 0.0, 2.0, 0.0, 1.0, torch.nan], dtype=dtype)
    result = ops.nextafter(x, to)
    finest = torch.finfo(dtype)
    assert torch.equal(torch.isnan(result), torch.tensor([False] * 8 + [True] * 2))
    assert 0 < result[0] <= finest.tiny and 0 > result[1] >= -finest.tiny
    expected = [1 + finest.eps, 1 - finest.eps / 2, -1 - finest.eps, -1 + finest.eps / 2, 2.0, finest.max]
    assert result[2:8].tolist() == expected


def test_nonzero_indexes_a_tensor():
    x = torch.tensor([[1, 0], [0, 3]])
    assert x[ops.nonzero(x)].tolist() == [1, 3]  # Keras's stacked tensor would take rows
    assert [p.dtype for p in ops.where(x)] == [torch.int32] * 2


def test_vdot_flattens_and_einsum_promotes():
    x = torch.arange(4.0).reshape(2, 2)
    assert ops.vdot(x, x).item() == 14.0
    assert ops.einsum("ij,jk", x.to(torch.int64), x).dtype is torch.float32
    assert ops.einsum("ij,jk", x, x, optimize=False).tolist() == [[2.0, 3.0], [6.0, 11.0]]


def test_divide_no_nan_has_finite_gradients():
    x1, x2 = torch.ones(2, requires_grad=True), torch.tensor([0.0, 2.0], requires_grad=True)
    ops.divide_no_nan(x1, x2).sum().backward()
    assert x1.grad.tolist() == [0.0, 0.5] and x2.grad.tolist() == [0.0, -0.25]


@pytest.mark.slow
def test_quantiles_of_large_tensors():
    assert ops.quantile(torch.arange(17_000_000, dtype=torch.float32), 0.25).item() == pytest.approx(
        4_250_000, rel=1e-6
    )  # torch: too large


def test_quantiles_of_infinite_tensors():
    assert ops.median([1.0, math.inf, math.inf, math.inf]).item() == math.inf
    assert ops.quantile([-math.inf, math.inf], [0.0, 1.0]).tolist() == [-math.inf, math.inf]


# -- kinds of arguments ----------------------------------------------------------------------------------------------------------------


def test_arrays_numbers_lists_tensors_and_variables_are_taken():
    variable = Variable([1.0, 2.0], trainable=True)
    for x in ([1.0, 2.0], (1.0, 2.0), np.array([1.0, 2.0], "float32"), torch.tensor([1.0, 2.0]), variable):
        assert ops.add(x, x).tolist() == ops.multiply(x, 2).tolist() == ops.multiply(np.float32(2), x).tolist() == [2.0, 4.0]
        assert ops.concatenate([x, x]).shape == (4,)
    ops.sum(ops.square(variable)).backward()
    assert variable.grad.tolist() == [2.0, 4.0]


def test_numpy_integers_are_numbers():
    one, x = np.int64(1), torch.arange(6.0).reshape(2, 3)
    assert ops.sum(x, axis=one).tolist() == [3, 12] and ops.roll(x, one, axis=one).tolist() == [[2, 0, 1], [5, 3, 4]]
    assert ops.expand_dims(x, one).shape == (2, 1, 3) and ops.reshape(x, np.array([3, 2])).shape == (3, 2) and ops.zeros(one).shape == (1,)


def test_unsigned_arrays_that_torch_cannot_compute_with_grow():
    assert ops.add(np.array([65535], "uint16"), 1).tolist() == [65536]
    assert ops.add(np.array([2**32 - 1], "uint32"), 1).tolist() == [2**32]


def test_weights_join_symbolic_calls():
    weights = Variable([[1.0, 2.0], [3.0, 4.0]], trainable=True)
    assert ops.einsum("bi,io->bo", KerasTensor((None, 2)), weights * 2).shape == (None, 2)


def test_size_and_ndim():
    assert ops.size(np.zeros((2, 3))) == ops.size([[1, 2, 3], [4, 5, 6]]) == 6 and ops.ndim(3) == 0
    assert ops.size(KerasTensor((None, 3))).shape == () and ops.ndim(KerasTensor((None, 3))) == 2


def test_empty_and_imag_and_copy():
    assert ops.empty((2, 0), "int8").dtype is torch.int8 and ops.empty_like(torch.ones(2, 3)).shape == (2, 3)
    assert ops.imag(torch.tensor([1 + 2j])).tolist() == [2.0] and ops.imag([1.0]).tolist() == [0.0]
    source = np.ones(2)
    ops.array(source).zero_()
    assert source.tolist() == [1.0, 1.0]
    x = torch.ones(2)
    assert ops.array(x) is not x and ops.array(x).data_ptr() != x.data_ptr() and ops.copy(x).data_ptr() != x.data_ptr()


def test_vectorize_maps_over_the_axes_that_a_signature_leaves():
    rows, shift = torch.arange(6.0).reshape(3, 2), torch.ones(3)
    mapped = ops.vectorize(lambda row, s: row.sum() + s, signature="(n),()->()")
    assert mapped(rows, shift).tolist() == [2.0, 6.0, 10.0]
    assert ops.vectorize(lambda x, y: x * y)(rows, torch.tensor([1.0, 10.0])).tolist() == [[0, 10], [2, 30], [4, 50]]
    assert ops.vectorize(lambda x, by: x * by, excluded={1})(rows, 2.0).tolist() == (rows * 2).tolist()
    with pytest.raises(ValueError, match=r"`signature` must read like '\(m,n\),\(n\)->\(m\)'. Received: signature='n->n'"):
        ops.vectorize(lambda x: x, signature="n->n")


# -- errors ----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: ops.add(torch.ones(2), torch.ones(3)), r"Shapes that do not fit in `add`. Received: x1 \(2,\), x2 \(3,\)"),
        (lambda: ops.matmul(torch.ones(2, 3), torch.ones(4, 3)), r"`matmul`. Received: x1 \(2, 3\), x2 \(4, 3\)"),
        (lambda: ops.where([True, False], torch.ones(3), 0.0), r"`where`. Received: condition \(2,\), x1 \(3,\), x2 \(\)"),
        (lambda: ops.concatenate([torch.ones(2, 3), torch.ones(2, 2)]), r"`concatenate`. Received: xs \(2, 3\), xs \(2, 2\)"),
        (lambda: ops.stack([torch.ones(2), torch.ones(1)]), r"`stack`. Received: x \(2,\), x \(1,\)"),
        (lambda: ops.einsum("ij,jk", torch.ones(2, 3), torch.ones(2, 3)), r"`einsum`. Received: operands \(2, 3\), operands \(2, 3\)"),
        (lambda: ops.reshape(torch.ones(4), (3, 2)), r"`reshape`. Received: x \(4,\). shape '\[3, 2\]'"),
        (lambda: ops.broadcast_to(torch.ones(2), (3, 3)), r"`broadcast_to`. Received: x \(2,\)"),
        (
            lambda: ops.sum(torch.ones(2), axis=3),
            r"`axis` must name different axes of `x`, which has 1. Received: axis=3, x of shape \(2,\)",
        ),
        (lambda: ops.sum(torch.ones(2, 2), axis=(0, -2)), r"`axis` must name different axes"),
        (lambda: ops.cumsum(torch.ones(2), axis=3), r"Shapes that do not fit in `cumsum`. Received: x \(2,\)"),
        (lambda: ops.max(torch.ones(0, 3)), r"`max` needs elements: axis 0 of `x` is empty and there is no `initial`"),
        (lambda: ops.argmax(torch.ones(0)), r"`x` must have elements along `axis`"),
        (lambda: ops.squeeze(torch.ones(1, 2), 1), r"`axis` must name axes of size 1. Received: axis=1, x of shape \(1, 2\)"),
        (lambda: ops.transpose(torch.ones(2, 3), (0, 0)), r"`axes` must name each of the 2 axes once"),
        (lambda: ops.split(torch.ones(4), 3), r"`indices_or_sections` must divide axis 0 of `x`. Received: indices_or_sections=3"),
        (lambda: ops.pad(torch.ones(2), 1, mode="mirror"), r"`mode` must be one of constant, reflect.*Received: mode='mirror'"),
        (lambda: ops.pad(torch.ones(2), 1, "edge", 3), r"`constant_values` is for mode='constant'"),
        (
            lambda: ops.average(torch.ones(2, 3), axis=0, weights=[1.0, 1.0, 1.0]),
            r"`weights` must have the shape of `x` or that of its axes",
        ),
        (lambda: ops.quantile([1.0], 0.5, method="odd"), r"`method` must be one of linear, lower"),
        (lambda: ops.bincount([-1, 2]), r"`x` must not hold negative numbers. Received: x with least element -1"),
        (lambda: ops.bincount([1, 2], weights=[1.0]), r"`weights` must have the shape of `x`. Received: shapes \(1,\) and \(2,\)"),
        (lambda: ops.bincount([1], sparse=True), r"`sparse` must be False"),
        (lambda: ops.histogram([1.0], bins=0), r"`bins` must be positive"),
        (lambda: ops.histogram([1.0], range=(3, 1)), r"`range` must hold a first edge"),
        (lambda: ops.searchsorted(torch.ones(2, 2), 1.0), r"`sorted_sequence` must have one axis"),
        (lambda: ops.argpartition([1.0, 2.0], 2), r"`kth` must be a place along axis"),
        (lambda: ops.where([True], 1), r"`x1` and `x2` must be given both or neither"),
        (lambda: ops.select([[True]], []), r"`condlist` and `choicelist` must have one length"),
        (lambda: ops.meshgrid([1], indexing="yx"), r"`indexing` must be 'xy' or 'ij'"),
        (lambda: ops.cross([1.0], [2.0]), r"`x1` and `x2` must hold vectors of 2 or 3 components"),
        (lambda: ops.correlate([1.0], [2.0], "some"), r"`mode` must be 'valid', 'same' or 'full'"),
        (lambda: ops.linspace(0, 1, -1), r"`num` must not be negative"),
        (lambda: ops.rot90([1.0]), r"`array` must have at least 2 axes"),
        (lambda: ops.vander([[1.0]]), r"`x` must have one axis"),
        (lambda: ops.reshape(KerasTensor((2, 3)), (4,)), r"`newshape` must hold the 6 elements of `x`. Received: newshape=\(4,\)"),
        (lambda: ops.add(KerasTensor((2, 3)), KerasTensor((4, 3))), r"Received: x1 \(2, 3\), x2 \(4, 3\)"),
        (lambda: KerasTensor((2, 3))[:, 3], r"`key` must hold places inside `x`"),
    ],
)
def test_bad_input_is_a_value_error(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_types_that_do_not_fit_are_type_errors():
    with pytest.raises(TypeError, match="`x2` must hold integers: it is an exponent"):
        ops.ldexp([1.0], [1.0])
    with pytest.raises(TypeError, match="`bins` must be an integer"):
        ops.histogram([1.0], bins=[0.0, 1.0])
    with pytest.raises(TypeError, match="unexpected arguments: colour"):
        ops.einsum("i->", [1.0], colour=1)


# -- graphs and compilation ------------------------------------------------------------------------------------------------------------


def test_operators_and_indexing_record_ops():
    x = KerasTensor((None, 4))
    recorded = {
        "add": x + 1, "subtract": 1 - x, "multiply": 2 * x, "true_divide": x / 2, "floor_divide": x // 2, "mod": x % 2, "power": x**2,
        "matmul": x @ KerasTensor((4, 2)), "negative": -x, "absolute": abs(x), "less": x < 1, "less_equal": x <= 1, "greater": x > 1,
        "greater_equal": x >= 1, "equal": x == 1, "not_equal": x != 1, "logical_and": (x > 0) & (x < 1), "logical_or": (x > 0) | (x < 1),
        "logical_xor": (x > 0) ^ (x < 1), "logical_not": ~(x > 0), "get_item": x[:, 1:3],
    }  # fmt: skip
    assert {name: t.history.operation.fn for name, t in recorded.items()} == {name: getattr(ops, name) for name in recorded}
    assert (
        recorded["get_item"].shape == (None, 2) and x[:5].shape == (None, 4) and x[0].shape == (4,) and x[..., None].shape == (None, 4, 1)
    )


def test_known_sizes_tell_unknown_ones():
    assert ops.add(KerasTensor((None, 3)), KerasTensor((2, 1))).shape == (2, 3)
    assert ops.matmul(KerasTensor((5, None)), KerasTensor((4, 2))).shape == (5, 2)
    assert ops.diag(KerasTensor((None, 4))).shape == (None,)


def test_symbolic_outputs_that_depend_on_values():
    x = KerasTensor((None, 3), "int32")
    assert [(p.shape, p.dtype) for p in ops.nonzero(x)] == [((None,), "int32")] * 2
    assert [p.shape for p in ops.where(x)] == [(None,)] * 2
    assert ops.unique(x).shape == (None,) and ops.bincount(x).shape == (None, None)


COMPILED = {
    "arithmetic": lambda x, y: ops.power(ops.abs(ops.divide(ops.add(x, 1), ops.subtract(ops.maximum(y, 0.5), -2))), ops.clip(y, 1, 2)),
    "integers": lambda x, y: ops.mod(ops.floor_divide(ops.sum(x > 0, axis=1), 2), 3) + ops.argmax(y, axis=-1),
    "reductions": lambda x, y: ops.var(x, axis=(0, 1)) + ops.mean(y) + ops.logaddexp(ops.max(x), ops.std(y, axis=1, keepdims=True)),
    "quantiles": lambda x, y: ops.median(x, axis=0) + ops.quantile(y, 0.3, axis=0),
    "shapes": lambda x, y: ops.reshape(ops.concatenate([ops.transpose(x), ops.expand_dims(y, 0)[0].T], axis=-1), (-1, 4)),
    "joins": lambda x, y: ops.stack(ops.split(ops.pad(ops.tile(x, (2, 1)), ((1, 1), (0, 0)), mode="edge"), 2), axis=1),
    "places": lambda x, y: ops.where(x > y, ops.take(x, [0, 0], axis=0), ops.take_along_axis(y, ops.argsort(x), axis=-1)),
    "products": lambda x, y: ops.einsum("ij,kj->ik", x, y) + ops.tensordot(x, y, axes=([1], [1])) + ops.matmul(x, ops.transpose(y)),
    "creation": lambda x, y: (
        ops.ones_like(x) * ops.eye(2, 3) + ops.arange(3, dtype="float32") + ops.full((3,), 2.0) + ops.linspace(0, 1, 3)
    ),
}


@pytest.mark.parametrize("name", COMPILED)
def test_ops_trace_whole(name):
    x, y = torch.randn(2, 3), torch.randn(2, 3)
    compiled = torch.compile(COMPILED[name], fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(x, y), COMPILED[name](x, y))
