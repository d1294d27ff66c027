"""Dtype policies: which type a layer computes in, which it stores its weights in, and how they are quantized."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any, TypeAlias

import numpy as np
import torch

from . import config, dtypes, registry
from .configurable import Configurable, deserialize_in, serialize_keras_object
from .distribution import rank
from .registry import Family
from .typing import DTypeLike

QUANTIZATION_MODES = ("int8", "float8", "int4", "gptq", "awq")
_MIXED = {"mixed_float16": "float16", "mixed_bfloat16": "bfloat16"}


def _parse_name(name: Any) -> tuple[str, str]:
    """The compute and the variable type of a policy's name."""
    if not isinstance(name, str):
        raise TypeError(f"`name` must be a string such as 'mixed_float16'. Received: name={name!r} of type {type(name).__name__}")
    if name in _MIXED:
        return _MIXED[name], "float32"
    if name not in dtypes.TORCH_DTYPES and name != "string":
        known = [*_MIXED, *dtypes.TORCH_DTYPES]
        raise ValueError(
            f"`name` must be {', '.join(map(repr, _MIXED))} or the name of a type such as 'float32'. "
            f"Received: name={name!r}.{registry.near_matches(name, known)}"
        )
    return name, name


class DTypePolicy(Configurable):
    """The types of a layer: that of its inputs and computation, and that of its weights.

    Args:
        name: The name of a type for both, or `"mixed_float16"` / `"mixed_bfloat16"`: computation in 16 bits, weights in float32. The
            global policy's name without it.

    Raises:
        ValueError: If there is an unknown name.

    >>> keras.DTypePolicy("mixed_bfloat16").compute_dtype
    'bfloat16'
    """

    _keras_module = "keras"
    quantization_mode: str | None = None

    def __init__(self, name: str | None = None) -> None:
        self.name: str = config.dtype_policy().name if name is None else name
        self.compute_dtype, self.variable_dtype = _parse_name(self.name)

    def convert_input(self, x: Any, autocast: bool, dtype: Any) -> Any:
        """`x` as a layer's input: arrays become tensors, floating ones are cast when `autocast` is on, anything else passes.

        Args:
            x: A tensor, a symbolic tensor, an array, or anything.
            autocast: Whether floating values are cast.
            dtype: The type to cast to.
        """
        if isinstance(x, np.ndarray | np.generic):
            if x.dtype.kind not in "biufc" and x.dtype.name != "bfloat16":
                return x  # strings and objects are for preprocessing layers
            x = _tensor(x)
        if not autocast or not hasattr(x, "to") or not hasattr(x, "dtype"):
            return x
        target = dtypes.to_torch_dtype(dtype)
        if isinstance(x, torch.Tensor):
            return x.to(target) if x.dtype is not target and x.dtype.is_floating_point else x
        known = dtypes.to_torch_dtype(x.dtype)  # a symbolic tensor or a view of a weight
        return x.to(target) if known is not target and known.is_floating_point else x

    def __eq__(self, other: Any) -> bool:
        if not isinstance(other, DTypePolicy) or (self.quantization_mode is None) != (other.quantization_mode is None):
            return False
        return self.name == other.name

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        name = "DTypePolicy" if type(self) is FloatDTypePolicy else type(self).__name__  # two names of one kind
        return f'<{name} "{self.name}">'


class FloatDTypePolicy(DTypePolicy):
    """Keras's other name for a policy without quantization.

    Args:
        name: The name of a type for both, or `"mixed_float16"` / `"mixed_bfloat16"`: computation in 16 bits, weights in float32. The
            global policy's name without it.

    >>> keras.FloatDTypePolicy("float16").variable_dtype
    'float16'
    """


