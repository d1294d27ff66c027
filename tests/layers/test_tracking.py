import copy
import pickle

import pytest
import torch
from torch import nn

import torchkeras as keras
from torchkeras.layers import Dense, Layer


class Net(Layer):
    def __init__(self):
        super().__init__()
        self.blocks = []
        for _ in range(2):
            self.blocks.append(Dense(3))
        self.named = {"a": Dense(3), "b": [Dense(3), Dense(2)]}
        self.sizes = [3, 3, 2]

    def call(self, x):
        for layer in (*self.blocks, self.named["a"], *self.named["b"]):
            x = layer(x)
        return x


@pytest.fixture
def net():
    made = Net()
    made(torch.ones(1, 4))
    return made


def test_lists_and_dicts_stay_what_they_are(net):
    assert isinstance(net.blocks, list) and len(net.blocks) == 2 and isinstance(net.named, dict)
    assert net.sizes == [3, 3, 2] and type(net.sizes) is list  # nothing to track


def test_layers_inside_are_children(net):
    assert len(net.weights) == 10 == len(list(net.parameters()))
    names = list(net.state_dict())
    assert names[0] == "blocks_.0.linear.weight" and "named_.b.1.linear.bias" in names
    for name, module in net.named_modules():
        assert net.get_submodule(name) is module


@pytest.mark.parametrize(
    ("change", "count"),
    [
        (lambda n: n.blocks.append(Dense(3)), 6),
        (lambda n: n.blocks.pop(), 4),
        (lambda n: n.blocks.insert(0, Dense(3)), 6),
        (lambda n: n.blocks.__setitem__(0, Dense(3)), 5),
        (lambda n: n.blocks.extend([Dense(3), nn.Linear(3, 3)]), 7),
        (lambda n: n.named.update(c=Dense(3)), 6),
        (lambda n: n.named.pop("a"), 4),
        (lambda n: n.named["b"].clear(), 3),
        (lambda n: setattr(n, "blocks", [Dense(3)]), 4),
        (lambda n: setattr(n, "blocks", 3), 3),
    ],
)
def test_changes_are_seen(net, change, count):
    change(net)
    layers = [m for m in net.modules() if isinstance(m, Dense)]
    plain = [m for c in net._modules.values() for m in c._modules.values() if type(m) is nn.Linear]
    assert len(layers) + len(plain) == count


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda v: pickle.loads(pickle.dumps(v))], ids=["deepcopy", "pickle"])
def test_copies_have_layers_of_their_own(net, clone):
    twin = clone(net)
    x = torch.randn(2, 4)
    assert torch.equal(twin(x), net(x)) and twin.blocks[0] is not net.blocks[0]
    twin.blocks[0].kernel.assign(torch.zeros(4, 3))
    assert not torch.equal(twin(x), net(x))


def test_a_replaced_module_stands_in_the_list(net):
    linear = nn.Linear(4, 3)
    setattr(net.get_submodule("blocks_"), "0", linear)
    assert net.blocks[0] is linear


def test_modes_and_freezing_reach_inside(net):
    net.train()
    assert all(m.training for m in net.modules())
    net.trainable = False
    assert not any(p.requires_grad for p in net.parameters()) and keras.Sequential([net]).trainable_weights == []
