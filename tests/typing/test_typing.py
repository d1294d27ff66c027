"""What editors and type checkers say of a user's program: nothing of a right one, and every mistake of a wrong one."""

import inspect
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import torchkeras as keras
from torchkeras import layers

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
PROGRAM, MISTAKES = HERE / "program.py", HERE / "mistakes.py"


def run(*command: str) -> str:
    env = {**os.environ, "MYPYPATH": str(ROOT), "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"}
    done = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True, cwd=ROOT, env=env, check=False)
    assert done.returncode in (0, 1), done.stdout + done.stderr  # 1: it reports something
    return done.stdout


def mypy(folder: Path) -> list[tuple[str, int, str]]:
    """File, line and message of what `mypy --strict` reports."""
    said = run(
        "mypy", "--strict", "--config-file=", f"--cache-dir={folder}", "--follow-imports=silent", "--no-warn-unused-ignores",
        "--no-error-summary", "--hide-error-context", str(PROGRAM), str(MISTAKES),
    )  # fmt: skip
    return [(Path(name).name, int(line), text) for name, line, text in re.findall(r"^([^:\n]+):(\d+): error: (.*)$", said, re.M)]


def pyright(folder: Path) -> list[tuple[str, int, str]]:
    """File, line and message of what pyright reports."""
    settings = {"include": ["."], "extraPaths": [str(ROOT)], "pythonVersion": "3.10", "typeCheckingMode": "standard"}
    for path in (PROGRAM, MISTAKES):
        shutil.copy(path, folder)
    (folder / "pyrightconfig.json").write_text(json.dumps(settings))
    said = json.loads(run("pyright", "--pythonpath", sys.executable, "--outputjson", "-p", str(folder)))
    assert said["summary"]["filesAnalyzed"] >= 2, said
    found = [d for d in said["generalDiagnostics"] if d["severity"] == "error"]
    return [(Path(d["file"]).name, d["range"]["start"]["line"] + 1, d["message"]) for d in found]


@pytest.fixture(scope="module", params=[mypy, pyright], ids=lambda c: c.__name__)
def reported(request, tmp_path_factory):
    return request.param(tmp_path_factory.mktemp("checker"))


@pytest.mark.slow
def test_a_right_program_passes(reported):
    assert [found for found in reported if found[0] == PROGRAM.name] == []


@pytest.mark.slow
def test_every_mistake_is_reported_and_nothing_else(reported):
    lines = MISTAKES.read_text(encoding="utf-8").splitlines()
    wrong = {number for number, line in enumerate(lines, start=1) if "# wrong" in line}
    found = {number: text for name, number, text in reported if name == MISTAKES.name}
    assert {number: lines[number - 1] for number in wrong - found.keys()} == {}
    assert {number: text for number, text in found.items() if number not in wrong} == {}


def test_the_package_says_that_it_is_typed():
    assert (Path(keras.__file__).parent / "py.typed").is_file()
    assert "torchkeras = py.typed" in (ROOT / "setup.cfg").read_text(encoding="utf-8")


def test_signatures_are_those_of_constructors():
    class Mine(keras.Model):
        def __init__(self, units, **kwargs):
            super().__init__(**kwargs)

    assert list(inspect.signature(keras.Model).parameters) == [
        "inputs", "outputs", "name", "activity_regularizer", "trainable", "dtype", "autocast",
    ]  # fmt: skip
    assert list(inspect.signature(Mine).parameters) == ["units", "kwargs"]
    assert list(inspect.signature(keras.Sequential).parameters) == ["layers", "trainable", "name"]
    assert next(iter(inspect.signature(layers.Dense).parameters)) == "units"
    assert next(iter(inspect.signature(keras.optimizers.SGD).parameters)) == "learning_rate"
    assert "inputs" not in inspect.signature(Mine(3)).parameters  # an object has the signature of its call


def test_dir_shows_the_public_names():
    assert dir(keras) == sorted(keras.__all__)
    assert not {"configurable", "graph", "registry", "training", "variable", "dtypes"} & set(dir(keras))
    assert all(hasattr(keras, name) for name in keras.__all__)
