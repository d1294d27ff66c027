"""The Keras API, written for PyTorch alone."""

from . import activations as activations
from . import backend as backend
from . import callbacks as callbacks
from . import config as config
from . import constraints as constraints
from . import datasets as datasets
from . import dtype_policies as dtype_policies
from . import initializers as initializers
from . import layers as layers
from . import losses as losses
from . import metrics as metrics
from . import mixed_precision as mixed_precision
from . import models as models
from . import ops as ops
from . import optimizers as optimizers
from . import preprocessing as preprocessing
from . import quantizers as quantizers
from . import random as random
from . import regularizers as regularizers
from . import saving as saving
from . import tree as tree
from . import utils as utils
from .dtype_policies import DTypePolicy as DTypePolicy
from .dtype_policies import FloatDTypePolicy as FloatDTypePolicy
from .graph import Function as Function
from .graph import KerasTensor as KerasTensor
from .graph import Operation as Operation
from .initializers import Initializer as Initializer
from .layers import InputSpec as InputSpec
from .layers import Layer as Layer
from .layers.core import Input as Input
from .layers.remat import RematScope as RematScope
from .layers.remat import remat as remat
from .layers.scopes import device as device
from .layers.scopes import name_scope as name_scope
from .losses import Loss as Loss
from .metrics import Metric as Metric
from .missing import answer_for as _answer_for
from .models import Model as Model
from .models import Sequential as Sequential
from .optimizers import Optimizer as Optimizer
from .quantizers import Quantizer as Quantizer
from .regularizers import Regularizer as Regularizer
from .variable import Variable as Variable

__version__ = "0.1.0"


def version() -> str:
    """The version of torchkeras."""
    return __version__


__all__ = [
    "DTypePolicy",
    "FloatDTypePolicy",
    "Function",
    "Initializer",
    "Input",
    "InputSpec",
    "KerasTensor",
    "Layer",
    "Loss",
    "Metric",
    "Model",
    "Operation",
    "Optimizer",
    "Quantizer",
    "Regularizer",
    "RematScope",
    "Sequential",
    "Variable",
    "activations",
    "backend",
    "callbacks",
    "config",
    "constraints",
    "datasets",
    "device",
    "dtype_policies",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "mixed_precision",
    "models",
    "name_scope",
    "ops",
    "optimizers",
    "quantizers",
    "random",
    "regularizers",
    "remat",
    "saving",
    "tree",
    "utils",
    "version",
    "__version__",
]


def __dir__() -> list[str]:
    """The public names, and not the packages that they come from."""
    return sorted(__all__)


_answer_for(__name__)
