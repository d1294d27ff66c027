"""What a call knows is local to its thread; the short way of a layer is found again whenever something it depends on is set."""

import sys
import threading

import numpy as np
import pytest
import torch
from torch import nn

import torchkeras as keras
from torchkeras import layers
from torchkeras.layers import call


def in_threads(*functions):
    """Run each function in a thread of its own, all at once; an error in one fails the test."""
    errors, barrier = [], threading.Barrier(len(functions))

    def run(fn):
        try:
            barrier.wait(10)
            fn()
        except BaseException as error:  # noqa: BLE001  # shown by the test
            errors.append(error)

    threads = [threading.Thread(target=run, args=(fn,)) for fn in functions]
    for t in threads:
        t.start()
    for t in threads:
        t.join(60)
    assert not any(t.is_alive() for t in threads)
    assert errors == []


class Penalty(layers.Layer):
    def __init__(self, value, **kwargs):
        super().__init__(**kwargs)
        self.value = value

    def call(self, inputs):
        self.add_loss(self.value * inputs.mean())
        return inputs


class SelfMade(layers.Layer):
    """Depends on the mode as a torch user writes it."""

    def call(self, inputs):
        return torch.nn.functional.dropout(inputs, 0.5, self.training)


# -- threads ------------------------------------------------------------------------------------------------------------------------------


def test_losses_belong_to_the_thread_and_the_model():
    def read(value):
        def run():
            model = keras.Sequential([keras.Input((3,)), Penalty(value), Penalty(value)])
            for _ in range(300):
                model(torch.ones(2, 3))
                assert [float(loss) for loss in model.losses] == [value, value]

        return run

    in_threads(*(read(float(v)) for v in (1, 2, 3)))


def test_a_prediction_in_another_thread_leaves_the_losses_of_a_training_step():
    model = keras.Sequential([keras.Input((3,)), Penalty(1.0)])
    model(torch.ones(2, 3))
    in_threads(lambda: model(torch.full((2, 3), 7.0)))
    assert [float(loss) for loss in model.losses] == [1.0]


@pytest.mark.parametrize("layer", [layers.Dropout(0.5), layers.SpatialDropout1D(0.5), SelfMade()], ids=lambda v: type(v).__name__)
def test_the_flag_of_one_thread_is_not_seen_in_another(layer):
    model = keras.Sequential([keras.Input((4, 64)), layer])
    x = torch.ones(2, 4, 64)

    def train():
        for _ in range(200):
            assert (model(x, training=True) == 0).any()

    def predict():
        for _ in range(200):
            assert torch.equal(model(x), x)

    in_threads(train, predict)
    assert not any(m.training for m in model.modules())


def test_predict_beside_fit_is_inference_and_leaves_modes():
    trained = keras.Sequential([keras.Input((8,)), layers.Dropout(0.5), layers.Dense(1)])
    trained.compile("sgd", "mse")
    x = np.ones((64, 8), "float32")
    drop = keras.Sequential([keras.Input((8,)), trained.layers[0]])

    def predict():
        for _ in range(30):
            assert np.array_equal(drop.predict(x, verbose=0), x)

    in_threads(lambda: trained.fit(x, x[:, :1], epochs=30, verbose=0), predict)
    assert not any(m.training for m in trained.modules())


def test_building_in_threads():
    names = []

    def build():
        for i in range(10):
            inputs = keras.Input((i + 2,))
            x = Penalty(1.0)(layers.Dense(3)(inputs))
            model = keras.Model(inputs, layers.Lambda(lambda t: t * 2)(x))
            assert model(torch.ones(2, i + 2)).shape == (2, 3)
            names.extend(layer.name for layer in model.layers)

    in_threads(*[build] * 4)
    assert len(set(names)) == len(names)


# -- the flag -----------------------------------------------------------------------------------------------------------------------------


class Recorder(layers.Layer):
    seen: list

    def call(self, inputs, training=None):
        self.seen = [training, self.training]
        return inputs


class Outer(layers.Layer):
    def __init__(self, given):
        super().__init__()
        self.inner, self.foreign, self.given = Recorder(), nn.Dropout(0.5), given

    def call(self, inputs):
        self.mode_inside = self.foreign.training
        return self.inner(inputs, training=self.given)


