"""Hugging Face's Trainer on Keras-built modules, and Hugging Face's models inside Keras-built ones."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from torch.utils.data import Dataset
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    BertModel,
    DistilBertConfig,
    DistilBertModel,
    GPT2Config,
    GPT2LMHeadModel,
    Trainer,
    TrainingArguments,
)

import torchkeras as keras
from torchkeras import layers

from .models import INPUTS, X, Y, accuracy, functional, sequential, subclassed, twins

BUILDERS = pytest.mark.parametrize("build", [functional, sequential, subclassed], ids=lambda f: f.__name__)
SMALL = dict(vocab_size=30, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, max_position_embeddings=16)

# A task that needs the whole sequence: is the number 7 in it?
generator = np.random.default_rng(0)
TOKENS = generator.integers(1, 12, size=(160, 8))
FOUND = (TOKENS == 7).any(1).astype("int64")
MASK = np.ones_like(TOKENS)


class Irises(Dataset):
    """Rows as the Trainer wants them: dictionaries by the names of `forward`'s arguments."""

    def __len__(self):
        return len(X)

    def __getitem__(self, i):
        return {"x": X[i], "labels": Y[i]}


class WithLoss(keras.Model):
    """A Keras-built model that returns a dictionary with the loss, as Hugging Face's own do."""

    def __init__(self, body=None):
        super().__init__()
        self.body = functional() if body is None else body

    def call(self, x, labels=None):
        logits = self.body(x)
        return {"logits": logits} if labels is None else {"loss": nn.functional.cross_entropy(logits, labels), "logits": logits}


class Around(nn.Module):
    """The same in plain torch, around any model."""

    def __init__(self, body):
        super().__init__()
        self.body = body

    def forward(self, x, labels=None):
        logits = self.body(x)
        return {"logits": logits} if labels is None else {"loss": nn.functional.cross_entropy(logits, labels), "logits": logits}


def trainer(model, path, epochs=8, **settings):
    arguments = TrainingArguments(
        str(path), num_train_epochs=epochs, per_device_train_batch_size=30, per_device_eval_batch_size=50, learning_rate=0.02, use_cpu=True,
        report_to=[], disable_tqdm=True, logging_steps=5, save_strategy="no", seed=1, **settings,
    )  # fmt: skip

    def metrics(prediction):
        return {"accuracy": float((prediction.predictions.argmax(-1) == prediction.label_ids).mean())}

    return Trainer(model, arguments, train_dataset=Irises(), eval_dataset=Irises(), compute_metrics=metrics)


def losses_of(run):
    return [row["loss"] for row in run.state.log_history if "loss" in row]


@pytest.mark.parametrize("whole", [WithLoss, Around], ids=lambda c: c.__name__)
@BUILDERS
def test_the_trainer_trains(build, whole, tmp_path):
    model = whole(build())
    norm = next(m for m in model.modules() if isinstance(m, nn.BatchNorm1d))
    run = trainer(model, tmp_path)
    run.train()
    losses = losses_of(run)
    assert losses[-1] < 0.6 * losses[0]
    assert norm.num_batches_tracked == 40 and norm.running_mean.abs().max() > 1e-3
    evaluated = run.evaluate()
    assert evaluated["eval_accuracy"] > 0.9
    assert evaluated["eval_accuracy"] == pytest.approx(accuracy(model.body), abs=1e-6)
    assert run.predict(Irises()).predictions.shape == (150, 3)


def test_the_losses_of_the_torch_module(tmp_path):
    runs = [trainer(Around(m), tmp_path, 3) for m in twins(rate=0.0)]
    for run in runs:
        run.train()
    assert losses_of(runs[0]) == pytest.approx(losses_of(runs[1]), rel=1e-3)


@BUILDERS
def test_checkpoint_resume_and_saved_model(build, tmp_path):
    def run_of(model, epochs):
        run = trainer(model, tmp_path, epochs)
        run.args.save_strategy = "epoch"
        return run

    whole = run_of(WithLoss(build()), 2)
    whole.train()
    whole.save_model(str(tmp_path / "final"))
    again = WithLoss(build()).eval()
    again.load_state_dict(load_file(tmp_path / "final" / "model.safetensors"))
    model = whole.model.eval()
    torch.testing.assert_close(again(INPUTS)["logits"], model(INPUTS)["logits"])
    resumed = run_of(WithLoss(build()), 3)
    resumed.train(resume_from_checkpoint=True)
    assert resumed.state.global_step == 15 and losses_of(resumed)[-1] < losses_of(whole)[0]