class QuantizedDTypePolicy(DTypePolicy):
    """A policy whose layer keeps quantized weights.

    Args:
        mode: `"int8"`, `"int4"`, `"float8"`, `"gptq"` or `"awq"`.
        source_name: The policy of the layer before it was quantized; the global policy's name without it.

    Raises:
        ValueError: If the mode is unknown, or int8 is asked for over float16, whose range is too small for it.

    >>> keras.dtype_policies.QuantizedDTypePolicy("int8", "float32").compute_dtype
    'float32'
    """

    _keras_module = "keras.dtype_policies"

    def __init__(self, mode: str, source_name: str | None = None) -> None:
        super().__init__(source_name)
        self.source_name = self.name
        self.mode = self.quantization_mode = self._read_mode(mode)
        self._full_mode = mode
        self.name = f"{mode}_from_{self.source_name}"
        if self.quantization_mode == "int8" and self.compute_dtype == "float16":
            raise ValueError(
                "`source_name` must not compute in float16 with `mode='int8'`: its range is too small. "
                f"Received: source_name={self.source_name!r}. Use 'mixed_bfloat16' or 'float32'."
            )

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "mode": self._full_mode}

    def _read_mode(self, mode: Any) -> str:
        if mode not in QUANTIZATION_MODES:
            raise ValueError(
                f"`mode` must be one of {', '.join(QUANTIZATION_MODES)}. "
                f"Received: mode={mode!r}.{registry.near_matches(mode, QUANTIZATION_MODES)}"
            )
        return mode

    def __eq__(self, other: Any) -> bool:
        return type(self) is type(other) and self.get_config() == other.get_config()

    __hash__ = DTypePolicy.__hash__


def _mode_numbers(mode: Any, *fields: str) -> list[int]:
    """The numbers of a mode such as `"gptq/4/128"`; `fields` starts with the word and names the numbers."""
    word, *names = fields
    parts = mode.split("/") if isinstance(mode, str) else []
    expected = "/".join([word, *(f"<{n}>" for n in names)])
    if len(parts) != len(fields) or parts[0] != word or not all(re.fullmatch(r"-?\d+", p) for p in parts[1:]):
        raise ValueError(f"`mode` must have the form '{expected}' with whole numbers. Received: mode={mode!r}")
    return [int(p) for p in parts[1:]]


def _check_group(mode: str, field: str, size: int) -> int:
    if size != -1 and size < 1:
        raise ValueError(f"The {field} in `mode` must be -1 (all in one group) or positive. Received: {size} in mode={mode!r}")
    return size


class Int4DTypePolicy(QuantizedDTypePolicy):
    """Four-bit weights with a scale for each block.

    Args:
        mode: `"int4/<block_size>"`, where -1 is one scale for each output channel.
        source_name: The policy of the layer before it was quantized; the global policy's name without it.

    >>> keras.dtype_policies.Int4DTypePolicy("int4/128", "float32").compute_dtype
    'float32'
    """

    def _read_mode(self, mode: Any) -> str:
        (block_size,) = _mode_numbers(mode, "int4", "block_size")
        self.block_size = _check_group(mode, "block_size", block_size)
        return "int4"


class GPTQDTypePolicy(QuantizedDTypePolicy):
    """Weights quantized by GPTQ.

    Args:
        mode: `"gptq/<weight_bits>/<group_size>"`: 2, 3, 4 or 8 bits; a group size of -1 is the whole tensor.
        source_name: The policy of the layer before it was quantized; the global policy's name without it.

    >>> keras.dtype_policies.GPTQDTypePolicy("gptq/4/128", "float32").compute_dtype
    'float32'
    """

    _method = "gptq"
    _bits: tuple[int, ...] = (2, 3, 4, 8)

    def _read_mode(self, mode: Any) -> str:
        bits, group_size = _mode_numbers(mode, self._method, "weight_bits", "group_size")
        if bits not in self._bits:
            raise ValueError(f"The weight_bits in `mode` must be {' or '.join(map(str, self._bits))}. Received: {bits} in mode={mode!r}")
        self.weight_bits = bits
        self.group_size = _check_group(mode, "group_size", group_size)
        return self._method


class AWQDTypePolicy(GPTQDTypePolicy):
    """Weights quantized by AWQ.

    Args:
        mode: `"awq/4/<group_size>"`; a group size of -1 is the whole tensor.
        source_name: The policy of the layer before it was quantized; the global policy's name without it.

    >>> keras.dtype_policies.AWQDTypePolicy("awq/4/128", "float32").compute_dtype
    'float32'
    """

    _method = "awq"
    _bits = (4,)


