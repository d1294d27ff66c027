"""Calls of every op in `keras.ops.numpy`, as data: arrays stand for tensors, everything else is passed as it is."""

import numpy as np

rng = np.random.default_rng(7)


def f(*shape, low=-2.0, high=2.0):
    return rng.uniform(low, high, shape).astype("float32")


def i(*shape, low=-4, high=5, dtype="int32"):
    return rng.integers(low, high, shape).astype(dtype)


def b(*shape):
    return rng.random(shape) > 0.5


def with_nan(x):
    x = x.copy()
    x.flat[::4] = np.nan
    return x


def call(*args, **kwargs):
    return args, kwargs


SPECIAL = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.5, -2.5, 0.5], "float32")
ANY_UNARY = (
    "abs absolute angle conj conjugate copy isfinite isinf isnan isneginf isposinf isreal nan_to_num real ravel sign square signbit trunc"
).split()
FLOAT_UNARY = (
    "arcsinh arctan cbrt ceil cos cosh deg2rad exp exp2 expm1 fabs floor i0 rad2deg reciprocal sin sinc sinh tan tanh negative round"
).split()
POSITIVE_UNARY = "log log10 log1p log2 sqrt".split()
UNIT_UNARY = "arccos arcsin arctanh".split()
FLOAT_BINARY = "arctan2 divide true_divide divide_no_nan hypot logaddexp logaddexp2 nextafter heaviside".split()
SAME_BINARY = "add multiply maximum minimum fmax fmin subtract".split()
COMPARE = "equal greater greater_equal less less_equal not_equal isclose logical_and logical_or logical_xor".split()
BITS = "bitwise_and bitwise_or bitwise_xor".split()
REDUCE = (
    "all any sum prod mean max min amax amin std var ptp count_nonzero median nanmean nansum nanprod nanmax nanmin nanstd nanvar nanmedian"
).split()
CUMULATIVE = "cumsum cumprod nancumsum nancumprod".split()
PLACES = "argmax argmin nanargmax nanargmin".split()

CASES = {}
for name in ANY_UNARY + FLOAT_UNARY:
    CASES[name] = [call(f(2, 3)), call(i(4)), call(SPECIAL)]
for name in ANY_UNARY:
    CASES[name].append(call(b(3)))
for name in POSITIVE_UNARY:
    CASES[name] = [call(f(2, 3, low=0.1)), call(i(4, low=1)), call(SPECIAL)]
for name in UNIT_UNARY:
    CASES[name] = [call(f(2, 3, low=-0.9, high=0.9)), call(i(4, low=0, high=1)), call(SPECIAL)]
CASES["arccosh"] = [call(f(2, 3, low=1.1)), call(i(3, low=1)), call(SPECIAL)]
CASES["logical_not"] = [call(f(3)), call(i(3)), call(b(3))]
CASES["round"] += [call(f(5), decimals=1), call(i(5, low=-99, high=99), decimals=-1)]
CASES["nan_to_num"] += [call(SPECIAL, nan=1.0, posinf=2.0, neginf=3.0)]
for name in ("bitwise_invert", "bitwise_not"):
    CASES[name] = [call(i(2, 3)), call(b(3)), call(i(3, dtype="int8")), call(i(3, low=0, dtype="uint8"))]
for name in FLOAT_BINARY + SAME_BINARY + COMPARE:
    CASES[name] = [call(f(2, 3), f(3)), call(f(2, 1), i(1, 3)), call(i(3), 2), call(SPECIAL, SPECIAL[::-1].copy()), call(2.5, f(3))]
for name in ("floor_divide", "mod", "fmod"):
    CASES[name] = [call(f(2, 3), f(3, low=0.5)), call(i(2, 3), i(3, low=1)), call(i(3), -2), call(f(3), 0.7)]
CASES["power"] = [
    call(f(2, 3, low=0.1), f(3)),
    call(i(3), 2),
    call(f(3), 3),
    call(2.0, f(3)),
    call(i(3, low=0, high=3), i(3, low=0, high=3)),
]
CASES["ldexp"] = [call(f(2, 3), i(3)), call(i(3), i(3)), call(f(3), 2)]
for name in BITS:
    CASES[name] = [call(i(2, 3), i(3)), call(b(3), b(3)), call(i(3, dtype="int8"), 3), call(i(3, low=0, dtype="uint8"), i(3))]
for name in ("left_shift", "bitwise_left_shift", "right_shift", "bitwise_right_shift"):
    CASES[name] = [call(i(2, 3), i(3, low=0)), call(i(3, dtype="int8"), 2)]
