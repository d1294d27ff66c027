"""Places where torch's world and Keras's meet: buffers, threads, copies, tied and moved weights, masked rows."""

import copy
import gc
import io
import pickle
import threading
import weakref

import numpy as np
import pytest
import torch
from torch import nn

import torchkeras as keras
from tests.oracle import keras as real
from torchkeras import layers

X = torch.from_numpy(np.random.default_rng(0).normal(size=(32, 4)).astype("float32"))
Y = X[:, :2].sum(1, keepdim=True)
close = torch.testing.assert_close


def net(seed=0):
    keras.utils.set_random_seed(seed)
    return keras.Sequential([
        keras.Input((4,)), layers.Dense(8, "relu", kernel_regularizer="l2"), layers.BatchNormalization(), layers.Dropout(0.2, seed=3),
        layers.Dense(1),
    ])  # fmt: skip


def compiled(seed=0):
    model = net(seed)
    model.compile(keras.optimizers.Adam(0.01), "mse", metrics=["mae"])
    return model


def train(model, epochs=2):
    return model.fit(X, Y, batch_size=8, epochs=epochs, shuffle=False, verbose=0).history


# -- buffers and weights of torch's ---------------------------------------------------------------------------------------------------


def test_a_buffer_of_another_module_in_a_graph_is_the_models():
    norm = nn.BatchNorm1d(4)
    i = keras.Input((4,))
    model = keras.Model(i, torch.sub(i, norm.running_mean) / norm.running_var + torch.ones(4))
    assert set(model.state_dict()) == {"running_mean", "running_var"}
    norm.train()(X)
    close(model(X), (X - norm.running_mean) / norm.running_var + 1)
    other = keras.Model(i, torch.sub(i, (kept := nn.BatchNorm1d(4)).running_mean) / kept.running_var + torch.ones(4))
    other.load_state_dict(model.state_dict())
    close(other(X), model(X))
    assert {b.dtype for b in model.double().buffers()} == {torch.float64} and model.weights == []


def test_a_weight_set_anew_is_the_weight():
    layer = layers.PReLU()
    layer(X)
    slopes = layer.alpha = nn.Parameter(torch.full((4,), 0.5))
    assert [p is slopes for p in layer.parameters()] == [True] and layer.module.weight is slopes
    close(layer(X), torch.where(X > 0, X, 0.5 * X))
    images = torch.randn(2, 3, 3, 5)
    layer = layers.PReLU(alpha_regularizer="l2", shared_axes=[1, 2])
    layer(images)
    slopes = layer.alpha = nn.Parameter(torch.full((1, 1, 5), 0.5))
    assert [p is slopes for p in layer.parameters()] == [True] and len(layer.weights) == 1 and len(layer.losses) == 1
    close(layer(images), torch.where(images > 0, images, 0.5 * images))
    layer(images).sum().backward()
    assert slopes.grad is not None


@pytest.mark.filterwarnings("ignore:`rms_scaling` is deprecated:DeprecationWarning", "ignore:You passed `rms_scaling:UserWarning")
@pytest.mark.parametrize("axis", [-1, 1, (1, 2)])
def test_layer_normalization_by_the_deviation_calls_its_module(axis):
    x = torch.randn(2, 3, 4)
    layer, theirs = (lib.layers.LayerNormalization(axis=axis, rms_scaling=True) for lib in (keras, real))
    close(layer(x), theirs(x))
    seen = []
    layer.norm.register_forward_hook(lambda *_: seen.append(1))
    layer(x)
    assert seen == [1] and isinstance(layer.norm, nn.LayerNorm)


@pytest.mark.parametrize("kind", ["Attention", "AdditiveAttention", "MultiHeadAttention"])
def test_gradients_of_fully_masked_rows_are_those_of_keras(kind):
    mask = torch.tensor([[False] * 3, [True, True, False]])
    found = []
    for lib in (real, keras):
        layer = lib.layers.MultiHeadAttention(2, 4) if kind == "MultiHeadAttention" else getattr(lib.layers, kind)()
        q, v = (torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(s)).requires_grad_() for s in (0, 1))
        call = (
            (lambda f=layer, q=q, v=v: f(q, v, attention_mask=mask[:, None].expand(2, 3, 3)))
            if kind == "MultiHeadAttention"
            else (lambda f=layer, q=q, v=v: f([q, v], mask=[None, mask]))
        )
        with torch.no_grad():
            call()
        layer.set_weights(found[0][0] if found else layer.get_weights())
        outputs = call()
        outputs.square().sum().backward()
        found.append((layer.get_weights(), outputs.detach(), q.grad, v.grad))
    close(found[1][1:], found[0][1:], atol=1e-5, rtol=1e-4)


# -- threads ----------------------------------------------------------------------------------------------------------------------------


class Penalized(layers.Layer):
    def call(self, x):
        self.add_loss(x.square().mean())
        return x


def in_thread(function):
    found = []

    def run():
        try:
            found.append(function())
        except BaseException as error:  # noqa: BLE001  # raised again by whoever started the thread
            found.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if isinstance(found[0], BaseException):
        raise found[0]
    return found[0]


def test_losses_asked_from_another_thread_are_those_of_the_last_call():
    layer = Penalized()
    layer(X)
    close(in_thread(lambda: layer.losses), [X.square().mean()])
    in_thread(lambda: layer(2 * X))
    close(layer.losses, [X.square().mean()])  # this thread's own call
    fresh = Penalized()
    in_thread(lambda: fresh(2 * X))
    close(fresh.losses, [4 * X.square().mean()])


