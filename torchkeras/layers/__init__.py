"""Every Keras layer; each family in its own file."""

from .activation import ELU as ELU
from .activation import Activation as Activation
from .activation import LeakyReLU as LeakyReLU
from .activation import PReLU as PReLU
from .activation import ReLU as ReLU
from .activation import Softmax as Softmax
from .attention import AdditiveAttention as AdditiveAttention
from .attention import Attention as Attention
from .attention import GroupQueryAttention as GroupQueryAttention
from .attention import MultiHeadAttention as MultiHeadAttention
from .augmentation.color import RandomBrightness as RandomBrightness
from .augmentation.color import RandomColorDegeneration as RandomColorDegeneration
from .augmentation.color import RandomContrast as RandomContrast
from .augmentation.color import RandomGaussianBlur as RandomGaussianBlur
from .augmentation.color import RandomGrayscale as RandomGrayscale
from .augmentation.color import RandomHue as RandomHue
from .augmentation.color import RandomInvert as RandomInvert
from .augmentation.color import RandomPosterization as RandomPosterization
from .augmentation.color import RandomSaturation as RandomSaturation
from .augmentation.color import RandomSharpness as RandomSharpness
from .augmentation.color import Solarization as Solarization
from .augmentation.geometric import RandomCrop as RandomCrop
from .augmentation.geometric import RandomElasticTransform as RandomElasticTransform
from .augmentation.geometric import RandomFlip as RandomFlip
from .augmentation.geometric import RandomPerspective as RandomPerspective
from .augmentation.geometric import RandomRotation as RandomRotation
from .augmentation.geometric import RandomShear as RandomShear
from .augmentation.geometric import RandomTranslation as RandomTranslation
from .augmentation.geometric import RandomZoom as RandomZoom
from .augmentation.histogram import AutoContrast as AutoContrast
from .augmentation.histogram import ContrastLimitedAdaptiveHistogramEqualization as ContrastLimitedAdaptiveHistogramEqualization
from .augmentation.histogram import Equalization as Equalization
from .augmentation.mixing import CutMix as CutMix
from .augmentation.mixing import MixUp as MixUp
from .augmentation.mixing import RandomErasing as RandomErasing
from .augmentation.padding import MaxNumBoundingBoxes as MaxNumBoundingBoxes
from .augmentation.policies import AugMix as AugMix
from .augmentation.policies import Pipeline as Pipeline
from .augmentation.policies import RandAugment as RandAugment
from .augmentation.policies import RandomColorJitter as RandomColorJitter
from .conv import Conv1D as Conv1D
from .conv import Conv1DTranspose as Conv1DTranspose
from .conv import Conv2D as Conv2D
from .conv import Conv2DTranspose as Conv2DTranspose
from .conv import Conv3D as Conv3D
from .conv import Conv3DTranspose as Conv3DTranspose
from .core import Dense as Dense
from .core import Embedding as Embedding
from .core import Identity as Identity
from .core import Input as Input
from .core import InputLayer as InputLayer
from .core import Masking as Masking
from .depthwise import DepthwiseConv1D as DepthwiseConv1D
from .depthwise import DepthwiseConv2D as DepthwiseConv2D
from .depthwise import SeparableConv1D as SeparableConv1D
from .depthwise import SeparableConv2D as SeparableConv2D
from .einsum_dense import EinsumDense as EinsumDense
from .input_spec import InputSpec as InputSpec
from .lambda_layer import Lambda as Lambda
from .layer import Layer as Layer
from .merging import Add as Add
from .merging import Average as Average
from .merging import Concatenate as Concatenate
from .merging import Dot as Dot
from .merging import Maximum as Maximum
from .merging import Minimum as Minimum
from .merging import Multiply as Multiply
from .merging import Subtract as Subtract
from .merging import add as add
from .merging import average as average
from .merging import concatenate as concatenate
from .merging import dot as dot
from .merging import maximum as maximum
from .merging import minimum as minimum
from .merging import multiply as multiply
from .merging import subtract as subtract
from .normalization import BatchNormalization as BatchNormalization
from .normalization import GroupNormalization as GroupNormalization
from .normalization import LayerNormalization as LayerNormalization
from .normalization import RMSNormalization as RMSNormalization
from .normalization import UnitNormalization as UnitNormalization
from .pooling import AdaptiveAveragePooling1D as AdaptiveAveragePooling1D
from .pooling import AdaptiveAveragePooling2D as AdaptiveAveragePooling2D
from .pooling import AdaptiveAveragePooling3D as AdaptiveAveragePooling3D
from .pooling import AdaptiveMaxPooling1D as AdaptiveMaxPooling1D
from .pooling import AdaptiveMaxPooling2D as AdaptiveMaxPooling2D
from .pooling import AdaptiveMaxPooling3D as AdaptiveMaxPooling3D
from .pooling import AveragePooling1D as AveragePooling1D
from .pooling import AveragePooling2D as AveragePooling2D
from .pooling import AveragePooling3D as AveragePooling3D
from .pooling import GlobalAveragePooling1D as GlobalAveragePooling1D
from .pooling import GlobalAveragePooling2D as GlobalAveragePooling2D
from .pooling import GlobalAveragePooling3D as GlobalAveragePooling3D
from .pooling import GlobalMaxPooling1D as GlobalMaxPooling1D
from .pooling import GlobalMaxPooling2D as GlobalMaxPooling2D
from .pooling import GlobalMaxPooling3D as GlobalMaxPooling3D
from .pooling import MaxPooling1D as MaxPooling1D
from .pooling import MaxPooling2D as MaxPooling2D
from .pooling import MaxPooling3D as MaxPooling3D
from .preprocessing.audio import MelSpectrogram as MelSpectrogram
from .preprocessing.audio import STFTSpectrogram as STFTSpectrogram
from .preprocessing.encoding import CategoryEncoding as CategoryEncoding
from .preprocessing.hashing import HashedCrossing as HashedCrossing
from .preprocessing.hashing import Hashing as Hashing
from .preprocessing.images import CenterCrop as CenterCrop
from .preprocessing.images import Resizing as Resizing
from .preprocessing.lookup import IntegerLookup as IntegerLookup
from .preprocessing.lookup import StringLookup as StringLookup
from .preprocessing.numerical import Discretization as Discretization
from .preprocessing.numerical import Normalization as Normalization
from .preprocessing.numerical import Rescaling as Rescaling
from .preprocessing.text import TextVectorization as TextVectorization
from .regularization import ActivityRegularization as ActivityRegularization
from .regularization import AlphaDropout as AlphaDropout
from .regularization import Dropout as Dropout
from .regularization import GaussianDropout as GaussianDropout
from .regularization import GaussianNoise as GaussianNoise
from .regularization import SpatialDropout1D as SpatialDropout1D
from .regularization import SpatialDropout2D as SpatialDropout2D
from .regularization import SpatialDropout3D as SpatialDropout3D
from .reshaping import Cropping1D as Cropping1D
from .reshaping import Cropping2D as Cropping2D
from .reshaping import Cropping3D as Cropping3D
from .reshaping import Flatten as Flatten
from .reshaping import Permute as Permute
from .reshaping import RepeatVector as RepeatVector
from .reshaping import Reshape as Reshape
from .reshaping import UpSampling1D as UpSampling1D
from .reshaping import UpSampling2D as UpSampling2D
from .reshaping import UpSampling3D as UpSampling3D
from .reshaping import ZeroPadding1D as ZeroPadding1D
from .reshaping import ZeroPadding2D as ZeroPadding2D
from .reshaping import ZeroPadding3D as ZeroPadding3D
from .reversible_embedding import ReversibleEmbedding as ReversibleEmbedding
from .rnn import GRU as GRU
from .rnn import LSTM as LSTM
from .rnn import RNN as RNN
from .rnn import Bidirectional as Bidirectional
from .rnn import ConvLSTM1D as ConvLSTM1D
from .rnn import ConvLSTM2D as ConvLSTM2D
from .rnn import ConvLSTM3D as ConvLSTM3D
from .rnn import GRUCell as GRUCell
from .rnn import LSTMCell as LSTMCell
from .rnn import SimpleRNN as SimpleRNN
from .rnn import SimpleRNNCell as SimpleRNNCell
from .rnn import StackedRNNCells as StackedRNNCells
from .serialization import deserialize as deserialize
from .serialization import serialize as serialize
from .spectral_normalization import SpectralNormalization as SpectralNormalization
from .torch_module import TorchModuleWrapper as TorchModuleWrapper
from .wrappers import TimeDistributed as TimeDistributed
from .wrappers import Wrapper as Wrapper

Convolution1D = Conv1D
Convolution1DTranspose = Conv1DTranspose
Convolution2D = Conv2D
Convolution2DTranspose = Conv2DTranspose
Convolution3D = Conv3D
Convolution3DTranspose = Conv3DTranspose
SeparableConvolution1D = SeparableConv1D
SeparableConvolution2D = SeparableConv2D
AvgPool1D = AveragePooling1D
AvgPool2D = AveragePooling2D
AvgPool3D = AveragePooling3D
GlobalAvgPool1D = GlobalAveragePooling1D
GlobalAvgPool2D = GlobalAveragePooling2D
GlobalAvgPool3D = GlobalAveragePooling3D
GlobalMaxPool1D = GlobalMaxPooling1D
GlobalMaxPool2D = GlobalMaxPooling2D
GlobalMaxPool3D = GlobalMaxPooling3D
MaxPool1D = MaxPooling1D
MaxPool2D = MaxPooling2D
MaxPool3D = MaxPooling3D
