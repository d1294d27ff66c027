"""Callbacks."""

from .callback import Callback as Callback
from .callback import CallbackList as CallbackList
from .callback import History as History
