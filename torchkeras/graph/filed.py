"""What an op is called in Keras's files, and where its arguments stand there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Filed:
    """How files hold the calls of an op.

    Args:
        name: The class that Keras's files name; the op's own name in camel case without one.
        module: The module that they name; that of the op's family without one.
        aliases: Further classes of Keras's that stand for the op.
        torch: The torch functions that, recorded on symbolic tensors, are the op to Keras.
        called: Arguments that Keras gives with the call although they are no tensors.
        by_name: Arguments that Keras gives with the call by keyword.
        kept: Tensors that Keras keeps in the config.
        keras: Whether Keras's graphs can hold the op; otherwise files name the function.
        files: Whether files can hold the op at all; not where an argument is a function.
    """

    name: str | None = None
    module: str | None = None
    aliases: tuple[str, ...] = ()
    torch: tuple[str, ...] = ()
    called: tuple[str, ...] = ()
    by_name: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    keras: bool = True
    files: bool = True

    def class_name(self, fn: Callable) -> str:
        """The class that Keras's files name for the op `fn`."""
        return self.name or "".join(part.capitalize() for part in fn.__name__.split("_"))


IN_CAMEL_CASE = Filed()
