"""Random draws: distributions by SciPy's tests, repeatability, types and shapes as in real Keras, and the errors."""

import copy
import pickle
import random as python_random

import numpy as np
import pytest
import torch
from scipy import stats

from tests.oracle import keras
from torchkeras import random
from torchkeras.graph import KerasTensor, operation
from torchkeras.random import SeedGenerator

N = 20_000
SEEDS = {"global": lambda: None, "int": lambda: 11, "generator": lambda: SeedGenerator(7)}
CONTINUOUS = {
    "normal": (lambda **k: random.normal((N,), 1.0, 2.0, **k), stats.norm(1, 2)),
    "uniform": (lambda **k: random.uniform((N,), -1.0, 3.0, **k), stats.uniform(-1, 4)),
    "truncated_normal": (lambda **k: random.truncated_normal((N,), 1.0, 2.0, **k), stats.truncnorm(-2, 2, 1, 2)),
    "gamma": (lambda **k: random.gamma((N,), 2.5, **k), stats.gamma(2.5)),
    "beta": (lambda **k: random.beta((N,), 2.0, 0.7, **k), stats.beta(2, 0.7)),
}


@pytest.fixture(autouse=True)
def _fixed_global_seed():
    torch.manual_seed(5)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", CONTINUOUS)
def test_distribution(name, dtype, seed):
    draw, expected = CONTINUOUS[name]
    x = draw(dtype=dtype, seed=SEEDS[seed]())
    assert x.dtype is getattr(torch, dtype)
    assert stats.kstest(x.double().numpy(), expected.cdf).pvalue > 1e-3
    assert abs(x.mean().item() - expected.mean()) < 5 * expected.std() / N**0.5


@pytest.mark.parametrize("seed", SEEDS)
def test_discrete_distributions(seed):
    generator = SEEDS[seed]()
    counts = torch.bincount(random.randint((N,), -3, 7, seed=generator).long() + 3, minlength=10)
    assert stats.chisquare(counts.numpy()).pvalue > 1e-3
    logits = torch.tensor([[0.0, 1.0, float("-inf"), 2.0]]).repeat(2, 1)
    drawn = random.categorical(logits, N, seed=generator)
    expected = torch.softmax(logits[0], 0).double() * N
    for row in drawn:
        counts = torch.bincount(row, minlength=4)
        assert counts[2] == 0 and stats.chisquare(counts[[0, 1, 3]], expected[[0, 1, 3]] / expected.sum() * N).pvalue > 1e-3
    successes = random.binomial((N,), 10, 0.3, seed=generator).double()
    assert abs(successes.mean() - 3) < 5 * (2.1 / N) ** 0.5 and abs(successes.var() - 2.1) < 0.2


def test_seeded_bits_are_independent_between_elements_draws_and_seeds():
    draws = [random.uniform((N,), seed=s, dtype="float64") for s in (*range(4), -1, 2**40)]
    generator = SeedGenerator(0)
    generator.next()
    draws += [random.uniform((N,), seed=generator, dtype="float64") for _ in range(4)]
    together = np.stack([d.numpy() for d in draws])
    assert np.abs(np.corrcoef(together) - np.eye(len(together))).max() < 5 / N**0.5
    for x in together:
        for lag in (1, 2, 16, 1024):
            assert abs(np.corrcoef(x[:-lag], x[lag:])[0, 1]) < 5 / N**0.5
    bits = random._bits(N, 3, torch.device("cpu")).numpy()
    ones = ((bits[:, None] >> np.arange(64)) & 1).sum(0)
    assert np.abs(ones - N / 2).max() < 5 * (N / 4) ** 0.5