@pytest.mark.parametrize("given, flag, own, expected", [
    (None, None, False, False), (None, None, True, True), (None, True, False, True), (None, False, True, False),
    (True, False, False, True), (False, True, True, False), (True, None, False, True),
])  # fmt: skip
def test_own_argument_then_the_flag_of_the_call_then_the_mode(given, flag, own, expected):
    layer = Outer(given)
    layer.train(own)
    layer(torch.ones(2, 3), training=flag)
    assert layer.inner.seen == [expected, expected]
    assert layer.mode_inside is (own if flag is None else flag)  # a torch module gets its mode for the call
    assert {m.training for m in layer.modules()} == {own}


def test_mode_is_a_flag_for_the_calls_of_a_thread():
    layer = Outer(None)
    with call.mode(layer, True):
        layer(torch.ones(2, 3))
        assert layer.inner.seen == [True, True] and layer.mode_inside
        with call.mode(layer, False):
            layer(torch.ones(2, 3))
            assert layer.inner.seen == [False, False] and not layer.mode_inside
        assert call.training_flag(layer) and call.training_flag(layer.foreign) and call.training_flag(nn.Linear(2, 2).eval())
    assert not any(m.training for m in layer.modules())


def test_modes_come_back_after_an_error():
    class Fails(Outer):
        def call(self, inputs):
            raise KeyError("no")

    layer = Fails(None)
    with pytest.raises(KeyError):
        layer(torch.ones(2, 3), training=True)
    assert not any(m.training for m in layer.modules())


def test_a_torch_module_made_in_the_middle_of_a_call_follows_its_flag():
    class Late(layers.Layer):
        def build(self, input_shape):
            self.drop = nn.Dropout(0.5)

        def call(self, inputs):
            return self.drop(inputs)

    layer = Late()
    assert (layer(torch.ones(8, 64), training=True) == 0).any()
    assert torch.equal(layer(torch.ones(8, 64)), torch.ones(8, 64)) and not layer.drop.training


# -- the short way ------------------------------------------------------------------------------------------------------------------------


def straight_calls(layer, fn):
    """Whether the `forward` of the layer is passed by while `fn` runs."""
    code, seen = type(layer).forward.__code__, []

    def profile(frame, event, arg):
        if event == "call" and frame.f_code is code and frame.f_locals.get("self") is layer:
            seen.append(frame)

    sys.setprofile(profile)
    try:
        fn()
    finally:
        sys.setprofile(None)
    return not seen


class Same(layers.Dense):
    """A user's subclass that overrides nothing that matters."""

    def __init__(self, units, note="", **kwargs):
        super().__init__(units, **kwargs)
        self.note = note


class Own(layers.Layer):
    def build(self, input_shape):
        self.linear = nn.Linear(input_shape[-1], 3)

    def call(self, inputs):
        return self.linear(inputs)


LAYERS = {"dense": lambda: layers.Dense(3), "subclass": lambda: Same(3, "mine"), "own": Own}


@pytest.fixture(params=LAYERS.values(), ids=LAYERS)
def model(request):
    model = keras.Sequential([keras.Input((4,)), request.param(), layers.Dense(2)])
    model(torch.ones(2, 4))
    return model


def test_a_graph_goes_straight_to_every_layer_that_allows_it(model):
    x = torch.ones(2, 4)
    assert straight_calls(model.layers[0], lambda: model(x)) and straight_calls(model.layers[1], lambda: model(x))


def test_an_activity_regularizer_set_after_build_counts(model):
    model.layers[0].activity_regularizer = keras.regularizers.L2(0.1)
    y = model.layers[0].linear(torch.ones(2, 4))
    model(torch.ones(2, 4))
    torch.testing.assert_close(model.losses, [0.1 * y.square().sum() / 2])
    model.layers[0].activity_regularizer = None
    assert straight_calls(model.layers[0], lambda: model(torch.ones(2, 4))) and model.losses == []


def test_an_input_spec_set_after_build_counts():
    layer = Own()
    layer(torch.ones(2, 4))
    layer.input_spec = layers.InputSpec(ndim=3)
    with pytest.raises(ValueError, match="expected ndim=3, found ndim=2"):
        layer(torch.ones(2, 4))
    layer.input_spec = None
    layer(torch.ones(2, 4))


