"""The data that `fit`, `evaluate` and `predict` draw from, as batches of tensors on the device, and pipelines of data."""

from .arrays import ArraySource as ArraySource
from .arrays import check_counts as check_counts
from .arrays import is_array_nest as is_array_nest
from .arrays import single_batch as single_batch
from .arrays import to_tensor as to_tensor
from .arrays import to_tensors as to_tensors
from .arrays import train_validation_split as train_validation_split
from .batches import Batches as Batches
from .batches import make_batches as make_batches
from .dataset import AUTOTUNE as AUTOTUNE
from .dataset import Dataset as Dataset
from .generators import PyDataset as PyDataset
from .generators import Sequence as Sequence
from .reading import Options as Options
from .reading import TensorSpec as TensorSpec
from .sharding import batch_rows as batch_rows
from .sharding import shard_bounds as shard_bounds
from .source import Source as Source
from .strings import Strings as Strings
from .strings import as_strings as as_strings
from .validation import check_integer_labels as check_integer_labels
from .validation import class_weight_to_sample_weight as class_weight_to_sample_weight
from .validation import pack_x_y_sample_weight as pack_x_y_sample_weight
from .validation import unpack_x_y_sample_weight as unpack_x_y_sample_weight
