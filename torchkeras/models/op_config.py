"""How Keras writes an op of a graph: under which class name, and which arguments stand in its config and which in its calls."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from .. import config, registry
from ..configurable import deserialize_value, serialize_value
from ..graph import Node
from ..graph.opnode import OPS, OpNode, find_op

# Class names that are not the op's own in camel case.
_CLASSES = {
    "allclose": "AllClose", "batch_normalization": "BatchNorm", "bent_relu": "ReLU", "cdist": "CDist", "ctc_decode": "CTCDecode",
    "ctc_loss": "CTCLoss", "fft": "FFT", "fft2": "FFT2", "hsv_to_rgb": "HSVToRGB", "ifft2": "IFFT2", "irfft": "IRFFT", "isin": "IsIn",
    "istft": "ISTFT", "layer_normalization": "LayerNorm", "psnr": "PSNR", "rfft": "RFFT", "rgb_to_grayscale": "RGBToGrayscale",
    "rgb_to_hsv": "RGBToHSV", "rms_normalization": "RMSNorm", "searchsorted": "SearchSorted", "ssim": "SSIM", "stft": "STFT", "svd": "SVD",
}  # fmt: skip
_MODULES = {"bent_relu": "keras.src.activations.activations", "rearrange": "keras.src.ops.einops"}
# Classes of Keras's that stand for an op of another name.
_ALIASES = {
    "Abs": "absolute", "BitwiseNot": "bitwise_invert", "Conj": "conjugate", "Divide": "true_divide", "LeftShift": "bitwise_left_shift",
    "RightShift": "bitwise_right_shift",
}  # fmt: skip
# Arguments that Keras gives with the call although they are no tensors, and tensors that it keeps in the config.
_CALLED = {
    "dot_product_attention": ("scale",), "get_item": ("key",), "isclose": ("rtol", "atol"), "rearrange": ("pattern", "axes_lengths"),
    "scale_and_translate": ("output_shape",), "slice": ("start_indices",), "slice_update": ("start_indices",),
}  # fmt: skip
_BY_NAME = {"pad": ("constant_values",)}
_IN_CONFIG = {"bincount": ("weights",), "trapezoid": ("x",)}
# Ops that Keras's graphs cannot hold, and those whose arguments are functions.
_OURS = frozenset(
    "associative_scan cond extract_patches_3d fori_loop map mish scan sparsemax switch vectorized_map while_loop".split()
)
# What `tensor + symbolic` records in torch's name, as the op that Keras would record.
_AS_OPS = {
    "add": "add", "sub": "subtract", "mul": "multiply", "div": "true_divide", "true_divide": "true_divide", "matmul": "matmul",
    "pow": "power",
}  # fmt: skip
_DANGEROUS = ("apply_", "backward", "map_", "module_load", "numpy", "set_", "share_memory_", "storage", "untyped_storage", "data_ptr")


class _Spec:
    """The arguments of an op, sorted into those of Keras's config and those of its calls."""

    def __init__(self, fn: Callable) -> None:
        name = fn.__name__
        self.fn, self.signature = fn, inspect.signature(fn)
        parameters = self.signature.parameters.values()
        called, kept = _CALLED.get(name, ()), _IN_CONFIG.get(name, ())
        by_name = _BY_NAME.get(name, ())
        self.variadic = next((p.name for p in parameters if p.kind is p.VAR_POSITIONAL), None)
        self.open = next((p.name for p in parameters if p.kind is p.VAR_KEYWORD), None)
        fixed = [p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
        self.by_name = by_name
        self.called = [p.name for p in fixed if ("TensorLike" in str(p.annotation) and p.name not in kept) or p.name in called]
        if name == "rearrange":
            self.called.append("axes_lengths")
        self.static = [p.name for p in fixed if p.name not in self.called and p.name not in by_name]


@functools.lru_cache(512)
def _spec(fn: Callable) -> _Spec:
    return _Spec(fn)


def _function(operation: OpNode) -> Callable | None:
    """The op that Keras would record; `None` where it has none."""
    fn: Callable | None = operation.fn
    if not getattr(fn, "is_op", False):
        group, _, name = operation.function.rpartition(".")
        fn = OPS.get(_AS_OPS.get(name, "")) if group in ("torch", "torch.Tensor") else None
    return None if fn is None or fn.__name__ in _OURS or OPS.get(fn.__name__) is not fn else fn


def serialize_op(operation: OpNode, node: Node) -> tuple[dict[str, Any], tuple, dict[str, Any]] | None:
    """The op as data, and the arguments of its call in Keras's order; `None` for a function that is not Keras's."""
    fn = _function(operation)
    if fn is None:
        return None
    spec = _spec(fn)
    try:
        bound = spec.signature.bind(*node.args, **node.kwargs)
    except TypeError:  # torch's own arguments (`torch.add(x, y, alpha=2)`)
        return None
    bound.apply_defaults()
    given = dict(bound.arguments)
    if spec.open and given.pop(spec.open):
        if fn.__name__ != "rearrange":
            return None
        given["axes_lengths"] = bound.arguments[spec.open]
    kept = {n: serialize_value(given[n]) for n in spec.static}
    if kept.get("data_format", "") is None:
        kept["data_format"] = config.image_data_format()
    name = fn.__name__
    class_name = _CLASSES.get(name) or "".join(part.capitalize() for part in name.split("_"))
    family = fn.__module__.split(".")[2] if fn.__module__.startswith("torchkeras.ops.") else "numpy"
    data = {
        "module": _MODULES.get(name, f"keras.src.ops.{family}"),
        "class_name": class_name,
        "config": {"name": operation.name, **kept},
        "registered_name": class_name,
    }
    args = tuple(given.get(n, {}) for n in spec.called)
    if spec.variadic:
        args += tuple(given[spec.variadic])
    return data, tuple(list(a) if isinstance(a, tuple) else a for a in args), {n: given[n] for n in spec.by_name}


class OpCall:
    """An op that a config describes, to be called with the arguments that the config gives to its calls.

    Args:
        data: The config of Keras's operation.

    Raises:
        ValueError: An op that does not exist, or arguments that it does not have.
    """

    def __init__(self, data: dict[str, Any]) -> None:
        fn = _op_of_class(data["class_name"])
        self.spec = _spec(fn)
        self.name = data["config"].get("name")
        known = self.spec.signature.parameters
        self.static: dict[str, Any] = {}
        for key, value in data["config"].items():
            if key in known:
                self.static[key] = deserialize_value(value)
            elif key not in ("name", "dtype") and value not in (None, False, "auto"):
                raise ValueError(
                    f"The op {data['class_name']!r} of the config has the argument {key!r}, which `{fn.__name__}` does not have."
                )
        self.node = OpNode(fn, name=self.name)

    @property
    def _inbound_nodes(self) -> list[Node]:
        return self.node._inbound_nodes

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        spec = self.spec
        given = {**self.static, **dict(zip(spec.called, args)), **kwargs}
        if spec.fn.__name__ == "get_item" and isinstance(given["key"], list):
            given["key"] = tuple(given["key"])
        given.update(given.pop("axes_lengths", None) or {} if spec.fn.__name__ == "rearrange" else {})
        rest = args[len(spec.called) :]
        if rest and not spec.variadic:
            raise ValueError(f"The config calls the op {self.name!r} with {len(args)} arguments; it takes {len(spec.called)}.")
        positional: list[Any] = []
        for parameter in spec.signature.parameters.values():
            if parameter.kind is parameter.VAR_POSITIONAL:
                positional += rest
            elif parameter.kind is not parameter.KEYWORD_ONLY and parameter.name in given:
                if len(positional) == list(spec.signature.parameters).index(parameter.name):
                    positional.append(given.pop(parameter.name))
        return self.node(*positional, **given)


def is_op_config(data: dict[str, Any]) -> bool:
    """Whether a config describes one of Keras's operations, not a layer."""
    return str(data.get("module") or "").startswith(("keras.src.ops.", "keras.src.activations."))


def torch_op(data: dict[str, Any]) -> OpNode:
    """A torch function, or an op without a Keras class, as the node that a config describes.

    Raises:
        ValueError: No pure function of tensors of that name.
    """
    function = str(data["config"].get("function"))
    rest, _, last = function.rpartition(".")
    private = last.startswith("_") and (not last.endswith("__") or last in ("__setitem__", "__setstate__", "__reduce_ex__"))
    attribute = last == "__get__" and rest.rpartition(".")[2] not in ("T", "mT", "H", "mH", "real", "imag")
    if last in _DANGEROUS or private or attribute:
        raise ValueError(f"The function {function!r} in the config is none that a graph may hold.")
    return OpNode(find_op(function), name=data["config"].get("name"))


def _op_of_class(class_name: str) -> Callable:
    if class_name == "ReLU":  # the activation with all of its arguments; the op is "Relu"
        return OPS["bent_relu"]
    by_class = _ops_by_class()
    fn = OPS.get(_ALIASES.get(class_name, "")) or by_class.get(class_name) or by_class.get(class_name.lower())
    if fn is None:
        raise ValueError(f"Unknown op {class_name!r} in the config.{registry.near_matches(class_name, OPS)}")
    return fn


def _ops_by_class() -> dict[str, Callable]:
    found = {name.replace("_", ""): fn for name, fn in OPS.items()}
    found.update({class_name: OPS[name] for name, class_name in _CLASSES.items() if name in OPS})
    return found
