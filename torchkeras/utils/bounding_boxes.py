"""Bounding boxes, as detectors use them: a door to functions that live with the layers that move boxes."""

from ..layers.augmentation.boxes import affine_transform as affine_transform
from ..layers.augmentation.boxes import clip_to_image_size as clip_to_image_size
from ..layers.augmentation.boxes import compute_ciou as compute_ciou
from ..layers.augmentation.boxes import compute_iou as compute_iou
from ..layers.augmentation.boxes import convert_format as convert_format
from ..layers.augmentation.boxes import crop as crop
from ..layers.augmentation.boxes import decode_deltas_to_boxes as decode_deltas_to_boxes
from ..layers.augmentation.boxes import encode_box_to_deltas as encode_box_to_deltas
from ..layers.augmentation.boxes import pad as pad
