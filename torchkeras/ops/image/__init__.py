"""Ops on images: resizing, geometry, colour, patches and filters."""

from .color import hsv_to_rgb as hsv_to_rgb
from .color import rgb_to_grayscale as rgb_to_grayscale
from .color import rgb_to_hsv as rgb_to_hsv
from .filters import gaussian_blur as gaussian_blur
from .filters import sobel_edges as sobel_edges
from .filters import ssim as ssim
from .geometry import affine_transform as affine_transform
from .geometry import elastic_transform as elastic_transform
from .geometry import map_coordinates as map_coordinates
from .geometry import perspective_transform as perspective_transform
from .patches import crop_images as crop_images
from .patches import extract_patches as extract_patches
from .patches import extract_patches_3d as extract_patches_3d
from .patches import pad_images as pad_images
from .patches import reconstruct_patches as reconstruct_patches
from .resize import resize as resize
from .resize import scale_and_translate as scale_and_translate
