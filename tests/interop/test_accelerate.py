"""accelerate's loop, checkpoints, hooks and dispatch on Keras-built models."""

import pytest
import torch
from accelerate import Accelerator, init_empty_weights, load_checkpoint_and_dispatch
from accelerate.hooks import AlignDevicesHook, ModelHook, add_hook_to_module, remove_hook_from_module
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


class Doubling(ModelHook):
    def pre_forward(self, module, *args, **kwargs):
        self.calls = getattr(self, "calls", 0) + 1
        return args, kwargs

    def post_forward(self, module, output):
        return output * 2


@BUILDERS
def test_hooks_on_layers_are_used_and_removed(build):
    model = build().eval()
    before = model(INPUTS)
    last = model.out if build is subclassed else model.layers[-1]
    hook = Doubling()
    add_hook_to_module(last, hook)
    torch.testing.assert_close(model(INPUTS), 2 * before)
    torch.testing.assert_close(torch.from_numpy(model.predict(INPUTS.numpy(), verbose=0)), 2 * before.detach())
    remove_hook_from_module(last)
    torch.testing.assert_close(model(INPUTS), before)
    assert hook.calls >= 2
    add_hook_to_module(model, hook)
    torch.testing.assert_close(model(INPUTS), 2 * before)
    remove_hook_from_module(model)
    add_hook_to_module(last.linear, AlignDevicesHook(execution_device="cpu", offload=True))
    assert last.linear.weight.device.type == "meta"
    torch.testing.assert_close(model(INPUTS), before)


@pytest.mark.parametrize("build", [functional, sequential], ids=lambda f: f.__name__)
def test_empty_weights_and_dispatch_of_a_checkpoint(build, tmp_path, accelerator):
    model = build().eval()
    accelerator.save_model(model, tmp_path)
    with init_empty_weights():
        empty = build()
    assert {p.device.type for p in empty.parameters()} == {"meta"}
    assert list(empty.state_dict()) == list(model.state_dict())
    loaded = load_checkpoint_and_dispatch(empty, str(tmp_path / "model.safetensors"), device_map={"": "cpu"}).eval()
    torch.testing.assert_close(loaded(INPUTS), model(INPUTS))
    torch.testing.assert_close(torch.from_numpy(loaded.predict(INPUTS.numpy(), verbose=0)), model(INPUTS).detach())
    assert all(torch.equal(torch.from_numpy(a), torch.from_numpy(b)) for a, b in zip(loaded.get_weights(), model.get_weights()))


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
