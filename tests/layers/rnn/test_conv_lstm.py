"""ConvLSTM layers against real Keras: states kept, given and returned, dropout masks, files, and wrong inputs."""

import numpy as np
import pytest
import torch

import torchkeras
from tests.oracle import keras
from torchkeras import layers

X = np.random.default_rng(0).normal(size=(2, 4, 6, 5, 3)).astype("float32")


def pair(name="ConvLSTM2D", shape=X.shape, **arguments):
    arguments = {"filters": 2, "kernel_size": 3, "padding": "same", **arguments}
    ours, theirs = getattr(layers, name)(**arguments), getattr(keras.layers, name)(**arguments)
    ours.build(shape)
    theirs.build(shape)
    theirs.set_weights(ours.get_weights())
    return ours, theirs


def same(ours, theirs):
    ours, theirs = (list(x) if isinstance(x, (list, tuple)) else [x] for x in (ours, theirs))
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("arguments", [{}, {"return_sequences": True, "return_state": True}, {"go_backwards": True, "strides": 2}])
def test_stateful_layers_go_on_where_they_stopped(arguments):
    ours, theirs = pair(stateful=True, **arguments)
    for _ in range(3):
        same(ours(torch.from_numpy(X)), theirs(X))
    ours.reset_state()
    theirs.reset_state()
    same(ours(torch.from_numpy(X)), theirs(X))
    assert not any("rnn_state" in key for key in ours.state_dict())


def test_initial_state_and_masks_with_whole_rows_left_out():
    ours, theirs = pair(return_sequences=True, return_state=True, kernel_size=(2, 4))
    state = [np.random.default_rng(i).normal(size=(2, 6, 5, 2)).astype("float32") for i in (1, 2)]
    for mask in ([[0, 0, 0, 0], [1, 0, 1, 0]], [[0, 1, 1, 0], [1, 1, 1, 1]]):
        mask = np.array(mask, bool)
        mine = ours(torch.from_numpy(X), initial_state=[torch.from_numpy(s) for s in state], mask=torch.from_numpy(mask))
        same(mine, theirs(X, initial_state=state, mask=mask))


@pytest.mark.parametrize("shape, arguments", [(X.shape, {}), ((2, 4, 3, 6, 5), {"data_format": "channels_first"})])
def test_a_step_under_dropout_masks_is_that_of_keras(shape, arguments):
    ours, theirs = (layer.cell for layer in pair(shape=shape, dropout=0.5, recurrent_dropout=0.5, **arguments))
    rng = np.random.default_rng(3)
    x = rng.normal(size=(shape[0], *shape[2:])).astype("float32")
    states = [rng.normal(size=ours.get_initial_state(2)[0].shape).astype("float32") for _ in range(2)]
    masks, state_masks = ([torch.from_numpy(rng.integers(0, 2, a.shape) * 2.0).float() for _ in range(4)] for a in (x, states[0]))
    ours._masks = {"inputs": masks, "state": state_masks}
    theirs._dropout_mask, theirs._recurrent_dropout_mask = masks, state_masks
    tensors = [torch.from_numpy(s) for s in states]
    mine, theirs = ours(torch.from_numpy(x), tensors, training=True), theirs(torch.from_numpy(x), tensors, training=True)
    same([mine[0], *mine[1]], [theirs[0], *theirs[1]])


def test_dropout_stays_the_same_over_the_steps_and_repeats_with_its_seed():
    def layer(rate=0.5):
        made = layers.ConvLSTM1D(2, 3, dropout=rate, recurrent_dropout=rate, seed=5, return_sequences=True)
        torch.manual_seed(0)
        made.build((2, 6, 8, 3))
        return made

    x = torch.ones(2, 6, 8, 3)
    first, again, plain = (made(x, training=True) for made in (layer(), layer(), layer(0.0)))
    torch.testing.assert_close(first, again)
    assert not torch.allclose(first, plain)
    made = layer()
    torch.testing.assert_close(made(x), plain)  # inference
    steps = made.cell.project(x, training=True)
    assert all(torch.equal(steps[:, 0], steps[:, i]) for i in range(6))


@pytest.mark.parametrize("name, shape", [("ConvLSTM1D", (3, 8, 2)), ("ConvLSTM2D", (3, 6, 5, 2)), ("ConvLSTM3D", (3, 4, 4, 4, 2))])
def test_files_go_both_ways_and_wrapped_in_other_layers(tmp_path, name, shape):
    def model(k):
        layer = getattr(k.layers, name)(2, 3, return_sequences=True, activation="relu")
        both = k.layers.Bidirectional(getattr(k.layers, name)(2, 1), merge_mode="sum")
        return k.Sequential([k.layers.Input(shape), layer, both])

    x = np.random.default_rng(0).normal(size=(2, *shape)).astype("float32")
    for writer, reader in ((torchkeras, keras), (keras, torchkeras)):
        written = model(writer)
        written.save(tmp_path / "m.keras")
        read = reader.saving.load_model(tmp_path / "m.keras")
        same(read(torch.from_numpy(x)), written(torch.from_numpy(x)))


def test_it_learns_in_bfloat16_and_float32():
    x = np.random.default_rng(0).normal(size=(16, 4, 6, 6, 1)).astype("float32")
    for dtype in ("float32", "mixed_bfloat16"):
        torch.manual_seed(0)
        model = torchkeras.Sequential([layers.ConvLSTM2D(4, 3, dtype=dtype), layers.GlobalAveragePooling2D(), layers.Dense(1)])
        model.compile("adam", "mse")
        losses = model.fit(x, x.mean((1, 2, 3, 4)), epochs=8, verbose=0).history["loss"]
        assert losses[-1] < losses[0]


@pytest.mark.parametrize(
    "make, shape, message",
    [
        (lambda: layers.ConvLSTM2D(2, 3), (None, 4, None, 5, 3), "all spatial axes of its input must be known"),
        (lambda: layers.ConvLSTM2D(2, 3), (None, 4, 6, 5, None), "channels of the input"),
        (lambda: layers.ConvLSTM2D(2, 3), (None, 4, 2, 5, 3), "smaller than its window"),
        (lambda: layers.ConvLSTM2D(0, 3), None, "`filters` must be a positive integer"),
        (lambda: layers.ConvLSTM2D(2, 3, strides=2, dilation_rate=2), None, "`strides` and `dilation_rate` cannot both"),
        (lambda: layers.ConvLSTM1D(2, 3, padding="causal"), None, "`padding` must be one of"),
        (lambda: layers.ConvLSTM2D(2, (3, 3, 3)), None, "`kernel_size` must be"),
        (lambda: layers.ConvLSTM2D(2, 3, stateful=True), (None, 4, 6, 5, 3), "`stateful=True` and needs a known batch size"),
    ],
)
def test_wrong_arguments_and_inputs_are_named(make, shape, message):
    with pytest.raises(ValueError, match=message):
        make().build(shape)


def test_an_input_of_another_size_than_it_was_built_for_is_named():
    layer = layers.ConvLSTM2D(2, 3)
    layer(torch.from_numpy(X))
    with pytest.raises(ValueError, match="expected axis"):
        layer(torch.from_numpy(X[:, :, :5]))
    with pytest.raises(ValueError, match="ndim=5"):
        layer(torch.from_numpy(X[0]))
