"""Callbacks: what `fit`, `evaluate` and `predict` call as they go."""

from .averages import SwapEMAWeights as SwapEMAWeights
from .backup import BackupAndRestore as BackupAndRestore
from .callback import Callback as Callback
from .callback import CallbackList as CallbackList
from .callback import History as History
from .checkpoint import ModelCheckpoint as ModelCheckpoint
from .logging import CSVLogger as CSVLogger
from .logging import LambdaCallback as LambdaCallback
from .progress import ProgbarLogger as ProgbarLogger
from .remote import RemoteMonitor as RemoteMonitor
from .schedule import LearningRateScheduler as LearningRateScheduler
from .schedule import ReduceLROnPlateau as ReduceLROnPlateau
from .stopping import EarlyStopping as EarlyStopping
from .stopping import TerminateOnNaN as TerminateOnNaN
from .tensorboard import TensorBoard as TensorBoard