for name in ("gcd", "lcm"):
    CASES[name] = [call(i(2, 3), i(3)), call(i(3, low=0, dtype="uint8"), 6)]
CASES["isclose"] += [call(SPECIAL, SPECIAL, equal_nan=True), call(f(3), f(3), rtol=1.0, atol=0.5), call(b(3), b(3))]
CASES["allclose"] = [call(f(3), f(3)), call(SPECIAL, SPECIAL), call(SPECIAL, SPECIAL, equal_nan=True), call(f(2), f(2), 10.0)]
CASES["isin"] = [call(i(2, 3), i(4)), call(i(3), [1, 2], invert=True), call(f(3), f(2)), call(b(3), b(1))]
CASES["clip"] = [
    call(f(2, 3), -1.0, 1.0),
    call(i(4), 0.5, 2.5),
    call(i(3), -1, 1),
    call(f(2, 3), f(3, low=-1, high=0), f(3, low=0)),
    call(b(3), 0, 1),
]

for name in REDUCE:
    CASES[name] = [
        call(f(2, 3)),
        call(f(2, 3, 4), axis=1),
        call(f(2, 3, 4), axis=-1),
        call(with_nan(f(2, 3, 4)), axis=(0, 2)),
        call(i(2, 3), axis=0),
        call(i(2, 3, dtype="int8")),
        call(np.float32(1.5)),
    ]
    if name != "count_nonzero":
        CASES[name] += [call(f(2, 3, 4), axis=(0, -1), keepdims=True), call(i(2, 3), keepdims=True)]
    if name not in ("ptp",):
        CASES[name] += [call(b(2, 3), axis=1)]
for name in ("sum", "prod", "any", "all", "count_nonzero", "nansum", "nanprod"):
    CASES[name] += [call(f(0, 3), axis=0), call(f(0, 3)), call(f(2, 3), axis=())]
for name in ("mean", "var"):
    CASES[name] += [call(f(0, 3), axis=0)]
for name in ("max", "min"):
    CASES[name] += [call(f(2, 3), axis=1, initial=0.5), call(i(3), initial=1)]
for name in PLACES:
    CASES[name] = [
        call(f(2, 3)),
        call(f(2, 3), axis=1),
        call(i(2, 3), axis=0, keepdims=True),
        call(f(2, 3), keepdims=True),
        call(with_nan(f(2, 3)), axis=-1),
    ]
for name in ("argmax", "argmin"):
    CASES[name] += [call(b(2, 3), axis=1)]
for name in CUMULATIVE:
    CASES[name] = [
        call(f(2, 3)),
        call(f(2, 3), axis=1),
        call(i(2, 3), axis=0),
        call(b(3)),
        call(i(3), dtype="float32"),
        call(i(3, dtype="int8")),
    ]
CASES["prod"] += [call(i(2, 3), axis=1, dtype="float32")]
CASES["average"] = [
    call(f(2, 3)),
    call(f(2, 3), axis=1, weights=f(3, low=0.1)),
    call(f(2, 3), axis=0, weights=f(2, low=0.1)),
    call(i(2, 3), weights=i(2, 3, low=1)),
    call(f(2, 3), axis=1),
    call(f(2, 3), axis=1, weights=f(2, 3, low=0.1)),
]
for name, q in (("quantile", 1), ("nanquantile", 1), ("percentile", 100), ("nanpercentile", 100)):
    CASES[name] = [
        call(f(5), 0.3 * q),
        call(f(2, 5), np.array([0.0, 0.25, 1.0], "float32") * q, axis=1),
        call(f(2, 3, 4), np.array([0.3, 0.5], "float32") * q, axis=(0, 2), keepdims=True),
        call(i(6), 0.5 * q),
        call(with_nan(f(2, 5)), 0.4 * q, axis=1),
        call(f(3, 4), 0.35 * q, axis=0, keepdims=True),
        *(call(f(2, 6), 0.3 * q, axis=-1, method=m) for m in ("lower", "higher", "nearest", "midpoint")),
    ]

