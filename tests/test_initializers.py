"""Initializers: constants equal real Keras's, random ones have its distributions, configs and names are its."""

import json
import pickle

import numpy as np
import pytest
import torch
from scipy import stats

from tests.oracle import keras
from torchkeras import initializers, random
from torchkeras.initializers import compute_fans

theirs = keras.initializers
FANS = ["GlorotUniform", "GlorotNormal", "HeUniform", "HeNormal", "LecunUniform", "LecunNormal"]
SCALINGS = [
    {"scale": s, "mode": m, "distribution": d}
    for s, m in ((1.0, "fan_in"), (0.5, "fan_out"), (3.0, "fan_avg"))
    for d in ("truncated_normal", "untruncated_normal", "uniform")
]
CASES = [
    *((name, {}) for name in ("RandomNormal", "RandomUniform", "TruncatedNormal", "VarianceScaling", "Orthogonal", *FANS)),
    ("RandomNormal", {"mean": 1.0, "stddev": 2.0, "seed": 3}),
    ("RandomUniform", {"minval": -3, "maxval": 2, "seed": 3}),
    ("TruncatedNormal", {"mean": 1.0, "stddev": 2.0, "seed": 3}),
    ("Orthogonal", {"gain": 2.0, "seed": 3}),
    *(("VarianceScaling", {**s, "seed": 3}) for s in SCALINGS),
    ("HeNormal", {"seed": 3, "input_axes": [0], "output_axes": [2]}),
    *((name, {}) for name in ("Zeros", "Ones", "Constant", "Identity", "STFT")),
    ("Constant", {"value": 2}),
    ("Constant", {"value": [1.0, 2.0]}),
    ("Constant", {"value": np.ones((2, 2), "float32")}),
    ("STFT", {"side": "imag", "window": None, "scaling": None, "periodic": True}),
]


@pytest.mark.parametrize(("name", "arguments"), CASES, ids=str)
def test_config_is_kerass(name, arguments):
    mine, reference = getattr(initializers, name)(**arguments), getattr(theirs, name)(**arguments)
    config = initializers.serialize(mine)
    assert config == theirs.serialize(reference) and json.dumps(config)
    assert initializers.serialize(initializers.deserialize(config)) == config == theirs.serialize(theirs.deserialize(config))
    assert initializers.get(config).get_config() == mine.clone().get_config() == mine.get_config()
    shape = {"Identity": (3, 3), "STFT": (4, 1, 3)}.get(name, (3, 2, 2))
    a, b = pickle.loads(pickle.dumps(mine))(shape), mine(shape)
    assert a.shape == b.shape == shape and a.dtype is torch.float32
    if "seed" not in config["config"] or config["config"]["seed"] is not None:
        assert torch.equal(a, b)


@pytest.mark.parametrize("name", dir(theirs))
def test_every_name_of_keras_finds_the_same_class(name):
    if isinstance(getattr(theirs, name), type) and name != "Initializer":
        expected = getattr(theirs, name).__name__
        assert getattr(initializers, name).__name__ == expected
        for spelling in (name, name.lower(), name.upper(), expected):
            assert type(initializers.get(spelling)).__name__ == expected


@pytest.mark.parametrize(
    ("spelling", "expected"),
    [("uniform", "RandomUniform"), ("normal", "RandomNormal"), ("random_normal", "RandomNormal"), ("orthogonal", "Orthogonal"),
     ("Glorotuniform", "GlorotUniform"), ("zero", "Zeros"), ("one", "Ones"), ("glorot_uniform", "GlorotUniform")],
)  # fmt: skip
def test_spellings_of_keras_1_and_2(spelling, expected):
    assert type(initializers.get(spelling)).__name__ == expected
    assert type(initializers.get({"class_name": expected, "config": {"dtype": "float32"}})).__name__ == expected


def test_get_takes_objects_classes_callables_and_arrays():
    zeros = initializers.Zeros()
    assert initializers.get(zeros) is zeros and type(initializers.get(initializers.Zeros)) is initializers.Zeros
    assert initializers.get(np.zeros) is np.zeros and initializers.get(None) is None
    array = initializers.get(np.eye(2))
    assert torch.equal(array((2, 2)), torch.eye(2)) and array((2, 2), "int32").dtype is torch.int32
    with pytest.raises(ValueError, match=r"`shape` must be \(2, 2\), that of the array .* Received: shape=\(3, 2\)"):
        array((3, 2))


