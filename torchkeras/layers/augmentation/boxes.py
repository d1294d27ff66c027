"""Bounding boxes: formats, clipping, moving, overlaps and the encoding of detectors."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch

from ... import config, dtypes

Box = torch.Tensor  # `(..., 4)`

# Where the numbers of a format stand: corners `(x1, y1, x2, y2)` of it, and back. Names that begin with "rel_" are divided by the size.
_FORMATS: dict[str, tuple[Callable[..., tuple[Any, ...]], Callable[..., tuple[Any, ...]]]] = {
    "xyxy": (lambda x1, y1, x2, y2: (x1, y1, x2, y2), lambda x1, y1, x2, y2: (x1, y1, x2, y2)),
    "yxyx": (lambda y1, x1, y2, x2: (x1, y1, x2, y2), lambda x1, y1, x2, y2: (y1, x1, y2, x2)),
    "xywh": (lambda x, y, w, h: (x, y, x + w, y + h), lambda x1, y1, x2, y2: (x1, y1, x2 - x1, y2 - y1)),
    "center_xywh": (
        lambda x, y, w, h: (x - w / 2, y - h / 2, x + w / 2, y + h / 2),
        lambda x1, y1, x2, y2: (x1 + (x2 - x1) / 2, y1 + (y2 - y1) / 2, x2 - x1, y2 - y1),
    ),
    "center_yxhw": (
        lambda y, x, h, w: (x - w / 2, y - h / 2, x + w / 2, y + h / 2),
        lambda x1, y1, x2, y2: (y1 + (y2 - y1) / 2, x1 + (x2 - x1) / 2, y2 - y1, x2 - x1),
    ),
}
FORMATS = ("xyxy", "yxyx", "xywh", "center_xywh", "center_yxhw", "rel_xyxy", "rel_yxyx", "rel_xywh", "rel_center_xywh")


def _tensor(x: Any, dtype: Any = None) -> torch.Tensor:
    found = None if dtype is None else dtypes.to_torch_dtype(dtype)
    if isinstance(x, torch.Tensor):
        return x if found is None else x.to(found)
    return torch.as_tensor(x, dtype=found)


def _sizes(height: Any, width: Any, like: torch.Tensor) -> tuple[Any, Any]:
    return tuple(s.to(like) if isinstance(s, torch.Tensor) else s for s in (height, width))  # type: ignore[return-value]


def convert_format(boxes: Any, source: str, target: str, height: Any = None, width: Any = None, dtype: Any = "float32") -> Any:
    """Boxes in another format.

    Args:
        boxes: Numbers `(..., 4)`, or a dict with such numbers under `"boxes"`, whose other entries stay.
        source: The format of `boxes`: `"xyxy"`, `"yxyx"`, `"xywh"`, `"center_xywh"`, `"center_yxhw"` in pixels, or `"rel_xyxy"`,
            `"rel_yxyx"`, `"rel_xywh"`, `"rel_center_xywh"` in shares of the image's sizes.
        target: The format that is wanted, one of the same names.
        height: The height of the images in pixels, needed where one of the formats is relative.
        width: The width of the images in pixels, needed where one of the formats is relative.
        dtype: The type of the result.

    Raises:
        ValueError: If a format is unknown, the last axis has not four numbers, or a size is missing.

    >>> convert_format([[10.0, 20.0, 30.0, 60.0]], "xyxy", "center_xywh").tolist()
    [[20.0, 40.0, 20.0, 40.0]]
    """
    if isinstance(boxes, dict):
        return {**boxes, "boxes": convert_format(boxes["boxes"], source, target, height, width, dtype)}
    x = _tensor(boxes, dtype)
    if x.dim() == 0 or x.shape[-1] != 4:
        raise ValueError(f"`boxes` must have four numbers on the last axis. Received: boxes.shape={tuple(x.shape)}")
    names = {}
    for argument, value in (("source", source), ("target", target)):
        name = value.lower() if isinstance(value, str) else value
        if name not in FORMATS:
            raise ValueError(f"`{argument}` must be one of {', '.join(map(repr, FORMATS))}. Received: {argument}={value!r}")
        names[argument] = name
    source, target = names["source"], names["target"]
    relative = [n for n, f in names.items() if f.startswith("rel_")]
    if relative and (height is None or width is None):
        raise ValueError(
            f"`height` and `width` must be given where a format is relative. Received: source={source!r}, target={target!r}, "
            f"height={height!r}, width={width!r}"
        )
    if source == target:
        return x
    if len(relative) == 1:
        h, w = (s.squeeze(-1) if isinstance(s, torch.Tensor) and s.dim() == x.dim() else s for s in _sizes(height, width, x))
    corners = _FORMATS[source.removeprefix("rel_")][0](*x.unbind(-1))
    if relative == ["source"]:
        corners = tuple(c * s for c, s in zip(corners, (w, h, w, h)))
    elif relative == ["target"]:
        corners = tuple(c / s for c, s in zip(corners, (w, h, w, h)))
    return torch.stack(_FORMATS[target.removeprefix("rel_")][1](*corners), -1)


def clip_to_image_size(bounding_boxes: dict[str, Any], height: Any = None, width: Any = None, bounding_box_format: str = "xyxy") -> Any:
    """Boxes cut at the edges of their images; boxes of which nothing is left get the label -1.

    Args:
        bounding_boxes: A dict with `"boxes"`, numbers `(..., 4)`, and perhaps `"labels"`, of shape `(...)`.
        height: The height of the images in pixels, needed for `"xyxy"`.
        width: The width of the images in pixels, needed for `"xyxy"`.
        bounding_box_format: `"xyxy"` in pixels or `"rel_xyxy"` in shares of the image's sizes.

    Raises:
        ValueError: If a size is missing.
        NotImplementedError: If the format is another one: convert the boxes first.

    >>> clip_to_image_size({"boxes": torch.tensor([[-5.0, 2.0, 20.0, 8.0]])}, height=10, width=10)["boxes"].tolist()
    [[0.0, 2.0, 10.0, 8.0]]
    """
    if bounding_box_format not in ("xyxy", "rel_xyxy"):
        raise NotImplementedError(
            "`bounding_box_format` must be 'xyxy' or 'rel_xyxy': use `convert_format`. "
            f"Received: bounding_box_format={bounding_box_format!r}"
        )
    if bounding_box_format == "xyxy":
        if height is None or width is None:
            raise ValueError("`height` and `width` must be given for the format 'xyxy'.")
    else:
        height = width = 1.0
    boxes = _tensor(bounding_boxes["boxes"])
    edges = _sizes(height, width, boxes)
    sides = [s.squeeze(-1) if isinstance(s, torch.Tensor) and s.dim() == boxes.dim() else s for s in edges]
    boxes = _clipped(boxes, *sides)
    result = {**bounding_boxes, "boxes": boxes}
    if result.get("labels") is not None:
        labels, found = _tensor(result["labels"]), _area(boxes) > 0
        if labels.dim() == found.dim() + 1:  # one number for each class
            found = found.unsqueeze(-1)
        result["labels"] = torch.where(found, labels, torch.full_like(labels, -1))
    return result


def _clipped(boxes: Box, height: Any, width: Any) -> Box:
    def cut(x: torch.Tensor, size: Any) -> torch.Tensor:
        return torch.minimum(x.clamp(min=0), size) if isinstance(size, torch.Tensor) else x.clamp(0, size)

    x1, y1, x2, y2 = boxes.unbind(-1)
    return torch.stack([cut(x1, width), cut(y1, height), cut(x2, width), cut(y2, height)], -1)


def _area(boxes: Box) -> torch.Tensor:
    x1, y1, x2, y2 = boxes.unbind(-1)
    return (x2 - x1) * (y2 - y1)


def around(boxes: Box, matrix: torch.Tensor) -> Box:
    """The boxes around what a homography makes of boxes.

    Args:
        boxes: `(count, boxes, 4)` as `"xyxy"`.
        matrix: `(count, 3, 3)`, which maps a place `(x, y, 1)` to where it goes, up to a factor.
    """
    x1, y1, x2, y2 = boxes.unbind(-1)
    corners = torch.stack([torch.stack([x, y, torch.ones_like(x)], -1) for x, y in ((x1, y1), (x2, y1), (x2, y2), (x1, y2))], -2)
    moved = torch.einsum("nij,nbcj->nbci", matrix.to(corners.dtype), corners)
    places = moved[..., :2] / moved[..., 2:]
    return torch.cat([places.amin(-2), places.amax(-2)], -1)


def affine_transform(
    boxes: Any,
    angle: Any,
    translate_x: Any,
    translate_y: Any,
    scale: Any,
    shear_x: Any,
    shear_y: Any,
    height: int,
    width: int,
    center_x: float | None = None,
    center_y: float | None = None,
    bounding_box_format: str = "xyxy",
) -> torch.Tensor:
    """The boxes around turned, moved, scaled and sheared boxes.

    Args:
        boxes: `(batch, boxes, 4)` as `"xyxy"` in pixels.
        angle: `(batch,)`, the turns in degrees.
        translate_x: `(batch,)`, the moves to the right, in shares of the width.
        translate_y: `(batch,)`, the moves down, in shares of the height.
        scale: `(batch,)`, the factors of the inverse map: 2 halves the boxes.
        shear_x: `(batch,)`, the shears along x in degrees.
        shear_y: `(batch,)`, the shears along y in degrees.
        height: The height of the images in pixels.
        width: The width of the images in pixels.
        center_x: The centre of the turn, in shares of the width; the middle without it.
        center_y: The centre of the turn, in shares of the height; the middle without it.
        bounding_box_format: `"xyxy"`.

    Raises:
        NotImplementedError: If the format is another one: convert the boxes first.

    >>> one, none = torch.ones(1), torch.zeros(1)
    >>> affine_transform(torch.tensor([[[0.0, 0.0, 2.0, 1.0]]]), none, none, none, one, none, none, 5, 5).tolist()
    [[[0.0, 0.0, 2.0, 1.0]]]
    """
    _only_xyxy(bounding_box_format)
    turn, tx, ty, scale, sx, sy = (_tensor(t, "float32") for t in (angle, translate_x, translate_y, scale, shear_x, shear_y))
    cx, cy = (0.5 if center_x is None else center_x) * (width - 1), (0.5 if center_y is None else center_y) * (height - 1)
    turn, sx, sy = (torch.deg2rad(-t) for t in (turn, sx, sy))
    # The inverse of: shear along y, turn, shear along x, about the centre (torchvision's `affine` uses the same order).
    a = torch.cos(turn - sy) / torch.cos(sy)
    b = a * torch.tan(sx) + torch.sin(turn)
    c = -torch.sin(turn - sy) / torch.cos(sy)
    d = torch.cos(turn) - c * torch.tan(sx)
    a0, a1, b0, b1 = d * scale, -b * scale, -c * scale, a * scale
    x0, y0 = cx - tx * (width - 1), cy - ty * (height - 1)
    rows = [a0, a1, cx - a0 * x0 - a1 * y0, b0, b1, cy - b0 * x0 - b1 * y0, torch.zeros_like(a), torch.zeros_like(a), torch.ones_like(a)]
    return around(_tensor(boxes, "float32"), torch.stack(rows, -1).reshape(-1, 3, 3))


def _only_xyxy(bounding_box_format: str) -> None:
    if bounding_box_format != "xyxy":
        raise NotImplementedError(
            f"`bounding_box_format` must be 'xyxy'. Received: bounding_box_format={bounding_box_format!r}. Use `convert_format`."
        )


def crop(boxes: Any, top: Any, left: Any, height: Any, width: Any, bounding_box_format: str = "xyxy") -> torch.Tensor:
    """Boxes in a part that is cut out of their images, clipped at its edges.

    Args:
        boxes: Numbers `(..., 4)` as `"xyxy"` in pixels.
        top: The rows above the part.
        left: The columns to the left of the part.
        height: The height of the part in pixels.
        width: The width of the part in pixels.
        bounding_box_format: `"xyxy"`.

    Raises:
        NotImplementedError: If the format is another one: convert the boxes first.

    >>> crop([[5.0, 5.0, 20.0, 9.0]], top=4, left=4, height=10, width=10).tolist()
    [[1.0, 1.0, 10.0, 5.0]]
    """
    _only_xyxy(bounding_box_format)
    return _clipped(pad(boxes, -top, -left), height, width)


def pad(boxes: Any, top: Any, left: Any, height: Any = None, width: Any = None, bounding_box_format: str = "xyxy") -> torch.Tensor:
    """Boxes in images that got rows and columns in front.

    Args:
        boxes: Numbers `(..., 4)` as `"xyxy"` in pixels.
        top: The rows that were added above.
        left: The columns that were added on the left.
        height: Kept for Keras's signature; boxes in pixels do not depend on it.
        width: Kept for Keras's signature; boxes in pixels do not depend on it.
        bounding_box_format: `"xyxy"`.

    Raises:
        NotImplementedError: If the format is another one: convert the boxes first.

    >>> pad([[1.0, 1.0, 2.0, 2.0]], top=10, left=5).tolist()
    [[6.0, 11.0, 7.0, 12.0]]
    """
    _only_xyxy(bounding_box_format)
    x1, y1, x2, y2 = _tensor(boxes).unbind(-1)
    return torch.stack([x1 + left, y1 + top, x2 + left, y2 + top], -1)


# -- overlaps ------------------------------------------------------------------------------------------------------------------------------


def _image_size(image_shape: Sequence[int] | None, bounding_box_format: str) -> tuple[Any, Any]:
    if image_shape is None:
        if bounding_box_format.startswith("rel"):
            raise ValueError(
                "`image_shape` must be given where the format is relative. "
                f"Received: bounding_box_format={bounding_box_format!r}, image_shape=None"
            )
        return None, None
    return image_shape[0], image_shape[1]


def compute_iou(
    boxes1: Any,
    boxes2: Any,
    bounding_box_format: str,
    use_masking: bool = False,
    mask_val: float = -1,
    image_shape: Sequence[int] | None = None,
) -> torch.Tensor:
    """The overlap of each box with each other one: the area that both cover over the area that either covers.

    Args:
        boxes1: `(n, 4)` or `(batch, n, 4)`.
        boxes2: `(m, 4)` or `(batch, m, 4)`.
        bounding_box_format: The format of the boxes, one of those of `convert_format`.
        use_masking: Whether pairs with a padded box, whose numbers are all negative, get `mask_val`.
        mask_val: What such pairs get.
        image_shape: `(height, width, channels)`, needed where the format is relative.

    Returns:
        `(n, m)` or `(batch, n, m)`.

    Raises:
        ValueError: If boxes have neither two nor three axes, or the size of the images is missing.

    >>> round(float(compute_iou([[0.0, 0.0, 2.0, 2.0]], [[1.0, 0.0, 3.0, 2.0]], "xyxy")), 4)
    0.3333
    """
    given = []
    for name, boxes in (("boxes1", boxes1), ("boxes2", boxes2)):
        x = _tensor(boxes, "float32")
        if x.dim() not in (2, 3):
            raise ValueError(f"`{name}` must have two axes, or three with a batch. Received: {name}.shape={tuple(x.shape)}")
        given.append(x)
    height, width = _image_size(image_shape, bounding_box_format)
    first, second = (convert_format(x, bounding_box_format, "xyxy", height, width) for x in given)
    a, b = first.unsqueeze(-2), second.unsqueeze(-3)
    sides = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp(min=0)
    both = sides.prod(-1)
    overlap = both / (_area(a) + _area(b) - both + config.epsilon())
    if not use_masking:
        return overlap
    padded = (first.amax(-1) < 0).unsqueeze(-1) | (second.amax(-1) < 0).unsqueeze(-2)
    return torch.where(padded, torch.full_like(overlap, mask_val), overlap)


def compute_ciou(boxes1: Any, boxes2: Any, bounding_box_format: str, image_shape: Sequence[int] | None = None) -> torch.Tensor:
    """The complete overlap of boxes, pair by pair: the overlap less the distance of the centres and the difference of the shapes.

    After Zheng et al., "Distance-IoU Loss: Faster and Better Learning for Bounding Box Regression", 2020.

    Args:
        boxes1: Numbers `(..., 4)`.
        boxes2: Numbers `(..., 4)`, one box for each of `boxes1`.
        bounding_box_format: A format in pixels, one of those of `convert_format`.
        image_shape: `(height, width, channels)`.

    Returns:
        `(...)`, from -1 to 1.

    Raises:
        ValueError: If the format is relative.

    >>> round(float(compute_ciou([0.0, 0.0, 2.0, 2.0], [0.0, 0.0, 2.0, 2.0], "xyxy")), 4)
    1.0
    """
    if "rel" in bounding_box_format:
        raise ValueError(
            "`bounding_box_format` must be a format in pixels: convert relative boxes first. "
            f"Received: bounding_box_format={bounding_box_format!r}"
        )
    height, width = _image_size(image_shape, bounding_box_format)
    a, b = (convert_format(x, bounding_box_format, "xyxy", height, width) for x in (boxes1, boxes2))
    tiny = config.epsilon()
    (w1, h1), (w2, h2) = ((x[..., 2:] - x[..., :2]).unbind(-1) for x in (a, b))
    h1, h2 = h1 + tiny, h2 + tiny
    both = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp(min=0).prod(-1)
    overlap = both / (w1 * h1 + w2 * h2 - both + 2 * tiny)
    hull = torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])
    apart = ((a[..., :2] + a[..., 2:] - b[..., :2] - b[..., 2:]) / 2).square().sum(-1)
    shape = 4 / math.pi**2 * (torch.atan(w2 / h2) - torch.atan(w1 / h1)).square()
    weight = shape / (shape - overlap + (1 + tiny))
    return overlap - (apart / (hull.square().sum(-1) + tiny) + shape * weight)


# -- what detectors learn ----------------------------------------------------------------------------------------------------------------


def _variance(variance: Any) -> torch.Tensor | None:
    if variance is None:
        return None
    numbers = _tensor(variance, "float32")
    if numbers.shape[-1] != 4:
        raise ValueError(f"`variance` must be four numbers. Received: variance={variance!r}")
    return numbers


def _centred(name: str, encoding: str) -> None:
    if encoding not in ("center_xywh", "center_yxhw"):
        raise ValueError(f"`{name}` must be 'center_xywh' or 'center_yxhw'. Received: {name}={encoding!r}")


def encode_box_to_deltas(
    anchors: Any,
    boxes: Any,
    anchor_format: str,
    box_format: str,
    encoding_format: str = "center_yxhw",
    variance: Any = None,
    image_shape: Sequence[int] | None = None,
) -> torch.Tensor:
    """What leads from anchors to boxes: shifts of the centre in sizes of the anchor, and logarithms of the ratios of the sizes.

    After Ren et al., "Faster R-CNN: Towards Real-Time Object Detection with Region Proposal Networks", 2015.

    Args:
        anchors: Numbers `(..., 4)`.
        boxes: Numbers `(..., 4)`, one box for each anchor.
        anchor_format: The format of the anchors, one of those of `convert_format`.
        box_format: The format of the boxes, one of those of `convert_format`.
        encoding_format: The order of the numbers, `"center_yxhw"` or `"center_xywh"`.
        variance: Four numbers by which the result is divided.
        image_shape: `(height, width, channels)`, needed where a format is relative.

    Raises:
        ValueError: If the encoding is unknown or the variance is not four numbers.

    >>> encode_box_to_deltas([[0.0, 0.0, 2.0, 2.0]], [[1.0, 0.0, 3.0, 2.0]], "xyxy", "xyxy").tolist()
    [[0.0, 0.5, 0.0, 0.0]]
    """
    scale = _variance(variance)
    _centred("encoding_format", encoding_format)
    height, width = (None, None) if image_shape is None else image_shape[:2]
    a = convert_format(anchors, anchor_format, encoding_format, height, width)
    b = convert_format(boxes, box_format, encoding_format, height, width)
    a_size, b_size = a[..., 2:].clamp(min=config.epsilon()), b[..., 2:].clamp(min=config.epsilon())
    deltas = torch.cat([(b[..., :2] - a[..., :2]) / a_size, torch.log(b_size / a_size)], -1)
    return deltas if scale is None else deltas / scale


def decode_deltas_to_boxes(
    anchors: Any,
    boxes_delta: Any,
    anchor_format: str,
    box_format: str,
    encoded_format: str = "center_yxhw",
    variance: Any = None,
    image_shape: Sequence[int] | None = None,
) -> Any:
    """The boxes to which deltas lead from anchors: the inverse of `encode_box_to_deltas`.

    Args:
        anchors: Numbers `(..., 4)`, or a dict of such for each level of a pyramid.
        boxes_delta: Numbers `(..., 4)`, or a dict with the same keys.
        anchor_format: The format of the anchors, one of those of `convert_format`.
        box_format: The format of the result, one of those of `convert_format`.
        encoded_format: The order of the deltas, `"center_yxhw"` or `"center_xywh"`.
        variance: Four numbers by which the deltas are multiplied.
        image_shape: `(height, width, channels)`, needed where a format is relative.

    Raises:
        ValueError: If the encoding is unknown or the variance is not four numbers.

    >>> decode_deltas_to_boxes([[0.0, 0.0, 2.0, 2.0]], [[0.0, 0.5, 0.0, 0.0]], "xyxy", "xyxy").tolist()
    [[1.0, 0.0, 3.0, 2.0]]
    """
    scale = _variance(variance)
    _centred("encoded_format", encoded_format)
    height, width = (None, None) if image_shape is None else image_shape[:2]

    def decoded(anchor: Any, delta: Any) -> torch.Tensor:
        a, d = convert_format(anchor, anchor_format, encoded_format, height, width), _tensor(delta, "float32")
        d = d if scale is None else d * scale
        box = torch.cat([d[..., :2] * a[..., 2:] + a[..., :2], torch.exp(d[..., 2:]) * a[..., 2:]], -1)
        return convert_format(box, encoded_format, box_format, height, width)

    if isinstance(anchors, dict) and isinstance(boxes_delta, dict):
        return {level: decoded(anchor, boxes_delta[level]) for level, anchor in anchors.items()}
    return decoded(anchors, boxes_delta)


# -- as layers take them -----------------------------------------------------------------------------------------------------------------


def dense(bounding_boxes: Any, layer: str) -> dict[str, Any]:
    """Boxes and labels as tensors; lists of different lengths are filled up with boxes of zeros, whose label is -1.

    Args:
        bounding_boxes: A dict with `"boxes"`, numbers `(boxes, 4)` or `(batch, boxes, 4)`, and `"labels"`.
        layer: The name of the layer, for messages.
    """
    if not isinstance(bounding_boxes, dict) or not {"boxes", "labels"} <= set(bounding_boxes):
        raise ValueError(
            f"`bounding_boxes` for the layer {layer!r} must be a dict with 'boxes' and 'labels'. Received: {_described(bounding_boxes)}"
        )
    boxes, labels = bounding_boxes["boxes"], bounding_boxes["labels"]
    if isinstance(boxes, (list, tuple)) and len(boxes) != len(labels):
        raise ValueError(
            f"'boxes' and 'labels' for the layer {layer!r} must be of one length. Received: {len(boxes)} boxes and {len(labels)} labels"
        )
    if isinstance(boxes, (list, tuple)) and any(isinstance(b, (list, tuple)) and (not b or isinstance(b[0], (list, tuple))) for b in boxes):
        most = max(map(len, boxes))
        boxes = [[*b, *[[0.0] * 4] * (most - len(b))] for b in boxes]
        labels = [[*one, *[-1] * (most - len(one))] for one in labels]
    x, y = _tensor(boxes, "float32"), _tensor(labels)
    if x.dim() not in (2, 3) or x.shape[-1] != 4:
        raise ValueError(f"'boxes' for the layer {layer!r} must have the shape (boxes, 4) or (batch, boxes, 4). Received: {tuple(x.shape)}")
    if y.dim() not in (x.dim() - 1, x.dim()):
        raise ValueError(
            f"'labels' for the layer {layer!r} must be one for each box. Received: labels {tuple(y.shape)} for boxes {tuple(x.shape)}"
        )
    return {**bounding_boxes, "boxes": x, "labels": y}


def _described(value: Any) -> str:
    return f"a dict with {', '.join(map(repr, value))}" if isinstance(value, dict) else f"{value!r} of type {type(value).__name__}"
