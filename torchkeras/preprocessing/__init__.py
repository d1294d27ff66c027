"""Raw images, sequences and texts as arrays, under the module names that Keras programs import them from."""

from . import image as image
from . import sequence as sequence
from . import text as text
