"""The torch functions that a file may name: pure functions of tensors, each listed here; no other is ever found by name."""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch

# What is not here is refused when a model is written, and when a file names it: functions that read or write memory past a tensor or
# crash on odd arguments (`as_strided`, raw recurrent cells, native batch norms, `unfold`), call what they are given (`map_`, `apply_`),
# may never return (`matrix_power`), leave the graph (`item`, `numpy`, `cpu`), or give another shape for other values (`nonzero`).
_ELEMENTWISE = """
abs absolute acos acosh add addcdiv addcmul angle arccos arccosh arcsin arcsinh arctan arctan2 arctanh asin asinh atan atan2 atanh
bitwise_and bitwise_left_shift bitwise_not bitwise_or bitwise_right_shift bitwise_xor ceil clamp clamp_max clamp_min clip conj
conj_physical copysign cos cosh deg2rad digamma div divide eq erf erfc erfinv exp exp2 expm1 fix float_power floor floor_divide fmax fmin
fmod frac frexp gcd ge greater greater_equal gt heaviside hypot i0 igamma igammac imag isclose isfinite isin isinf isnan isneginf
isposinf isreal lcm ldexp le lerp less less_equal lgamma log log10 log1p log2 logaddexp logaddexp2 logical_and logical_not logical_or
logical_xor logit lt masked_fill maximum minimum mul multiply mvlgamma nan_to_num ne neg negative nextafter not_equal polygamma positive
pow rad2deg real reciprocal relu remainder round rsqrt rsub sgn sigmoid sign signbit sin sinc sinh sqrt square sub subtract tan tanh
threshold true_divide trunc where xlogy
"""
_REDUCTIONS = """
all allclose amax amin aminmax any argmax argmin argsort bucketize count_nonzero cummax cummin cumprod cumsum cumulative_trapezoid diff
dist equal frobenius_norm gradient histc kthvalue logcumsumexp logsumexp max mean median min msort nanmean nanmedian nanquantile nansum
norm nuclear_norm prod quantile searchsorted sort std std_mean sum topk trapezoid trapz var var_mean
"""
_SHAPES = """
adjoint atleast_1d atleast_2d atleast_3d block_diag broadcast_tensors broadcast_to cartesian_prod cat chunk clone column_stack complex
concat concatenate contiguous detach diag diag_embed diagflat diagonal diagonal_scatter dsplit dstack expand expand_as flatten flip fliplr
flipud gather hsplit hstack index_add index_copy index_fill index_put index_reduce index_select masked_scatter meshgrid moveaxis movedim
narrow permute polar ravel repeat repeat_interleave reshape reshape_as resolve_conj resolve_neg roll rot90 row_stack scatter scatter_add
scatter_reduce select select_scatter slice_scatter split split_with_sizes squeeze stack sum_to_size swapaxes swapdims t take
take_along_dim tensor_split tile transpose tril triu unbind unflatten unsqueeze view view_as view_as_complex view_as_real vsplit vstack
"""
_TYPES = """
bfloat16 bool byte cdouble cfloat char double float half int long new_full new_ones new_tensor new_zeros short to type type_as
bernoulli full_like normal ones_like rand_like randint_like randn_like zeros_like
"""
_PRODUCTS = """
addbmm addmm addmv addr baddbmm bmm cdist chain_matmul cholesky cholesky_inverse cholesky_solve corrcoef cov cross det dot einsum ger inner
inverse kron logdet matmul matrix_exp mm mv orgqr outer pinverse qr renorm slogdet svd tensordot trace vander vdot
"""
_NETWORKS = """
adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d affine_grid
alpha_dropout avg_pool1d avg_pool2d avg_pool3d batch_norm bilinear binary_cross_entropy binary_cross_entropy_with_logits celu
channel_shuffle constant_pad_nd conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d cosine_embedding_loss
cosine_similarity cross_entropy dropout dropout1d dropout2d dropout3d elu embedding feature_alpha_dropout gaussian_nll_loss gelu glu
grid_sample group_norm gumbel_softmax hardshrink hardsigmoid hardswish hardtanh hinge_embedding_loss huber_loss instance_norm interpolate
kl_div l1_loss layer_norm leaky_relu linear local_response_norm log_softmax logsigmoid lp_pool1d lp_pool2d lp_pool3d
margin_ranking_loss max_pool1d max_pool2d max_pool3d mish mse_loss multi_margin_loss multilabel_margin_loss multilabel_soft_margin_loss
nll_loss normalize one_hot pad pairwise_distance pixel_shuffle pixel_unshuffle poisson_nll_loss prelu relu6 rms_norm rrelu
scaled_dot_product_attention selu silu smooth_l1_loss soft_margin_loss softmax softmin softplus softshrink softsign stft istft tanhshrink
triplet_margin_loss upsample
"""
_IN_PLACE = "relu_ sigmoid_ tanh_ elu_ leaky_relu_ selu_ celu_ hardtanh_ threshold_ clamp_ add_ sub_ mul_ div_ exp_ sqrt_ masked_fill_"
_METHODS = """
__abs__ __add__ __and__ __div__ __eq__ __floordiv__ __ge__ __getitem__ __gt__ __iadd__ __iand__ __idiv__ __ifloordiv__ __imod__ __imul__
__invert__ __ior__ __ipow__ __isub__ __itruediv__ __ixor__ __le__ __lshift__ __lt__ __matmul__ __mod__ __mul__ __ne__ __neg__ __or__
__pos__ __pow__ __radd__ __rand__ __rdiv__ __rfloordiv__ __rlshift__ __rmatmul__ __rmod__ __rmul__ __ror__ __rpow__ __rrshift__ __rshift__
__rsub__ __rtruediv__ __rxor__ __sub__ __truediv__ __xor__
"""
_LINALG = """
cholesky cond cross det diagonal eigh eigvalsh inv matmul matrix_exp matrix_norm matrix_rank multi_dot norm pinv qr slogdet solve
solve_triangular svd svdvals tensorinv tensorsolve vander vecdot vector_norm
"""
_FFT = """
fft fft2 fftn fftshift hfft hfft2 hfftn ifft ifft2 ifftn ifftshift ihfft ihfft2 ihfftn irfft irfft2 irfftn rfft rfft2 rfftn
"""
_SPECIAL = """
airy_ai bessel_j0 bessel_j1 bessel_y0 bessel_y1 digamma entr erf erfc erfcx erfinv exp2 expit expm1 gammainc gammaincc gammaln i0 i0e i1
i1e log1p log_ndtr log_softmax logit logsumexp modified_bessel_i0 modified_bessel_i1 modified_bessel_k0 modified_bessel_k1 multigammaln
ndtr ndtri polygamma psi round scaled_modified_bessel_k0 scaled_modified_bessel_k1 sinc softmax spherical_bessel_j0 xlog1py xlogy zeta
"""
_GENERAL = " ".join((_ELEMENTWISE, _REDUCTIONS, _SHAPES, _TYPES, _PRODUCTS, _NETWORKS, _IN_PLACE))
_PLACES = (
    ("torch", torch, _GENERAL),
    ("torch.functional", torch.functional, _GENERAL),
    ("torch.nn.functional", torch.nn.functional, _GENERAL),
    ("torch.Tensor", torch.Tensor, f"{_GENERAL} {_METHODS}"),
    ("torch.linalg", torch.linalg, _LINALG),
    ("torch.fft", torch.fft, _FFT),
    ("torch.special", torch.special, _SPECIAL),
)
_VIEWS = ("T", "mT", "H", "mH", "real", "imag")  # attributes of a tensor


@functools.lru_cache(1)
def torch_functions() -> dict[str, Callable]:
    """Every function of the lists, by the name that files give it."""
    named = {f"{place}.{name}": getattr(owner, name, None) for place, owner, names in _PLACES for name in names.split()}
    found = {name: fn for name, fn in named.items() if callable(fn)}
    found.update({f"torch.Tensor.{name}.__get__": getattr(torch.Tensor, name).__get__ for name in _VIEWS})
    return found
