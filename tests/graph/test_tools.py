"""Tools that read a model's graph: torch.fx and its quantization, export, torch.jit, torch.func, and what Dynamo compiles how often."""

import copy
import operator

import pytest
import torch
from torch import nn
from torch._dynamo.testing import CompileCounter

import torchkeras as keras
from torchkeras import layers


def functional(width=8, depth=2):
    x = keras.Input((width,))
    h = x
    for _ in range(depth):
        h = layers.Dense(width, activation="relu")(h)
    return keras.Model(x, layers.Dense(2)(h)), (torch.randn(3, width),)


def two_inputs():
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    model = keras.Model([a, b], layers.Dense(2)(layers.Concatenate()([a, b])) * torch.ones(2))
    return model, ([torch.randn(3, 4), torch.randn(3, 4)],)


def convolutions():
    parts = [layers.Conv2D(4, 3), layers.BatchNormalization(), layers.ReLU(), layers.Flatten(), layers.Dropout(0.5), layers.Dense(2)]
    return keras.Sequential([keras.Input((8, 8, 3)), *parts]), (torch.randn(3, 8, 8, 3),)


def attention():
    x = keras.Input((5, 8))
    return keras.Model(x, layers.LayerNormalization()(x + layers.MultiHeadAttention(2, 4)(x, x))), (torch.randn(3, 5, 8),)


def recurrent():
    parts = [layers.Bidirectional(layers.LSTM(3, return_sequences=True)), layers.GRU(4), layers.BatchNormalization(), layers.Dense(2)]
    return keras.Sequential([keras.Input((5, 4)), *parts]), (torch.randn(3, 5, 4),)


class Sub(keras.Model):
    def __init__(self):
        super().__init__()
        self.a, self.b = layers.Dense(8, activation="relu"), layers.Dense(2)

    def call(self, inputs):
        return self.b(self.a(inputs))


def subclassed():
    model, x = Sub(), torch.randn(3, 8)
    model(x)
    return model, (x,)


def dense():
    layer, x = layers.Dense(4), torch.randn(3, 8)
    layer(x)
    return layer, (x,)


MODELS = {f.__name__: f for f in (functional, two_inputs, convolutions, recurrent, attention, subclassed, dense)}


@pytest.mark.parametrize("name", MODELS)
def test_fx_traces(name):
    model, args = MODELS[name]()
    traced = torch.fx.symbolic_trace(model)
    torch.testing.assert_close(traced(*args), model(*args))
    assert sum(node.op == "call_module" for node in traced.graph.nodes) > 0
    assert {id(p) for p in traced.parameters()} <= {id(p) for p in model.parameters()}


def test_fx_sees_torchs_own_modules():
    traced = torch.fx.symbolic_trace(functional()[0])
    targets = [type(traced.get_submodule(n.target)) for n in traced.graph.nodes if n.op == "call_module"]
    assert targets == [nn.Linear] * 3


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning")
def test_fx_quantization():
    from torch.ao.quantization import get_default_qconfig_mapping
    from torch.ao.quantization.quantize_fx import convert_fx, prepare_fx

    model, args = functional()
    prepared = prepare_fx(model, get_default_qconfig_mapping("x86"), args)
    prepared(*args)
    quantized = convert_fx(prepared)
    assert "LinearReLU" in {type(m).__name__ for m in quantized.modules()}
    torch.testing.assert_close(quantized(*args), model(*args), atol=0.1, rtol=0.1)


@pytest.mark.filterwarnings("ignore:There is a performance drop")
@pytest.mark.parametrize("name", MODELS)
def test_functional_call_and_stacked_models(name):
    model, args = MODELS[name]()
    copies = [copy.deepcopy(model) for _ in range(3)]
    state = torch.func.stack_module_state(copies)
    together = torch.func.vmap(lambda p, b: torch.func.functional_call(model, (p, b), args))(*state)
    torch.testing.assert_close(together, torch.stack([c(*args) for c in copies]), rtol=1e-4, atol=1e-5)


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("name", MODELS)
def test_jit_trace(name):
    model, args = MODELS[name]()
    more = torch.utils._pytree.tree_map(lambda t: torch.randn(9, *t.shape[1:]), args)
    torch.testing.assert_close(torch.jit.trace(model, args)(*more), model(*more))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("dynamo", [False, True])
