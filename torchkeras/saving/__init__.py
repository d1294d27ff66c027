"""Models and weights to and from files."""

from ..configurable import deserialize_keras_object as deserialize_keras_object
from ..configurable import serialize_keras_object as serialize_keras_object
from ..registry import CustomObjectScope as CustomObjectScope
from ..registry import custom_object_scope as custom_object_scope
from ..registry import get_custom_objects as get_custom_objects
from ..registry import get_registered_name as get_registered_name
from ..registry import get_registered_object as get_registered_object
from ..registry import register_keras_serializable as register_keras_serializable
from .formats import load_model as load_model
from .formats import load_weights as load_weights
from .formats import save_model as save_model
from .formats import save_weights as save_weights
from .keras_file import model_from_json as model_from_json
