"""Lightning's Trainer on modules that hold Keras-built models."""

import lightning
import pytest
import torch
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint, StochasticWeightAveraging
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import torchkeras as keras

from .models import INPUTS, LABELS, accuracy, functional, sequential, subclassed, twins

BUILDERS = pytest.mark.parametrize("build", [functional, sequential, subclassed], ids=lambda f: f.__name__)


class Classifier(lightning.LightningModule):
    """What Lightning's own guide writes, around any model."""

    def __init__(self, model, optimizer=torch.optim.Adam, lr=0.01):
        super().__init__()
        self.model, self.make, self.lr = model, optimizer, lr
        self.losses, self.modes = [], []

    def forward(self, x):
        return self.model(x)

    def training_step(self, batch, index):
        x, y = batch
        loss = nn.functional.cross_entropy(self(x), y)
        self.losses.append(loss.item())
        self.modes.append(self.model.training)
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch, index):
        x, y = batch
        self.log("val_loss", nn.functional.cross_entropy(self(x), y))

    def predict_step(self, batch, index):
        return self(batch[0])

    def configure_optimizers(self):
        return self.make(self.parameters(), self.lr)


def keras_adam(parameters, lr):
    optimizer = keras.optimizers.Adam(lr)
    optimizer.build(list(parameters))
    return optimizer


def loader():
    return DataLoader(TensorDataset(INPUTS, LABELS), batch_size=30)


def trainer(path, epochs=2, **settings):
    settings = {"logger": False, "enable_checkpointing": False, **settings}
    return lightning.Trainer(
        max_epochs=epochs, accelerator="cpu", enable_progress_bar=False, enable_model_summary=False, default_root_dir=path, **settings
    )


@pytest.mark.parametrize("optimizer", [torch.optim.Adam, keras_adam], ids=["torch", "keras"])
@BUILDERS
def test_batch_norm_and_dropout_train(build, optimizer, tmp_path):
    model = build()
    norm = next(m for m in model.modules() if isinstance(m, nn.BatchNorm1d))
    dropped = []
    dropout = next(m for m in model.modules() if isinstance(m, keras.layers.Dropout))
    dropout.register_forward_hook(lambda m, args, out: dropped.append((out == 0).float().mean().item() > 0.05) if norm.training else None)
    module = Classifier(model, optimizer)
    trainer(tmp_path, 8).fit(module, loader(), loader())
    assert module.losses[-1] < 0.7 * module.losses[0]
    assert norm.num_batches_tracked == 40 and norm.running_mean.abs().max() > 1e-3
    assert dropped and all(dropped)
    assert accuracy(model) > 0.85


def test_the_losses_and_statistics_of_the_torch_module(tmp_path):
    ours, theirs = (Classifier(m) for m in twins(rate=0.0))
    for module in (ours, theirs):
        trainer(tmp_path).fit(module, loader(), loader())
    assert ours.losses == pytest.approx(theirs.losses, rel=1e-4)
    for a, b in zip(ours.state_dict().values(), theirs.state_dict().values()):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=0.01)  # Keras's running variance is not the unbiased one


@pytest.mark.filterwarnings("ignore:Found .* module.* in eval mode:UserWarning")  # which is what is tested
@BUILDERS
def test_frozen_modes_are_kept(build, tmp_path):
    model = build()
    module = Classifier(model)
    model.eval()  # Lightning keeps what the user set
    before = {k: v.clone() for k, v in model.named_buffers()}
    trainer(tmp_path).fit(module, loader(), loader())
    assert not any(module.modes) and all(torch.equal(v, before[k]) for k, v in model.named_buffers())


@pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists:UserWarning")  # the run goes on in the folder of the first
@BUILDERS
def test_checkpoint_and_reload(build, tmp_path):
    module = Classifier(build())
    keep = ModelCheckpoint(dirpath=tmp_path, filename="best", monitor="val_loss")
    run = trainer(tmp_path, enable_checkpointing=True, callbacks=[keep, EarlyStopping("val_loss")])
    run.fit(module, loader(), loader())
    again = Classifier.load_from_checkpoint(keep.best_model_path, model=build()).eval()
    torch.testing.assert_close(again(INPUTS), module.eval()(INPUTS))
    resumed = Classifier(build())
    callbacks = [ModelCheckpoint(dirpath=tmp_path, filename="best", monitor="val_loss"), EarlyStopping("val_loss")]
    trainer(tmp_path, 4, enable_checkpointing=True, callbacks=callbacks).fit(resumed, loader(), loader(), ckpt_path=keep.best_model_path)
    assert len(resumed.losses) == 10 and resumed.losses[0] < module.losses[0]
    predicted = torch.cat(run.predict(module, loader()))
    torch.testing.assert_close(predicted, module.eval()(INPUTS))


def test_accumulation_clipping_and_bfloat16(tmp_path):
    ours, theirs = (Classifier(m) for m in twins(rate=0.0))
    for module in (ours, theirs):
        trainer(tmp_path, accumulate_grad_batches=2, gradient_clip_val=0.5, precision="bf16-mixed").fit(module, loader(), loader())
    assert ours.losses == pytest.approx(theirs.losses, rel=1e-2)


def test_averaged_weights(tmp_path):
    module = Classifier(functional())
    trainer(tmp_path, 6, callbacks=[StochasticWeightAveraging(0.01, swa_epoch_start=2)]).fit(module, loader(), loader())
    assert module.losses[-1] < module.losses[0] and accuracy(module.model) > 0.7
