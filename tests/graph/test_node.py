"""Recorded calls."""

import torch

from torchkeras import Input, Model, layers


def test_a_list_that_grows_after_the_call_leaves_the_graph_as_it_was():
    features = [Input((4,))]
    for _ in range(3):
        joined = features[0] if len(features) == 1 else layers.Concatenate()(features)
        features.append(layers.Dense(2)(joined))
    model = Model(features[0], features[-1])
    assert [layer.output.shape for layer in model.layers if isinstance(layer, layers.Concatenate)] == [(None, 6), (None, 8)]
    assert model(torch.ones(5, 4)).shape == (5, 2)