@pytest.mark.parametrize("name", MODELS)
def test_onnx(name, dynamo, tmp_path):
    import onnxruntime

    model, args = MODELS[name]()
    torch.onnx.export(model, args, tmp_path / "model.onnx", dynamo=dynamo)
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    given = {i.name: t.numpy() for i, t in zip(session.get_inputs(), torch.utils._pytree.tree_leaves(args), strict=True)}
    torch.testing.assert_close(torch.from_numpy(session.run(None, given)[0]), model(*args).detach(), atol=1e-4, rtol=1e-4)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "tool",
    [
        lambda m, x: torch.export.export(m, (x,)),
        lambda m, x: torch.export.export(m, (x,), strict=True),
        lambda m, x: torch.fx.symbolic_trace(m),
        lambda m, x: torch.jit.trace(m, x),
        lambda m, x: torch.onnx.export(m, (x,), dynamo=True, verbose=False),
        lambda m, x: torch.compile(m, backend="eager")(x),
        lambda m, x: torch.func.functional_call(m, dict(m.state_dict()), (x,)),
    ],
    ids=["export", "strict", "fx", "jit", "onnx", "compile", "functional_call"],
)
def test_tools_leave_a_model_in_inference_that_was_never_put_in_a_mode(tool):
    model, (x,) = convolutions()
    expected = model(x)
    tool(model, x)
    assert not any(m.training for m in model.modules())
    torch.testing.assert_close(model(x), expected)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("bias", [True, False])
def test_fuse_modules(bias):
    from torch.ao.quantization import fuse_modules

    parts = [layers.Conv2D(4, 3, use_bias=bias), layers.BatchNormalization(), layers.Flatten()]
    model = keras.Sequential([keras.Input((8, 8, 3)), *parts, layers.Dense(2), layers.BatchNormalization()])
    x = torch.randn(5, 8, 8, 3)
    model(x, training=True)
    groups = [["conv2d.conv", "batch_normalization.norm"], ["dense.linear", "batch_normalization_1.norm"]]
    fused = fuse_modules(copy.deepcopy(model), groups)
    assert not any(isinstance(m, (nn.BatchNorm1d, nn.BatchNorm2d)) for m in fused.modules())
    torch.testing.assert_close(fused(x), model(x))


@pytest.mark.interop
@pytest.mark.filterwarnings("ignore")
def test_export_quantization():
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e
    from torchao.quantization.pt2e.quantizer import x86_inductor_quantizer as x86

    model, (x,) = convolutions()
    quantizer = x86.X86InductorQuantizer().set_global(x86.get_default_x86_inductor_quantization_config())
    prepared = prepare_pt2e(torch.export.export(model, (x,)).module(), quantizer)
    prepared(x)
    quantized = convert_pt2e(prepared)
    assert sum("quantize_per" in str(node.target) for node in quantized.graph.nodes) >= 4
    torch.testing.assert_close(quantized(x), model(x), atol=0.1, rtol=0.1)


def count(models):
    torch._dynamo.reset()
    counter = CompileCounter()
    for model, x in models:
        torch.testing.assert_close(torch.compile(model, fullgraph=True, backend=counter)(x), model(x))
    return counter.frame_count


def subclasses(n):
    for i in range(n):
        own = {"call": lambda self, inputs, i=i: operator.add(self.b(self.a(inputs)), i)} if i % 2 else {}
        model = type(f"Sub{i}", (Sub,), own)()
        model(torch.zeros(3, 8))
        yield model, torch.randn(3, 8)


def stateless_layers():
    for cls in (layers.ReLU, layers.Softmax, layers.Flatten, layers.ELU, layers.LeakyReLU, layers.LayerNormalization, layers.PReLU):
        yield cls(), torch.randn(3, 8)
    yield from ((layers.RepeatVector(2), torch.randn(3, 8)), (layers.Dense(2), torch.randn(3, 8)), (layers.Dropout(0.5), torch.randn(3, 8)))