@pytest.mark.parametrize("name", CONTINUOUS)
def test_an_int_repeats_and_a_generator_goes_on(name):
    draw = CONTINUOUS[name][0]
    assert torch.equal(draw(seed=3), draw(seed=3)) and not torch.equal(draw(seed=3), draw(seed=4))
    a, b = SeedGenerator(3), SeedGenerator(3)
    first, second = draw(seed=a), draw(seed=a)
    assert torch.equal(first, draw(seed=3)) and not torch.equal(first, second)
    assert torch.equal(first, draw(seed=b)) and torch.equal(second, draw(seed=b))
    torch.manual_seed(1)
    x = draw()
    torch.manual_seed(1)
    assert torch.equal(x, draw()) and not torch.equal(x, draw())
    torch.manual_seed(1)
    assert torch.equal(x, draw(seed=SeedGenerator()))


def test_set_random_seed_governs_all_generators():
    def draw():
        random.set_random_seed(2**32 - 1)
        return python_random.random(), np.random.rand(), torch.rand(()).item(), SeedGenerator().state.tolist()

    assert draw() == draw()


def test_seed_generator_like_keras():
    mine, theirs = SeedGenerator(3, name="g"), keras.random.SeedGenerator(3, name="g")
    for _ in range(2):
        assert mine.next().tolist()[0] == 3 and mine.state.tolist()[1] > 0
    assert mine.get_config() == theirs.get_config() and SeedGenerator.from_config(mine.get_config()).state.tolist() == [3, 0]
    assert mine.state.shape == (2,) and not mine.state.trainable and not mine.state.is_floating_point()
    assert mine.state.path == theirs.state.path and mine.state.name == theirs.state.name
    twins = [copy.deepcopy(mine), pickle.loads(pickle.dumps(mine))]
    expected = random.normal((4,), seed=mine)
    assert all(torch.equal(expected, random.normal((4,), seed=twin)) for twin in twins)
    assert SeedGenerator(2**40).state.tolist() == [2**40, 0] and SeedGenerator(np.int32(3)).seed == 3


def test_state_is_read_back():
    generator = SeedGenerator(3)
    random.normal((2,), seed=generator)
    saved = generator.state.tolist()
    x = random.normal((2,), seed=generator)
    generator.state.assign(saved)
    assert torch.equal(x, random.normal((2,), seed=generator))


@pytest.mark.parametrize("dtype", [None, "float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("shape", [(), (0,), (2, 0, 3), (3, 4), [2]], ids=str)
def test_shapes_and_types_like_keras(shape, dtype):
    for seed in (None, 1):
        for name, arguments in (
            ("normal", ()),
            ("uniform", ()),
            ("truncated_normal", ()),
            ("gamma", (2.0,)),
            ("beta", (2.0, 1.0)),
            ("binomial", (4, 0.5)),
        ):
            mine = getattr(random, name)(shape, *arguments, dtype=dtype, seed=seed)
            assert tuple(mine.shape) == tuple(shape)
            if mine.numel():  # torch.distributions, which Keras calls, fails on empty shapes
                theirs = getattr(keras.random, name)(shape, *arguments, dtype=dtype, seed=seed)
                assert mine.dtype == theirs.dtype


def test_sixteen_bit_uniforms_stay_below_one():
    for dtype in ("float16", "bfloat16"):
        assert random.uniform((N,), dtype=dtype, seed=1).max() < 1


@pytest.mark.parametrize("seed", [None, 4])
def test_parameters_may_be_tensors(seed):
    means = torch.tensor([-100.0, 0.0, 100.0])
    assert (random.normal((2, 3), means, 1e-3, seed=seed) - means).abs().max() < 0.01
    assert (random.truncated_normal((2, 3), means, torch.full((2, 1), 1e-3), seed=seed) - means).abs().max() <= 2.001e-3
    x = random.uniform((100, 2), torch.tensor([0.0, 5.0]), torch.tensor([1.0, 6.0]), seed=seed)
    assert (x[:, 0] < 1).all() and (x[:, 1] >= 5).all()
    x = random.randint((100, 2), torch.tensor([0, 10]), torch.tensor([3, 11]), seed=seed)
    assert x[:, 0].unique().tolist() == [0, 1, 2] and x[:, 1].unique().tolist() == [10]
    assert random.gamma((2, 3), torch.tensor([1.0, 2, 3]), seed=seed).shape == (2, 3)
    assert random.binomial((2, 3), torch.tensor([[10.0], [5.0]]), torch.tensor([0.5, 0, 1]), seed=seed)[:, 1:].tolist() == [[0, 10], [0, 5]]


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "int32", "int64"])
def test_randint_types_and_ranges(dtype):
    for seed in (None, 1, SeedGenerator(2)):
        x = random.randint((500,), 2, 5, dtype=dtype, seed=seed)
        assert x.dtype is getattr(torch, dtype) and x.unique().tolist() == [2, 3, 4]
    wide = random.randint((500,), -(2**40), 2**40, dtype="int64", seed=1)
    assert wide.min() < -(2**38) and wide.max() > 2**38


