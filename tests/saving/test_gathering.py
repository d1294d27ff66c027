"""Files of models whose weights are sharded over processes, against those of the whole model."""

import numpy as np
import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.fsdp import fully_shard

import torchkeras
from tests import processes
from torchkeras import layers, saving

X = torch.randn(8, 6, generator=torch.Generator().manual_seed(0))


def model():
    torchkeras.utils.set_random_seed(3)
    return torchkeras.Sequential([torchkeras.Input((6,)), layers.Dense(5, "relu"), layers.Dense(3)])


def linears(model):
    return [m for m in model.modules() if isinstance(m, nn.Linear)]


def _shard(rank, world, folder):
    sharded, plain = model(), model()
    mesh = dist.init_device_mesh("cpu", (world,))
    for module in linears(sharded):
        fully_shard(module, mesh=mesh)
    ours = [torchkeras.optimizers.Adam(0.1) for _ in range(2)]
    for optimizer, m in zip(ours, (sharded, plain)):
        optimizer.build(m.trainable_variables)
        for _ in range(2):
            optimizer.zero_grad()
            m(X).square().mean().backward()  # the same rows everywhere, so that the mean over processes is that of one
            optimizer.step()
    assert all(hasattr(p, "full_tensor") for module in linears(sharded) for p in module.parameters())
    expected = plain.get_weights()
    for a, b in zip(sharded.get_weights(), expected):
        np.testing.assert_allclose(a, b, atol=1e-5)
    for form in ("m.weights.h5", "m.safetensors"):
        sharded.save_weights(f"{folder}/{form}")
        again = model()
        again.load_weights(f"{folder}/{form}")
        for a, b in zip(again.get_weights(), expected):
            np.testing.assert_allclose(a, b, atol=1e-5)
    sharded.save(f"{folder}/m.keras")
    for a, b in zip(saving.load_model(f"{folder}/m.keras").get_weights(), expected):
        np.testing.assert_allclose(a, b, atol=1e-5)
    assert all(hasattr(p, "full_tensor") for module in linears(sharded) for p in module.parameters())
    sharded.set_weights([np.full_like(w, 2) for w in expected])
    sharded.layers[0].kernel.assign(torch.ones(6, 5))
    sharded.layers[0].bias.assign_add(torch.ones(5))
    assert [float(w.mean()) for w in sharded.get_weights()] == [1, 3, 2, 2]
    sharded.load_weights(f"{folder}/m.weights.h5")
    for a, b in zip(sharded.get_weights(), expected):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_sharded_weights_are_written_whole(tmp_path):
    processes.run(_shard, 2, 2, tmp_path)


def _root(rank, world, folder):
    """The root sharded, as FSDP2 is used: its class is another one then."""
    mesh = dist.init_device_mesh("cpu", (world,))
    torchkeras.utils.set_random_seed(3)
    i = torchkeras.Input((6,))
    functional = torchkeras.Model(i, layers.Dense(3, name="out")(layers.BatchNormalization(name="norm")(layers.Dense(5)(i))))
    for kind, sharded in {"sequential": model(), "functional": functional}.items():
        expected, outputs = sharded.get_weights(), sharded(X).detach()
        sharded.compile(torchkeras.optimizers.Adam(0.1), "mse")
        fully_shard(sharded, mesh=mesh)
        torch.testing.assert_close(sharded(X), outputs)
        file = f"{folder}/{kind}.keras"
        sharded.save(file)
        again = saving.load_model(file)
        assert type(again).__name__ == ("Sequential" if kind == "sequential" else "Functional")
        torch.testing.assert_close(again(X), outputs)
        for a, b in zip(again.get_weights(), expected):
            np.testing.assert_allclose(a, b, atol=1e-6)
        loss = sharded(X).square().mean()
        loss.backward()
        sharded.optimizer.build(sharded.trainable_variables)
        sharded.optimizer.step()
        trained = sharded(X).detach()
        assert (trained - outputs).abs().max() > 1e-3
        sharded.save(file)
        torch.testing.assert_close(saving.load_model(file)(X), trained)
        sharded.load_weights(file)
        torch.testing.assert_close(sharded(X), trained)


def test_a_sharded_root_is_saved_and_loaded(tmp_path):
    processes.run(_root, 2, 2, tmp_path)


def _mixed(rank, world):
    mesh = dist.init_device_mesh("cpu", (world,))
    for make in (lambda: torchkeras.optimizers.Adam(0.1), lambda: torchkeras.optimizers.SGD(0.1, momentum=0.9, global_clipnorm=0.1),
                 lambda: torchkeras.optimizers.AdamW(0.1, use_ema=True), lambda: torchkeras.optimizers.RMSprop(0.1),
                 lambda: torchkeras.optimizers.Lion(0.01)):  # fmt: skip
        sharded, plain = model(), model()
        fully_shard(linears(sharded)[0], mesh=mesh)
        for m in (sharded, plain):
            optimizer = make()
            optimizer.build(m.trainable_variables)
            for _ in range(3):
                optimizer.zero_grad()
                m(X).square().mean().backward()
                optimizer.step()
        for a, b in zip(sharded.get_weights(), plain.get_weights()):
            np.testing.assert_allclose(a, b, atol=1e-5)


def test_optimizers_take_sharded_and_plain_weights_together():
    processes.run(_mixed, 2, 2)
