"""`keras.ops.nn` against real Keras, and what torchkeras does where Keras's torch backend fails."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import processes
from tests.oracle import keras
from torchkeras import Variable, ops
from torchkeras.ops.nn.spatial import conv_transpose_geometry, same_padding, to_channels_first, to_channels_last

from .parity import case, check, check_symbolic, close, f, i

SPECIAL = np.array([[np.nan, np.inf, -np.inf, 0.0, 100.0, -100.0]], "float32")
ACTIVATIONS = (
    "relu relu6 sigmoid sparse_sigmoid softplus softsign soft_shrink sparse_plus silu swish squareplus log_sigmoid leaky_relu hard_sigmoid "
    "hard_silu hard_swish hard_tanh hard_shrink tanh_shrink elu celu selu gelu glu softmax log_softmax"
).split()
TABLE = [case(name, f(3, 4)) for name in ACTIVATIONS]
TABLE += [case(name, SPECIAL, gradient=False) for name in ACTIVATIONS]
TABLE += [case(name, f(2, 6).astype("float64")) for name in ACTIVATIONS]
TABLE += [
    case("leaky_relu", f(3, 4), negative_slope=0.5),
    case("elu", f(3, 4), alpha=0.5),
    case("celu", f(3, 4), alpha=2.0),
    case("gelu", f(3, 4), approximate=False),
    case("glu", f(3, 4, 5), axis=1),
    case("squareplus", f(3, 4), b=9),
    case("soft_shrink", f(3, 4), threshold=1.0),
    case("hard_shrink", f(3, 4), threshold=1.0),
    case("threshold", f(3, 4), 0.5, -7.0),
    case("softmax", f(2, 3, 4), axis=1),
    case("softmax", f(2, 3, 4), axis=(1, 2)),
    case("softmax", f(2, 3, 4), axis=(0, 2)),
    case("softmax", f(2, 3), axis=None, batched=0),
    case("log_softmax", f(2, 3, 4), axis=1),
    case("batch_normalization", f(2, 3, 4), f(4), f(4, low=0.1), -1, f(4), f(4)),
    case("batch_normalization", f(2, 3, 4), f(3), f(3, low=0.1), 1, epsilon=0.1),
    case("batch_normalization", f(2, 3, 4, 5), f(5), f(5, low=0.1), 3, None, f(5)),
    case("layer_normalization", f(2, 3, 4), f(4), f(4)),
    case("layer_normalization", f(2, 3, 4), f(3, 4), None, (1, 2), tol=1e-4),
    case("rms_normalization", f(2, 3, 4), f(4)),
    case("rms_normalization", f(2, 3, 4), f(3, 4), (1, 2), 0.1),
    case("normalize", f(2, 3, 4)),
    case("normalize", f(2, 3, 4), 1, 1),
    case("normalize", f(2, 3, 4), -1, 3, 0.5),
    case("normalize", np.zeros((2, 3), "float32"), gradient=False),
    case("moments", f(2, 3, 4), [0, 1]),
    case("moments", f(2, 3, 4), 1, True),
    case("moments", (f(2, 3) * 3e4).astype("float16"), [0], gradient=False),
    case("psnr", f(2, 3), f(2, 3), 1.5, batched=2),
    case("polar", f(3, low=0), f(3), batched=2),
    case("one_hot", i(3, 2), 4),
    case("one_hot", i(3, 2), 4, axis=1, dtype="int32"),
    case("one_hot", i(3, low=-1), 4, axis=0, dtype="bool"),
    case("multi_hot", i(3, 2), 4),
    case("multi_hot", i(3, 2, 2), 4),
    case("binary_crossentropy", f(3, 2, low=0, high=1), f(3, 2, low=0, high=1), batched=2),
    case("binary_crossentropy", f(3, 2, low=0, high=1), f(3, 2), from_logits=True, batched=2),
    case("binary_crossentropy", np.eye(2, dtype="float32"), np.eye(2, dtype="float32"), batched=2),
    case("categorical_crossentropy", f(3, 4, low=0, high=1), f(3, 4, low=0, high=1), batched=2),
    case("categorical_crossentropy", f(3, 4, low=0, high=1), f(3, 4), from_logits=True, batched=2),
    case("categorical_crossentropy", f(3, 4, 2, low=0, high=1), f(3, 4, 2, low=0, high=1), axis=1, batched=2),
    case("sparse_categorical_crossentropy", i(3), f(3, 4, low=0, high=1), batched=2),
    case("sparse_categorical_crossentropy", i(3, 1), f(3, 4), from_logits=True, batched=2),
    case("sparse_categorical_crossentropy", i(3, 2), f(3, 4, 2, low=0, high=1), axis=1, batched=2),
    case("sparse_categorical_crossentropy", np.array([0, 1]), np.eye(2, dtype="float32"), batched=2),
    case("dot_product_attention", f(2, 3, 2, 4), f(2, 5, 2, 4), f(2, 5, 2, 4), batched=3),
    case("dot_product_attention", f(2, 3, 2, 4), f(2, 5, 1, 4), f(2, 5, 1, 4), batched=3),
    case("dot_product_attention", f(2, 5, 2, 4), f(2, 5, 2, 4), f(2, 5, 2, 4), is_causal=True, scale=0.3, batched=3),
    case("dot_product_attention", f(2, 3, 2, 4), f(2, 5, 2, 4), f(2, 5, 2, 4), mask=f(3, 5) > 0, batched=3),
    case("dot_product_attention", f(2, 5, 2, 4), f(2, 5, 2, 4), f(2, 5, 2, 4), mask=f(1, 1, 5, 5) > 0, is_causal=True, batched=3),
    case("dot_product_attention", f(2, 3, 2, 4), f(2, 5, 2, 4), f(2, 5, 2, 4), mask=np.zeros((3, 5), bool), batched=3),
    case("dot_product_attention", f(2, 3, 2, 4), f(2, 5, 2, 4), f(2, 5, 2, 4), bias=f(2, 3, 5), batched=3),
    case("ctc_loss", i(2, 3, low=1), f(2, 6, 4), np.array([2, 3]), np.array([6, 5]), batched=4),
    case("ctc_loss", i(2, 3, high=3), f(2, 6, 4), np.array([2, 3]), np.array([6, 2]), mask_index=3, batched=4, gradient=False),
    case("ctc_decode", f(3, 6, 4), np.array([6, 4, 0]), batched=2),
    case("ctc_decode", f(3, 6, 4), np.array([6, 4, 1]), merge_repeated=False, mask_index=3, batched=2),
    case("ctc_decode", f(3, 6, 4), np.array([6, 4, 1]), strategy="beam_search", beam_width=6, top_paths=2, batched=2, gradient=False),
    case("ctc_decode", f(3, 6, 4), np.array([6, 4, 1]), strategy="beam_search", top_paths=3, mask_index=2, batched=2, gradient=False),
    case("space_to_depth", f(2, 4, 6, 3), 2),
    case("space_to_depth", f(2, 3, 4, 6), 2, "channels_first"),
    case("depth_to_space", f(2, 2, 3, 8), 2),
    case("depth_to_space", f(2, 8, 2, 3), 2, "channels_first"),
    case("unfold", f(2, 3, 5, 6), 2),
    case("unfold", f(2, 3, 5, 6), (2, 3), 2, 1, 2),
    case("fold", f(2, 8, 9), (4, 4), 2),
    case("adaptive_average_pool", f(2, 7, 3), 3),
    case("adaptive_average_pool", f(2, 7, 5, 3), (3, 2)),
    case("adaptive_max_pool", f(2, 3, 7, 5), 3, "channels_first"),
]
for rank, padding, data_format in itertools.product((1, 2, 3), ("valid", "same"), ("channels_last", "channels_first")):
    sizes = (7, 6, 5)[:rank]
    x = f(2, *sizes, 4) if data_format == "channels_last" else f(2, 4, *sizes)
    options = {"padding": padding, "data_format": data_format}
    TABLE += [
        case("conv", x, f(*(3, 2, 3)[:rank], 4, 6), strides=2, tol=1e-4, **options),
        case("conv", x, f(*(2, 3, 2)[:rank], 2, 4), dilation_rate=2, tol=1e-4, **options),
        case("conv_transpose", x, f(*(3, 2, 4)[:rank], 3, 4), strides=2, tol=1e-4, **options),
        case("conv_transpose", x, f(*(1, 2, 2)[:rank], 3, 4), strides=3, tol=1e-4, **options),
        case("conv_transpose", x, f(*(3, 2, 4)[:rank], 3, 4), strides=2, output_padding=1, tol=1e-4, **options),
        case("conv_transpose", x, f(*(3, 2, 2)[:rank], 3, 4), dilation_rate=2, tol=1e-4, **options),
        case("max_pool", x, 2, **options),
        case("max_pool", x, 3, 2, **options),
        case("average_pool", x, 2, 1, **options),
        case("average_pool", x, 3, 1, **options),
    ]
    if rank < 3:
        TABLE += [
            case("depthwise_conv", x, f(*(3, 2)[:rank], 4, 2), strides=2, tol=1e-4, **options),
            case("separable_conv", x, f(*(3, 2)[:rank], 4, 2), f(*(1, 1)[:rank], 8, 5), tol=1e-4, **options),
        ]


# Symbolic calls that Keras refuses, or whose shape contradicts what it computes.
KERAS_SYMBOLS_FAIL = {
    "adaptive_average_pool": lambda kwargs: True,  # an int as `output_size`
    "adaptive_max_pool": lambda kwargs: True,
    "conv": lambda kwargs: "dilation_rate" in kwargs,  # those with groups
    "categorical_crossentropy": lambda kwargs: "axis" in kwargs,
}


@pytest.mark.parametrize("name, args, kwargs, batched, gradient, tol", TABLE)
def test_op_is_keras(name, args, kwargs, batched, gradient, tol):
    check(name, args, kwargs, gradient, tol)


@pytest.mark.parametrize("name, args, kwargs, batched, gradient, tol", TABLE)
def test_symbolic_op_is_keras(name, args, kwargs, batched, gradient, tol):
    if batched:
        check_symbolic(name, args, kwargs, batched, KERAS_SYMBOLS_FAIL.get(name, lambda kwargs: False)(kwargs))


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 9), st.integers(1, 5), st.integers(1, 4), st.integers(1, 3), st.sampled_from(["valid", "same"]), st.booleans())
def test_convolutions_have_the_geometry_of_keras(size, kernel, stride, dilation, padding, pool):
    if stride > 1 and dilation > 1:
        stride = 1
    x, w = f(1, size, 2), f(kernel, 2, 3)
    if padding == "same" or size >= dilation * (kernel - 1) + 1:
        check("conv", (x, w, stride, padding, None, dilation), {}, tol=1e-4)
        if padding == "same" or size >= kernel:
            check("max_pool", (x, kernel, stride, padding), {}, gradient=False)
    check("conv_transpose", (x, f(kernel, 3, 2), stride, padding, None, None, dilation), {}, tol=1e-4)


def test_average_pooling_counts_only_what_lies_inside():
    """Keras's torch backend repeats the edge into the padding, unlike its other backends."""
    x = np.arange(7, dtype="float32").reshape(1, 7, 1)
    y = ops.average_pool(x, 4, 3, "same")
    assert y.flatten().tolist() == [1.0, 3.5, 5.5]