@pytest.mark.parametrize("dtype", [None, "float16", "bfloat16", "float64", "int32", "bool"])
@pytest.mark.parametrize("shape", [(3, 3), (2, 5), (0, 2), (4, 1)])
def test_constants_equal_kerass(shape, dtype):
    for name, arguments in (
        ("Zeros", {}),
        ("Ones", {}),
        ("Constant", {"value": 3}),
        ("Constant", {"value": [0]}),
        ("Identity", {"gain": 2}),
    ):
        if name == "Identity" and dtype == "bool":
            continue
        mine, reference = getattr(initializers, name)(**arguments)(shape, dtype), getattr(theirs, name)(**arguments)(shape, dtype)
        assert mine.dtype == reference.dtype and torch.equal(mine, reference)
        assert torch.equal(mine, getattr(initializers, name)(**arguments)(shape, dtype=mine.dtype))


@pytest.mark.parametrize("side", ["real", "imag"])
@pytest.mark.parametrize("scaling", ["density", "spectrum", None])
@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize("window", ["hann", "hamming", "blackman", "bartlett", "cosine", "nuttall", "flattop", None])
def test_stft_equals_kerass(side, window, scaling, periodic):
    arguments = {"side": side, "window": window, "scaling": scaling, "periodic": periodic}
    for shape in ((16, 1, 9), (7, 1, 4)):
        mine, reference = initializers.STFT(**arguments)(shape), theirs.STFT(**arguments)(shape)
        torch.testing.assert_close(mine, reference, atol=1e-5, rtol=1e-5)  # Keras computes the angles in float32


def test_stft_window_may_be_values_or_a_tuple():
    window = np.hamming(8)
    torch.testing.assert_close(initializers.STFT(window=window)((8, 1, 5)), initializers.STFT(window="hamming")((8, 1, 5)))
    assert initializers.STFT(window=("kaiser", 8.0))((8, 1, 5)).isfinite().all()


@pytest.mark.parametrize("shape", [(), (3,), (3, 4), (2, 3, 4), (2, 3, 4, 5), (0, 3)], ids=str)
def test_fans(shape):
    from keras.src.initializers.random_initializers import compute_fans as reference

    assert compute_fans(shape) == reference(shape)
    if len(shape) == 3:
        for axes in (([0], [1]), ([0, 1], [2]), ([-1], [0]), ([0], None), (None, [1])):
            assert compute_fans(shape, *axes) == reference(shape, *axes)


@pytest.mark.parametrize("arguments", SCALINGS, ids=str)
def test_variance_scaling_distribution(arguments):
    shape = (3, 40, 60)
    x = initializers.VarianceScaling(**arguments, seed=1)(shape, "float64").flatten().numpy()
    n = {"fan_in": 120, "fan_out": 180, "fan_avg": 150}[arguments["mode"]]
    std = (arguments["scale"] / n) ** 0.5
    expected = {
        "uniform": stats.uniform(-(3**0.5) * std, 2 * 3**0.5 * std),
        "untruncated_normal": stats.norm(0, std),
        "truncated_normal": stats.truncnorm(-2, 2, 0, std / stats.truncnorm(-2, 2).std()),
    }[arguments["distribution"]]
    assert stats.kstest(x, expected.cdf).pvalue > 1e-3 and x.std() == pytest.approx(std, rel=0.05)


@pytest.mark.parametrize("name", FANS)
def test_named_scalings_have_kerass_spread(name):
    shape = (5, 50, 70)
    mine, reference = getattr(initializers, name)(seed=1)(shape), getattr(theirs, name)(seed=1)(shape)
    assert stats.ks_2samp(mine.flatten().numpy(), reference.flatten().numpy()).pvalue > 1e-3
    assert mine.abs().max().item() == pytest.approx(reference.abs().max().item(), rel=0.02)


@pytest.mark.parametrize("shape", [(6, 6), (3, 8), (8, 3), (2, 4, 3), (2, 2, 9)], ids=str)
def test_orthogonal(shape):
    matrix = initializers.Orthogonal(gain=2.0, seed=1)(shape, "float64").reshape(-1, shape[-1])
    product = matrix @ matrix.T if matrix.shape[0] < matrix.shape[1] else matrix.T @ matrix
    torch.testing.assert_close(product, 4 * torch.eye(len(product), dtype=torch.float64))
    assert initializers.Orthogonal()(shape, "bfloat16").dtype is torch.bfloat16
    signs = torch.stack([initializers.Orthogonal(seed=s)((2, 2)).sign() for s in range(200)]).mean(0)
    assert signs.abs().max() < 0.4  # QR alone would fix signs


