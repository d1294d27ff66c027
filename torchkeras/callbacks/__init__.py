"""Callbacks: what `fit`, `evaluate` and `predict` call as they go."""

from .callback import Callback as Callback
from .callback import CallbackList as CallbackList
from .callback import History as History
from .checkpoint import ModelCheckpoint as ModelCheckpoint
from .logging import CSVLogger as CSVLogger
from .logging import LambdaCallback as LambdaCallback
from .progress import ProgbarLogger as ProgbarLogger
from .schedule import LearningRateScheduler as LearningRateScheduler
from .schedule import ReduceLROnPlateau as ReduceLROnPlateau
from .stopping import EarlyStopping as EarlyStopping
from .stopping import TerminateOnNaN as TerminateOnNaN