class QuantizedFloat8DTypePolicy(QuantizedDTypePolicy):
    """Float8 computation with scales from a history of the largest values.

    Args:
        mode: `"float8"`.
        source_name: The policy of the layer before it was quantized; the global policy's name without it.
        amax_history_length: How many steps the history holds.

    >>> keras.dtype_policies.QuantizedFloat8DTypePolicy("float8", "float32").compute_dtype
    'float32'
    """

    default_amax_history_length = 1024

    def __init__(self, mode: str, source_name: str | None = None, amax_history_length: int = 1024) -> None:
        if isinstance(amax_history_length, bool) or not isinstance(amax_history_length, int):
            raise TypeError(f"`amax_history_length` must be an integer. Received: amax_history_length={amax_history_length!r}")
        if amax_history_length < 1:
            raise ValueError(f"`amax_history_length` must be positive. Received: amax_history_length={amax_history_length}")
        super().__init__(mode, source_name)
        self.amax_history_length = amax_history_length

    def _read_mode(self, mode: Any) -> str:
        if mode != "float8":
            raise ValueError(f"`mode` must be 'float8'. Received: mode={mode!r}")
        return "float8"


class DTypePolicyMap(DTypePolicy, MutableMapping):
    """Policies by layer path, for the sub-layers of one layer.

    A path finds the policy under its own name, else the one whose key matches the whole path as a regular expression, else the default.

    Args:
        default_policy: The policy of paths that match no key; the global one without it.
        policy_map: Keys to policies or their names.

    >>> keras.dtype_policies.DTypePolicyMap().get_config()
    {'default_policy': None, 'policy_map': {}}
    """

    _keras_module = "keras.dtype_policies"

    def __init__(self, default_policy: Any = None, policy_map: Mapping[str, Any] | None = None) -> None:
        if policy_map is not None and not isinstance(policy_map, Mapping):
            raise TypeError(f"`policy_map` must be a dict. Received: policy_map={policy_map!r} of type {type(policy_map).__name__}")
        self._default = None if default_policy is None else get(default_policy)
        self._map: dict[str, DTypePolicy] = {}
        for key, policy in (policy_map or {}).items():
            self[key] = policy

    @property
    def default_policy(self) -> DTypePolicy:
        """The policy of paths that match no key."""
        if self._default is not None:
            return self._default
        policy = config.dtype_policy()
        return DTypePolicy(config.floatx()) if policy is self else policy

    @property
    def name(self) -> str:  # type: ignore[override]
        return f"map_{self.default_policy.name}"

    @property
    def compute_dtype(self) -> str:  # type: ignore[override]
        return self.default_policy.compute_dtype

    @property
    def variable_dtype(self) -> str:  # type: ignore[override]
        return self.default_policy.variable_dtype

    @property
    def quantization_mode(self) -> str | None:  # type: ignore[override]
        return self.default_policy.quantization_mode

    def __getitem__(self, key: str) -> DTypePolicy:
        if key in self._map:
            return self._map[key]
        matches = [k for k in self._map if re.fullmatch(k, key)]
        if len(matches) > 1:
            raise ValueError(
                f"The path {key!r} must match one key of the DTypePolicyMap. Received: it matches {', '.join(map(repr, matches))}"
            )
        return self._map[matches[0]] if matches else self.default_policy

    def __setitem__(self, key: str, policy: Any) -> None:
        if key in self._map:
            raise ValueError(f"The key {key!r} is already in the DTypePolicyMap, with {self._map[key]}. Delete it first.")
        if isinstance(policy, DTypePolicyMap):
            raise ValueError(f"The value of a key must be one policy, not a map. Received: {policy}")
        self._map[key] = get(policy)

    def __delitem__(self, key: str) -> None:
        del self._map[key]

    def __contains__(self, key: Any) -> bool:
        return key in self._map

    def __len__(self) -> int:
        return len(self._map)

    def __iter__(self) -> Iterator[str]:
        return iter(self._map)

    def get_config(self) -> dict[str, Any]:
        default = None
        if self._default is not None:
            default = self._default.name if isinstance(self._default, DTypePolicy) else self._default
        policies = {k: serialize_keras_object(p) for k, p in self._map.items()}
        if self._default is None:  # loading takes the global policy of that time, for the entries as for the default
            for policy in policies.values():
                policy["config"] |= dict.fromkeys(policy["config"].keys() & {"name", "source_name"})
        return {"default_policy": default, "policy_map": policies}

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, DTypePolicyMap) and self.get_config() == other.get_config()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        mapping = [(key, policy.name) for key, policy in self._map.items()]
        return f"<DTypePolicyMap at {id(self):#x} default_policy={self.default_policy.name}, mapping={mapping}>"


