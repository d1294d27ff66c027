"""The Keras handle of a weight: a Parameter of its own, or a Keras-layout view of a torch module's parameters."""

from .handles import Handle as Handle
from .variable import ParameterVariable as ParameterVariable
from .variable import Variable as Variable
from .variable import unwrap as unwrap
from .views import SAME as SAME
from .views import TRANSPOSED as TRANSPOSED
from .views import Layout as Layout
from .views import WeightView as WeightView
from .views import behind as behind