def test_two_threads_train_two_models_as_one_after_the_other_does():
    def make(seed):
        keras.utils.set_random_seed(seed)
        model = keras.Sequential([keras.Input((4,)), layers.Dense(3), Penalized(), layers.Dense(1)])
        model.compile("sgd", "mse")
        return model

    alone = [train(make(seed), 4) for seed in (1, 2)]
    models, histories, barrier = [make(seed) for seed in (1, 2)], {}, threading.Barrier(2)

    def run(i):
        barrier.wait()
        histories[i] = train(models[i], 4)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i in range(2):
        np.testing.assert_allclose(histories[i]["loss"], alone[i]["loss"], rtol=1e-5)


def test_predict_beside_training_is_inference_and_leaves_the_training_alone():
    trained, plain, still = compiled(), compiled(), compiled(1)
    expected, stop, seen = still.predict(X, verbose=0), threading.Event(), []

    def predict():
        while not stop.is_set():
            seen.append(still.predict(X, verbose=0))

    thread = threading.Thread(target=predict)
    thread.start()
    history = train(trained, 3)
    stop.set()
    thread.join()
    np.testing.assert_allclose(history["loss"], train(plain, 3)["loss"], rtol=1e-5)
    assert seen and all(np.allclose(s, expected, atol=1e-6) for s in seen)


# -- tied weights -----------------------------------------------------------------------------------------------------------------------


def tied():
    keras.utils.set_random_seed(4)
    i = keras.Input((4,))
    first, second = layers.Dense(4, name="first"), layers.Dense(4, name="second")
    model = keras.Model(i, second(first(i)))
    second.kernel = first.kernel
    return model


@pytest.mark.parametrize("file", ["m.weights.h5", "m.safetensors"])
def test_tied_weights_through_files_and_training(file, tmp_path):
    model, again = tied(), tied()
    model.compile("sgd", "mse")
    model.fit(X, X, epochs=1, verbose=0)
    model.save_weights(tmp_path / file)
    again.load_weights(tmp_path / file)
    close(again(X), model(X))
    for one in (model, again):
        a, b = one.get_layer("first").linear, one.get_layer("second").linear
        assert a.weight is b.weight and len(list(one.parameters())) == 3 == len(one.trainable_weights)
    again.compile("sgd", "mse")
    for one in (model, again):
        one.fit(X, X, epochs=2, shuffle=False, verbose=0)
    close(again(X), model(X))
    plain = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    plain[1].weight = plain[0].weight
    start = tied()
    plain.load_state_dict(dict(zip(plain.state_dict(), start.state_dict().values())))
    start.compile(keras.optimizers.SGD(0.1), "mse")
    start.fit(X, X, epochs=3, batch_size=32, shuffle=False, verbose=0)
    optimizer = torch.optim.SGD(plain.parameters(), 0.1)
    for _ in range(3):
        optimizer.zero_grad()
        nn.functional.mse_loss(plain(X), X).backward()
        optimizer.step()
    close(start(X), plain(X), atol=1e-5, rtol=1e-4)


# -- copies and moves -------------------------------------------------------------------------------------------------------------------


def by_torch_save(model):
    buffer = io.BytesIO()
    torch.save(model, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=False)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m)), by_torch_save], ids=["deep", "pickle", "torch"])
def test_a_copy_of_a_trained_model_trains_on_alike(copied):
    model = compiled()
    train(model)
    twin = copied(model)
    assert not {id(p) for p in model.parameters()} & {id(p) for p in twin.parameters()}
    state = torch.get_rng_state()
    first = train(model)
    torch.set_rng_state(state)
    second = train(twin)
    assert first.keys() == second.keys()
    for key in first:
        np.testing.assert_allclose(second[key], first[key], rtol=1e-6)
    for a, b in zip(model.get_weights(), twin.get_weights()):
        np.testing.assert_allclose(b, a, atol=1e-6)


def test_to_empty_gives_memory_to_a_model_on_the_meta_device():
    model, there = compiled(), net()
    there.to("meta")
    assert {t.device.type for t in (*there.parameters(), *there.buffers())} == {"meta"}
    there.to_empty(device="cpu")
    there.load_state_dict(model.state_dict())
    close(there(X), model(X))
    assert [tuple(w.shape) for w in there.weights] == [tuple(w.shape) for w in model.weights]
    there.compile("adam", "mse")
    before = there.get_weights()
    train(there, 1)
    assert any((a != b).any() for a, b in zip(before, there.get_weights()))


def test_keys_after_pop():
    model = net()
    keys = list(model.state_dict())
    model.pop()
    assert list(model.state_dict()) == [k for k in keys if not k.startswith("dense_1.")]
    model.add(layers.Dense(2))
    assert [k for k in model.state_dict() if k.startswith("dense_1.")] == ["dense_1.linear.weight", "dense_1.linear.bias"]
    other = net()
    other.pop()
    other.add(layers.Dense(2))
    other.load_state_dict(model.state_dict())
    close(other(X), model(X))


@pytest.mark.parametrize("work", ["fit", "evaluate", "predict", "compile"])
def test_a_deleted_model_is_freed(work):
    model = compiled()
    if work != "compile":
        getattr(model, work)(X, *(() if work == "predict" else (Y,)), verbose=0)
    parts = [weakref.ref(t) for t in (model, model.layers[0], model.optimizer, next(model.parameters()))]
    del model
    gc.collect()
    assert [p() for p in parts] == [None] * 4
