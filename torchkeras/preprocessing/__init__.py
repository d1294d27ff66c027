"""Raw images, sequences and texts as arrays, under the module names that Keras programs import them from."""

from ..utils.folders import image_dataset_from_directory as image_dataset_from_directory
from ..utils.folders import text_dataset_from_directory as text_dataset_from_directory
from ..utils.folders import timeseries_dataset_from_array as timeseries_dataset_from_array
from . import image as image
from . import sequence as sequence
from . import text as text