def test_uneven_average_pooling():
    x, ones = torch.rand(2, 7, 6, 5, 3), torch.ones(2, 7, 6, 5, 3)
    pads = [p for n, k, s in ((5, 3, 2), (6, 2, 1), (7, 3, 2)) for p in same_padding(n, k, s)]

    def mean(t):
        return torch.nn.functional.avg_pool3d(torch.nn.functional.pad(t.permute(0, 4, 1, 2, 3), pads), (3, 2, 3), (2, 1, 2))

    close(ops.average_pool(x, (3, 2, 3), (2, 1, 2), "same"), (mean(x) / mean(ones)).permute(0, 2, 3, 4, 1), 1e-5)


def test_sparsemax_is_the_nearest_point_of_the_simplex():
    """Keras's result does not even sum to one for many inputs."""
    x = torch.randn(5, 6, dtype=torch.float64, requires_grad=True)
    y = ops.sparsemax(x)
    close(y.sum(-1), torch.ones(5, dtype=torch.float64), 1e-9)
    threshold = (x - y).where(y > 0, torch.nan).nanmean(-1, keepdim=True)  # the optimality conditions of the projection
    close(y, (x - threshold).clamp(min=0), 1e-9)
    assert torch.autograd.gradcheck(ops.sparsemax, x)
    close(ops.sparsemax(x.mT, axis=0).mT, y, 1e-12)


