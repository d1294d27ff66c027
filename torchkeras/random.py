"""Random draws: torch's own generator without a seed, and a counter-based one, which runs on the device, with a seed."""

from __future__ import annotations

import math
import operator
import random as python_random
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch._subclasses.fake_tensor import unset_fake_temporarily
from torch.nn import functional as F

from . import dtypes, recompute, registry
from .configurable import Configurable
from .distribution import rank
from .variable import ParameterVariable

Seed = Any  # an int, a SeedGenerator or None

# SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014), whose state at element i of draw c with
# seed s is (i ^ _COUNT)·_GAMMA + c·_COUNT + s·_SEED: every element is a function of the state alone, so a draw waits for nothing,
# gives the same numbers on every device, and can be traced. Gamma and the factors of the mix are its, as signed 64-bit integers.
_GAMMA = 0x9E3779B97F4A7C15 - 2**64
_COUNT = 0x632BE59BD9B4E019
_SEED = 0x5851F42D4C957F2D
_MIX = ((30, 0xBF58476D1CE4E5B9 - 2**64), (27, 0x94D049BB133111EB - 2**64))
_SAMPLES = 0x2545F4914F6CDD1D  # spreads the draws of samples under `vmap`
# How many random bits make a number in [0, 1) of each type: all that its mantissa holds.
_MANTISSA = {torch.float16: 11, torch.bfloat16: 8, torch.float32: 24, torch.float64: 53}


class SeedGenerator(Configurable):
    """A seed that is another one at each draw.

    Without a seed, draws come from torch's global generator, which `torch.manual_seed` and `set_random_seed` govern.

    Args:
        seed: A whole number.
        name: Its name.
        **kwargs: Nothing: an unknown argument is refused.

    Raises:
        ValueError: If a seed is no whole number.

    >>> seeds = keras.random.SeedGenerator(1)
    >>> keras.random.normal((2,), seed=seeds).shape
    torch.Size([2])
    """

    _keras_module = "keras.random"

    def __init__(self, seed: int | None = None, name: str | None = None, **kwargs: Any) -> None:
        if kwargs:
            raise TypeError(f"SeedGenerator() got unexpected arguments: {', '.join(kwargs)}")
        if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int | np.integer)):
            raise ValueError(f"`seed` must be a whole number or None. Received: seed={seed!r} of type {type(seed).__name__}")
        self.seed = None if seed is None else int(seed)
        self.name = name or registry.unique_name("seed_generator")
        self._state: ParameterVariable | None = None
        if seed is not None:
            self._start(int(seed))

    def _start(self, seed: int) -> ParameterVariable:
        start = torch.tensor([_signed(seed), 0], device=rank.default_device())
        state = ParameterVariable(start, trainable=False, name="seed_generator_state")
        state.path = f"{self.name}/seed_generator_state"
        self.__setstate__({"_state": state})
        return state

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_numbers"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if self._state is not None:
            self._numbers = self._state.detach()  # the same memory as a plain tensor: tracing knows no subclasses

    @property
    def state(self) -> ParameterVariable:
        """The seed and the number of draws so far, an integer variable of shape `(2,)`."""
        return self._start(draw_seed()) if self._state is None else self._state

    def next(self, ordered: bool = True) -> torch.Tensor:
        """The state as it is, as a new tensor; the number of draws goes up by one.

        Args:
            ordered: Kept for Keras's signature; operations on one state always run in order here.
        """
        if self._state is None:
            self._start(draw_seed())
        if torch._C._are_functorch_transforms_active():
            # A draw of nothing: it moves no generator, but is one for each sample under `vmap(randomness="different")`, and is refused
            # where `vmap` allows no randomness.
            return _StateOfSample.apply(torch.rand(0, device=self._numbers.device), self)
        return recompute.recorded(self, self._advance)

    def _advance(self) -> torch.Tensor:
        with torch.no_grad():
            now = self._numbers.clone()
            self._numbers[1].add_(1)
        return now

    def get_config(self) -> dict[str, Any]:
        return {"seed": self.seed, "name": self.name}


