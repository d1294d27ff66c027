"""The symbolic graph: tensors without values, recorded calls, and their flat plan."""

from .decorator import TensorLike as TensorLike
from .decorator import convert_to_tensor as convert_to_tensor
from .decorator import op as op
from .filed import Filed as Filed
from .function import Function as Function
from .modules import use_module_wrapper as use_module_wrapper
from .operation import Node as Node
from .operation import Operation as Operation
from .symbolic import KerasTensor as KerasTensor
from .symbolic import any_symbolic as any_symbolic
from .symbolic import is_keras_tensor as is_keras_tensor
from .symbolic import standardize_shape as standardize_shape
from .symbolic import use_ops_for_operators as use_ops_for_operators
