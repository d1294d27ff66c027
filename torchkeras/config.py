"""Process-wide settings: float type, epsilon, image layout, and the switches that Keras calls config."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

_FLOAT_TYPES = ("bfloat16", "float16", "float32", "float64")
_DATA_FORMATS = ("channels_last", "channels_first")


class _Settings:
    """The values behind the accessor functions below, one instance a process."""

    def __init__(self) -> None:
        self.floatx = "float32"
        self.epsilon = 1e-7
        self.image_data_format = "channels_last"
        self.traceback_filtering = True
        self.interactive_logging = True
        self.flash_attention = True
        self.unsafe_deserialization = False
        self.max_epochs: int | None = None
        self.max_steps_per_epoch: int | None = None
        self.dtype_policy: Any = None
        self.policy_of_name: Callable[[str], Any]
        self.policy_reader: Callable[[Any], Any]


def keras_home() -> Path:
    """The folder of Keras's own files: `$KERAS_HOME`, else `~/.keras`."""
    return Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")


def floatx() -> str:
    """The default float type, as a string."""
    return _settings.floatx


def set_floatx(value: str) -> None:
    """Set the default float type.

    Args:
        value: One of `"bfloat16"`, `"float16"`, `"float32"`, `"float64"`.
    """
    if value not in _FLOAT_TYPES:
        raise ValueError(f"`value` must be one of {', '.join(_FLOAT_TYPES)}. Received: value={value!r}")
    _settings.floatx = str(value)


def dtype_policy() -> Any:
    """The dtype policy of layers that are given none; `floatx()` for inputs and weights until it is set."""
    policy = _settings.dtype_policy
    return _settings.policy_of_name(_settings.floatx) if policy is None else policy


def set_dtype_policy(policy: Any) -> None:
    """Set the dtype policy of layers that are given none.

    Args:
        policy: A `DTypePolicy` or its name, such as `"mixed_bfloat16"`.
    """
    if not isinstance(policy, str) and not hasattr(policy, "compute_dtype"):
        raise ValueError(f"`policy` must be a DTypePolicy or the name of one. Received: policy={policy!r} of type {type(policy).__name__}")
    _settings.dtype_policy = _settings.policy_reader(policy)


def reset_dtype_policy() -> None:
    """Let the dtype policy follow `floatx()` again."""
    _settings.dtype_policy = None


def use_policies(policy_of_name: Callable[[str], Any], policy_reader: Callable[[Any], Any]) -> None:
    """Called once by `dtype_policies`, which stands on a higher floor: how a policy is made of a type's name, and of anything."""
    _settings.policy_of_name, _settings.policy_reader = policy_of_name, policy_reader


def epsilon() -> float:
    """The small number that keeps divisions and logarithms finite."""
    return _settings.epsilon


def set_epsilon(value: float) -> None:
    """Set the number that `epsilon()` returns.

    Args:
        value: The number.
    """
    _settings.epsilon = float(value)


def image_data_format() -> str:
    """The default place of the channels, `"channels_last"` or `"channels_first"`."""
    return _settings.image_data_format


def set_image_data_format(data_format: str) -> None:
    """Set the default place of the channels.

    Args:
        data_format: `"channels_last"` or `"channels_first"`.
    """
    _settings.image_data_format = standardize_data_format(data_format)


def standardize_data_format(data_format: str | None) -> str:
    """`data_format`, lower case and checked; the process's default for `None`."""
    if data_format is None:
        return _settings.image_data_format
    data_format = str(data_format).lower()
    if data_format not in _DATA_FORMATS:
        raise ValueError(f"`data_format` must be one of {', '.join(_DATA_FORMATS)}. Received: data_format={data_format!r}")
    return data_format


def backend() -> str:
    """Always `"torch"`."""
    return "torch"


def set_backend(backend: str) -> None:
    """Accept `"torch"`; anything else is a `ValueError`, for there is no other backend here.

    Args:
        backend: The name of a backend: `"torch"` is the only one.
    """
    if backend != "torch":
        raise ValueError(f"`backend` must be 'torch': torchkeras runs on PyTorch alone. Received: backend={backend!r}")


def enable_interactive_logging() -> None:
    """Send the progress bar to standard output."""
    _settings.interactive_logging = True


def disable_interactive_logging() -> None:
    """Send the progress bar to the `logging` module."""
    _settings.interactive_logging = False


def is_interactive_logging_enabled() -> bool:
    """Whether the progress bar goes to standard output."""
    return _settings.interactive_logging


def enable_traceback_filtering() -> None:
    """Hide this library's own frames from tracebacks."""
    _settings.traceback_filtering = True


def disable_traceback_filtering() -> None:
    """Show this library's own frames in tracebacks."""
    _settings.traceback_filtering = False


def is_traceback_filtering_enabled() -> bool:
    """Whether this library's own frames are hidden from tracebacks."""
    return _settings.traceback_filtering


def enable_flash_attention() -> None:
    """Allow the flash kernel in scaled dot-product attention."""
    _settings.flash_attention = True


def disable_flash_attention() -> None:
    """Forbid the flash kernel in scaled dot-product attention."""
    _settings.flash_attention = False


def is_flash_attention_enabled() -> bool:
    """Whether the flash kernel may be used."""
    return _settings.flash_attention


def enable_unsafe_deserialization() -> None:
    """Let every later load run code that a file carries. A person's choice: no file can call this."""
    _settings.unsafe_deserialization = True


def is_unsafe_deserialization_enabled() -> bool:
    """Whether loading may run code that a file carries without `safe_mode=False`."""
    return _settings.unsafe_deserialization


def max_epochs() -> int | None:
    """The cap on epochs in every `fit`, or `None`."""
    return _settings.max_epochs


def set_max_epochs(max_epochs: int | None) -> None:
    """Cap the epochs of every later `fit` (smoke tests of long scripts).

    Args:
        max_epochs: The number; `None` lifts the limit.
    """
    _settings.max_epochs = max_epochs


def max_steps_per_epoch() -> int | None:
    """The cap on steps in every epoch, or `None`."""
    return _settings.max_steps_per_epoch


def set_max_steps_per_epoch(max_steps_per_epoch: int | None) -> None:
    """Cap the steps of every later `fit`, `evaluate` and `predict`.

    Args:
        max_steps_per_epoch: The number; `None` lifts the limit.
    """
    _settings.max_steps_per_epoch = max_steps_per_epoch


def _read_file(path: Path) -> None:
    """Take floatx, epsilon and image_data_format from Keras's own `keras.json`, where there is one."""
    try:
        stored = json.loads(path.read_text())
    except (OSError, ValueError):
        return
    for name, setter in (("floatx", set_floatx), ("epsilon", set_epsilon), ("image_data_format", set_image_data_format)):
        if name in stored:
            setter(stored[name])


_settings = _Settings()
_read_file(keras_home() / "keras.json")
