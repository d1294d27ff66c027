"""Models: Functional, Sequential, subclassed, and their copies."""

from .cloning import clone_model as clone_model
from .model import Functional as Functional
from .model import Model as Model
from .sequential import Sequential as Sequential
