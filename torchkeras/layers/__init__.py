"""Every Keras layer; each family in its own file."""

from .core import Dense as Dense
from .input_spec import InputSpec as InputSpec
from .layer import Layer as Layer