class _StateOfSample(torch.autograd.Function):
    """The state of a generator below torch's function transforms, which forbid to move it; samples of a batch get numbers of their own."""

    @staticmethod
    def forward(nothing: torch.Tensor, generator: SeedGenerator) -> torch.Tensor:
        return recompute.recorded(generator, generator._advance)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.mark_non_differentiable(output)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[None, None]:
        return None, None

    @staticmethod
    def vmap(info: Any, in_dims: Any, nothing: torch.Tensor, generator: SeedGenerator) -> tuple[torch.Tensor, int]:
        state = _StateOfSample.apply(nothing.select(in_dims[0], 0), generator)
        sample = torch.arange(info.batch_size, device=state.device)
        # Far from the numbers of other draws, and of other levels, which have multiplied it already.
        return torch.stack([state[0].expand(info.batch_size), (state[1] + 1) * _SAMPLES + sample], 1), 0


def draw_seed() -> int:
    """A seed from torch's global CPU generator, which `set_random_seed` governs."""
    with unset_fake_temporarily():  # a number that Python sees, in a `FakeTensorMode` as well
        return int(torch.randint(2**31 - 1, (), device="cpu"))


def set_random_seed(seed: int) -> None:
    """Seed Python's, NumPy's and torch's generators.

    Args:
        seed: From 0 to 2**32 - 1.

    Raises:
        ValueError: If `identifier` is anything else.
    """
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or not 0 <= seed < 2**32:
        raise ValueError(f"`seed` must be a whole number from 0 to 2**32 - 1. Received: seed={seed!r} of type {type(seed).__name__}")
    python_random.seed(int(seed))
    np.random.seed(int(seed))  # noqa: NPY002  (the global generator is what is asked for)
    torch.manual_seed(int(seed))


# -- the counter-based generator -------------------------------------------------------------------------------------------------------


def _signed(x: int) -> int:
    return (x + 2**63) % 2**64 - 2**63


def _state_of(seed: Seed) -> torch.Tensor | int | None:
    """What a seeded draw starts from: the state of a SeedGenerator, or an int; `None` for torch's global generator."""
    if seed is None:
        return None
    if isinstance(seed, SeedGenerator):
        return None if seed.seed is None else seed.next()
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer):
        raise ValueError(f"`seed` must be a whole number, a SeedGenerator or None. Received: seed={seed!r} of type {type(seed).__name__}")
    return int(seed)


def _bits(count: int, state: torch.Tensor | int, device: torch.device) -> torch.Tensor:
    """`count` int64 numbers whose 64 bits are random."""
    # The xor keeps inductor from taking counter times constant for a memory address, whose overflow corrupts memory (torch 2.13).
    z = torch.arange(count, device=device).bitwise_xor_(_COUNT).mul_(_GAMMA)
    if isinstance(state, torch.Tensor):
        state = state.to(device)
        z = torch.add(z, state[0], alpha=_SEED).add_(state[1], alpha=_COUNT)  # a new tensor, which may have an axis of samples
    else:
        z.add_(_signed(state * _SEED))
    for shift, factor in _MIX:
        z.bitwise_xor_(_top(z, 64 - shift)).mul_(factor)
    return z.bitwise_xor_(_top(z, 33))


def _top(z: torch.Tensor, bits: int) -> torch.Tensor:
    """The `bits` highest bits: a shift that does not copy the sign."""
    return (z >> (64 - bits)).bitwise_and_((1 << bits) - 1)