CASES["reshape"] = [call(f(2, 3), (3, 2)), call(f(2, 3), -1), call(f(2, 3), (3, -1)), call(i(2, 3), (1, 6))]
CASES["squeeze"] = [call(f(2, 1, 3)), call(f(2, 1, 3), 1), call(f(1, 2, 1), (0, -1)), call(f(1, 2, 1), axis=-1)]
CASES["expand_dims"] = [call(f(2, 3), 0), call(f(2, 3), -1), call(f(2, 3), (0, 2)), call(f(2), (1, -1))]
CASES["transpose"] = [call(f(2, 3, 4)), call(f(2, 3, 4), (0, 2, 1)), call(f(2, 3, 4), axes=(-1, 0, 1)), call(np.float32(1.0))]
CASES["moveaxis"] = [call(f(2, 3, 4), 0, -1), call(f(2, 3, 4), (0, 1), (-1, 0))]
CASES["swapaxes"] = [call(f(2, 3, 4), 0, 2), call(f(2, 3, 4), axis1=-1, axis2=1)]
CASES["broadcast_to"] = [call(f(3), (2, 3)), call(f(2, 1), (4, 2, 3))]
CASES["flip"] = [call(f(2, 3)), call(f(2, 3), 1), call(f(2, 3, 4), (0, -1))]
CASES["fliplr"] = CASES["flipud"] = [call(f(2, 3)), call(i(2, 3, 2))]
CASES["roll"] = [call(f(2, 3), 1), call(f(2, 3), -1, axis=1), call(f(2, 3), (1, 2), axis=(0, 1)), call(i(5), shift=7)]
CASES["rot90"] = [call(f(2, 3)), call(f(2, 3), k=-1), call(f(2, 3, 4), 2, (1, 2)), call(f(2, 3, 4), axes=(2, 0))]
CASES["concatenate"] = [
    call([f(2, 3), f(1, 3)]),
    call([f(2, 3), i(2, 1)], axis=1),
    call([f(2, 3), f(2, 3)], axis=-1),
    call((f(0, 2), f(3, 2))),
]
CASES["stack"] = [call([f(2, 3), f(2, 3)]), call([f(2), i(2)], axis=-1), call((f(2, 3), f(2, 3)), axis=1), call(f(2, 3), axis=1)]
CASES["hstack"] = [call([f(2, 3), f(2, 1)]), call([f(2), i(3)])]
CASES["vstack"] = [call([f(2, 3), f(1, 3)]), call([f(3), i(3)])]
CASES["dstack"] = [call([f(2, 3), f(2, 3)]), call([f(3), i(3)])]
CASES["append"] = [call(f(2, 3), f(4)), call(f(2, 3), f(2, 1), axis=1), call(i(2), f(2))]
CASES["split"] = [call(f(4, 3), 2), call(f(2, 6), 3, axis=1), call(f(5), [1, 3]), call(f(2, 5), (2,), axis=-1)]
CASES["array_split"] = [call(f(5, 3), 2), call(f(2, 7), 3, axis=1)]
CASES["hsplit"] = [call(f(2, 4), 2), call(f(4), [1])]
CASES["vsplit"] = [call(f(4, 2), 2), call(f(4, 2), [1, 2])]
CASES["dsplit"] = [call(f(1, 2, 4), 2), call(f(1, 2, 4), [1, 3])]
CASES["tile"] = [call(f(2, 3), 2), call(f(2, 3), (2, 1)), call(f(2), (2, 1, 2)), call(f(2, 1, 3), (2,))]
CASES["repeat"] = [call(f(2, 3), 2), call(f(2, 3), 3, axis=1), call(f(2, 3), np.array([1, 2]), axis=0), call(f(2, 3), 2, axis=-1)]
CASES["pad"] = [
    call(f(2, 3), 1),
    call(f(2, 3), ((1, 0), (0, 2)), constant_values=9),
    call(f(3, 4), ((1, 2), (2, 1)), mode="reflect"),
    call(f(2, 3, 3), ((0, 0), (1, 1), (1, 1)), "symmetric"),
    call(i(2, 3), (1, 2)),
    call(b(2, 2), 1),
]
CASES["view"] = [call(f(2, 3), "int32"), call(f(2, 3), dtype="int8"), call(i(2, 4, dtype="int8"), "int16")]
CASES["ndim"] = CASES["size"] = [call(f(2, 3))]