def test_images_stay_views():
    x = torch.rand(2, 5, 6, 3)
    assert to_channels_first(x, 2).data_ptr() == x.data_ptr()
    assert to_channels_first(x, 2).is_contiguous(memory_format=torch.channels_last)
    assert to_channels_last(to_channels_first(x, 2), 2).is_contiguous()
    assert ops.conv(x, torch.rand(3, 3, 3, 4), padding="same").is_contiguous()


@pytest.mark.parametrize("arguments, pads", [((7, 3, 2), (1, 1)), ((6, 3, 2), (0, 1)), ((5, 1, 3), (0, 0)), ((5, 2, 1, 3), (1, 2))])
def test_same_padding(arguments, pads):
    assert same_padding(*arguments) == pads


def test_transposed_geometry():
    assert conv_transpose_geometry(6, 3, 2, 1, "same", None) == (0, 12)
    assert conv_transpose_geometry(6, 5, 2, 1, "valid", None) == (0, 15)
    assert conv_transpose_geometry(6, 3, 2, 1, "same", 0) == (1, 11)


def test_integers_pool_without_rounding():
    x = np.array([[[2**24 + 1], [2**24], [5], [-7]]], "int32")
    assert ops.max_pool(x, 2).flatten().tolist() == [2**24 + 1, 5]
    assert ops.max_pool(x, 3, 2, "same").dtype is torch.int32