def _unit(shape: tuple[int, ...], state: torch.Tensor | int, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """Uniform numbers in [0, 1)."""
    bits = _MANTISSA.get(dtype, 24)
    numbers = _top(_bits(math.prod(shape), state, device), bits).view(shape)
    return numbers.to(dtype).mul_(2.0**-bits)


def _open_interval(shape: tuple[int, ...], state: torch.Tensor | int, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """Uniform numbers in (-1, 1), symmetric about 0, never an end."""
    bits = 52 if dtype is torch.float64 else 23
    numbers = _top(_bits(math.prod(shape), state, device), bits).view(shape)
    return numbers.to(dtype).add_(0.5).mul_(2.0 ** (1 - bits)).sub_(1.0)


def torch_generator(seed: Seed, device: torch.device) -> torch.Generator | None:
    """A torch generator for this seed; `None`, which is torch's global one, without a seed.

    For big weights, whose numbers torch draws faster, and for draws that reject (gamma, binomial). The state of a SeedGenerator is read
    on the host.
    """
    state = _state_of(seed)
    if state is None or device.type == "meta":
        return None
    seed, count = (int(v) for v in state.tolist()) if isinstance(state, torch.Tensor) else (state, 0)
    return torch.Generator(device).manual_seed(_signed(seed * _SEED + count * _COUNT))


# -- arguments -------------------------------------------------------------------------------------------------------------------------


def _shape(shape: Any) -> tuple[int, ...]:
    try:
        sizes = (operator.index(shape),) if isinstance(shape, int) else tuple(operator.index(n) for n in shape)
    except TypeError:
        raise ValueError(f"`shape` must be a tuple of whole numbers. Received: shape={shape!r}") from None
    if any(n < 0 for n in sizes):
        raise ValueError(f"`shape` must not have negative sizes. Received: shape={shape!r}")
    return sizes


def _float_dtype(dtype: Any) -> torch.dtype:
    found = dtypes.to_torch_dtype(dtype)
    if not found.is_floating_point:
        raise ValueError(f"`dtype` must be a floating point type. Received: dtype={dtype!r}")
    return found


def work_dtype(dtype: torch.dtype) -> torch.dtype:
    """The type that a draw of this type is computed in: 16 bits are too few for the tails of a distribution."""
    return torch.float64 if dtype is torch.float64 else torch.float32


def _tensor(x: Any, dtype: torch.dtype | None = None, device: torch.device | None = None) -> torch.Tensor:
    if isinstance(x, torch.Tensor):
        return x if dtype is None else x.to(dtype)
    if dtype is None and isinstance(x, list | tuple | int | float):
        dtype = dtypes.to_torch_dtype(None) if np.asarray(x).dtype.kind == "f" else None
    return dtypes.from_numpy(np.array(x), dtype, device or rank.default_device())


def _check_positive(name: str, value: Any, zero: bool = False) -> None:
    if isinstance(value, int | float) and (value < 0 or (value == 0 and not zero)):
        raise ValueError(f"`{name}` must {'not be negative' if zero else 'be positive'}. Received: {name}={value!r}")


# -- draws -----------------------------------------------------------------------------------------------------------------------------


def normal(shape: Sequence[int], mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = None, seed: Seed = None) -> torch.Tensor:
    """Draws from a normal distribution.

    Args:
        shape: The shape of the result.
        mean: Its mean, a number or a tensor that broadcasts to `shape`.
        stddev: The standard deviation of the distribution, a number or a tensor that broadcasts.
        dtype: A floating type; `floatx()` without it.
        seed: An int (the same numbers at each call), a SeedGenerator, or `None` (torch's global generator).

    >>> keras.random.normal((2, 3), seed=1).shape
    torch.Size([2, 3])
    """
    _check_positive("stddev", stddev, zero=True)
    shape, out, state, device = _shape(shape), _float_dtype(dtype), _state_of(seed), rank.default_device()
    if state is None:
        x = torch.randn(shape, dtype=out, device=device)
    else:
        x = torch.erfinv(_open_interval(shape, state, work_dtype(out), device)).mul_(math.sqrt(2.0)).to(out)
    return _affine(x, stddev, mean)


def _affine(x: torch.Tensor, scale: Any, offset: Any) -> torch.Tensor:
    """`x * scale + offset` in the type of `x`, in place for numbers."""
    if isinstance(scale, int | float):
        x = x if scale == 1 else x.mul_(scale)
    else:
        x = x * _tensor(scale, x.dtype, x.device)
    if isinstance(offset, int | float):
        return x if offset == 0 else x.add_(offset)
    return x + _tensor(offset, x.dtype, x.device)


def uniform(shape: Sequence[int], minval: Any = 0.0, maxval: Any = 1.0, dtype: Any = None, seed: Seed = None) -> torch.Tensor:
    """Draws from a uniform distribution over `[minval, maxval)`. See `normal` for `shape`, `dtype` and `seed`.

    Args:
        shape: The shape of the result.
        minval: The start of the range.
        maxval: The end of the range, which is not drawn itself.
        dtype: A floating type; `floatx()` without it.
        seed: An int (the same numbers at each call), a SeedGenerator, or `None` (torch's global generator).

    >>> keras.random.uniform((2, 3), seed=1).shape
    torch.Size([2, 3])
    """
    shape, out, state, device = _shape(shape), _float_dtype(dtype), _state_of(seed), rank.default_device()
    x = torch.rand(shape, dtype=out, device=device) if state is None else _unit(shape, state, out, device)
    return _affine(x, maxval - minval, minval)


def truncated_normal(shape: Sequence[int], mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = None, seed: Seed = None) -> torch.Tensor:
    """Draws from a normal distribution without what is more than two standard deviations from the mean.

    Args:
        shape: The shape of the result.
        mean: Its mean, a number or a tensor that broadcasts to `shape`.
        stddev: The standard deviation of the distribution, a number or a tensor that broadcasts.
        dtype: A floating type; `floatx()` without it.
        seed: An int (the same numbers at each call), a SeedGenerator, or `None` (torch's global generator).

    >>> keras.random.truncated_normal((2, 3), seed=1).shape
    torch.Size([2, 3])
    """
    _check_positive("stddev", stddev, zero=True)
    shape, out, state, device = _shape(shape), _float_dtype(dtype), _state_of(seed), rank.default_device()
    work = work_dtype(out)
    if state is None:
        x = truncated_normal_(torch.empty(shape, dtype=work, device=device), 0.0, 1.0, None)
    else:
        x = _truncate_(_open_interval(shape, state, work, device).mul_(_TRUNCATION))
    return _affine(x.to(out), stddev, mean)


_TRUNCATION = math.erf(math.sqrt(2.0))  # the probability of less than two standard deviations


def _truncate_(x: torch.Tensor) -> torch.Tensor:
    """Uniform numbers within `_TRUNCATION` of 0 as normal ones in [-2, 2], in place, by the inverse of the distribution function."""
    return x.erfinv_().mul_(math.sqrt(2.0)).clamp_(-2.0, 2.0)


def truncated_normal_(x: torch.Tensor, mean: float, stddev: float, generator: torch.Generator | None) -> torch.Tensor:
    """Fill `x` in place as `truncated_normal` does, from a torch generator."""
    return _truncate_(x.uniform_(-_TRUNCATION, _TRUNCATION, generator=generator)).mul_(stddev).add_(mean)


def uniform_(x: torch.Tensor, minval: float, maxval: float, generator: torch.Generator | None) -> torch.Tensor:
    """Fill `x` in place as `uniform` does, from a torch generator; the ends may come in either order, as in Keras."""
    if minval > maxval:
        return x.uniform_(maxval, minval, generator=generator).neg_().add_(minval + maxval)
    return x.uniform_(minval, maxval, generator=generator)


def randint(shape: Sequence[int], minval: Any, maxval: Any, dtype: Any = "int32", seed: Seed = None) -> torch.Tensor:
    """Whole numbers, each of `[minval, maxval)` as likely as another.

    Args:
        shape: The shape of the result.
        minval: The smallest value, a whole number or an integer tensor that broadcasts to `shape`.
        maxval: One more than the largest value that is drawn, a number or a tensor that broadcasts.
        dtype: An integer type.
        seed: An int (the same numbers at each call), a SeedGenerator, or `None` (torch's global generator).

    >>> keras.random.randint((2,), 2.0, 3.0, seed=1).shape
    torch.Size([2])
    """
    out = dtypes.to_torch_dtype(dtype)
    if not dtypes.is_int(out):
        raise ValueError(f"`dtype` must be an integer type. Received: dtype={dtype!r}")
    low, high = _whole("minval", minval), _whole("maxval", maxval)
    shape, device = _shape(shape), rank.default_device()
    if isinstance(low, int) and isinstance(high, int):
        if low >= high:
            raise ValueError(f"`maxval` must be greater than `minval`. Received: minval={low}, maxval={high}")
        state = _state_of(seed)
        if state is None:
            return torch.randint(low, high, shape, dtype=torch.int64, device=device).to(out)
    else:
        state = _state_of(seed)
        low, high = (torch.as_tensor(b, dtype=torch.int64, device=device) for b in (low, high))
    if state is None:
        bits = torch.randint(2**63 - 1, shape, device=device)
    else:
        bits = _top(_bits(math.prod(shape), state, device), 63).view(shape)
    return (bits % (high - low) + low).to(out)


def _whole(name: str, value: Any) -> int | torch.Tensor:
    if isinstance(value, torch.Tensor):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    array = np.asarray(value)
    if array.dtype.kind not in "biu":
        raise ValueError(f"`{name}` must be a whole number. Received: {name}={value!r}")
    return int(array) if array.ndim == 0 else _tensor(array)


def categorical(logits: Any, num_samples: int, dtype: Any = "int32", seed: Seed = None) -> torch.Tensor:
    """Classes drawn with the probabilities `softmax(logits)`.

    Args:
        logits: Unnormalized log-probabilities of shape `(batch, classes)`.
        num_samples: How many draws for each row.
        dtype: The type of the result, of shape `(batch, num_samples)`.
        seed: An int (the same numbers at each call), a SeedGenerator, or `None` (torch's global generator).

    >>> keras.random.categorical([[0.0, 1.0]], 4, seed=1).shape
    torch.Size([1, 4])
    """
    logits = _tensor(logits)
    if logits.ndim != 2:
        raise ValueError(f"`logits` must have the shape (batch, classes). Received: shape {tuple(logits.shape)}")
    if num_samples < 0:
        raise ValueError(f"`num_samples` must not be negative. Received: num_samples={num_samples}")
    out, state, shape = dtypes.to_torch_dtype(dtype), _state_of(seed), (logits.shape[0], int(num_samples))
    # By the inverse of the cumulative distribution, in double precision: `u` is then below the last sum, whatever is rounded.
    sums = torch.softmax(logits.to(torch.float64), -1).cumsum(-1)
    if state is None:
        u = torch.rand(shape, dtype=torch.float64, device=logits.device)
    else:
        u = _unit(shape, state, torch.float64, logits.device)
    found = torch.searchsorted(sums, u * sums[:, -1:], right=True)
    return found.clamp_(max=max(logits.shape[1] - 1, 0)).to(out)


def dropout(inputs: Any, rate: float, noise_shape: Sequence[int | None] | None = None, seed: Seed = None) -> torch.Tensor:
    """`inputs` with a share `rate` of the elements set to zero and the others divided by `1 - rate`.

    Args:
        inputs: A floating tensor.
        rate: From 0 to 1.
        noise_shape: The shape of the mask, which broadcasts to that of `inputs`; `None` in it is the size of that axis.
        seed: An int (the same numbers at each call), a SeedGenerator, or `None` (torch's global generator).

    >>> keras.random.dropout([1.0, 2.0], 0.5, seed=1).shape
    torch.Size([2])
    """
    if not 0 <= rate <= 1:
        raise ValueError(f"`rate` must be from 0 to 1. Received: rate={rate!r}")
    inputs = _tensor(inputs)
    if not inputs.is_floating_point():
        raise ValueError(f"`inputs` must be floating point, for what is kept is scaled. Received: {inputs.dtype}")
    shape = tuple(inputs.shape) if noise_shape is None else _noise_shape(noise_shape, inputs)
    state = _state_of(seed)
    if state is None and noise_shape is None:
        return F.dropout(inputs, rate, training=True)
    if rate in (0, 1):
        return inputs if rate == 0 else torch.zeros_like(inputs)
    if state is None:
        keep = torch.rand(shape, device=inputs.device) >= rate
    else:
        keep = _unit(shape, state, torch.float32, inputs.device) >= rate
    return torch.where(keep, inputs * (1.0 / (1.0 - rate)), 0.0)


def _noise_shape(noise_shape: Sequence[int | None], inputs: torch.Tensor) -> tuple[int, ...]:
    given = tuple(noise_shape)
    shape = tuple(n if size is None else size for size, n in zip(given, inputs.shape))
    if len(given) != inputs.ndim or any(size not in (1, n) for size, n in zip(shape, inputs.shape)):
        raise ValueError(f"`noise_shape` must have 1, None or its size for each axis of {tuple(inputs.shape)}. Received: {given}")
    return shape


def shuffle(x: Any, axis: int = 0, seed: Seed = None) -> torch.Tensor:
    """`x` with its slices along `axis` in random order.

    Args:
        x: A tensor.
        axis: The axis.
        seed: An int (the same numbers at each call), a SeedGenerator, or `None` (torch's global generator).

    >>> keras.random.shuffle((2, 3), seed=1).shape
    torch.Size([2])
    """
    x = _tensor(x)
    if not -x.ndim <= axis < x.ndim:
        raise ValueError(f"`axis` must be an axis of `x`, which has {x.ndim}. Received: axis={axis}")
    state, count = _state_of(seed), x.shape[axis]
    if state is None:
        order = torch.randperm(count, device=x.device)
    else:
        order = torch.argsort(_bits(count, state, x.device))
    return x.index_select(axis, order)


def gamma(shape: Sequence[int], alpha: Any, dtype: Any = None, seed: Seed = None) -> torch.Tensor:
    """Draws from a gamma distribution of rate 1.

    Args:
        shape: The shape of the result.
        alpha: Its shape parameter, positive: a number or a tensor that broadcasts to `shape`.
        dtype: A floating type; `floatx()` without it.
        seed: An int (the same numbers at each call), a SeedGenerator, or `None` (torch's global generator).

    >>> keras.random.gamma((2,), 3.0, seed=1).shape
    torch.Size([2])
    """
    _check_positive("alpha", alpha)
    shape, out, device = _shape(shape), _float_dtype(dtype), rank.default_device()
    alpha = _tensor(alpha, work_dtype(out), device).expand(shape)
    return torch._standard_gamma(alpha, generator=torch_generator(seed, device)).to(out)


def beta(shape: Sequence[int], alpha: Any, beta: Any, dtype: Any = None, seed: Seed = None) -> torch.Tensor:
    """Draws from a beta distribution.

    Args:
        shape: The shape of the result.
        alpha: Its first parameter, positive: a number or a tensor that broadcasts to `shape`.
        beta: The second parameter of the distribution, positive; it broadcasts with `alpha`.
        dtype: A floating type; `floatx()` without it.
        seed: An int (the same numbers at each call), a SeedGenerator, or `None` (torch's global generator).

    >>> keras.random.beta((2,), 2.0, 3.0, seed=1).shape
    torch.Size([2])
    """
    _check_positive("alpha", alpha)
    _check_positive("beta", beta)
    shape, out, device = _shape(shape), _float_dtype(dtype), rank.default_device()
    both = torch.stack([_tensor(p, work_dtype(out), device).expand(shape) for p in (alpha, beta)], -1)
    return torch._sample_dirichlet(both, generator=torch_generator(seed, device))[..., 0].to(out)


def binomial(shape: Sequence[int], counts: Any, probabilities: Any, dtype: Any = None, seed: Seed = None) -> torch.Tensor:
    """How many of `counts` trials succeed, each with the given probability.

    Args:
        shape: The shape of the result.
        counts: The number of trials: a number or a tensor that broadcasts to `shape`.
        probabilities: The probability of success, from 0 to 1, a number or a tensor that broadcasts.
        dtype: The type of the result; `floatx()` without it.
        seed: An int (the same numbers at each call), a SeedGenerator, or `None` (torch's global generator).

    >>> keras.random.binomial((2,), 5.0, 0.5, seed=1).shape
    torch.Size([2])
    """
    _check_positive("counts", counts, zero=True)
    if isinstance(probabilities, int | float) and not 0 <= probabilities <= 1:
        raise ValueError(f"`probabilities` must be from 0 to 1. Received: probabilities={probabilities!r}")
    shape, out, device = _shape(shape), dtypes.to_torch_dtype(dtype), rank.default_device()
    work = work_dtype(out)
    trials, chances = (_tensor(p, work, device).expand(shape) for p in (counts, probabilities))
    return torch.binomial(trials, chances, generator=torch_generator(seed, device)).to(out)