class Classifier(keras.Model):
    """A Hugging Face model as the body of a subclassed Keras model."""

    def __init__(self, body):
        super().__init__()
        self.body = body
        self.dropout = layers.Dropout(0.1)
        self.out = layers.Dense(2)

    def call(self, inputs):
        hidden = self.body(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"]).last_hidden_state
        return self.out(self.dropout(hidden[:, 0]))


BODIES = {
    "bert": lambda: BertModel(BertConfig(**SMALL), add_pooling_layer=False),
    "distilbert": lambda: DistilBertModel(
        DistilBertConfig(vocab_size=30, dim=16, n_layers=2, n_heads=2, hidden_dim=32, max_position_embeddings=16)
    ),
}


@pytest.mark.parametrize("body", BODIES)
def test_fit_trains_a_hugging_face_model_inside(body, tmp_path):
    model = Classifier(BODIES[body]())
    inputs = {"input_ids": TOKENS, "attention_mask": MASK}
    before = {k: v.clone() for k, v in model.body.state_dict().items()}
    model.compile(keras.optimizers.Adam(0.005), keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    history = model.fit(inputs, FOUND, epochs=12, batch_size=32, verbose=0).history
    assert history["loss"][-1] < 0.7 * history["loss"][0] and history["accuracy"][-1] > 0.75
    trained = [k for k, v in model.body.state_dict().items() if not torch.equal(v, before[k])]
    assert len(trained) > 0.8 * len(before)
    logits = model.predict(inputs, verbose=0)
    assert model.evaluate(inputs, FOUND, verbose=0)[1] == pytest.approx((logits.argmax(-1) == FOUND).mean(), abs=1e-6)
    again = Classifier(BODIES[body]())
    again({k: torch.from_numpy(v[:2]) for k, v in inputs.items()})
    model.save_weights(tmp_path / "m.weights.h5")
    again.load_weights(tmp_path / "m.weights.h5")
    np.testing.assert_allclose(again.predict(inputs, verbose=0), logits, atol=1e-5)
    third = Classifier(BODIES[body]())
    third({k: torch.from_numpy(v[:2]) for k, v in inputs.items()})
    third.load_state_dict(model.state_dict())
    np.testing.assert_allclose(third.predict(inputs, verbose=0), logits, atol=1e-5)


def test_the_gradients_are_those_of_plain_torch():
    body = BertModel(BertConfig(**SMALL, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0))
    model = Classifier(body)
    ids = torch.from_numpy(TOKENS[:8])
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    model(inputs)
    model.out.linear.requires_grad_(True)
    model(inputs).sum().backward()
    found = {n: p.grad.clone() for n, p in body.named_parameters() if p.grad is not None}
    body.zero_grad()
    head = model.out.linear
    (body(**inputs).last_hidden_state[:, 0] @ head.weight.T + head.bias).sum().backward()
    assert len(found) > 20
    for name, p in body.named_parameters():
        if p.grad is not None:
            torch.testing.assert_close(found[name], p.grad, atol=1e-5, rtol=1e-4)


def test_a_language_model_inside_a_functional_one():
    i = keras.Input((8,), dtype="int64")
    gpt = GPT2LMHeadModel(GPT2Config(vocab_size=12, n_positions=16, n_embd=16, n_layer=1, n_head=2))
    model = keras.Model(i, Logits(gpt)(i))
    ids = np.sort(TOKENS, 1)
    model.compile(keras.optimizers.Adam(0.01), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    history = model.fit(ids, np.roll(ids, -1, 1), epochs=6, batch_size=32, verbose=0).history["loss"]
    assert history[-1] < 0.8 * history[0]
    assert {id(p) for p in gpt.parameters()} <= {id(p) for p in model.parameters()}  # tied weights among them


class Logits(nn.Module):
    """A module of one tensor to one tensor."""

    def __init__(self, body):
        super().__init__()
        self.body = body

    def forward(self, ids):
        return self.body(input_ids=ids).logits


def test_keras_layers_inside_a_hugging_face_model():
    model = BertForSequenceClassification(BertConfig(**SMALL, num_labels=2))
    model.classifier = keras.Sequential([keras.Input((16,)), layers.Dense(16, activation="gelu"), layers.Dense(2)])
    ids, labels = torch.from_numpy(TOKENS), torch.from_numpy(FOUND)
    optimizer = torch.optim.Adam(model.parameters(), 0.005)
    losses = []
    for _ in range(30):
        optimizer.zero_grad()
        loss = model(input_ids=ids, labels=labels).loss
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0] and model.classifier.layers[0].linear.weight.grad.abs().sum() > 0