@pytest.mark.parametrize("name", "sigmoid softplus silu gelu leaky_relu softmax log_softmax elu hard_sigmoid sparsemax".split())
def test_integers_become_floats_where_keras_fails(name):
    """Keras's torch backend hands integers to kernels that do not take them, and its symbolic calls say int32."""
    x = np.array([[1, -2, 3]])
    close(getattr(ops, name)(x), getattr(ops, name)(x.astype("float32")), 1e-6)


def test_layer_normalization_over_an_inner_axis_takes_weights():
    """Keras gives the weights of axis 1 to the last axis and fails."""
    x, gamma, beta = f(2, 3, 4), f(3), f(3)
    expected = keras.ops.layer_normalization(x.swapaxes(1, 2).copy(), gamma, beta).swapaxes(1, 2)
    close(ops.layer_normalization(x, gamma, beta, 1), expected, 1e-5)


def test_multi_hot_axis():
    """Keras reduces the axis of the classes when that is axis 1."""
    labels = np.array([[[0, 2], [1, 1]]])
    assert ops.multi_hot(labels, 3, axis=1).shape == (1, 3, 2)


def test_attention_with_capped_logits():
    q, k, v = (torch.rand(2, 5, 2, 4) for _ in range(3))
    logits = 2 * torch.tanh(torch.einsum("btnh,bsnh->bnts", q, k) / 2 / 2)
    expected = torch.einsum("bnts,bsnh->btnh", logits.softmax(-1), v)
    close(ops.dot_product_attention(q, k, v, attn_logits_soft_cap=2.0), expected, 1e-5)


def test_beam_search_finds_the_likeliest_labels():
    """Against the sum over all alignments."""
    logits = torch.randn(1, 4, 3)
    probabilities = logits.log_softmax(-1)[0]
    totals: dict[tuple, torch.Tensor] = {}
    for path in itertools.product(range(3), repeat=4):
        labels = tuple(k for k, _ in itertools.groupby(path) if k != 0)
        p = sum(probabilities[t, s] for t, s in enumerate(path)).exp()
        totals[labels] = totals.get(labels, 0) + p
    best = sorted(totals.items(), key=lambda item: -item[1])[:3]
    decoded, scores = ops.ctc_decode(logits, np.array([4]), "beam_search", 100, 3)
    close(scores[0], torch.stack([p.log() for _, p in best]), 1e-5)
    assert [tuple(s for s in row.tolist() if s >= 0) for row in decoded[:, 0]] == [labels for labels, _ in best]


def test_weights_are_arguments():
    kernel = Variable(f(2, 3, 4))
    x = torch.rand(1, 5, 3)
    ops.conv(x, kernel).sum().backward()
    assert kernel.grad.shape == (2, 3, 4)


