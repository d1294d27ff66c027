"""Checks of arguments that every family shares: the message names the argument, what it may be and what came."""

from __future__ import annotations

import math
from typing import Any


def check_numbers(
    least: float | None = None,
    most: float | None = None,
    *,
    above: float | None = None,
    below: float | None = None,
    whole: bool = False,
    optional: bool = False,
    **values: Any,
) -> None:
    """Check that arguments are finite numbers in a range.

    Args:
        least: The least value that is allowed.
        most: The greatest value that is allowed.
        above: What a value must be greater than.
        below: What a value must be less than.
        whole: Whether a value must be a whole number.
        optional: Whether `None` is allowed.
        **values: The arguments by name.

    Raises:
        ValueError: If one is no number, NaN, infinite or out of range.
    """
    for name, value in values.items():
        if value is None and optional:
            continue
        number = as_number(value)
        if (
            number is None
            or not math.isfinite(number)
            or (least is not None and number < least)
            or (most is not None and number > most)
            or (above is not None and number <= above)
            or (below is not None and number >= below)
            or (whole and number != int(number))
        ):
            bounds = {"at least": least, "at most": most, "above": above, "below": below}
            limits = " and ".join(f"{word} {bound:g}" for word, bound in bounds.items() if bound is not None)
            kind = "a whole number" if whole else "a number"
            raise ValueError(
                f"`{name}` must be {kind}{' ' if limits else ''}{limits}{', or None' if optional else ''}. Received: {name}={value!r}"
            )


def as_number(value: Any) -> float | None:
    """A number, or what holds one (a scalar of NumPy or torch), as a float; `None` for anything else, strings included."""
    if value is None or isinstance(value, (str, bytes)):
        return None
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError):
        return None


def check_callable(name: str, value: Any, example: str) -> None:
    """Check that an argument can be called.

    Args:
        name: The argument's name.
        value: What came.
        example: What a right one looks like.

    Raises:
        ValueError: If it cannot.
    """
    if not callable(value):
        raise ValueError(f"`{name}` must be callable, such as `{example}`. Received: {name}={value!r} of type {type(value).__name__}")