def test_an_instance_repeats_itself_and_its_clone_does_not():
    for initializer in (initializers.GlorotUniform(), initializers.TruncatedNormal(), initializers.Orthogonal()):
        x = initializer((4, 4))
        assert torch.equal(x, initializer((4, 4))) and not torch.equal(x, initializer.clone()((4, 4)))
    seeded = initializers.HeNormal(seed=3)
    assert torch.equal(seeded((4, 4)), seeded.clone()((4, 4))) and torch.equal(seeded((4, 4)), initializers.HeNormal(3)((4, 4)))
    assert not torch.equal(seeded((4, 4)), initializers.HeNormal(4)((4, 4)))
    generator = initializers.HeNormal(seed=random.SeedGenerator(3))
    x = generator((4, 4))
    assert not torch.equal(x, generator((4, 4))) and torch.equal(x, generator.clone()((4, 4)))


def test_set_random_seed_governs_unseeded_ones():
    def draw():
        random.set_random_seed(7)
        return initializers.get("glorot_uniform")((3, 3))

    assert torch.equal(draw(), draw())


def test_new_weights_follow_the_default_device():
    with torch.device("meta"):
        for name in ("zeros", "glorot_uniform", "orthogonal", "identity"):
            assert initializers.get(name)((4, 4)).is_meta


def test_a_users_own_initializer_is_found_by_its_registered_name():
    @keras.saving.register_keras_serializable("tests")
    class Twos(initializers.Initializer):
        def __init__(self, times=1):
            self.times = times

        def __call__(self, shape, dtype=None):
            return torch.full(shape, 2.0 * self.times)

    config = initializers.serialize(Twos(3))
    assert initializers.deserialize(config, {"Twos": Twos})((2,)).tolist() == [6, 6]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: initializers.get("glorot_unifrm"), ValueError, "Unknown initializer: 'glorot_unifrm'. Did you mean 'GlorotUniform'"),
        (lambda: initializers.get(3), ValueError, "`initializer` must be a name, .* Received: 3 of type int"),
        (lambda: initializers.RandomNormal(seed="a"), ValueError, "`seed` must be a whole number, a SeedGenerator or None"),
        (lambda: initializers.RandomNormal()((2,), "int32"), ValueError, "`dtype` must be a floating point type for RandomNormal"),
        (lambda: initializers.VarianceScaling(scale=0), ValueError, "`scale` must be positive. Received: scale=0"),
        (lambda: initializers.VarianceScaling(mode="x"), ValueError, "`mode` must be one of fan_in, fan_out, fan_avg"),
        (lambda: initializers.VarianceScaling(distribution="x"), ValueError, "`distribution` must be one of truncated_normal"),
        (lambda: initializers.HeNormal(None, [5], [0])((2, 3)), ValueError, r"`input_axes` must be axes of the shape \(2, 3\)"),
        (lambda: initializers.Identity()((2,)), ValueError, r"`shape` must have two axes .* Received: shape=\(2,\)"),
        (lambda: initializers.Orthogonal()((2,)), ValueError, "`shape` must have at least two axes"),
        (lambda: initializers.Constant([1, 2, 3])((3, 2)), ValueError, r"`value` must broadcast to the weight's shape \(3, 2\)"),
        (lambda: initializers.STFT("x"), ValueError, "`side` must be 'real' or 'imag'"),
        (lambda: initializers.STFT(window="hannn"), ValueError, "`window` must be a window of SciPy or None. Received: window='hannn'"),
        (lambda: initializers.STFT(scaling="x"), ValueError, "`scaling` must be 'density', 'spectrum' or None"),
        (lambda: initializers.STFT()((8, 3)), ValueError, r"`shape` must be \(frame length, channels, bins\)"),
        (lambda: initializers.Initializer()((2,)), NotImplementedError, "must write `__call__"),
    ],
)  # fmt: skip
def test_errors_tell_what_and_why(call, error, message):
    with pytest.raises(error, match=message):
        call()