@pytest.mark.parametrize(
    "models",
    [
        [(m, x) for m, (x,) in (functional(8, depth) for depth in range(10))],
        [(m, x) for m, (x,) in (functional(width, 1) for width in range(4, 14))],
        list(subclasses(10)),
        list(stateless_layers()),
    ],
    ids=["depths", "widths", "classes", "layers"],
)
def test_a_ninth_model_compiles(models):
    for model, x in models:
        model(x)
    assert count(models) >= 9


def mixed():
    x = keras.Input((8,))
    return keras.Model(x, layers.Dense(2)(torch.tanh(layers.Dense(8)(x) + x))), (torch.randn(3, 8),)


@pytest.mark.parametrize("make", [mixed, convolutions, recurrent, attention])
def test_equal_models_compile_once(make):
    assert count([(model, x) for model, (x,) in (make() for _ in range(5))]) == 1


def test_what_happens_to_one_model_does_not_recompile_another():
    torch._dynamo.reset()
    counter = CompileCounter()
    model, args = functional()
    compiled = torch.compile(model, fullgraph=True, backend=counter)
    compiled(*args)
    other, other_args = functional()
    other.compile("sgd", "mse")
    other.fit(other_args[0], torch.zeros(3, 2), verbose=0)
    other.double()
    compiled(*args)
    assert counter.frame_count == 1


def test_the_plan_goes_straight_to_the_call_of_layers():
    model, (x,) = functional()
    called = []
    layer = model.layers[1]
    before = type(layer).forward
    assert layer._tk_entry.call is type(layer).call and before.origin is layers.Layer.forward
    layer.register_forward_hook(lambda *args: called.append(1))
    model(x)
    assert called == [1]


@pytest.mark.filterwarnings("ignore:While compiling, we found certain side effects")  # the context of a call, which ends with it
@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("name", [n for n in MODELS if n != "two_inputs"])
def test_export_in_both_modes(name, training, strict):
    model, (x,) = MODELS[name]()
    model.train(training)
    for layer in model.modules():
        if isinstance(layer, nn.Dropout):
            layer.p = 0.0
    reference = copy.deepcopy(model)
    exported = torch.export.export(model, (x,), dynamic_shapes=({0: torch.export.Dim("batch")},), strict=strict).module()
    more = torch.randn(7, *x.shape[1:])
    torch.testing.assert_close(exported(more), reference(more))  # of another batch size
    state, expected = exported.state_dict(), reference.state_dict()
    assert len(state) >= len(list(model.parameters()))
    torch.testing.assert_close(state, {k: expected[k] for k in state})  # statistics as well
    copy.deepcopy(model)(x)  # and no export leaves tensors without values behind


@pytest.mark.parametrize("build", [nn.BatchNorm1d, nn.BatchNorm2d])
def test_training_export_of_batch_normalization_is_torchs(build):
    shape = (8, 4) if build is nn.BatchNorm1d else (8, 4, 3, 3)
    x = torch.randn(shape)
    layer, module = layers.BatchNormalization(axis=1, momentum=0.9, epsilon=1e-5), build(4, momentum=0.1)
    layer(x)
    exported = [torch.export.export(m.train(), (x,)).module() for m in (layer, module)]
    torch.testing.assert_close(exported[0](x), exported[1](x))
    mine, torchs = (dict(m.named_buffers()) for m in exported)
    assert [n.rsplit(".", 1)[-1] for n in mine] == list(torchs)
    count = x.numel() // 4
    torch.testing.assert_close(mine["norm.running_mean"], torchs["running_mean"])
    torch.testing.assert_close((mine["norm.running_var"] - 0.9) * count / (count - 1), torchs["running_var"] - 0.9)  # Keras: biased
    assert mine["norm.num_batches_tracked"] == torchs["num_batches_tracked"] == 1
