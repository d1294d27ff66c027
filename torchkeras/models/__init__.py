"""Models: Functional, Sequential, subclassed, and their copies."""

from ..saving import load_model as load_model
from ..saving import model_from_json as model_from_json
from ..saving import save_model as save_model
from .cloning import clone_model as clone_model
from .model import Functional as Functional
from .model import Model as Model
from .sequential import Sequential as Sequential
