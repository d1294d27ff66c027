"""The distribution: its metadata, what the source archive holds, a wheel that is the same each time, and hints that name it rightly."""

import configparser
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email import message_from_string
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PARTS = ["benchmarks", "docs", "examples", "tests", "torchkeras"]
SCRIPT = "import sys; from setuptools import build_meta; getattr(build_meta, f'build_{sys.argv[2]}')(sys.argv[1])"


def settings():
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    return parser


def build(folder, *kinds):
    """What is built of a copy of the tree in `folder`."""
    tree, out = folder / "tree", folder / "out"
    tree.mkdir(parents=True)
    out.mkdir()
    for part in PARTS:
        shutil.copytree(ROOT / part, tree / part, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ROOT.iterdir():
        if file.is_file():
            shutil.copy(file, tree)
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "1700000000"}
    for kind in kinds:
        subprocess.run([sys.executable, "-c", SCRIPT, str(out), kind], cwd=tree, env=environment, check=True, capture_output=True)
    return sorted(out.iterdir())


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    archive, wheel = sorted(build(tmp_path_factory.mktemp("built"), "sdist", "wheel"), key=lambda path: path.suffix != ".gz")
    return archive, wheel


@pytest.mark.slow
def test_the_wheel_tells_what_it_is(built):
    wheel = zipfile.ZipFile(built[1])
    (name,) = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    metadata = message_from_string(wheel.read(name).decode())
    assert metadata["Name"] == "torchkeras-api" and metadata["License-Expression"] == "Apache-2.0"
    assert metadata["License-File"] == "LICENSE" and metadata.get_all("Project-URL")
    assert "torchkeras/py.typed" in wheel.namelist() and "torchkeras/datasets/digits.npz" in wheel.namelist()
    assert {name.split("/")[0] for name in wheel.namelist()} == {"torchkeras", name.split("/")[0]}
    every = {str(path.relative_to(ROOT)) for path in (ROOT / "torchkeras").rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    assert every - set(wheel.namelist()) == set()


@pytest.mark.slow
def test_the_wheel_is_the_same_each_time(built, tmp_path):
    (again,) = build(tmp_path, "wheel")
    assert hashlib.sha256(again.read_bytes()).digest() == hashlib.sha256(built[1].read_bytes()).digest()


@pytest.mark.slow
def test_the_source_archive_holds_its_tests_and_what_these_read(built, tmp_path):
    with tarfile.open(built[0]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
        archive.extractall(tmp_path, filter="data")
    wanted = {str(path.relative_to(ROOT)) for part in PARTS for path in (ROOT / part).rglob("*") if path.is_file()}
    wanted = {name for name in wanted if "__pycache__" not in name}
    wanted |= {
        "README.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "LICENSE",
        "setup.cfg",
        "pyproject.toml",
        ".pre-commit-config.yaml",
    }
    assert wanted - names == set()
    (tree,) = tmp_path.iterdir()
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_constraints.py"]
    run = subprocess.run(command, cwd=tree, env={**os.environ, "PYTHONPATH": str(tree)}, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


def test_hints_name_this_distribution_and_its_extras_quoted():
    extras, hints = set(settings()["options.extras_require"]), []
    for path in [*(ROOT / "torchkeras").rglob("*.py"), *(ROOT / "examples").glob("*.py"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"pip install torchkeras(?!-api)|[\w-]*torchkeras\[", text), path
        for command in re.findall(r"pip install [^`\n&#]*\[[^`\n&#]*", text):
            found = re.fullmatch(r"pip install (?:-e |-q )*'(torchkeras-api|\.)\[(\w+)\]'.*", command.strip())
            assert found, f"{path.name}: {command}"
            hints.append(found[2])
    assert hints and set(hints) <= extras


def test_every_extra_for_users_is_imported_somewhere():
    imported = " ".join(path.read_text(encoding="utf-8") for path in (ROOT / "torchkeras").rglob("*.py"))
    modules = {"pillow": "PIL"}
    extras = settings()["options.extras_require"]
    for extra in set(extras) - {"all", "interop", "test"}:
        for requirement in extras[extra].split():
            assert re.search(
                rf"\bimport {modules.get(requirement, requirement)}\b|\bfrom {modules.get(requirement, requirement)}\b", imported
            ), requirement


def test_the_readme_has_no_links_that_hold_in_one_place_only():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [target for target in re.findall(r"\]\(([^)]+)\)", text) if not target.startswith("https://")] == []
    for name in re.findall(r"`((?:examples|tests|benchmarks|docs)/[\w/.]+)`|\b((?:examples|benchmarks)/\w+\.py)", text):
        assert (ROOT / (name[0] or name[1])).exists(), name
