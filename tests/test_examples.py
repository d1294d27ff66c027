"""Every example runs as it stands, and prints what its closing comment says, up to the numbers."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("*.py"))


def run(folder, *command):
    """The lines that a command prints, run in `folder` with this package first on the path."""
    environment = {**os.environ, "PYTHONPATH": str(EXAMPLES[0].parent.parent), "OMP_NUM_THREADS": "1", "COLUMNS": "80"}
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


NUMBER = r"(?<![\w.])-?\d+(?:\.\d+)?(?:e-?\d+)?(?![\w.])"


def numbers(line):
    """The numbers of a line that tell results: no times and no names."""
    return [float(number) for number in re.findall(NUMBER, re.sub(r"- [\d:]+s - \S+/step", "", line).replace(",", ""))]


def same_to_two_digits(printed, shown, rel=0.05):
    """Whether the lines agree, their numbers to two digits; a line `...` stands for any."""
    if "..." in shown:
        place = shown.index("...")
        after = len(shown) - place - 1
        printed, shown = printed[:place] + printed[len(printed) - after :], [line for line in shown if line != "..."]
    assert list(map(without_numbers, printed)) == list(map(without_numbers, shown))
    for line, wanted in zip(printed, shown):
        assert numbers(line) == pytest.approx(numbers(wanted), rel=rel, abs=0.02), f"printed: {line}"


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_prints_what_it_says(path, tmp_path):
    printed, shown = [line.strip() for line in run(tmp_path, str(path))], closing_comment(path)
    if path.stem == "char_lstm":  # its text is Python's own, which changes with Python, and it ends with text of the model's own
        printed, shown = ([line for line in lines if "step" in line] for lines in (printed, shown))
    same_to_two_digits(printed, shown, rel=0.15 if path.stem == "char_lstm" else 0.05)


@pytest.mark.parametrize("line", ["loss: 0.50 - accuracy: 0.90", "loss: 0.44 - accuracy: 0.96", "loss: 0.50 - auc: 0.90", "loss: 0.50"])
def test_the_comparison_can_fail(line):
    same_to_two_digits(["loss: 0.51 - accuracy: 0.91"], ["loss: 0.50 - accuracy: 0.90"])
    if line != "loss: 0.50 - accuracy: 0.90":
        with pytest.raises(AssertionError):
            same_to_two_digits([line], ["loss: 0.50 - accuracy: 0.90"])


def test_the_example_of_the_readme_prints_what_it_says(tmp_path):
    readme = (EXAMPLES[0].parent.parent / "README.md").read_text(encoding="utf-8")
    code, output = (re.search(rf"^```{kind}\n(.*?)^```", readme, re.DOTALL | re.MULTILINE).group(1) for kind in ("python", "text"))
    assert len(code.splitlines()) <= 16
    (tmp_path / "example.py").write_text(code)
    same_to_two_digits(run(tmp_path, "example.py"), output.splitlines())


def test_examples_need_nothing_but_the_package():
    """What the README's first command installs."""
    for path in EXAMPLES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names = {alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names}
        names |= {node.module for node in tree.body if isinstance(node, ast.ImportFrom)}
        allowed = sys.stdlib_module_names | {"torch", "torchkeras", "numpy", "h5py", "tqdm"}
        assert {name.partition(".")[0] for name in names} <= allowed, path.name


def test_the_pictures_of_the_residual_net_are_drawn(tmp_path):
    (tmp_path / "out").mkdir()
    run(tmp_path, str(EXAMPLES[0].parent / "digits_resnet.py"), "out")
    for name in ("digits_resnet_curves.png", "digits_resnet.png"):
        assert (tmp_path / "out" / name).read_bytes().startswith(b"\x89PNG")


def test_the_mlp_runs_on_two_processes_and_prints_once(tmp_path):
    script = str(EXAMPLES[0].parent / "digits_mlp.py")
    alone = run(tmp_path, script)
    launcher = ("-m", "torch.distributed.run", "--nproc-per-node=2", "--rdzv-backend=c10d", "--rdzv-endpoint=localhost:0")
    together = run(tmp_path, *launcher, script)
    assert list(map(without_numbers, together)) == list(map(without_numbers, alone))
