"""Images looked up at other coordinates: affine, perspective and elastic transformations."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import torch

from ... import random
from ...graph import TensorLike, op
from ._layout import channels_last, restore, working
from .filters import blurred

_FILL_MODES = ("constant", "nearest", "wrap", "mirror", "reflect")


def _check(interpolation: str, fill_mode: str) -> int:
    if interpolation not in ("nearest", "bilinear"):
        raise ValueError(f"`interpolation` must be 'nearest' or 'bilinear'. Received: interpolation={interpolation!r}")
    if fill_mode not in _FILL_MODES:
        raise ValueError(f"`fill_mode` must be one of {', '.join(_FILL_MODES)}. Received: fill_mode={fill_mode!r}")
    return 1 if interpolation == "bilinear" else 0


def _inside(index: torch.Tensor, size: int, fill_mode: str) -> torch.Tensor:
    """The index of the element that stands for one outside."""
    if fill_mode == "wrap":
        return index % size
    if fill_mode == "mirror":  # c b | a b c | b a
        period = max(2 * size - 2, 1)
        index = index % period
        return torch.minimum(index, period - index) if size > 1 else torch.zeros_like(index)
    if fill_mode == "reflect":  # b a | a b c | c b
        index = index % (2 * size)
        return torch.minimum(index, 2 * size - 1 - index)
    return index.clamp(0, size - 1)


def _look_up(
    x: torch.Tensor,
    batch: torch.Tensor | None,
    coordinates: Sequence[torch.Tensor],
    order: int,
    fill_mode: str,
    fill_value: float,
) -> torch.Tensor:
    """Elements of `x` at coordinates of its axes (after that of `batch`, if there is one), interpolated.

    Args:
        x: The tensor; axes beyond the coordinates stay.
        batch: The index on the first axis, or `None`.
        coordinates: One tensor for each following axis, all of one shape.
        order: 0 for the nearest element, 1 for interpolation between neighbours.
        fill_mode: What stands outside.
        fill_value: With `"constant"`.
    """
    sizes = x.shape[0 if batch is None else 1 :][: len(coordinates)]
    values = working(x) if order else x
    rest = (1,) * (x.dim() - len(sizes) - (batch is not None))
    choices: list[list[tuple[torch.Tensor, Any]]] = []  # for each axis, (index, weight) of the neighbours
    for c in coordinates:
        if order:
            low = torch.floor(c)
            upper = c - low
            choices.append([(low.to(torch.int64), 1 - upper), (low.to(torch.int64) + 1, upper)])
        else:
            choices.append([(torch.round(c).to(torch.int64), None)])
    result: Any = None
    for corner in itertools.product(*choices):
        places = [_inside(index, size, fill_mode) for (index, _), size in zip(corner, sizes)]
        found = values[tuple(places) if batch is None else (batch, *places)]
        if fill_mode == "constant":
            valid = torch.ones_like(places[0], dtype=torch.bool)
            for (index, _), size in zip(corner, sizes):
                valid = valid & (index >= 0) & (index < size)
            found = torch.where(valid.reshape(*valid.shape, *rest), found, fill_value)
        if order:
            weight = corner[0][1]
            for _, factor in corner[1:]:
                weight = weight * factor
            found = found * weight.reshape(*weight.shape, *rest).to(values.dtype)
        result = found if result is None else result + found
    return result


@op
def map_coordinates(
    inputs: TensorLike, coordinates: TensorLike, order: int, fill_mode: str = "constant", fill_value: float = 0
) -> torch.Tensor:
    """The elements of a tensor at fractional coordinates.

    Args:
        inputs: A tensor of any rank.
        coordinates: `(rank, ...)`: for each place of the result, where to look on each axis.
        order: 0 for the nearest element, 1 for linear interpolation.
        fill_mode: What stands outside: `"constant"`, `"nearest"` (the edge), `"wrap"`, `"mirror"` (about the centre of the edge element)
            or `"reflect"` (about its edge).
        fill_value: With `"constant"`.

    Returns:
        `coordinates.shape[1:]`, of the type of `inputs`; integers are rounded.

    Raises:
        ValueError: If there are coordinates of another rank, another order or mode.

    >>> keras.ops.image.map_coordinates([0.0, 1.0, 4.0], [[0.5, 1.5]], order=1)
    tensor([0.5000, 2.5000])
    """
    if order not in (0, 1):
        raise ValueError(f"`order` must be 0 or 1. Received: order={order!r}")
    _check("nearest", fill_mode)
    if not coordinates.dim() or coordinates.shape[0] != inputs.dim():
        raise ValueError(
            "`coordinates` must have the rank of `inputs` as its first size. "
            f"Received: coordinates.shape={tuple(coordinates.shape)}, inputs.shape={tuple(inputs.shape)}"
        )
    y = _look_up(inputs, None, working(coordinates).unbind(0), order, fill_mode, fill_value)
    return restore(y, inputs.dtype)


def _projected(
    images: torch.Tensor,
    transform: torch.Tensor,
    order: int,
    fill_mode: str,
    fill_value: float,
    data_format: str | None,
) -> torch.Tensor:
    """For each output place, the image at the place to which eight numbers `a b c d e f g h` map it."""
    x, back = channels_last(images, data_format)
    n, height, width, _ = x.shape
    transform = working(transform).expand(n, 8)
    v, u = torch.meshgrid(*(torch.arange(s, device=x.device, dtype=transform.dtype) for s in (height, width)), indexing="ij")
    a, b, c, d, e, f, g, h = (t.reshape(n, 1, 1) for t in transform.unbind(-1))
    depth = g * u + h * v + 1
    batch = torch.arange(n, device=x.device).reshape(n, 1, 1)
    y = _look_up(x, batch, [(d * u + e * v + f) / depth, (a * u + b * v + c) / depth], order, fill_mode, fill_value)
    return back(restore(y, images.dtype))


@op
def affine_transform(
    images: TensorLike,
    transform: TensorLike,
    interpolation: str = "bilinear",
    fill_mode: str = "constant",
    fill_value: float = 0,
    data_format: str | None = None,
) -> torch.Tensor:
    """Images moved, turned, scaled and sheared.

    Args:
        images: One image `(height, width, channels)` or a batch; channels first for `"channels_first"`.
        transform: `(8,)` or `(batch, 8)`: `a b c d e f g h` show at `(x, y)` what was at `((a x + b y + c) / k, (d x + e y + f) / k)` with
            `k = g x + h y + 1`.
        interpolation: `"nearest"` or `"bilinear"`.
        fill_mode: What stands outside: `"constant"`, `"nearest"` (the edge), `"wrap"`, `"mirror"` (about the centre of the edge element)
            or `"reflect"` (about its edge).
        fill_value: With `"constant"`.
        data_format: `"channels_last"`, `"channels_first"`, or `None` for `config.image_data_format()`.

    Raises:
        ValueError: If there is another interpolation or mode, or a transform of another shape.

    >>> keras.ops.image.affine_transform(torch.ones(4, 4, 3), [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]).shape
    torch.Size([4, 4, 3])
    """
    order = _check(interpolation, fill_mode)
    if transform.dim() not in (1, 2) or transform.shape[-1] != 8:
        raise ValueError(f"`transform` must have the shape (8,) or (batch, 8). Received: transform.shape={tuple(transform.shape)}")
    return _projected(images, transform, order, fill_mode, fill_value, data_format)


@op
def perspective_transform(
    images: TensorLike,
    start_points: TensorLike,
    end_points: TensorLike,
    interpolation: str = "bilinear",
    fill_value: float = 0,
    data_format: str | None = None,
) -> torch.Tensor:
    """Images in another perspective: what was at the start points goes to the end points.

    Args:
        images: One image `(height, width, channels)` or a batch; channels first for `"channels_first"`.
        start_points: `(4, 2)` or `(batch, 4, 2)`: the `(x, y)` of four corners.
        end_points: Where the corners go, `(4, 2)` or `(batch, 4, 2)`.
        interpolation: `"nearest"` or `"bilinear"`.
        fill_value: What stands outside.
        data_format: `"channels_last"`, `"channels_first"`, or `None` for `config.image_data_format()`.

    Raises:
        ValueError: If there is another interpolation, or points of another shape.

    >>> corners = [[0.0, 0.0], [0.0, 3.0], [3.0, 0.0], [3.0, 3.0]]
    >>> keras.ops.image.perspective_transform(torch.ones(4, 4, 3), corners, corners).shape
    torch.Size([4, 4, 3])
    """
    order = _check(interpolation, "constant")
    for name, points in (("start_points", start_points), ("end_points", end_points)):
        if points.dim() not in (2, 3) or tuple(points.shape[-2:]) != (4, 2):
            raise ValueError(f"`{name}` must have the shape (4, 2) or (batch, 4, 2). Received: {name}.shape={tuple(points.shape)}")
    start, end = working(start_points), working(end_points)
    (u, v), (x, y) = end.unbind(-1), start.unbind(-1)
    one, zero = torch.ones_like(u), torch.zeros_like(u)
    rows = [
        torch.stack([u, v, one, zero, zero, zero, -u * x, -v * x], -1),
        torch.stack([zero, zero, zero, u, v, one, -u * y, -v * y], -1),
    ]
    transform = torch.linalg.solve(torch.cat(rows, -2), torch.cat([x, y], -1))
    return _projected(images, transform, order, "constant", fill_value, data_format)


@op
def elastic_transform(
    images: TensorLike,
    alpha: float = 20.0,
    sigma: float = 5.0,
    interpolation: str = "bilinear",
    fill_mode: str = "reflect",
    fill_value: float = 0.0,
    seed: Any = None,
    data_format: str | None = None,
) -> torch.Tensor:
    """Images warped by a smooth random field (Simard et al., 2003).

    Args:
        images: One image `(height, width, channels)` or a batch; channels first for `"channels_first"`.
        alpha: How far: displacements have a deviation of about `0.28 * alpha` pixels.
        sigma: How smooth: the deviation, in pixels, of the Gaussian that blurs the field.
        interpolation: `"nearest"` or `"bilinear"`.
        fill_mode: What stands outside: `"constant"`, `"nearest"` (the edge), `"wrap"`, `"mirror"` (about the centre of the edge element)
            or `"reflect"` (about its edge).
        fill_value: With `"constant"`.
        seed: An int or a SeedGenerator.
        data_format: `"channels_last"`, `"channels_first"`, or `None` for `config.image_data_format()`.

    Raises:
        ValueError: If there is another interpolation or mode.

    >>> keras.ops.image.elastic_transform(torch.ones(8, 8, 3), seed=0).shape
    torch.Size([8, 8, 3])
    """
    order = _check(interpolation, fill_mode)
    x, back = channels_last(images, data_format)
    n, height, width, _ = x.shape
    dtype = working(x).dtype
    noise = random.normal((2 * n, 1, height, width), stddev=sigma, dtype=dtype, seed=seed).to(x.device)
    size = int(6 * sigma) | 1
    dy, dx = (alpha * blurred(noise, (size, size), (sigma, sigma))).reshape(2, n, height, width)
    rows, columns = (torch.arange(s, device=x.device, dtype=dtype) for s in (height, width))
    batch = torch.arange(n, device=x.device).reshape(n, 1, 1)
    y = _look_up(x, batch, [rows.unsqueeze(1) + dy, columns + dx], order, fill_mode, fill_value)
    return back(restore(y, images.dtype))
