"""Data parallel: several processes under torchrun compute what one computes."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from tests.training import ddp_script

ROOT = Path(__file__).parents[2]
NAMES = [case.__name__ for case in ddp_script.CASES]


def run(arguments, processes, cwd, check=True):
    command = [
        sys.executable,
        *(["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"] if processes > 1 else []),
        *arguments,
    ]
    done = subprocess.run(
        [str(a) for a in command], cwd=cwd, capture_output=True, text=True, timeout=300, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"},
    )  # fmt: skip
    if check:
        assert done.returncode == 0, done.stderr[-3000:]
    return done


def numbers(processes, folder):
    path = folder / f"{processes}.npz"
    if not path.exists():
        run([ROOT / "tests/training/ddp_script.py", path], processes, folder)
    return np.load(path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("ddp")


def assert_same(name, one, many):
    a, b = (json.loads(str(run["histories"]))[name] for run in (one, many))
    assert a.keys() == b.keys()
    for key in a:
        np.testing.assert_allclose(b[key], a[key], rtol=1e-5, atol=1e-5, err_msg=f"{name}: {key}")
    for key in [k for k in one.files if k.startswith(f"{name}/")]:
        np.testing.assert_allclose(many[key], one[key], rtol=1e-5, atol=1e-5, err_msg=key)


@pytest.mark.parametrize("name", NAMES)
def test_two_processes(name, folder):
    assert_same(name, numbers(1, folder), numbers(2, folder))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_three_processes(name, folder):
    assert_same(name, numbers(1, folder), numbers(3, folder))


def script(folder, text):
    path = folder / "script.py"
    path.write_text(
        "import os, sys, numpy as np, torchkeras as keras\n"
        "x, y = np.ones((40, 3), 'float32'), np.ones((40, 1), 'float32')\n"
        "m = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])\n"
        "m.compile('sgd', 'mse')\n" + textwrap.dedent(text)
    )
    return path


def test_one_process_prints_and_writes(tmp_path):
    path = script(
        tmp_path,
        """
        c = keras.callbacks
        files = [c.CSVLogger('log.csv'), c.ModelCheckpoint('{epoch}.weights.h5', save_weights_only=True)]
        m.fit(x, y, epochs=3, verbose=2, callbacks=files)
        """,
    )
    out = run([path], 2, tmp_path).stdout
    assert out.count("Epoch 2/3") == 1
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 4
    assert sorted(p.name for p in tmp_path.glob("*.h5")) == ["1.weights.h5", "2.weights.h5", "3.weights.h5"]


def test_an_exception_on_one_process_ends_all(tmp_path):
    path = script(
        tmp_path,
        """
        class Fails(keras.callbacks.Callback):
            def on_train_batch_end(self, batch, logs=None):
                if os.environ["RANK"] == "1" and batch == 0:
                    raise OverflowError("on purpose")
        m.fit(x, y, epochs=1000, batch_size=8, verbose=0, callbacks=[Fails()])
        """,
    )
    done = run([path], 2, tmp_path, check=False)
    assert done.returncode != 0 and "OverflowError: on purpose" in done.stderr and "script.py" in done.stderr


def test_processes_that_read_other_batches_all_fail_and_go_on(tmp_path):
    path = script(
        tmp_path,
        """
        import torch
        from torch.utils.data import DataLoader, TensorDataset
        rank = int(os.environ["RANK"])

        def loader(rows, size=8):
            return DataLoader(TensorDataset(torch.ones(rows, 3), torch.ones(rows, 1)), batch_size=size)

        def generator():
            for _ in range(3 + 2 * rank):
                yield x[:4], y[:4]

        def attempt(what, f):
            try:
                f()
            except ValueError as error:
                print(f"{what}/{rank}: {error}", flush=True)

        attempt("shorter", lambda: m.fit(loader(40 - 16 * rank), epochs=2, verbose=0))
        attempt("smaller", lambda: m.fit(loader(40, 8 - rank), epochs=2, verbose=0))
        attempt("executions", lambda: m.evaluate(generator(), verbose=0))
        attempt("arrays", lambda: m.fit(x[: 40 - rank], y[: 40 - rank], verbose=0))
        attempt("kinds", lambda: m.fit(loader(40), verbose=0) if rank else m.fit(x, y, verbose=0))
        m.fit(loader(40), epochs=1, verbose=0)
        m.evaluate(x, y, verbose=0)
        print("went on", flush=True)
        """,
    )
    out = run([path], 2, tmp_path).stdout
    assert out.count("went on") == 2
    for what, told in {
        "shorter": "At batch 3: rank 0: 8 samples; rank 1: the end of its data",
        "smaller": "At batch 0: rank 0: 8 samples; rank 1: 7 samples",
        "executions": "At batch 3: rank 0: the end of its data; rank 1: 4 samples",
        "arrays": "rank 0: 40 samples in batches of 32; rank 1: 39 samples in batches of 32",
        "kinds": "rank 0: 40 samples in batches of 32; rank 1: batches that only reading tells",
    }.items():
        for rank in (0, 1):
            assert f"{what}/{rank}: `x` must give every process the same batches" in out, out
        assert out.count(told) >= 2, out
