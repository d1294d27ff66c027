"""No op looks at the values of a tensor on a device or leaves the device, and every op can be traced."""

import pytest
import torch
from torch.utils import _pytree as pytree

from torchkeras import ops

from . import test_core, test_image, test_linalg, test_math, test_nn
from .parity import close, convert, find

TABLE = [row for module in (test_core, test_nn, test_math, test_linalg, test_image) for row in module.TABLE]
# torch's own kernel reads the lengths; the number of segments is read where it is not given.
READS_VALUES = [row for row in TABLE if row.values[0] == "ctc_loss" or (row.values[0].startswith("segment") and len(row.values[1]) < 3)]
_SKIPPED = {id(row) for row in READS_VALUES}
ROWS = [row for row in TABLE if id(row) not in _SKIPPED]


@pytest.mark.parametrize("name, args, kwargs, batched, gradient, tol", ROWS)
def test_values_stay_on_the_device(name, args, kwargs, batched, gradient, tol):
    """Tensors without values: reading one, or mixing it with one of the CPU, fails."""

    def hollow(array):
        return torch.empty(array.shape, dtype=getattr(torch, array.dtype.name), device="meta")

    outputs = find(ops, name)(*convert(args, hollow), **{k: convert(v, hollow) for k, v in kwargs.items()})
    assert {t.device.type for t in pytree.tree_leaves(outputs)} == {"meta"}


def one_row_per_op():
    rows = {row.values[0]: row for row in ROWS}
    return list(rows.values())


def compiles(name, args, kwargs, tol):
    tensors, keywords = convert(args, torch.tensor), {k: convert(v, torch.tensor) for k, v in kwargs.items()}
    fn = find(ops, name)
    torch._dynamo.reset()
    compiled = torch.compile(lambda *a: fn(*a, **keywords), fullgraph=True, backend="eager")
    for a, b in zip(pytree.tree_leaves(compiled(*tensors)), pytree.tree_leaves(fn(*tensors, **keywords)), strict=True):
        close(a, b, tol)


QUICK = ("conv", "conv_transpose", "average_pool", "dot_product_attention", "sparse_categorical_crossentropy", "scatter_update", "istft")


@pytest.mark.parametrize("name, args, kwargs, batched, gradient, tol", [row for row in one_row_per_op() if row.values[0] in QUICK])
def test_traces_in_one_graph(name, args, kwargs, batched, gradient, tol):
    compiles(name, args, kwargs, tol)


@pytest.mark.slow
@pytest.mark.parametrize("name, args, kwargs, batched, gradient, tol", [row for row in one_row_per_op() if row.values[0] not in QUICK])
def test_every_op_traces_in_one_graph(name, args, kwargs, batched, gradient, tol):
    compiles(name, args, kwargs, tol)