CASES["get_item"] = [
    call(f(2, 3), 0),
    call(f(2, 3), (slice(None), slice(1, None))),
    call(f(2, 3, 4), (Ellipsis, None, 1)),
    call(f(5), (slice(1, 4, 2),)),
]
CASES["take"] = [
    call(f(5), [0, -1]),
    call(f(2, 3), i(2, 2, low=-3, high=3), axis=1),
    call(f(2, 3), 1),
    call(f(4, 3), i(2, low=0, high=4), axis=0),
    call(f(2, 3, 4), i(2, 2, low=0, high=4), axis=-1),
    call(f(4, 3), 2, axis=0),
]
CASES["take_along_axis"] = [
    call(f(2, 3), i(2, 1, low=-3, high=3), axis=1),
    call(f(2, 3), i(4, low=0, high=6)),
    call(f(2, 3), i(1, 3, low=0, high=2), axis=0),
    call(f(2, 3, 4), i(2, 3, 2, low=-4, high=4), axis=-1),
]
CASES["where"] = [call(b(2, 3), f(2, 3), f(3)), call(b(3), i(3), 0.5), call(i(3), 1, 2), call(b(2, 1), f(3), i(3))]
CASES["select"] = [call([b(2, 3), b(2, 3)], [f(2, 3), f(2, 3)]), call([b(3), b(3)], [i(3), f(3)], default=9), call([b(4)], [i(4)], 7)]
CASES["unravel_index"] = [call(i(3, low=0, high=6), (2, 3)), call(i(2, 2, low=-6, high=24), (2, 3, 4)), call(7, (2, 4))]
CASES["diag"] = [call(f(3)), call(f(3), k=1), call(f(3, 4), k=-1), call(i(3, 3))]
CASES["diagflat"] = [call(f(3)), call(f(2, 2), k=1), call(i(2), -1)]
CASES["diagonal"] = [call(f(3, 4)), call(f(2, 3, 4), offset=1, axis1=1, axis2=2), call(f(2, 3, 4), -1, 2, 0)]
CASES["meshgrid"] = [call(f(2), f(3)), call(f(2), f(3), f(4)), call(f(2), f(3), indexing="ij"), call(f(3))]
CASES["tril"] = CASES["triu"] = [call(f(3, 3)), call(f(2, 3, 4), k=1), call(i(3, 3), -1)]

CASES["sort"] = [call(f(2, 5)), call(f(2, 5), axis=0), call(i(2, 3), axis=None), call(with_nan(f(5))), call(b(4))]
CASES["argsort"] = [call(f(2, 5)), call(f(2, 5), axis=0), call(i(9)), call(f(2, 3), axis=None)]
CASES["argpartition"] = [call(np.array([3.0, 1.0, 2.0, 5.0, 0.0], "float32"), 2)]
CASES["searchsorted"] = [
    call(np.sort(f(5)), f(2, 3)),
    call(np.sort(i(5)), i(3), side="right"),
    call(np.sort(f(5)), 0.5),
    call(np.sort(i(4)), f(3)),
]
CASES["digitize"] = [call(f(2, 3), np.sort(f(4))), call(i(5), np.sort(f(3))), call(f(3), [-1.0, 0.0, 1.0])]
CASES["unique"] = [
    call(i(8)),
    call(i(8), return_index=True, return_inverse=True, return_counts=True),
    call(i(2, 6), return_inverse=True),
    call(i(6, 2, low=0, high=2), axis=0, return_inverse=True, return_counts=True),
    call(i(2, 6, low=0, high=2), axis=1),
    call(i(8), size=2),
    call(i(5), size=9, fill_value=7, return_counts=True),
    call(i(5), size=9, return_inverse=True),
    call(f(5)),
]
CASES["bincount"] = [
    call(i(8, low=0)),
    call(i(8, low=0), minlength=9),
    call(i(8, low=0), weights=f(8)),
    call(i(8, low=0), weights=i(8), minlength=3),
    call(i(2, 8, low=0), minlength=7),
    call(i(2, 8, low=0), weights=f(2, 8), minlength=7),
]
CASES["histogram"] = [call(f(20)), call(f(10), bins=3), call(f(20), bins=4, range=(-1, 1)), call(f(0)), call(np.full(3, 2.0, "float32"), 2)]

