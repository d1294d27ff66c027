"""`TensorBoard`, read back by TensorBoard's own reader."""

import json

import numpy as np
import pytest
from google.protobuf import text_format
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.graph.keras_util import keras_model_to_graph_def
from tensorboard.plugins.projector import ProjectorConfig

import torchkeras
from tests.training.test_fit import VALUE, X, mlp
from torchkeras.callbacks import TensorBoard


def fit(callback, model=None, x=X, optimizer="sgd", **options):
    model = model or mlp(1)(torchkeras)
    model.compile(optimizer, "mse", metrics=["mae"])
    history = model.fit(x, VALUE[: len(x)], batch_size=30, epochs=3, verbose=0, callbacks=[callback], **options)
    return model, history.history


def read(folder, part):
    events = EventAccumulator(str(folder / part), size_guidance={"tensors": 0, "scalars": 0, "histograms": 0, "images": 0})
    return events.Reload()


def scalars(events, tag):
    return [(event.step, event.value) for event in events.Scalars(tag)]


def test_logs_of_epochs_and_evaluations(tmp_path):
    model, history = fit(TensorBoard(tmp_path), validation_data=(X, VALUE))
    train, validation = read(tmp_path, "train"), read(tmp_path, "validation")
    assert set(train.Tags()["scalars"]) == {"epoch_loss", "epoch_mae", "epoch_learning_rate"}
    evaluations = {"evaluation_loss_vs_iterations", "evaluation_mae_vs_iterations"}
    assert set(validation.Tags()["scalars"]) == {"epoch_loss", "epoch_mae", *evaluations}
    for name in ("loss", "mae"):
        assert scalars(train, f"epoch_{name}") == pytest.approx(np.array(list(enumerate(history[name]))))
        assert scalars(validation, f"epoch_{name}") == pytest.approx(np.array(list(enumerate(history[f"val_{name}"]))))
    assert [step for step, _ in scalars(validation, "evaluation_loss_vs_iterations")] == [3, 6, 9]
    assert [value for _, value in scalars(train, "epoch_learning_rate")] == pytest.approx([0.01] * 3)


@pytest.mark.parametrize(("freq", "steps"), [("batch", list(range(1, 10))), (1, list(range(1, 10))), (4, [4, 8]), ("epoch", [])])
def test_logs_of_batches(tmp_path, freq, steps):
    fit(TensorBoard(tmp_path, update_freq=freq, write_steps_per_second=True))
    train = read(tmp_path, "train")
    for tag in ("batch_loss", "batch_mae", "batch_steps_per_second"):
        assert [step for step, _ in scalars(train, tag)] == steps if steps else tag not in train.Tags()["scalars"]
    assert all(value > 0 for _, value in scalars(train, "epoch_steps_per_second"))


def test_histograms_and_images_of_weights(tmp_path):
    model, _ = fit(TensorBoard(tmp_path, histogram_freq=2, write_images=True))
    train = read(tmp_path, "train")
    paths = [weight.path for weight in model.weights]
    assert set(train.Tags()["histograms"]) == {f"{path}/histogram" for path in paths}
    assert set(train.Tags()["images"]) == {f"{weight.path}/image" for weight in model.weights if weight.numpy().size > 1}
    for weight in model.weights:
        events = train.Histograms(f"{weight.path}/histogram")
        assert [event.step for event in events] == [0, 2]
        last, value = events[-1].histogram_value, weight.numpy()
        assert (last.num, last.min, last.max) == pytest.approx((value.size, value.min(), value.max()), rel=1e-5)


def test_the_graph_is_what_tensorboard_draws(tmp_path):
    model, _ = fit(TensorBoard(tmp_path))
    (event,) = read(tmp_path, "train").Tensors("keras")
    graph = keras_model_to_graph_def(json.loads(event.tensor_proto.string_val[0]))
    drawn = {node.name.split("/")[-1] for node in graph.node}
    assert {layer.name for layer in model.layers} <= drawn
    fit(TensorBoard(tmp_path / "none", write_graph=False))
    assert "keras" not in read(tmp_path / "none", "train").Tags()["tensors"]


def test_embeddings_and_their_labels(tmp_path):
    model = torchkeras.Sequential(
        [torchkeras.Input((4,), dtype="int32"), torchkeras.layers.Embedding(7, 3, name="words"), torchkeras.layers.Flatten()]
    )
    model.add(torchkeras.layers.Dense(1))
    fit(TensorBoard(tmp_path, embeddings_freq=1, embeddings_metadata={"words": "words.tsv"}), model, np.ones((40, 4), "int32"))
    config = text_format.Parse((tmp_path / "projector_config.pbtxt").read_text(), ProjectorConfig())
    (entry,) = config.embeddings
    assert entry.metadata_path == "words.tsv"
    np.testing.assert_allclose(np.loadtxt(tmp_path / entry.tensor_path), model.layers[0].embeddings.numpy(), rtol=1e-5)
    with pytest.raises(ValueError, match="names 'letters', which is no Embedding layer"):
        fit(TensorBoard(tmp_path, embeddings_freq=1, embeddings_metadata={"letters": "x"}), model, np.ones((40, 4), "int32"))


@pytest.mark.parametrize("batches", [2, (2, 4), "2,4"])
def test_the_profiler_records_batches(tmp_path, batches):
    fit(TensorBoard(tmp_path, profile_batch=batches))
    (trace,) = (tmp_path / "train" / "plugins" / "profile").iterdir()
    names = [event.get("name", "") for event in json.loads(trace.read_text())["traceEvents"]]
    assert "aten::addmm" in names
    assert sum(name == "aten::addmm" for name in names) == (2 if batches == 2 else 6)


def test_learning_rates_of_several_optimizers_and_of_schedules(tmp_path):
    schedule = torchkeras.optimizers.schedules.ExponentialDecay(0.1, 3, 0.5)
    fit(TensorBoard(tmp_path), optimizer=torchkeras.optimizers.SGD(schedule))
    assert [value for _, value in scalars(read(tmp_path, "train"), "epoch_learning_rate")] == pytest.approx([0.05, 0.025, 0.0125])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"update_freq": "never"}, "`update_freq` must be 'batch'"), ({"profile_batch": "a,b"}, "`profile_batch` must be a batch or a pair")],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        TensorBoard("logs", **arguments)
