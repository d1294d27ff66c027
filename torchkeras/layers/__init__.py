"""Every Keras layer; each family in its own file."""

from .core import Dense as Dense
from .input_spec import InputSpec as InputSpec
from .layer import Layer as Layer
from .rnn import GRU as GRU
from .rnn import LSTM as LSTM
from .rnn import RNN as RNN
from .rnn import GRUCell as GRUCell
from .rnn import LSTMCell as LSTMCell
from .rnn import SimpleRNN as SimpleRNN
from .rnn import SimpleRNNCell as SimpleRNNCell
from .rnn import StackedRNNCells as StackedRNNCells
