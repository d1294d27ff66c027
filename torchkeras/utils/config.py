"""Config: named values, as attributes and as a dict, that can be frozen."""

from __future__ import annotations

import json
from collections.abc import ItemsView, Iterator, KeysView, Mapping, ValuesView
from typing import Any


class Config:
    """Named values, set and read as attributes or by name.

    Args:
        **kwargs: The first of them.

    >>> config = keras.utils.Config(rate=0.1)
    >>> config.rate
    0.1
    """

    __slots__ = ("_config", "_frozen")

    def __init__(self, **kwargs: Any) -> None:
        object.__setattr__(self, "_config", dict(kwargs))
        object.__setattr__(self, "_frozen", False)

    def freeze(self) -> None:
        """Refuse changes from now on."""
        object.__setattr__(self, "_frozen", True)

    def unfreeze(self) -> None:
        """Allow changes again."""
        object.__setattr__(self, "_frozen", False)

    @property
    def frozen(self) -> bool:
        """Whether changes are refused."""
        return self._frozen

    def _open(self) -> dict[str, Any]:
        if self._frozen:
            raise ValueError("This Config is frozen. Call `unfreeze()` before you change it.")
        return self._config

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name in Config.__slots__:  # copying and pickling ask before there is anything
            raise AttributeError(name)
        try:
            return self._config[name]
        except KeyError:
            raise AttributeError(f"This Config has no value {name!r}. It has: {', '.join(self._config) or 'none'}.") from None

    def __setattr__(self, name: str, value: Any) -> None:
        self._open()[name] = value

    def __delattr__(self, name: str) -> None:
        if name not in self._open():
            raise AttributeError(f"This Config has no value {name!r}. It has: {', '.join(self._config) or 'none'}.")
        del self._config[name]

    def __getitem__(self, name: str) -> Any:
        return self._config[name]

    def __setitem__(self, name: str, value: Any) -> None:
        self._open()[name] = value

    def __delitem__(self, name: str) -> None:
        del self._open()[name]

    def __contains__(self, name: object) -> bool:
        return name in self._config

    def __iter__(self) -> Iterator[str]:
        return iter(self._config)

    def __len__(self) -> int:
        return len(self._config)

    def __eq__(self, other: object) -> bool:
        return self._config == other._config if isinstance(other, Config) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<Config {self._config}>"

    def __getstate__(self) -> tuple[dict[str, Any], bool]:
        return self._config, self._frozen

    def __setstate__(self, state: tuple[dict[str, Any], bool]) -> None:
        object.__setattr__(self, "_config", dict(state[0]))
        object.__setattr__(self, "_frozen", state[1])

    def keys(self) -> KeysView[str]:
        """The names."""
        return self._config.keys()

    def values(self) -> ValuesView[Any]:
        """The values."""
        return self._config.values()

    def items(self) -> ItemsView[str, Any]:
        """Pairs of names and values."""
        return self._config.items()

    def get(self, name: str, default: Any = None) -> Any:
        """The value of this name, or `default`."""
        return self._config.get(name, default)

    def pop(self, name: str, *default: Any) -> Any:
        """Remove a value and return it; a name that is not there gives `default`, or a `KeyError`."""
        return self._open().pop(name, *default)

    def update(self, other: Mapping[str, Any] | None = None, /, **kwargs: Any) -> None:
        """Take over the values of a mapping and of the keyword arguments."""
        self._open().update(dict(other or {}), **kwargs)

    def as_dict(self) -> dict[str, Any]:
        """A dict of the values."""
        return dict(self._config)

    def to_json(self) -> str:
        """The values as JSON."""
        return json.dumps(self._config)