def test_a_policy_set_after_build_counts(model):
    model.layers[0].dtype_policy = "mixed_bfloat16"
    seen = []
    model.layers[0].linear.register_forward_hook(lambda m, a, y: seen.append(y.dtype))
    assert model(torch.ones(2, 4)).dtype is torch.float32 and seen == [torch.bfloat16]
    model.layers[0].dtype_policy = "float32"
    assert straight_calls(model.layers[0], lambda: model(torch.ones(2, 4))) and seen[-1] is torch.float32


def test_autocast_set_after_build_counts():
    class Types(layers.Layer):
        def call(self, inputs):
            self.seen = inputs.dtype
            return inputs.float()

    layer = Types()
    layer(torch.ones(2, dtype=torch.float64))
    assert layer.seen is torch.float32
    layer.autocast = False
    layer(torch.ones(2, dtype=torch.float64))
    assert layer.seen is torch.float64


def test_supports_masking_set_after_build_counts():
    class Plain(layers.Layer):
        def call(self, inputs):
            return inputs * 1

    layer = Plain()
    x = torch.ones(2, 3)
    x._keras_mask = torch.tensor([[True, True, False]] * 2)
    with pytest.warns(UserWarning, match="does not support masking"):
        assert getattr(layer(x), "_keras_mask", None) is None
    layer.supports_masking = True
    assert layer(x)._keras_mask is x._keras_mask


def test_a_graph_meets_types_and_masks_that_it_did_not_foresee():
    """A layer whose shape method says nothing of its type, and one that makes a mask in `call`."""

    class Whole(layers.Layer):
        def call(self, inputs):
            return inputs.long()

        def compute_output_shape(self, input_shape):
            return input_shape

    class Masks(layers.Layer):
        def call(self, inputs):
            outputs = inputs * 1
            outputs._keras_mask = torch.tensor([[True, False, False]])
            return outputs

    model = keras.Sequential([keras.Input((3, 2)), Whole(), layers.Dense(2), Masks(), layers.LSTM(2)])
    x = torch.ones(1, 3, 2)
    y = model(x)
    torch.testing.assert_close(y, model(torch.cat([x[:, :1], x[:, :2] * 5], 1)))  # what is masked does not count


@pytest.mark.parametrize("training", [None, False, True])
def test_the_flag_takes_the_short_way(training):
    """A `training=` passed down inside a user's `call` costs no conversion, and reaches every part."""

    class Net(keras.Model):
        def __init__(self):
            super().__init__()
            self.drop, self.norm = layers.Dropout(0.5), layers.BatchNormalization()

        def call(self, inputs, training=None):
            return self.norm(self.drop(inputs, training=training), training=training)

    model, x = Net(), torch.ones(64, 4)
    model(x)
    before = model.norm.moving_mean.numpy().copy()
    model(x, training=training)
    assert bool((model.norm.moving_mean.numpy() != before).any()) is bool(training)


# -- masks, first calls -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [
    layers.Identity, lambda: layers.Dropout(0.5), lambda: layers.ActivityRegularization(0.1), lambda: layers.Activation("linear"),
    lambda: keras.Sequential([keras.Input((3, 2)), layers.Dropout(0.5)]),
])  # fmt: skip
def test_a_mask_does_not_stay_on_the_callers_tensor(make):
    layer, x, mask = make(), torch.ones(2, 3, 2), torch.tensor([[True, False, False]] * 2)
    if "mask" in layer._tk_call_info().names:
        assert layer(x, mask=mask)._keras_mask is mask
    inner = layers.Masking()(x)
    y = layer(inner)
    assert torch.equal(y._keras_mask, inner._keras_mask) and torch.equal(y, x)
    assert not hasattr(x, "_keras_mask")


def test_a_mask_given_to_a_model_does_not_stay_on_its_inputs():
    inputs = keras.Input((3, 2))
    model = keras.Model(inputs, layers.LSTM(2)(inputs))
    x = torch.randn(2, 3, 2, requires_grad=True)
    masked = model(x, mask=torch.tensor([[True, False, False]] * 2))
    assert not hasattr(x, "_keras_mask") and not torch.equal(masked, model(x))
    masked.sum().backward()
    assert (x.grad[:, 1:] == 0).all() and (x.grad[:, 0] != 0).any()


