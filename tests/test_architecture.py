"""The floors of the house: who may import whom, where imports stand, how long a file is, and what `import torchkeras` loads."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "torchkeras"

# A file imports from lower floors or from its own package. A name is a file of the root or a package.
FLOORS = [
    "config console tree registry downloads recompute reporting missing typing checks",
    "dtypes configurable distribution",
    "variable",
    "dtype_policies random",
    "graph data",
    "ops",
    "activations initializers regularizers constraints losses optimizers quantizers",
    "metrics layers",
    "saving export callbacks",
    "training",
    "models",
    "applications datasets wrappers utils visualization compat backend mixed_precision",
    "preprocessing",
    "__init__ __main__",
]
FLOOR = {unit: number for number, units in enumerate(FLOORS, start=1) for unit in units.split()}

# What may be imported inside a function: the optional extras, and the parts of torch that cost more than `import torchkeras` may.
EXTRAS = {"IPython", "PIL", "matplotlib", "onnx", "pandas", "pydot", "safetensors", "scipy", "sklearn", "tensorboard", "tensorflow", "yaml"}
HEAVY_TORCH = (
    "torch._dynamo",
    "torch._functorch",
    "torch._inductor",
    "torch._subclasses",
    "torch.distributed",
    "torch.export",
    "torch.fx.experimental",
    "torch.onnx",
    "torch.utils.tensorboard",
)
HEAVY = ["PIL", "keras", "matplotlib", "pandas", "scipy", "sklearn", "sympy", "tensorboard", "tensorflow", "yaml", "torch._dynamo"]
HEAVY += ["torch._inductor", "torch._export", "torch.fx.experimental", "torch.distributed.nn", "torch.onnx", "torch.testing"]
HEAVY += ["safetensors", "pydot"]

FILES = sorted(ROOT.rglob("*.py"))


def name_of(path: Path) -> str:
    """`layers/conv.py` as `layers.conv`, a package's `__init__.py` as the package, the root's as `__init__`."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


MODULES = {name_of(path): path for path in FILES}


def unit(module: str) -> str:
    return module.split(".")[0]


def imports(tree: ast.AST):
    """Pairs of an import statement and whether it stands inside a function; those for the type checker alone are left out."""

    def walk(node, inside):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, (ast.Import, ast.ImportFrom)):
                yield child, inside
            elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
                continue
            else:
                yield from walk(child, inside or isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)))

    return walk(tree, False)


def targets(node: ast.Import | ast.ImportFrom, path: Path) -> list[str]:
    """The full dotted names that a statement imports, `torchkeras.` ones resolved to modules where they are modules."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if node.level == 0:
        base = node.module or ""
    else:
        package = ("torchkeras", *path.relative_to(ROOT).parent.parts)
        base = ".".join(package[: len(package) - node.level + 1] + ((node.module,) if node.module else ()))
    names = [f"{base}.{alias.name}" for alias in node.names]
    return [name if base == "torchkeras" or name.removeprefix("torchkeras.") in MODULES else base for name in names]


def own(target: str) -> str | None:
    """The module of this package that `target` names, if it does."""
    if target == "torchkeras":
        return "__init__"
    return target.removeprefix("torchkeras.") if target.startswith("torchkeras.") else None


TREES = {module: ast.parse(path.read_text(encoding="utf-8")) for module, path in MODULES.items()}
IMPORTED = {
    module: [(node.lineno, own(target)) for node, _ in imports(TREES[module]) for target in targets(node, path) if own(target)]
    for module, path in MODULES.items()
}


def test_every_file_has_its_floor():
    assert sorted({unit(module) for module in MODULES} - FLOOR.keys()) == []


def test_files_import_from_lower_floors_only():
    wrong = []
    for module, path in MODULES.items():
        for line, target in IMPORTED[module]:
            here, there = unit(module), unit(target)
            if here == there or there not in FLOOR:  # a name that the package itself defines, such as `__version__`
                continue
            same_floor_file = FLOOR[here] == FLOOR[there] and not (ROOT / there).is_dir()
            if FLOOR[here] <= FLOOR[there] and not same_floor_file:
                wrong.append(f"{path.relative_to(ROOT)}:{line} (floor {FLOOR[here]}) imports {target} (floor {FLOOR[there]})")
    assert wrong == []


def test_there_are_no_circles():
    graph = {module: {target for _, target in IMPORTED[module] if target in MODULES and target != module} for module in MODULES}
    done, path = set(), []

    def visit(module):
        if module in path:
            pytest.fail("imports go in a circle: " + " -> ".join([*path[path.index(module) :], module]))
        if module in done:
            return
        path.append(module)
        for target in sorted(graph[module]):
            visit(target)
        path.pop()
        done.add(module)

    for module in sorted(graph):
        visit(module)


def test_imports_stand_at_the_top():
    wrong = []
    for module, path in MODULES.items():
        for node, inside in imports(TREES[module]):
            if inside:
                for target in targets(node, path):
                    if target.split(".")[0] not in EXTRAS and not target.startswith(HEAVY_TORCH):
                        wrong.append(f"{path.relative_to(ROOT)}:{node.lineno} imports {target} inside a function")
    assert wrong == []


def test_nothing_is_imported_with_a_star():
    assert [
        f"{module}:{node.lineno}"
        for module, tree in TREES.items()
        for node, _ in imports(tree)
        if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names)
    ] == []


def test_no_file_is_longer_than_800_lines():
    lengths = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}
    assert {name: length for name, length in lengths.items() if length > 800} == {}


def test_every_file_says_in_one_sentence_what_it_is():
    docstrings = {module: ast.get_docstring(tree) for module, tree in TREES.items()}
    assert [module for module, text in docstrings.items() if not text or len(text.split("\n\n")) > 1] == []


def is_overload(node: ast.AST) -> bool:
    return any(isinstance(d, ast.Name) and d.id == "overload" for d in getattr(node, "decorator_list", ()))


def test_public_functions_and_classes_have_docstrings():
    wrong = []
    for module, tree in TREES.items():
        for node in tree.body:
            public = isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_") and not is_overload(node)
            if public and not ast.get_docstring(node):
                wrong.append(f"{module}:{node.lineno} {node.name}")
    assert wrong == []


def test_importing_torchkeras_loads_nothing_heavy():
    script = "import sys, json, torch\nbefore = set(sys.modules)\nimport torchkeras\nprint(json.dumps(sorted(set(sys.modules) - before)))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT.parent, check=True)
    added = json.loads(run.stdout.splitlines()[-1])
    assert [name for name in added if any(name == heavy or name.startswith(heavy + ".") for heavy in HEAVY)] == []