CASES["matmul"] = [
    call(f(2, 3), f(3, 4)),
    call(f(2, 2, 3), f(3, 4)),
    call(f(3), f(3, 4)),
    call(f(2, 3), f(3)),
    call(f(3), f(3)),
    call(i(2, 3), i(3, 2)),
    call(i(2, 3, dtype="int8"), i(3, 2, dtype="int8")),
    call(f(2, 3), i(3, 2)),
    call(f(4, 1, 2, 3), f(5, 3, 2)),
    call(f(0, 3), f(3, 2)),
]
CASES["dot"] = [
    call(f(3), f(3)),
    call(f(2, 3), f(3)),
    call(f(2, 3), f(3, 4)),
    call(f(2, 2, 3), f(3, 4)),
    call(f(2, 3), 2.0),
    call(i(3), i(3)),
]
CASES["inner"] = [call(f(3), f(3)), call(f(2, 3), f(4, 3)), call(i(3), i(3))]
CASES["outer"] = [call(f(2), f(3)), call(f(2, 2), f(3)), call(i(2), f(3))]
CASES["vdot"] = [call(f(3), f(3)), call(i(3), i(3))]
CASES["tensordot"] = [
    call(f(2, 3, 4), f(3, 4, 5)),
    call(f(2, 3, 4), f(4, 3, 5), axes=([1, 2], [1, 0])),
    call(f(2), f(3), axes=0),
    call(f(2, 3), f(3, 4), 1),
    call(f(2, 3), f(4, 3), axes=(1, 1)),
    call(i(2, 3), f(3, 2), axes=1),
]
CASES["einsum"] = [
    call("ij,jk->ik", f(2, 3), f(3, 4)),
    call("...ij->...ji", f(2, 3, 4)),
    call("ii", f(3, 3)),
    call("i,j,k->ijk", f(2), f(3), f(2)),
    call("ij,jk", i(2, 3, dtype="int8"), i(3, 2, dtype="int8")),
    call("bij,bjk->bik", i(2, 2, 3), i(2, 3, 2)),
]
CASES["kron"] = [call(f(2), f(3)), call(f(2, 2), f(3, 2)), call(i(2), f(1, 3))]
CASES["cross"] = [call(f(3), f(3)), call(f(2, 3), f(2, 3)), call(f(3, 2), f(3, 2), axis=0), call(i(3), i(3)), call(i(3), f(3))]
CASES["trace"] = [call(f(3, 3)), call(f(2, 3, 4), offset=1, axis1=1, axis2=2), call(i(3, 3, dtype="int8")), call(b(2, 2))]
CASES["slogdet"] = [call(f(3, 3)), call(f(2, 3, 3))]
CASES["corrcoef"] = [call(f(3, 5)), call(f(5)), call(i(2, 5))]
CASES["correlate"] = [
    call(f(5), f(3)),
    call(f(5), f(3), "same"),
    call(f(5), f(3), mode="full"),
    call(f(3), f(5)),
    call(f(2), f(5), mode="full"),
    call(i(5), i(3), "same"),
]
CASES["diff"] = [call(f(5)), call(f(2, 5), n=2), call(i(3, 4), axis=0), call(b(4)), call(f(3), 0)]
CASES["trapezoid"] = [call(f(5)), call(f(2, 5), x=np.sort(f(5))), call(f(3, 4), dx=0.5, axis=0), call(i(4))]
CASES["vander"] = [call(f(3)), call(f(3), N=2, increasing=True), call(i(4), 5)]

CASES["array"] = [
    call([1, 2.5]),
    call([1, 2]),
    call([True, False]),
    call(f(2, 3)),
    call(3),
    call(2.5),
    call([[1], [2]], dtype="float16"),
    call([]),
]
CASES["arange"] = [
    call(5),
    call(5.0),
    call(1, 6),
    call(0, 3, 0.5),
    call(5, 0, -2),
    call(4, dtype="float32"),
    call(4, dtype="bfloat16"),
    call(2, 10, 3),
]
CASES["linspace"] = [
    call(0, 1, 5),
    call(0, 10, 5, endpoint=False),
    call(0, 10, 5, dtype="int32"),
    call(0.0, 1.0, 1),
    call(0, 1, 0),
    call(-1.5, 2.5),
]
CASES["logspace"] = [call(0, 2, 3), call(0, 2, 3, base=2, dtype="int32"), call(0, 1, 4, endpoint=False), call(-1.0, 1.0)]
CASES["geomspace"] = [call(1, 100, 3), call(-1, -100, 3), call(1.0, 64.0, 4, endpoint=False), call(2, 3)]
CASES["full"] = [call((2, 3), 3), call((2,), 2.5, "float16"), call((2, 2), f(2)), call((2,), True), call((2, 3), 7, dtype="int32")]
CASES["full_like"] = [call(f(2, 3), 2), call(i(2), 2.5), call(i(2), 2.5, dtype="float32"), call(f(2, 3), f(3))]
for name in ("zeros", "ones"):
    CASES[name] = [call((2, 3)), call((2,), "int8"), call((0, 2)), call((), dtype="bool")]
for name in ("zeros_like", "ones_like"):
    CASES[name] = [call(f(2, 3)), call(i(2)), call(f(2), dtype="int32"), call(b(2))]
CASES["eye"] = [call(3), call(2, 3, k=1), call(3, 2, -1, "int32"), call(2, 3, k=5)]
CASES["tri"] = [call(3), call(2, 3, k=1), call(3, 2, -1, "int32")]
CASES["identity"] = [call(3), call(2, "bool")]
for name in ("bartlett", "blackman", "hamming", "hanning"):
    CASES[name] = [call(5), call(1), call(8)]
CASES["kaiser"] = [call(5, 14.0), call(8, 2)]
# `empty`, `empty_like`, `nonzero`, `vectorize` and `imag` have tests of their own.
