"""What `help()` and editors show: every public entry stands alone, names each argument, and has an example that runs."""

import doctest
import inspect
import re

import numpy as np
import pytest
import torch

import torchkeras as keras
from torchkeras.missing import keras_names


def public() -> dict[str, object]:
    """Path to class or function, each object under one of its names."""
    found: dict[int, tuple[str, object]] = {}
    for module, names in keras_names().items():
        for path in sorted(f"{module}.{name}" for name in names):
            thing = keras
            for part in path.split(".")[1:]:
                thing = vars(thing).get(part) if inspect.ismodule(thing) else getattr(thing, part, None)
            if (inspect.isclass(thing) or inspect.isfunction(thing)) and thing.__module__.startswith("torchkeras"):
                found.setdefault(id(thing), (path, thing))
    return dict(found.values())


PUBLIC = public()
CLASSES = {path: thing for path, thing in PUBLIC.items() if inspect.isclass(thing)}


def entries():
    """Path and text of every docstring that a user meets: of classes and functions, of methods and properties written in a class."""
    for path, thing in PUBLIC.items():
        yield path, inspect.getdoc(thing) or ""
        for name, member in vars(thing).items() if inspect.isclass(thing) else ():
            if not name.startswith("_"):
                member = member.fget if isinstance(member, property) else getattr(member, "__func__", member)
                if inspect.isfunction(member) and member.__doc__:
                    yield f"{path}.{name}", inspect.cleandoc(member.__doc__)


ENTRIES = dict(entries())


def section(text: str, title: str) -> list[str]:
    """The lines of a section, without their indentation."""
    match = re.search(rf"^{title}:\n((?: {{4}}.*\n?|\n(?= {{4}}))*)", text, re.M)
    return [line[4:] for line in match.group(1).splitlines()] if match else []


def test_the_walk_sees_the_public_surface():
    assert len(PUBLIC) > 700
    assert {"keras.layers.Dense", "keras.Model", "keras.optimizers.Adam", "keras.losses.Huber"} <= PUBLIC.keys()


LEANING = {
    "likewise": r"\b[Ll]ikewise\b",
    "see there": r"\b[Ss]ee there\b",
    "as in another entry": r"\b(?:[Aa]s|[Aa]rguments) (?:in|for|as|of) `[\w.]+`",
    "a private class": r"`_[A-Za-z]\w*`",
}


@pytest.mark.parametrize("kind", LEANING)
def test_no_entry_leans_on_another(kind):
    found = {path: line.strip() for path, text in ENTRIES.items() for line in text.splitlines() if re.search(LEANING[kind], line)}
    assert found == {}


def test_what_is_raised_is_said_with_if():
    found = []
    for path, text in ENTRIES.items():
        for line in section(text, "Raises"):
            if re.match(r"\w+: ", line) and not re.match(r"\w+: If\b", line):
                found.append(f"{path}: {line}")
    assert found == []


def parameters(thing) -> list[str]:
    constructor = thing.__init__ if inspect.isclass(thing) else thing
    if constructor is object.__init__:
        if "__new__" not in vars(thing):
            return []
        constructor = thing.__new__
    stars = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    found = [stars.get(p.kind, "") + p.name for p in inspect.signature(constructor).parameters.values() if not p.name.startswith("_")]
    return found[1:] if inspect.isclass(thing) else found


def test_every_argument_is_described():
    missing = {}
    for path, thing in PUBLIC.items():
        described = {m.group(1) for line in section(inspect.getdoc(thing) or "", "Args") if (m := re.match(r"(\*{0,2}\w+):", line))}
        lacks = [name for name in parameters(thing) if name not in described]
        if lacks:
            missing[path] = lacks
    assert missing == {}


def test_no_argument_is_described_that_there_is_not():
    wrong = {}
    for path, thing in PUBLIC.items():
        described = [m.group(1) for line in section(inspect.getdoc(thing) or "", "Args") if (m := re.match(r"(\*{0,2}\w+):", line))]
        taken = parameters(thing)
        strange = [name for name in described if name not in taken and not {"**kwargs", "**settings", "*args"} & set(taken)]
        if strange:
            wrong[path] = strange
    assert wrong == {}


FACADES = ("serialize", "deserialize", "get")


def test_every_class_and_op_has_an_example():
    wanted = {
        p: t for p, t in PUBLIC.items() if inspect.isclass(t) or p.split(".")[1] in ("ops", "layers", "losses", "metrics", "activations")
    }
    lacks = [path for path, t in wanted.items() if ">>>" not in (inspect.getdoc(t) or "") and path.split(".")[-1] not in FACADES]
    assert lacks == []


class AnyDevice(doctest.OutputChecker):
    """Results say on which device they are where that is not the CPU."""

    def check_output(self, want, got, optionflags):
        return super().check_output(want, re.sub(r", device='\w+(:\d+)?'", "", got), optionflags)


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")  # torch's own, from its forward-mode derivatives
@pytest.mark.parametrize("family", sorted({path.split(".")[1] for path in PUBLIC}))
def test_examples_print_what_they_say(family, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    parser, runner = doctest.DocTestParser(), doctest.DocTestRunner(AnyDevice(), verbose=False, optionflags=doctest.NORMALIZE_WHITESPACE)
    said: list[str] = []
    for path, text in ENTRIES.items():
        if path.split(".")[1] == family and ">>>" in text:
            names = {"keras": keras, "torch": torch, "np": np, path.split(".")[-1]: PUBLIC.get(path)}
            example = parser.get_doctest(text, names, path, None, 0)
            runner.run(example, out=said.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(said)