@pytest.mark.parametrize("make", [
    lambda: layers.Dense(3), lambda: layers.LSTM(3), lambda: layers.MultiHeadAttention(2, 3), Own,
    lambda: keras.Sequential([layers.Dense(3), layers.BatchNormalization()]),
])  # fmt: skip
def test_a_first_call_in_inference_mode_leaves_ordinary_weights(make):
    layer, x = make(), torch.ones(2, 3, 4)
    arguments = (x, x) if isinstance(layer, layers.MultiHeadAttention) else (x,)
    with torch.inference_mode():
        layer(*arguments)
    assert not any(p.is_inference() for p in (*layer.parameters(), *layer.buffers()))
    layer(*arguments, training=True).sum().backward()
    assert all(p.grad is not None for p in layer.parameters())


class Foreign(keras.Model):
    """A subclassed model whose parts take whole numbers, and which looks at values."""

    def __init__(self):
        super().__init__()
        self.table, self.dense, self.times = nn.Embedding(10, 4), layers.Dense(2), 0

    def call(self, tokens):
        self.times += 1
        assert tokens.max().item() < 10
        return self.dense(self.table(tokens).mean(1))


def test_a_subclassed_model_called_on_real_inputs_is_not_rehearsed():
    model, x = Foreign(), torch.arange(6).reshape(2, 3)
    assert model(x).shape == (2, 2) and model.times == 1 and model.built and model.dense.built
    assert len(model.weights) == 3
    model = Foreign()
    model.compile("sgd", "mse")
    model.fit(x, torch.ones(2, 2), epochs=1, verbose=0)
    assert model.times <= 2


# -- types --------------------------------------------------------------------------------------------------------------------------------


class Two(keras.Model):
    def __init__(self):
        super().__init__()
        self.first, self.second = layers.Dense(4), layers.Dense(2)

    def call(self, inputs):
        return self.second(self.first(inputs))


CASTS = {
    "data": lambda model, dtype: [setattr(p, "data", p.data.to(dtype)) for p in model.parameters()],
    "linears": lambda model, dtype: [m.to(dtype) for m in model.modules() if isinstance(m, nn.Linear)],
    "assign": lambda model, dtype: model.load_state_dict({k: v.to(dtype) for k, v in model.state_dict().items()}, assign=True),
    "to": lambda model, dtype: model.to(dtype),
}
TYPED = {
    "graph": lambda: keras.Sequential([keras.Input((4,)), layers.Dense(4), layers.Dense(2)]),
    "lstm": lambda: keras.Sequential([keras.Input((3, 4)), layers.LSTM(2)]),
    "subclass": Two,
    "own": lambda: keras.Sequential([keras.Input((4,)), Own()]),
}


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
@pytest.mark.parametrize("cast", CASTS.values(), ids=CASTS)
@pytest.mark.parametrize("make", TYPED.values(), ids=TYPED)
def test_a_model_follows_the_type_of_its_parameters(make, cast, dtype):
    model = make()
    x = torch.randn(2, *(model.inputs[0].shape[1:] if model.inputs else (4,)))
    expected = model(x)
    if cast is CASTS["linears"] and make is TYPED["lstm"]:
        return
    cast(model, dtype)
    for given in (x.to(dtype), x):
        y = model(given)
        assert y.dtype is dtype
        torch.testing.assert_close(y.float(), expected, atol=0.05, rtol=0.05)
    precise = model(x.to(dtype) + 2**-30).detach()
    assert bool((precise != model(x.to(dtype))).any()) is (dtype is torch.float64)  # nothing passes through float32
    model(x).sum().backward()
    assert all(p.grad is not None and p.grad.dtype is dtype for p in model.parameters())
    cast(model, torch.float32)
    assert model(x).dtype is torch.float32


@pytest.mark.parametrize("make", [TYPED["graph"], TYPED["subclass"]])
def test_a_compiled_model_follows_the_type_of_its_parameters(make):
    model, x = make(), torch.randn(2, 4)
    model(x)
    run = torch.compile(model, backend="eager")
    run(x)
    CASTS["data"](model, torch.bfloat16)
    assert run(x.bfloat16()).dtype is run(x).dtype is torch.bfloat16


@pytest.mark.filterwarnings("ignore")  # Dynamo says which parts of building it does not trace
@pytest.mark.parametrize("make", [Two, lambda: keras.Sequential([layers.Dense(4), layers.BatchNormalization()])])
def test_a_model_may_be_compiled_before_it_is_built(make):
    model, x = make(), torch.ones(2, 3)
    torch.testing.assert_close(torch.compile(model, backend="eager")(x), model(x))
