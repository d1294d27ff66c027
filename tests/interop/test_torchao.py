"""torchao's quantization of the `nn.Linear` inside Keras-built models."""

import copy

import pytest
import torch
from torch import nn
from torchao.quantization import Int8DynamicActivationInt8WeightConfig, Int8WeightOnlyConfig, quantize_
from torchao.utils import TorchAOBaseTensor

import torchkeras as keras
from torchkeras import layers

from .models import INPUTS, LABELS, X, Y, accuracy, functional, plain, sequential, subclassed, twins

BUILDERS = pytest.mark.parametrize("build", [functional, sequential, subclassed], ids=lambda f: f.__name__)
CONFIGS = pytest.mark.parametrize("config", [Int8WeightOnlyConfig, Int8DynamicActivationInt8WeightConfig], ids=lambda c: c.__name__)


def linears(model):
    return [m for m in model.modules() if isinstance(m, nn.Linear)]


@CONFIGS
@BUILDERS
def test_a_trained_model_keeps_its_answers(build, config):
    model = build()
    model.compile(keras.optimizers.Adam(0.01), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    history = model.fit(X, Y, epochs=12, verbose=0).history["loss"]
    assert history[-1] < history[0]
    before, right = model.predict(X, verbose=0), accuracy(model)
    quantize_(model, config())
    assert all(isinstance(m.weight, TorchAOBaseTensor) for m in linears(model)) and len(linears(model)) >= 2
    after = torch.from_numpy(model.predict(X, verbose=0))
    assert 0 < (after - torch.from_numpy(before)).abs().max() < 0.1 * abs(before).max()
    assert abs(accuracy(model) - right) < 0.03
    assert model.evaluate(X, Y, verbose=0) == pytest.approx(nn.functional.cross_entropy(after, LABELS).item(), rel=1e-4)


@CONFIGS
def test_the_numbers_of_the_torch_module(config):
    ours, theirs = (m.eval() for m in twins())
    quantize_(ours, config())
    quantize_(theirs, config())
    torch.testing.assert_close(ours(INPUTS), theirs(INPUTS))


@BUILDERS
def test_state_dict_reload(build, tmp_path):
    model, again = build().eval(), build().eval()
    quantize_(model, Int8WeightOnlyConfig())
    torch.save(model.state_dict(), tmp_path / "quantized.pt")
    state = torch.load(tmp_path / "quantized.pt", weights_only=True)
    again.load_state_dict(dict(zip(again.state_dict(), state.values())), assign=True)
    torch.testing.assert_close(again(INPUTS), model(INPUTS))
    assert all(isinstance(m.weight, TorchAOBaseTensor) for m in linears(again))
    torch.testing.assert_close(copy.deepcopy(model)(INPUTS), model(INPUTS))


@BUILDERS
def test_a_filter_chooses_layers(build):
    model = build()
    quantize_(model, Int8WeightOnlyConfig(), filter_fn=lambda module, name: isinstance(module, nn.Linear) and module.out_features == 3)
    assert [isinstance(m.weight, TorchAOBaseTensor) for m in linears(model)].count(True) == 1


def test_projections_of_attention_are_quantized():
    i = keras.Input((5, 32))
    model = keras.Model(i, layers.MultiHeadAttention(4, 8)(i, i)).eval()
    x = torch.randn(2, 5, 32)
    before = model(x)
    quantize_(model, Int8WeightOnlyConfig())
    error = (model(x) - before).abs().max()
    assert 0 < error < 0.05 * before.abs().max()


@pytest.mark.parametrize("form", [".keras", ".weights.h5", ".safetensors"])
def test_weights_of_a_quantized_model_are_seen_saved_and_guarded(tmp_path, form):
    model, theirs, fresh = sequential(), plain(), sequential()
    kernel = torch.from_numpy(model.get_layer("first").kernel.numpy())
    quantize_(model, Int8WeightOnlyConfig())
    seen = model.get_layer("first").kernel
    assert tuple(seen.shape) == (4, 16) and len(model.get_weights()) == len(theirs.state_dict()) - 1
    torch.testing.assert_close(torch.from_numpy(seen.numpy()), kernel, atol=0.01, rtol=0)
    path = tmp_path / f"m{form}"
    if form == ".keras":
        model.save(path)
        fresh = keras.models.load_model(path)
    else:
        model.save_weights(path)
        fresh.load_weights(path)
    torch.testing.assert_close(fresh.eval()(INPUTS), model.eval()(INPUTS), atol=1e-4, rtol=1e-4)
    others = model.get_weights()[1:]
    for write in (seen.assign, lambda value: setattr(seen, "data", value), lambda value: model.set_weights([value, *others])):
        with pytest.raises(ValueError, match="first/kernel' is quantized"):
            write(kernel)