@pytest.mark.parametrize("name, shape", [("softmax", (0, 3)), ("relu", (0,)), ("layer_normalization", (0, 4)), ("one_hot", (0,))])
def test_empty(name, shape):
    x = np.zeros(shape, "int32" if name == "one_hot" else "float32")
    result = getattr(ops, name)(x, 3) if name == "one_hot" else getattr(ops, name)(x)
    assert result.shape == (shape if name != "one_hot" else (0, 3))


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: ops.sparse_categorical_crossentropy(np.array([0, 5]), f(2, 3)), r"`target` must hold labels of 3 classes.*Received: 5"),
        (lambda: ops.sparse_categorical_crossentropy(np.array([0, -1]), f(2, 3)), r"Received: -1"),
        (lambda: ops.sparse_categorical_crossentropy(np.array([0]), f(2, 3)), r"target.shape=\(1,\), output.shape=\(2, 3\)"),
        (lambda: ops.categorical_crossentropy(f(1, 3), f(2, 3)), r"target.shape=\(1, 3\), output.shape=\(2, 3\)"),
        (lambda: ops.binary_crossentropy(f(1, 3), f(2, 3)), r"target.shape=\(1, 3\), output.shape=\(2, 3\)"),
        (lambda: ops.one_hot(np.array([1, 7]), 3), r"`x` must hold labels of 3 classes.*Received: 7"),
        (lambda: ops.conv(f(1, 5, 3), f(2, 2, 4)), r"inputs.shape=\(1, 5, 3\), kernel.shape=\(2, 2, 4\)"),
        (lambda: ops.conv(f(1, 2, 3), f(5, 3, 4)), r"smaller than the window"),
        (lambda: ops.conv(f(1, 5, 3), f(2, 3, 4), padding="full"), r"`padding` must be"),
        (lambda: ops.conv(f(1, 5, 3), f(2, 3, 4), strides=0), r"`strides` must be a positive int"),
        (lambda: ops.conv_transpose(f(1, 5, 3), f(2, 2, 4)), r"inputs.shape=\(1, 5, 3\), kernel.shape=\(2, 2, 4\)"),
        (lambda: ops.max_pool(f(1, 2, 3), 4), r"pool_size=\(4,\), spatial axes \(2,\)"),
        (lambda: ops.glu(f(2, 3)), r"x.shape=\(2, 3\)"),
        (lambda: ops.batch_normalization(f(2, 3), f(2), f(3), 1), r"mean.shape=\(2,\), x.shape=\(2, 3\)"),
        (lambda: ops.layer_normalization(f(2, 3), f(2)), r"gamma.shape=\(2,\), x.shape=\(2, 3\)"),
        (lambda: ops.normalize(f(2, 3), order=0), r"`order` must be an int of at least 1"),
        (lambda: ops.psnr(f(2, 3), f(2, 2), 1.0), r"x1.shape=\(2, 3\), x2.shape=\(2, 2\)"),
        (lambda: ops.dot_product_attention(f(2, 3), f(2, 3), f(2, 3)), r"query.shape=\(2, 3\)"),
        (lambda: ops.ctc_loss(i(1, 3), f(2, 6, 4), i(2), i(2)), r"target.shape=\(1, 3\), output.shape=\(2, 6, 4\)"),
        (lambda: ops.ctc_decode(f(1, 6, 4), i(1), "best"), r"`strategy` must be 'greedy' or 'beam_search'"),
        (lambda: ops.space_to_depth(f(1, 3, 4, 1), 2), r"block_size=2, x.shape=\(1, 3, 4, 1\)"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_labels_out_of_range_do_not_stop_a_device():
    """Where looking would wait for the device, as while tracing, the loss of such a label is NaN."""
    from torch._subclasses.fake_tensor import FakeTensorMode

    with FakeTensorMode():
        assert ops.sparse_categorical_crossentropy(torch.zeros(2, dtype=torch.int64), torch.rand(2, 3)).shape == (2,)
    loss = torch.func.vmap(ops.sparse_categorical_crossentropy)(torch.tensor([0, 5]), torch.rand(2, 3))
    assert loss.isnan().tolist() == [False, True]


def _moments(rank):
    torch.manual_seed(0)
    whole = torch.randn(5, 4, 3, dtype=torch.float64)
    mine = (whole[:3] if rank == 0 else whole[3:]).clone().requires_grad_()
    mean, variance = ops.moments(mine, [0, 1], synchronized=True)
    torch.testing.assert_close(mean, whole.mean((0, 1)))
    torch.testing.assert_close(variance, whole.var((0, 1), correction=0))
    (variance.sum() / 2).backward()  # each process adds its own loss
    expected = 2 * (whole - whole.mean((0, 1))) / 20
    torch.testing.assert_close(mine.grad, expected[:3] if rank == 0 else expected[3:])


@pytest.mark.slow
def test_moments_of_all_processes():
    processes.run(_moments, 2)