@pytest.mark.parametrize("seed", [None, 4])
def test_categorical_takes_arrays_and_no_samples(seed):
    x = random.categorical(np.zeros((2, 3)), 5, dtype="int64", seed=seed)
    assert x.shape == (2, 5) and x.dtype is torch.int64
    assert random.categorical(torch.zeros(2, 3), 0, seed=seed).shape == (2, 0)
    assert random.categorical(torch.zeros(0, 3), 2, seed=seed).shape == (0, 2)


@pytest.mark.parametrize("seed", [None, 4])
def test_dropout(seed):
    x = torch.linspace(1, 2, N, requires_grad=True)
    y = random.dropout(x, 0.25, seed=seed)
    kept = y != 0
    assert abs(kept.double().mean() - 0.75) < 5 * (0.1875 / N) ** 0.5
    assert torch.allclose(y[kept], x[kept] / 0.75)
    (gradient,) = torch.autograd.grad(y.sum(), x)
    assert torch.allclose(gradient, kept / 0.75)
    for shape in ((4, 1, 6), (None, 1, None)):
        dropped = random.dropout(torch.ones(4, 5, 6), 0.5, noise_shape=shape, seed=seed) == 0
        assert (dropped == dropped[:, :1]).all() and 0 < dropped.sum() < dropped.numel()
    assert torch.equal(random.dropout(x, 0.0, seed=seed), x) and random.dropout(x, 1, seed=seed).abs().sum() == 0
    assert random.dropout([1.0, 2.0], 0.5, seed=seed).dtype is torch.float32
    assert random.dropout(x.bfloat16(), 0.5, seed=seed).dtype is torch.bfloat16


@pytest.mark.parametrize("seed", [None, 4])
def test_shuffle_permutes_slices(seed):
    x = torch.arange(60).reshape(20, 3)
    y = random.shuffle(x, seed=seed)
    assert not torch.equal(x, y) and torch.equal(y[y[:, 0].argsort()], x)
    y = random.shuffle(x, axis=-1, seed=seed)
    assert torch.equal(y.sort(-1).values, x) and torch.equal(y[:, 0] % 3, (y[:1, 0] % 3).expand(20))
    assert sorted(random.shuffle([3, 1, 2], seed=seed).tolist()) == [1, 2, 3]


def test_seeded_draws_trace_without_a_break_and_equal_eager():
    generator = SeedGenerator(3)

    def draw(x):
        return random.dropout(x, 0.5, seed=generator) + random.normal(x.shape, seed=generator) + random.uniform(x.shape, seed=9)

    compiled, x = torch.compile(draw, fullgraph=True, backend="aot_eager"), torch.ones(50)
    traced = [compiled(x) for _ in range(2)]
    generator.state.assign([3, 0])
    assert all(torch.equal(t, draw(x)) for t in traced) and generator.state.tolist() == [3, 4]


def test_seeded_draws_are_captured_as_a_graph_that_goes_on():
    from torch.fx.experimental.proxy_tensor import make_fx

    generator, x = SeedGenerator(3), torch.ones(50)
    graph = make_fx(lambda x: random.dropout(x, 0.5, seed=generator))(x)
    generator.state.assign([3, 0])
    captured = [graph(x) for _ in range(2)]
    generator.state.assign([3, 0])
    assert all(torch.equal(c, random.dropout(x, 0.5, seed=generator)) for c in captured)


