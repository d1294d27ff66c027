"""Plain torch modules called on symbolic tensors become layers of the model."""

import numpy as np
import pytest
import torch
from torch import nn

import torchkeras as keras
from torchkeras import layers


class Two(nn.Module):
    """Two outputs, an argument, and a sub-module that is used twice."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, x, scale=1.0):
        h = torch.relu(self.a(torch.relu(self.a(x))))
        return {"hidden": h, "out": self.b(h) * scale}


def test_a_linear_is_found_trained_and_frozen():
    linear = nn.Linear(4, 1)
    x = keras.Input((4,))
    model = keras.Model(x, linear(x))
    assert [type(layer).__name__ for layer in model.layers] == ["InputLayer", "TorchModuleWrapper"]
    assert {id(p) for p in model.parameters()} == {id(p) for p in linear.parameters()}
    before = linear.weight.detach().clone()
    model.compile("sgd", "mse")
    data = np.ones((8, 4), "float32"), np.ones((8, 1), "float32")
    model.fit(*data, verbose=0)
    assert not torch.equal(linear.weight, before)
    model.trainable = False
    assert model.trainable_weights == [] and not linear.weight.requires_grad


def test_every_function_inside_is_one_node_and_dropout_follows_the_model():
    net = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 2))
    x = keras.Input((4,))
    model = keras.Model(x, net(x))
    assert len(model.operations) == 2 and model.output_shape == (None, 2)
    values = torch.randn(6, 4)
    torch.testing.assert_close(model(values), net.eval()(values))
    assert torch.equal(model(values), model(values))
    assert not torch.equal(model(values, training=True), model(values, training=True))
    assert model.state_dict().keys() == {f"torch_module_wrapper.module.{k}" for k in net.state_dict()}


def test_nested_outputs_and_arguments():
    module = Two()
    x = keras.Input((4,))
    model = keras.Model(x, module(x, scale=3.0))
    values = torch.randn(5, 4)
    got, expected = model(values), module(values, scale=3.0)
    torch.testing.assert_close(got["hidden"], expected["hidden"])
    torch.testing.assert_close(got["out"], expected["out"])
    assert len(model.weights) == 4


def test_a_shared_module_is_one_layer():
    linear = nn.Linear(4, 4)
    x = keras.Input((4,))
    model = keras.Model(x, linear(torch.relu(linear(x))))
    assert len(model.weights) == 2 and len(model.layers) == 2
    values = torch.randn(3, 4)
    torch.testing.assert_close(model(values), linear(torch.relu(linear(values))))


def test_layers_before_after_and_inside():
    inner = nn.Sequential(layers.Dense(5, activation="relu"), nn.Linear(5, 3), layers.Dense(2))
    x = keras.Input((4,))
    model = keras.Model(x, layers.Dense(1)(inner(layers.Dense(4)(x)) * 2))
    assert len(model.weights) == 10
    model.compile("adam", "mse")
    model.fit(np.ones((8, 4), "float32"), np.ones((8, 1), "float32"), verbose=0)


@pytest.mark.parametrize(
    "module, shape",
    [
        (nn.Conv2d(3, 4, 3), (3, 8, 8)),
        (nn.Flatten(), (3, 4)),
        (nn.LayerNorm(4), (6, 4)),
        (nn.GELU(), (4,)),
        (nn.Identity(), (4,)),
        (nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), (6, 8)),
        (nn.Bilinear(4, 4, 3), (4,)),
    ],
    ids=lambda v: type(v).__name__,
)
def test_modules_of_torch(module, shape):
    x = keras.Input(shape)
    y = module(x, x) if isinstance(module, nn.Bilinear) else module(x)
    model = keras.Model(x, y)
    values = torch.randn(2, *shape)
    module.eval()
    expected = module(values, values) if isinstance(module, nn.Bilinear) else module(values)
    torch.testing.assert_close(model(values), expected, rtol=1e-4, atol=1e-5)
    assert tuple(model.output_shape[1:]) == tuple(expected.shape[1:])
    assert len(list(model.parameters())) == len(list(module.parameters()))


def test_an_embedding_takes_integers():
    table = nn.Embedding(10, 3)
    x = keras.Input((5,), dtype="int64")
    model = keras.Model(x, table(x))
    ids = torch.randint(0, 10, (2, 5))
    torch.testing.assert_close(model(ids), table(ids))


class Attention(nn.Module):
    """As vision transformers write it: sizes, device and new tensors are taken from the input."""

    def __init__(self, width=8, heads=2):
        super().__init__()
        self.qkv, self.out, self.heads = nn.Linear(width, 3 * width), nn.Linear(width, width), heads

    def forward(self, x):
        B, N, C = x.shape
        assert x.dtype is torch.float32 and not x.is_cuda and len(x) == B
        q, k, v = self.qkv(x).reshape(B, N, 3, self.heads, C // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        later = torch.triu(torch.ones(N, N, device=x.device, dtype=torch.bool), 1)
        a = (q @ k.transpose(-2, -1)).masked_fill(later, float("-inf")).softmax(-1) + x.new_zeros(1)
        return self.out((a @ v).transpose(1, 2).reshape(B, x.size(1), -1))


class Block(nn.Module):
    """A class token, a loop over a shared module, a Keras layer inside, and a nest of outputs."""

    def __init__(self):
        super().__init__()
        self.norm, self.attention, self.head = nn.LayerNorm(8), Attention(), layers.Dense(3)
        self.token = nn.Parameter(torch.randn(1, 1, 8))

    def forward(self, x, scale=1.0):
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1)
        for _ in range(2):
            x = x + self.attention(self.norm(x)) * scale
        return self.head(x[:, 0]), {"all": x, "means": [x.mean(1)]}


@pytest.mark.parametrize("width", [8, 96])
@pytest.mark.parametrize("length", [5, None])
def test_a_module_sees_sizes_and_device_of_its_inputs(width, length):
    module = Attention(width)
    x = keras.Input((length, width))
    model = keras.Model(x, module(module(x)))
    assert model.output_shape == (None, length, width) and len(model.layers) == 2
    values = torch.randn(2, 5, width)
    torch.testing.assert_close(model(values), module(module(values)))


def test_a_block_with_a_token_a_loop_and_a_nest_of_outputs():
    block = Block()
    x = keras.Input((None, 8))
    head, rest = block(x, scale=2.0)
    assert head.shape == (None, 3) and rest["all"].shape == (None, None, 8)
    model = keras.Model(x, [head, rest])
    values = torch.randn(2, 5, 8)
    torch.testing.assert_close(model(values), list(block(values, scale=2.0)))


@pytest.mark.parametrize("cls", [nn.LSTM, nn.GRU])
def test_recurrent_modules_of_torch(cls):
    module = cls(4, 5, batch_first=True, bidirectional=True)
    x = keras.Input((3, 4))
    out, state = module(x)
    assert out.shape == (None, 3, 10)
    values = torch.randn(2, 3, 4)
    torch.testing.assert_close(keras.Model(x, out)(values), module(values)[0])


def test_attention_and_transformer_of_torch():
    a, b = keras.Input((5, 8)), keras.Input((3, 8))
    attention = nn.MultiheadAttention(8, 2, batch_first=True)
    out, weights = attention(a, b, b)
    u, v = torch.randn(2, 5, 8), torch.randn(2, 3, 8)
    torch.testing.assert_close(keras.Model([a, b], [out, weights])([u, v]), list(attention(u, v, v)))
    transformer = nn.Transformer(8, 2, 1, 1, 16, batch_first=True).eval()
    torch.testing.assert_close(keras.Model([a, b], transformer(a, b))([u, v]), transformer(u, v))


class Branching(nn.Module):
    def forward(self, x):
        y = torch.relu(x)
        return y if y.sum() > 0 else x


def test_a_module_that_looks_at_values_is_refused_and_leaves_no_trace():
    x = keras.Input((4,))
    with pytest.raises(ValueError, match=r"module Branching .*`TorchModuleWrapper\(module\)\(x\)`"):
        Branching()(x)
    assert layers.TorchModuleWrapper(Branching())(x).shape == (None, 4)
    assert keras.Model(x, nn.Linear(4, 2)(x)).output_shape == (None, 2)


def test_a_module_with_hooks():
    linear, seen = nn.Linear(4, 2), []
    linear.register_forward_hook(lambda m, args, out: seen.append(tuple(out.shape)))
    x = keras.Input((4,))
    model = keras.Model(x, linear(x))
    seen.clear()
    model(torch.zeros(3, 4))
    assert seen == [(3, 2)]


def test_in_a_sequential_and_as_an_attribute():
    model = keras.Sequential([keras.Input((4,)), nn.Linear(4, 5), nn.ReLU(), layers.Dense(2)])
    assert model.count_params() == 4 * 5 + 5 + 5 * 2 + 2

    class Sub(keras.Model):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(4, 3)
            self.bag = [nn.Linear(3, 3), {"deep": nn.Linear(3, 1)}]

        def call(self, x):
            return self.bag[1]["deep"](self.bag[0](self.linear(x)))

    sub = Sub()
    sub.compile("sgd", "mse")
    sub.fit(np.ones((8, 4), "float32"), np.ones((8, 1), "float32"), verbose=0)
    assert len(sub.trainable_weights) == 6
    before = sub.get_weights()
    sub.fit(np.ones((8, 4), "float32"), np.zeros((8, 1), "float32"), verbose=0)
    assert all(not np.array_equal(a, b) for a, b in zip(before, sub.get_weights()))
    sub.trainable = False
    assert sub.trainable_weights == [] and len(sub.non_trainable_weights) == 6


def test_parameters_of_foreign_modules_are_the_models(tmp_path):
    linear = nn.Linear(4, 3)
    x = keras.Input((4,))
    model = keras.Model(x, nn.functional.linear(x, linear.weight, linear.bias) * 2 + torch.ones(3))
    assert {id(p) for p in model.parameters()} == {id(linear.weight), id(linear.bias)} and len(model.trainable_weights) == 2
    assert list(model.state_dict()) == ["parameter", "parameter_1"]
    before = linear.weight.detach().clone()
    model.compile("sgd", "mse")
    model.fit(np.ones((8, 4), "float32"), np.ones((8, 3), "float32"), verbose=0)
    trained = linear.weight.detach().clone()
    assert not torch.equal(trained, before)
    model.save_weights(tmp_path / "w.weights.h5")
    nn.init.zeros_(linear.weight)
    model.load_weights(tmp_path / "w.weights.h5")
    assert torch.equal(linear.weight, trained)
    with pytest.raises(ValueError, match=r"call of 'linear\w*' takes a parameter of shape \(3, 4\)"):
        model.save(tmp_path / "m.keras")
    model.trainable = False
    assert not linear.weight.requires_grad and model.trainable_weights == []
    assert model.double()(torch.ones(2, 4, dtype=torch.float64)).dtype is torch.float64


def test_a_weight_of_a_layer_of_the_model_stays_one():
    linear, dense = nn.Linear(4, 4), layers.Dense(4)
    x = keras.Input((4,))
    model = keras.Model(x, torch.matmul(dense(nn.functional.linear(linear(x), linear.weight)), dense.kernel))
    assert len(list(model.parameters())) == len(model.state_dict()) == len(model.weights) == 4
    model.load_state_dict({k: torch.zeros_like(v) for k, v in model.state_dict().items()}, assign=True)
    assert model(torch.ones(2, 4)).abs().sum() == 0


def test_a_weight_of_a_layer_outside_the_model_comes_with_it():
    dense = layers.Dense(3)
    dense.build((None, 4))
    x = keras.Input((4,))
    model = keras.Model(x, torch.matmul(x, dense.kernel))
    assert any(p is dense.kernel.parameters[0] for p in model.parameters())


def test_constants_go_where_the_model_goes(tmp_path):
    x = keras.Input((4,))
    model = keras.Model(x, (x + torch.ones(4)) * nn.BatchNorm1d(4).running_var)
    assert model.weights == [] and model.state_dict() == {}
    values = torch.randn(2, 4)
    expected = model(values)
    model.save(tmp_path / "m.keras")
    for copied in (keras.models.load_model(tmp_path / "m.keras"), keras.models.clone_model(model)):
        torch.testing.assert_close(copied(values), expected)
        torch.testing.assert_close(copied.double()(values.double()), expected.double())
    assert model.to("meta")(torch.ones(2, 4, device="meta")).device.type == "meta"
