"""accelerate's loop, checkpoints, hooks and dispatch on Keras-built models."""

import pytest
import torch
from accelerate import Accelerator, init_empty_weights, load_checkpoint_and_dispatch
from accelerate.state import AcceleratorState, GradientState, PartialState
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import torchkeras as keras

from .models import INPUTS, LABELS, functional, sequential, subclassed, twins

BUILDERS = pytest.mark.parametrize("build", [functional, sequential, subclassed], ids=lambda f: f.__name__)


@pytest.fixture
def accelerator(tmp_path):
    yield Accelerator(cpu=True, project_dir=tmp_path)
    for state in (AcceleratorState, PartialState, GradientState):
        state._reset_state()


def keras_adam(parameters, lr):
    optimizer = keras.optimizers.Adam(lr)
    optimizer.build(list(parameters))
    return optimizer


def train(accelerator, model, optimizer, epochs=6):
    loader = accelerator.prepare(DataLoader(TensorDataset(INPUTS, LABELS), batch_size=30))
    losses = []
    model.train()
    for _ in range(epochs):
        for x, y in loader:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x), y)
            accelerator.backward(loss)
            accelerator.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            losses.append(loss.item())
    return losses


@pytest.mark.parametrize("make", [torch.optim.Adam, keras_adam], ids=["torch", "keras"])
@BUILDERS
def test_prepare_and_a_loop(build, make, accelerator):
    model = build()
    model, optimizer = accelerator.prepare(model, make(model.parameters(), 0.01))
    losses = train(accelerator, model, optimizer)
    assert losses[-1] < 0.7 * losses[0]
    assert accelerator.unwrap_model(model) is model


def test_the_losses_of_the_torch_module(accelerator):
    losses = []
    for module in twins(rate=0.0):
        model, optimizer = accelerator.prepare(module, torch.optim.SGD(module.parameters(), 0.1, momentum=0.9))
        losses.append(train(accelerator, model, optimizer))
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


@BUILDERS
def test_bfloat16_forward_passes(build, tmp_path):
    accelerator = Accelerator(cpu=True, mixed_precision="bf16")
    try:
        model = build()
        model, optimizer = accelerator.prepare(model, torch.optim.Adam(model.parameters(), 0.01))
        seen = []
        next(m for m in model.modules() if isinstance(m, nn.Linear)).register_forward_hook(lambda m, i, o: seen.append(o.dtype))
        losses = train(accelerator, model, optimizer)
        assert losses[-1] < 0.7 * losses[0] and set(seen) == {torch.bfloat16}
        assert {p.dtype for p in model.parameters()} == {torch.float32}
        assert model(INPUTS).dtype is torch.float32  # accelerate casts outputs back
    finally:
        for state in (AcceleratorState, PartialState, GradientState):
            state._reset_state()


@BUILDERS
def test_save_state_and_load_state(build, accelerator, tmp_path):
    model = build()
    model, optimizer = accelerator.prepare(model, torch.optim.Adam(model.parameters(), 0.01))
    train(accelerator, model, optimizer, 2)
    accelerator.save_state(tmp_path / "state")
    kept = {k: v.clone() for k, v in model.state_dict().items()}
    after = train(accelerator, model, optimizer, 2)
    accelerator.load_state(tmp_path / "state")
    assert all(torch.equal(v, kept[k]) for k, v in model.state_dict().items())
    assert train(accelerator, model, optimizer, 2) == pytest.approx(after, rel=1e-5)


def test_layers_offloaded_to_disk(tmp_path, accelerator):
    model = functional().eval()
    accelerator.save_model(model, tmp_path)
    with init_empty_weights():
        empty = functional()
    places = {name: "disk" if name == "second" else "cpu" for name, _ in empty.named_children()}
    loaded = load_checkpoint_and_dispatch(
        empty, str(tmp_path / "model.safetensors"), device_map=places, offload_folder=tmp_path / "off"
    ).eval()
    assert loaded.get_layer("second").linear.weight.device.type == "meta"
    torch.testing.assert_close(loaded(INPUTS), model(INPUTS))