def _tensor(array: Any) -> torch.Tensor:
    if isinstance(array, float):  # NumPy's float64 scalar is a Python float
        return torch.as_tensor(float(array), dtype=dtypes.to_torch_dtype(None), device=rank.default_device())
    return dtypes.from_numpy(np.asarray(array), device=rank.default_device())


FAMILY = Family(
    "dtype policy",
    "keras.dtype_policies",
    DTypePolicy,
    {
        "DTypePolicy": DTypePolicy,
        "FloatDTypePolicy": FloatDTypePolicy,
        "QuantizedDTypePolicy": QuantizedDTypePolicy,
        "QuantizedFloat8DTypePolicy": QuantizedFloat8DTypePolicy,
        "Int4DTypePolicy": Int4DTypePolicy,
        "GPTQDTypePolicy": GPTQDTypePolicy,
        "AWQDTypePolicy": AWQDTypePolicy,
        "DTypePolicyMap": DTypePolicyMap,
        "Policy": DTypePolicy,  # Keras 2
    },
)
_PARAMETRIZED = {"float8": QuantizedFloat8DTypePolicy, "int4/": Int4DTypePolicy, "gptq": GPTQDTypePolicy, "awq": AWQDTypePolicy}


PolicyLike: TypeAlias = "DTypeLike | DTypePolicy | Mapping[str, Any]"
"""A dtype policy: a dtype, a name such as `"mixed_bfloat16"`, a config, an object; `None` for the global one."""


def get(identifier: PolicyLike) -> DTypePolicy:
    """A policy from its name (`"mixed_float16"`, `"int8_from_float32"`), a type, a config or a policy; the global one for `None`.

    Args:
        identifier: A name, a config, a class or an object; `None` stays `None`.

    Raises:
        ValueError: If it is anything else; the message tells near matches of a name.
    """
    if isinstance(identifier, DTypePolicy):
        return identifier
    if identifier is None:
        return dtype_policy()
    if isinstance(identifier, dict):
        return deserialize(identifier)
    if isinstance(identifier, str):
        mode, found, source = identifier.partition("_from_")
        if not found:
            return DTypePolicy(identifier)
        kind = next((cls for start, cls in _PARAMETRIZED.items() if mode.startswith(start)), QuantizedDTypePolicy)
        return kind(mode, source)
    if isinstance(identifier, torch.dtype | np.dtype | type):
        return DTypePolicy(dtypes.standardize_dtype(identifier))
    raise ValueError(
        "`dtype` must be a type, the name of a dtype policy, or a DTypePolicy. "
        f"Received: {identifier!r} of type {type(identifier).__name__}"
    )


def serialize(dtype_policy: DTypePolicy) -> dict[str, Any]:
    """A policy as a config.

    Args:
        dtype_policy: The policy that is serialized.
    """
    return serialize_keras_object(dtype_policy)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> DTypePolicy:
    """The policy that a config, or a name, describes.

    Args:
        config: What `serialize` returned, or a name.
        custom_objects: Names to further classes and functions that the config may name.

    Raises:
        ValueError: If there is another kind of config.
    """
    if isinstance(config, str):
        return get(config)
    if not isinstance(config, dict) or "class_name" not in config:
        raise ValueError(f"`config` must be the config of a dtype policy, with a 'class_name'. Received: config={config!r}")
    if config["class_name"] == "Policy":  # Keras 2 names keras.mixed_precision as its module
        config = {**config, "module": None}
    policy = deserialize_in(FAMILY, config, custom_objects)
    if not isinstance(policy, DTypePolicy):
        raise ValueError(f"`config` must describe a dtype policy. Received: config={config!r}")
    return policy


def dtype_policy() -> DTypePolicy:
    """The policy of layers that are given none; `floatx()` for both types until it is set."""
    return config.dtype_policy()


def set_dtype_policy(policy: str | DTypePolicy) -> None:
    """Set the policy of layers that are given none.

    Args:
        policy: A policy or its name.
    """
    config.set_dtype_policy(policy)


config.use_policies(DTypePolicy, get)