def test_symbolic_inference_does_not_draw():
    generator = SeedGenerator(3)
    assert operation.infer_spec(lambda x: random.dropout(x, 0.5, seed=generator), (KerasTensor((None, 3)),), {}, "f").shape == (None, 3)
    assert generator.state.tolist() == [3, 0]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*script_method:DeprecationWarning")  # inductor's own
def test_seeded_draws_compile_to_the_same_numbers():
    generator, x = SeedGenerator(3), torch.ones(50)
    compiled = torch.compile(lambda x: random.dropout(x, 0.5, seed=generator) + random.uniform(x.shape, seed=9), fullgraph=True)
    first = compiled(x)
    generator.state.assign([3, 0])
    assert torch.equal(first, random.dropout(x, 0.5, seed=generator) + random.uniform(x.shape, seed=9))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: SeedGenerator("a"), ValueError, "`seed` must be a whole number or None. Received: seed='a' of type str"),
        (lambda: SeedGenerator(1.5), ValueError, "`seed` must be a whole number"),
        (lambda: SeedGenerator(1, foo=2), TypeError, "unexpected arguments: foo"),
        (lambda: random.normal((2,), seed="a"), ValueError, "`seed` must be a whole number, a SeedGenerator or None"),
        (lambda: random.normal((None, 2)), ValueError, r"`shape` must be a tuple of whole numbers. Received: shape=\(None, 2\)"),
        (lambda: random.normal((-1,)), ValueError, "`shape` must not have negative sizes"),
        (lambda: random.normal((2,), stddev=-1), ValueError, "`stddev` must not be negative. Received: stddev=-1"),
        (lambda: random.uniform((2,), dtype="int32"), ValueError, "`dtype` must be a floating point type. Received: dtype='int32'"),
        (lambda: random.randint((2,), 0, 3, dtype="float32"), ValueError, "`dtype` must be an integer type"),
        (lambda: random.randint((2,), 3, 3), ValueError, "`maxval` must be greater than `minval`. Received: minval=3, maxval=3"),
        (lambda: random.randint((2,), 0, 2.5), ValueError, "`maxval` must be a whole number. Received: maxval=2.5"),
        (lambda: random.categorical(torch.zeros(3), 2), ValueError, r"`logits` must have .*\(batch, classes\). Received: shape \(3,\)"),
        (lambda: random.categorical(torch.zeros(3, 2), -1), ValueError, "`num_samples` must not be negative"),
        (lambda: random.dropout(torch.ones(2), 1.5), ValueError, "`rate` must be from 0 to 1. Received: rate=1.5"),
        (lambda: random.dropout(torch.ones(2).int(), 0.5), ValueError, "`inputs` must be floating point"),
        (lambda: random.dropout(torch.ones(2, 3), 0.5, (3, 1)), ValueError, r"`noise_shape` must have .* \(2, 3\). Received: \(3, 1\)"),
        (lambda: random.shuffle(torch.ones(2), axis=1), ValueError, "`axis` must be an axis of `x`, which has 1. Received: axis=1"),
        (lambda: random.gamma((2,), -1.0), ValueError, "`alpha` must be positive. Received: alpha=-1.0"),
        (lambda: random.beta((2,), 1.0, 0), ValueError, "`beta` must be positive"),
        (lambda: random.binomial((2,), -1, 0.5), ValueError, "`counts` must not be negative"),
        (lambda: random.binomial((2,), 1, 1.5), ValueError, "`probabilities` must be from 0 to 1"),
        (lambda: random.set_random_seed(-1), ValueError, r"`seed` must be a whole number from 0 to 2\*\*32 - 1"),
    ],
)  # fmt: skip
def test_errors_tell_what_and_why(call, error, message):
    with pytest.raises(error, match=message):
        call()
