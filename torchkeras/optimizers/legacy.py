"""The names of `keras.optimizers.legacy`: the optimizers, which take Keras 1's and 2's `lr` and `decay` themselves."""

from .optimizer import Optimizer as Optimizer
from .rules import SGD as SGD
from .rules import Adagrad as Adagrad
from .rules import Adam as Adam
from .rules import Ftrl as Ftrl
from .rules import RMSprop as RMSprop
