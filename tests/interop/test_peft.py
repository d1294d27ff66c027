"""peft's adapters on the `nn.Linear` inside Keras-built models."""

import copy
import re

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model, inject_adapter_in_model
from torch import nn

import torchkeras as keras
from torchkeras import layers

from .models import INPUTS, LABELS, X, Y, functional, sequential, subclassed, twins

TARGETS = {functional: ["first.linear", "second.linear", "out.linear"], sequential: ["first.linear", "out.linear"], subclassed: ["linear"]}
BUILDERS = pytest.mark.parametrize("build", TARGETS, ids=lambda f: f.__name__)


def lora(build, **settings):
    return LoraConfig(r=4, lora_alpha=8, target_modules=TARGETS[build], init_lora_weights=True, **settings)


def train(model, steps=60):
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], 0.02)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(INPUTS), LABELS)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@BUILDERS
def test_only_the_adapters_train_and_the_forward_pass_uses_them(build):
    base = build().eval()
    before, frozen = base(INPUTS).detach(), {k: v.clone() for k, v in base.state_dict().items()}
    model = get_peft_model(base, lora(build)).eval()
    torch.testing.assert_close(model(INPUTS), before)  # the second factor starts at zero
    assert {n.split(".")[-3] for n, p in model.named_parameters() if p.requires_grad} == {"lora_A", "lora_B"}
    losses = train(model)
    assert losses[-1] < 0.5 * losses[0]
    assert not torch.allclose(model(INPUTS), before)
    with model.disable_adapter():
        torch.testing.assert_close(model(INPUTS), before)
    state = {k.removeprefix("base_model.model.").replace(".base_layer", ""): v for k, v in model.state_dict().items()}
    assert all(torch.equal(state[k], v) for k, v in frozen.items())


@BUILDERS
def test_merge_and_unload_leaves_the_keras_model(build):
    base = build().eval()
    model = get_peft_model(base, lora(build)).eval()
    train(model, 10)
    expected = model(INPUTS)
    merged = model.merge_and_unload()
    assert type(merged) is type(base) and not any("lora" in n for n, _ in merged.named_parameters())
    torch.testing.assert_close(merged(INPUTS), expected, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(torch.from_numpy(merged.predict(X, verbose=0)), expected.detach(), atol=1e-5, rtol=1e-4)
    for p in merged.parameters():
        p.requires_grad_(True)
    merged.compile(keras.optimizers.Adam(0.01), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    history = merged.fit(X, Y, epochs=3, verbose=0).history["loss"]
    assert history[-1] < history[0]


@BUILDERS
def test_save_pretrained_and_reload(build, tmp_path):
    base = build().eval()
    untouched = copy.deepcopy(base)
    model = get_peft_model(base, lora(build)).eval()
    train(model, 10)
    model.save_pretrained(tmp_path)
    assert {"adapter_model.safetensors", "adapter_config.json"} <= {f.name for f in tmp_path.iterdir()}
    again = PeftModel.from_pretrained(untouched, tmp_path).eval()
    torch.testing.assert_close(again(INPUTS), model(INPUTS))


def test_the_numbers_of_the_torch_module():
    ours, theirs = (m.eval() for m in twins())
    ours = get_peft_model(ours, LoraConfig(r=4, target_modules=["first.linear", "out.linear"]))
    theirs = get_peft_model(theirs, LoraConfig(r=4, target_modules=["first", "out"]))
    same = {re.sub(r"(first|out)\.linear", r"\1", k).replace(".norm.norm", ".norm"): v for k, v in ours.state_dict().items()}
    theirs.load_state_dict(same)
    for _ in range(2):
        torch.testing.assert_close(ours(INPUTS), theirs(INPUTS))
        assert train(ours, 10) == pytest.approx(train(theirs, 10), rel=1e-4)


@BUILDERS
def test_fit_trains_adapters_that_were_injected(build):
    model = inject_adapter_in_model(lora(build), build())
    frozen = {n: p.clone() for n, p in model.named_parameters() if not p.requires_grad}
    model.compile(keras.optimizers.Adam(0.02), keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    history = model.fit(X, Y, epochs=12, verbose=0).history
    assert history["loss"][-1] < 0.7 * history["loss"][0]
    assert frozen and all(torch.equal(dict(model.named_parameters())[n], w) for n, w in frozen.items())
    assert all(p.abs().sum() > 0 for n, p in model.named_parameters() if "lora_B" in n)


def test_adapters_on_attention():
    i = keras.Input((6, 16))
    base = keras.Model(i, layers.MultiHeadAttention(2, 8)(i, i)).eval()
    x = torch.randn(3, 6, 16)
    before = base(x).detach()
    model = get_peft_model(base, LoraConfig(r=2, target_modules=r".*(query|value).*\.linear")).eval()
    torch.testing.assert_close(model(x), before)
    for name, p in model.named_parameters():
        if "lora_B" in name:
            nn.init.normal_(p)
    assert not torch.allclose(model(x), before, atol=1e-3)
    model(x).sum().backward()
    assert all(p.grad.abs().sum() > 0 for n, p in model.named_parameters() if "value" in n and "lora" in n)
    torch.testing.assert_close(model.merge_and_unload()(x), model(x))
