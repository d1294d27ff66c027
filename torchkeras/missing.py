"""Names that Keras has and torchkeras does not: whoever asks for one is told so, and is not sent to another name that looks like it."""

from __future__ import annotations

import dis
import functools
import importlib.abc
import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

_IMPORT_FROM = dis.opmap["IMPORT_FROM"]


@functools.lru_cache(1)
def keras_names() -> dict[str, frozenset[str]]:
    """The public names of Keras by module, such as `keras.layers`; read from a file beside this one when first asked for."""
    lines = (Path(__file__).parent / "keras_names.txt").read_text().splitlines()
    table = {module: frozenset(names.split()) for module, _, names in (line.partition(":") for line in lines)}
    for module in list(table):
        while "." in module:  # modules that hold nothing but modules
            module = module.rpartition(".")[0]
            table.setdefault(module, frozenset())
    return table


def not_yet(path: str) -> str:
    """What is said of a name of Keras that is missing here.

    Args:
        path: The name with its module, such as `keras.layers.RandomFlip`.
    """
    return f"`{path}` is not in torchkeras yet."


def missing_member(module: str | None, name: str) -> str | None:
    """What is said of a class or function that Keras has under this name; `None` where Keras has none.

    Args:
        module: Keras's module, such as `keras.losses`; `None` for any, as in the configs of Keras 1 and 2.
        name: The name, in any case for a given module (`"hard_swish"`, `"HardSwish"`).
    """
    table = keras_names()
    if module is None:
        found = sorted((m for m, names in table.items() if name in names), key=len)
        return not_yet(f"{found[0]}.{name}") if found and not any(_is_here(m, name) for m in found) else None
    wanted = name.lower().replace("_", "")
    found = sorted(known for known in table.get(module, ()) if known.lower().replace("_", "") == wanted)
    if any(_is_here(module, known) for known in found):
        return None  # a name that cannot be meant here, or another spelling of one that can
    return not_yet(f"{module}.{name if name in found else found[0]}") if found else None


def _is_here(module: str, name: str) -> bool:
    """Whether this package has a name of Keras's."""
    ours = sys.modules.get(__name__.partition(".")[0] + module[len("keras") :])
    return ours is not None and name in vars(ours)


def attribute_finder(module: ModuleType) -> Callable[[str], Any]:
    """The `__getattr__` of a module, which is asked for what the module lacks.

    Args:
        module: A module of this package.
    """
    theirs = module.__name__.replace("torchkeras", "keras", 1)

    def __getattr__(name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(f"module {module.__name__!r} has no attribute {name!r}")
        asks = sys._getframe(1)
        imports = asks.f_lasti >= 0 and asks.f_code.co_code[asks.f_lasti] == _IMPORT_FROM  # which forgets what an AttributeError says
        table = keras_names()
        if name in table.get(theirs, ()) or f"{theirs}.{name}" in table:
            text = not_yet(f"{theirs}.{name}")
            raise ImportError(text) if imports else AttributeError(text, name=name, obj=None)
        raise AttributeError(f"module {module.__name__!r} has no attribute {name!r}", name=name, obj=module)

    return __getattr__


class MissingModules(importlib.abc.MetaPathFinder):
    """Asked last by `import`: tells that a module of Keras is missing."""

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Nothing for any other module.

        Args:
            fullname: The module that is imported.
            path: Where its package looks for modules.
            target: A module to load anew.

        Raises:
            ModuleNotFoundError: If it is a module of Keras, under this package's name.
        """
        package, _, rest = fullname.partition(".")
        if package == "torchkeras" and rest and f"keras.{rest}" in keras_names():
            raise ModuleNotFoundError(not_yet(f"keras.{rest}"), name=fullname)
        return None


def answer_for(package: str) -> None:
    """Let the modules of `package` that are imported, and `import`, tell which names of Keras are missing.

    Args:
        package: The package's name.
    """
    for name, module in list(sys.modules.items()):
        if (name == package or name.startswith(package + ".")) and "__getattr__" not in vars(module):
            module.__dict__["__getattr__"] = attribute_finder(module)
    if not any(isinstance(finder, MissingModules) for finder in sys.meta_path):
        sys.meta_path.append(MissingModules())
