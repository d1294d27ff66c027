"""Every torch function that runs on a symbolic tensor comes back from a file with equal outputs, or is refused when it is written."""

import json
import sys
import types
import unittest
import warnings

import pytest
import torch
from torch.overrides import get_overridable_functions, resolve_name

import torchkeras
from torchkeras import tree
from torchkeras.graph import is_keras_tensor
from torchkeras.graph.opnode import find_op, in_files
from torchkeras.graph.torch_functions import torch_functions

PARTS = 12
ERRORS = (ArithmeticError, AssertionError, AttributeError, ImportError, LookupError, RuntimeError, TypeError, ValueError)


def samples():
    """torch's own database of its functions with sample arguments: name, function, first tensor, further arguments."""
    runner = types.ModuleType("expecttest")  # imported by torch's test helpers, needed by none of the samples
    runner.TestCase = unittest.TestCase
    sys.modules.setdefault("expecttest", runner)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch.testing._internal.common_methods_invocations import op_db
    return op_db


def arguments(info):
    try:
        found = list(info.sample_inputs("cpu", torch.float32))[:4]
    except ERRORS:  # another type, or a library that is not installed
        return
    for sample in found:
        if isinstance(sample.input, torch.Tensor) and sample.input.ndim and sample.input.layout is torch.strided:
            yield sample.input.detach(), sample.args, sample.kwargs


def same(a, b):
    if not isinstance(a, torch.Tensor):
        return a == b
    if a.layout is not torch.strided:
        a, b = a.to_dense(), b.to_dense()
    return a.dtype is b.dtype and a.shape == b.shape and torch.allclose(a, b, rtol=0, atol=0, equal_nan=True)


def outcome(fn, x, args, kwargs):
    """What becomes of a graph that calls `fn`: `"same"`, `"refused"`, `"not run"`, or what went wrong."""
    inputs = torchkeras.Input(batch_shape=tuple(x.shape), dtype=x.dtype)
    try:
        outputs = fn(inputs, *args, **kwargs)
        if not all(is_keras_tensor(t) for t in tree.flatten(outputs)):
            return "not run"
        model = torchkeras.Model(inputs, outputs)
        torch.manual_seed(0)
        expected = model(x.clone())
    except ERRORS:
        return "not run"
    try:
        text = json.dumps(model.get_config())
    except ValueError as error:
        return "refused" if "cannot hold" in str(error) else f"written: {error}"
    try:
        again = torchkeras.Model.from_config(json.loads(text))
        torch.manual_seed(0)
        got = again(x.clone())
    except ERRORS as error:
        return f"read: {type(error).__name__}: {error}"
    pairs = list(zip(tree.flatten(expected), tree.flatten(got), strict=True))
    return "same" if all(same(a, b) for a, b in pairs) else "other values"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("part", range(PARTS))
def test_torch_functions_come_back_or_are_refused_when_written(part):
    wrong, counts = {}, {}
    for info in sorted(samples(), key=lambda i: i.full_name)[part::PARTS]:
        for fn in dict.fromkeys((info.op, info.method_variant)):
            for x, args, kwargs in arguments(info) if fn is not None else ():
                result = outcome(fn, x, args, kwargs)
                counts[result] = counts.get(result, 0) + 1
                if result not in ("same", "refused", "not run"):
                    wrong[info.full_name] = result[:300]
    assert wrong == {}
    assert counts["same"] > 30


def test_the_list_holds_functions_of_torch_only():
    assert all(callable(fn) for fn in torch_functions().values())
    assert find_op("torch.nn.functional.hardswish") is torch.nn.functional.hardswish
    for name in "apply_ map_ as_strided set_ resize_ numpy item backward storage data_ptr register_hook unfold".split():
        assert not in_files(f"torch.Tensor.{name}")


def test_no_listed_function_leaves_the_graph_or_takes_another():
    """What the list leaves out of torch's overridable functions is refused by name."""
    names = {resolve_name(fn) for fns in get_overridable_functions().values() for fn in fns} - {None}
    left_out = names - set(torch_functions())
    assert {"torch.as_strided_copy", "torch.native_batch_norm", "torch.lstm", "torch.Tensor.unfold"} <= left_out
    for name in sorted(left_out):
        with pytest.raises(ValueError, match="is none that a graph may hold"):
            find_op(name)
