"""`@op`, which makes a torch expression an op: symbolic arguments are recorded, arrays become tensors, types promote."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Sequence
from typing import Any, ParamSpec, TypeAlias, TypeVar, overload

import numpy as np
import torch
from torch.fx import Proxy

from .. import dtypes, tree
from ..distribution import rank
from .filed import IN_CAMEL_CASE, Filed
from .opnode import OPS, OpNode
from .symbolic import KerasTensor, any_symbolic

_P = ParamSpec("_P")
_R = TypeVar("_R")

TensorLike: TypeAlias = Any  # a torch tensor, a KerasTensor, a NumPy array, a number or a nest of numbers


def convert_to_tensor(x: Any, dtype: Any = None, device: torch.device | None = None) -> Any:
    """`x` as a torch tensor (symbolic ones pass), of type `dtype` if given; Python floats and lists of them as `floatx()`.

    Args:
        x: A tensor, an array, a number, a nest of numbers, or a weight.
        dtype: The Keras name or torch type of the result.
        device: Where arrays go; the default device without it.
    """
    if isinstance(x, KerasTensor):
        return x
    target = None if dtype is None else dtypes.to_torch_dtype(dtype)
    value = getattr(x, "value", None) if not isinstance(x, (torch.Tensor, np.ndarray)) else None
    if isinstance(value, torch.Tensor):
        x = value  # a Keras-layout view of a weight
    if isinstance(x, torch.Tensor):
        return x if target is None or x.dtype is target else x.to(target)
    if isinstance(x, (list, tuple)) and _holds_tensors(x):
        parts = [convert_to_tensor(v, dtype, device) for v in x]
        if target is None and len({p.dtype for p in parts}) > 1:  # torch.stack promotes no unsigned types
            parts = [p.to(dtypes.to_torch_dtype(dtypes.result_type(*(q.dtype for q in parts)))) for p in parts]
        return torch.stack(parts)
    if not isinstance(x, (np.ndarray, np.generic)) and hasattr(x, "__array__"):
        x = np.asarray(x)
    if target is None:
        if isinstance(x, bool):
            target = torch.bool
        elif isinstance(x, int):
            target = torch.int32 if -(2**31) <= x < 2**31 else torch.int64
        elif isinstance(x, (float, complex, list, tuple)):
            target = _python_dtype(x)
    try:
        if isinstance(x, (bool, int, float)) and target is not None:  # filled on the device: a copy from the host would wait for it
            return torch.full((), x, dtype=target, device=device or rank.default_device())
        if isinstance(x, np.ndarray):
            signed = _UNSIGNED.get(x.dtype.name)
            return dtypes.from_numpy(x if signed is None else x.astype(signed), target, device or rank.default_device())
        return torch.as_tensor(x, dtype=target, device=device or rank.default_device())
    except (TypeError, ValueError, RuntimeError) as error:
        if dtype is None and target is torch.int32:  # integers beyond it
            return convert_to_tensor(x, torch.int64, device)
        raise ValueError(f"Cannot make a tensor of {type(x).__name__}: {error}. Pass numbers, an array or a tensor.") from None


def _holds_tensors(nest: Sequence[Any]) -> bool:
    """Whether tensors or weights stand in a nest of lists, at any depth."""
    for v in nest:
        if isinstance(v, (torch.Tensor, KerasTensor)) or (isinstance(v, (list, tuple)) and _holds_tensors(v)):
            return True
        if not isinstance(v, (int, float, complex, list, tuple, np.ndarray, np.generic)) and hasattr(v, "value"):
            return True
    return False


_UNSIGNED = {"uint16": "int32", "uint32": "int64"}  # torch stores the types of the left and computes nothing with them


def _python_dtype(x: Any) -> torch.dtype | None:
    kinds = _number_kinds(x)
    if not kinds <= {bool, int, float, complex}:
        return None
    if complex in kinds:
        return torch.complex64
    return dtypes.to_torch_dtype(None) if float in kinds or not kinds else torch.int32 if int in kinds else torch.bool


def _number_kinds(x: Any) -> set[type | None]:
    """The kinds of the numbers in a nest (no NumPy here, which torch.compile does not trace)."""
    if isinstance(x, (list, tuple)):
        return set().union(*map(_number_kinds, x))
    if isinstance(x, (bool, np.bool_)):
        return {bool}
    if isinstance(x, (int, np.integer)):
        return {int}
    return {float if isinstance(x, (float, np.floating)) else complex if isinstance(x, (complex, np.complexfloating)) else None}


@overload
def op(fn: Callable[_P, _R], /) -> Callable[_P, _R]: ...


@overload
def op(
    *,
    promote: str | None = None,
    args: Sequence[str] | None = None,
    broadcast: bool = False,
    numbers: bool = False,
    spec: Callable[..., Any] | None = None,
    filed: Filed = IN_CAMEL_CASE,
) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]: ...


def op(
    fn: Callable[..., Any] | None = None,
    *,
    promote: str | None = None,
    args: Sequence[str] | None = None,
    broadcast: bool = False,
    numbers: bool = False,
    spec: Callable | None = None,
    filed: Filed = IN_CAMEL_CASE,
) -> Callable:
    """Make a function of torch tensors an op: symbolic arguments go to the graph, arrays become tensors, types promote.

    The parameters that are tensors are those annotated `TensorLike`, `TensorLike | None` or `Sequence[TensorLike]`; the body sees torch
    tensors (or `None`) in their place.

    Args:
        promote: `None` leaves types alone; `"same"` casts the tensors to `result_type` of them all (Python numbers are weak);
            `"float"` does so with `float` among them, so that integers become `floatx()`.
        args: The parameters that take part in the promotion; all tensors without it.
        broadcast: Whether the tensors broadcast, so that in symbolic calls a known size tells an unknown one.
        numbers: Whether the body takes a Python number for a tensor behind the first: with a floating tensor, it gets it as it is.
        spec: The outputs of a symbolic call, from its arguments, where running the body on fake tensors will not do because they depend
            on values; it may return `NotImplemented`.
        filed: What the op is called in Keras's files, where that is not its name in camel case with the tensors as the call's arguments.

    Shapes that do not fit raise a `ValueError` that names them.
    """
    if fn is None:
        return functools.partial(op, promote=promote, args=args, broadcast=broadcast, numbers=numbers, spec=spec, filed=filed)
    if promote not in (None, "same", "float"):
        raise ValueError(f"`promote` must be None, 'same' or 'float'. Received: promote={promote!r}")
    parameters = list(inspect.signature(fn).parameters.values())
    tensors = [p.name for p in parameters if "TensorLike" in str(p.annotation)]
    lists = frozenset(p.name for p in parameters if "[TensorLike" in str(p.annotation))
    flags = frozenset(p.name for p in parameters if p.annotation in ("bool", bool))
    position = {p.name: i for i, p in enumerate(parameters)}
    variadic = {p.name for p in parameters if p.kind is inspect.Parameter.VAR_POSITIONAL}
    places = tuple((position[name], name, name in variadic) for name in tensors)
    promoted = frozenset(tensors if args is None else args)
    tensor_names = frozenset(tensors)
    required = tuple((place, name in lists) for place, name, star in places if not star)
    simple = bool(required) and required[0][0] == 0 and not variadic

    def name_of(place: int) -> str:
        star = next((p.name for p in parameters if p.kind is inspect.Parameter.VAR_POSITIONAL), None)
        return star if star and place >= position[star] else parameters[place].name

    def as_they_are(given: tuple) -> bool:
        """Whether the positional arguments are tensors of one type that promotion leaves alone."""
        dtype = None
        for i, listed in required:
            if i >= len(given):
                break
            value = given[i]
            if numbers and value.__class__ in (float, int) and dtype is not None and dtype.is_floating_point:
                continue
            if value.__class__ is torch.Tensor:
                if dtype is not None and value.dtype is not dtype:
                    return False
                dtype = value.dtype
            elif listed and value.__class__ in (list, tuple) and value:
                for part in value:
                    if part.__class__ is not torch.Tensor or (dtype is not None and part.dtype is not dtype):
                        return False
                    dtype = part.dtype
            else:
                return False
        return dtype is not None and (promote != "float" or dtype.is_floating_point)

    def standardize(given: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict[str, Any]]:
        found: list[tuple[Any, Any, bool]] = []  # (place, value, promoted)
        for i, name, star in places:
            if star:
                found += [(j, given[j], name in promoted) for j in range(i, len(given))]
            elif i < len(given):
                found.append((i, given[i], name in promoted))
            elif name in kwargs:
                found.append((name, kwargs[name], name in promoted))
        device = _device_of(v for _, v, _ in found)
        target = None
        if promote is not None:
            kinds = [k for _, v, joins in found if joins for k in _kinds(v)]
            target = dtypes.to_torch_dtype(dtypes.result_type(*kinds, *((float,) if promote == "float" else ())))
        positional, named = list(given), dict(kwargs)
        for place, value, joins in found:
            listed = (place if isinstance(place, str) else name_of(place)) in lists
            converted = _convert(value, target if joins else None, device, listed)
            if isinstance(place, int):
                positional[place] = converted
            else:
                named[place] = converted
        return tuple(positional), named

    def plainly(given: tuple, kwargs: dict[str, Any]) -> tuple[list[Any], dict[str, Any]] | None:
        """The arguments with NumPy's numbers and arrays as Python's, and flags (0, 1, `None`) as booleans; `None` if they are so."""

        def plain(name: str, value: Any) -> Any:
            if name in flags and value.__class__ in (int, type(None), np.bool_):
                return bool(value)
            if name not in tensor_names and isinstance(value, (np.generic, np.ndarray)):
                return value.tolist()
            if (
                name not in tensor_names
                and isinstance(value, (list, tuple))
                and any(isinstance(v, (np.generic, np.ndarray)) for v in value)
            ):
                return type(value)(plain(name, v) for v in value)
            return value

        positional = [plain(name_of(i), v) for i, v in enumerate(given)]
        named = {n: plain(n, v) for n, v in kwargs.items()}
        same = all(a is b for a, b in zip(positional, given)) and all(named[n] is v for n, v in kwargs.items())
        return None if same else (positional, named)

    @functools.wraps(fn)
    def wrapper(*given: Any, **kwargs: Any) -> Any:
        if any_symbolic(given, kwargs):
            return OpNode(wrapper).symbolic_call(*given, **kwargs)
        if not (simple and tensor_names.isdisjoint(kwargs) and as_they_are(given)):
            if any(isinstance(v, Proxy) for v in tree.flatten((given, kwargs))):
                return fn(*given, **kwargs)  # `torch.fx` traces it: there is nothing to convert
            given, kwargs = standardize(given, kwargs)
        try:
            return fn(*given, **kwargs)
        except (TypeError, ValueError):
            plain = plainly(given, kwargs)
            if plain is not None:
                try:
                    return fn(*plain[0], **plain[1])
                except (TypeError, ValueError, RuntimeError, IndexError):
                    pass  # the first error tells what was given
            raise
        except (RuntimeError, IndexError) as error:
            if isinstance(error, RuntimeError) and _LACKING.search(str(error)) is not None:
                return _in_wider_types(fn, given, kwargs, error)
            if _SHAPE_ERROR.search(str(error)) is None:
                raise
            named = [*((name_of(i), v) for i, v in enumerate(given)), *kwargs.items()]
            shapes = [f"{name} {tuple(v.shape)}" for name, value in named for v in tree.flatten(value) if isinstance(v, torch.Tensor)]
            raise ValueError(f"Shapes that do not fit in `{fn.__name__}`. Received: {', '.join(shapes)}. {error}") from error

    wrapper.is_op, wrapper.broadcast, wrapper.spec, wrapper.filed = True, broadcast, spec, filed  # type: ignore[attr-defined]
    OPS[fn.__name__] = wrapper
    return wrapper


_SHAPE_ERROR = re.compile(r"\b(sizes?|shapes?|dimensions?|Dimension|dims?|numel|[0-9]D)\b")


def _kinds(value: Any) -> list[Any]:
    if value is None:
        return []
    if isinstance(value, (bool, int, float, complex)):
        return ["bool" if isinstance(value, bool) else type(value)]
    if isinstance(value, (list, tuple)):
        if _holds_tensors(value) or any(isinstance(v, np.ndarray) for v in value):
            return [k for v in value for k in _kinds(v)]
        return [_python_dtype(value)]
    if isinstance(value, np.ndarray):
        return [_UNSIGNED.get(value.dtype.name, value.dtype)]
    return [value.dtype if hasattr(value, "dtype") else np.asarray(value).dtype]


def _device_of(values: Any) -> torch.device | None:
    for value in values:
        if isinstance(value, (list, tuple)):
            device = _device_of(value)
            if device is not None:
                return device
        elif isinstance(value, torch.Tensor) or hasattr(value, "parameters"):
            return value.device
    return None


def _convert(value: Any, dtype: torch.dtype | None, device: torch.device | None, listed: bool = False) -> Any:
    if value is None:
        return None
    if listed and isinstance(value, (list, tuple)):
        return [_convert(v, dtype, device) for v in value]
    return convert_to_tensor(value, dtype, device)


# -- a second try ----------------------------------------------------------------------------------------------------------------------

_LACKING = re.compile(r"not implemented for '|Promotion for uint16|not (?:currently )?support|only supports")
_WIDER = {
    torch.bool: torch.uint8, torch.uint8: torch.int32, torch.int8: torch.int32, torch.int16: torch.int32, torch.uint16: torch.int32,
    torch.uint32: torch.int64, torch.uint64: torch.int64, torch.float16: torch.float32, torch.bfloat16: torch.float32,
}  # fmt: skip


def _in_wider_types(fn: Callable, given: tuple, kwargs: dict[str, Any], error: Exception) -> Any:
    """`fn` in the next types that have the kernels which torch lacks for those given; the results come back in these."""
    narrow = {t.dtype for t in tree.flatten((given, kwargs)) if isinstance(t, torch.Tensor)} & _WIDER.keys()
    if not narrow or torch.compiler.is_compiling():
        raise error

    def widened(t: Any) -> Any:
        return t.to(_WIDER[t.dtype]) if isinstance(t, torch.Tensor) and t.dtype in narrow else t

    given, kwargs = tree.map_structure(widened, (given, kwargs))
    back = {_WIDER[dtype]: dtype for dtype in narrow} if len(narrow) == 1 else {}
    try:
        results = fn(*given, **kwargs)
    except RuntimeError as again:
        if _LACKING.search(str(again)) is None:
            raise
        results = _in_wider_types(fn, given, kwargs, error)
    return tree.map_structure(lambda t: t.to(back[t.dtype]) if isinstance(t, torch.Tensor) and t.dtype in back else t, results)
