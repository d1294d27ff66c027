"""The layer that brings boxes to one number for all images."""

from __future__ import annotations

from typing import Any

from torch.nn import functional as F

from . import boxes as _boxes
from .base import ImageLayer, Transformation


class MaxNumBoundingBoxes(ImageLayer):
    """Cuts or fills boxes to one number for all images.

    Args:
        max_number: The number of boxes.
        fill_value: The coordinates and the label of boxes that are added.
        **kwargs: `data_format`, `bounding_box_format`, `name`, `dtype` and `trainable`.

    >>> boxes = {"boxes": torch.zeros(1, 1, 4), "labels": torch.zeros(1, 1)}
    >>> layer = MaxNumBoundingBoxes(3, bounding_box_format="xyxy")
    >>> layer({"images": torch.zeros(1, 2, 2, 3), "bounding_boxes": boxes})["bounding_boxes"]["labels"].tolist()
    [[0.0, -1.0, -1.0]]
    """

    _tk_keeps_type = True
    trains_only = False

    def __init__(self, max_number: int, fill_value: int = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.max_number, self.fill_value = int(max_number), int(fill_value)

    def transform_bounding_boxes(self, bounding_boxes: Any, transformation: Transformation = None, training: bool = True) -> Any:
        """Cut or fill boxes.

        Args:
            bounding_boxes: A dict with `"boxes"`, `(count, boxes, 4)`, and `"labels"`.
            transformation: Kept for Keras's signature; nothing is drawn.
            training: Kept for Keras's signature; boxes are cut and filled in inference too.
        """
        given = _boxes.dense(bounding_boxes, self.name)
        boxes, labels = (given[k][:, : self.max_number] for k in ("boxes", "labels"))
        missing = self.max_number - boxes.shape[1]
        boxes = F.pad(boxes, (0, 0, 0, missing), value=self.fill_value)
        return {**given, "boxes": boxes, "labels": F.pad(labels, (0,) * (2 * labels.dim() - 4) + (0, missing), value=self.fill_value)}
