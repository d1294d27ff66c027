"""Every example runs as it stands, and prints what its closing comment says, up to the numbers."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("*.py"))


def run(folder, *command):
    """The lines that a command prints, run in `folder` with this package first on the path."""
    environment = {**os.environ, "PYTHONPATH": str(EXAMPLES[0].parent.parent), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, *command], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [line.rstrip() for line in done.stdout.splitlines() if line.strip()]


def closing_comment(path):
    """The output that an example shows in the comment at its end."""
    source = path.read_text(encoding="utf-8")
    assert "\n# Output:\n" in source, f"{path.name} ends with a comment that shows its output"
    return [line.removeprefix("#").strip() for line in source.split("\n# Output:\n")[1].splitlines() if line.strip("# ")]


def without_numbers(line):
    """A line with every number, and the unit of a time, replaced: 289us/step and 1ms/step are the same."""
    return re.sub(r"[\d.]+", "0", re.sub(r"\d(us|ms|s)/step", "0s/step", re.sub(r"\s+", " ", line))).strip()


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_prints_what_it_says(path, tmp_path):
    printed = run(tmp_path, str(path))
    shown = closing_comment(path)
    if path.stem == "char_lstm":  # ends with text of the model's own
        printed, shown = ([line for line in lines if "step" in line] for lines in (printed, shown))
    assert without_numbers(printed[-1]) == without_numbers(shown[-1])


def test_the_example_of_the_readme_prints_what_it_says(tmp_path):
    readme = (EXAMPLES[0].parent.parent / "README.md").read_text(encoding="utf-8")
    code, output = (re.search(rf"^```{kind}\n(.*?)^```", readme, re.DOTALL | re.MULTILINE).group(1) for kind in ("python", "text"))
    assert len(code.splitlines()) <= 16
    (tmp_path / "example.py").write_text(code)
    printed = run(tmp_path, "example.py")
    assert [without_numbers(line) for line in printed] == [without_numbers(line) for line in output.splitlines()]


def test_the_pictures_of_the_residual_net_are_drawn(tmp_path):
    (tmp_path / "out").mkdir()
    run(tmp_path, str(EXAMPLES[0].parent / "digits_resnet.py"), "out")
    assert (tmp_path / "out" / "digits_resnet_curves.png").read_bytes().startswith(b"\x89PNG")
    assert "Conv2D" in (tmp_path / "out" / "digits_resnet.dot").read_text()


def test_the_mlp_runs_on_two_processes_and_prints_once(tmp_path):
    script = str(EXAMPLES[0].parent / "digits_mlp.py")
    alone = run(tmp_path, script)
    launcher = ("-m", "torch.distributed.run", "--nproc-per-node=2", "--rdzv-backend=c10d", "--rdzv-endpoint=localhost:0")
    together = run(tmp_path, *launcher, script)
    assert list(map(without_numbers, together)) == list(map(without_numbers, alone))
