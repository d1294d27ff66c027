"""Captum's attributions of Keras-built models equal those of the equal torch modules."""

import numpy as np
import pytest
import torch
from captum.attr import (
    DeepLift,
    FeatureAblation,
    IntegratedGradients,
    LayerActivation,
    LayerConductance,
    LayerGradCam,
    LayerIntegratedGradients,
    Saliency,
)
from sklearn.datasets import load_digits

import torchkeras as keras

from .models import INPUTS, LABELS, functional, images, subclassed, twins

DIGITS = torch.from_numpy(load_digits().images.astype("float32") / 16)[:, None]  # channels first
TARGETS = torch.from_numpy(load_digits().target)


@pytest.fixture(scope="module")
def trained():
    """The convolutional twins after some epochs of `fit`, in evaluation mode."""
    ours, theirs = images()
    ours.compile(
        keras.optimizers.Adam(0.01), keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["sparse_categorical_accuracy"]
    )
    history = ours.fit(DIGITS.permute(0, 2, 3, 1).numpy(), TARGETS.numpy(), epochs=8, batch_size=32, verbose=0).history
    assert history["loss"][-1] < history["loss"][0] and history["sparse_categorical_accuracy"][-1] > 0.85
    theirs.load_state_dict(dict(zip(theirs.state_dict(), ours.state_dict().values())))
    return ours.eval(), theirs.eval()


@pytest.mark.parametrize("method", [IntegratedGradients, Saliency, FeatureAblation], ids=lambda m: m.__name__)
def test_attributions_of_inputs(method):
    ours, theirs = (m.eval() for m in twins())
    x, target = INPUTS[:8].clone().requires_grad_(), LABELS[:8]
    torch.testing.assert_close(method(ours).attribute(x, target=target), method(theirs).attribute(x, target=target), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("method", [IntegratedGradients, DeepLift], ids=lambda m: m.__name__)
def test_attributions_of_pixels(trained, method):
    ours, theirs = trained
    first, target = DIGITS[:6].clone().requires_grad_(), TARGETS[:6]
    last = DIGITS[:6].permute(0, 2, 3, 1).contiguous().requires_grad_()
    found = method(ours).attribute(last, target=target)
    torch.testing.assert_close(found.permute(0, 3, 1, 2), method(theirs).attribute(first, target=target), atol=1e-4, rtol=1e-3)
    found, delta = IntegratedGradients(ours).attribute(last, target=target, return_convergence_delta=True, n_steps=100)
    assert delta.abs().max() < 0.1  # they sum to the change of the score


def test_grad_cam_of_a_convolution(trained):
    ours, theirs = trained
    first, target = DIGITS[:6], TARGETS[:6]
    last = first.permute(0, 2, 3, 1).contiguous()
    inner = ours.get_layer("conv").conv  # channels first, as the torch module that it is
    expected = LayerGradCam(theirs, theirs.conv).attribute(first, target=target)
    torch.testing.assert_close(LayerGradCam(ours, inner).attribute(last, target=target), expected, atol=1e-5, rtol=1e-4)
    activation = LayerActivation(ours, ours.get_layer("conv")).attribute(last)
    torch.testing.assert_close(activation.permute(0, 3, 1, 2), theirs.conv(first))


@pytest.mark.parametrize("build", [functional, subclassed], ids=lambda f: f.__name__)
def test_attributions_of_layers(build):
    model = build().eval()
    layer = model.layers[1] if build is functional else model.blocks[0]
    x, target = INPUTS[:8].clone(), LABELS[:8]
    for method in (LayerIntegratedGradients, LayerConductance):
        found = method(model, layer).attribute(x, target=target)
        assert found.shape == (8, 16) and found.abs().sum() > 0
    before = model(x)
    assert np.isfinite(before.detach().numpy()).all() and not model.layers[-1]._forward_hooks  # the hooks are gone
