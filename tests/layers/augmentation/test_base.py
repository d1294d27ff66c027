"""What every layer on images shares."""

import torchkeras as keras


def test_torch_visits_the_layers_of_a_model_by_apply():
    flip, resize = keras.layers.RandomFlip(), keras.layers.Resizing(3, 3)
    seen = []
    keras.Sequential([flip, resize]).apply(seen.append)
    assert flip in seen and resize in seen
