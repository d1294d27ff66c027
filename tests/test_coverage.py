"""The table of what is missing in the README is true, and so is the list of names that it is made from."""

import runpy
from pathlib import Path

import pytest

from tests.oracle import keras
from torchkeras.missing import keras_names

SCRIPT = Path(__file__).parent.parent / "docs" / "coverage.py"


@pytest.fixture(scope="module")
def coverage():
    return runpy.run_path(str(SCRIPT))


def test_the_table_of_the_readme_is_up_to_date(coverage):
    text = coverage["README"].read_text(encoding="utf-8")
    assert coverage["written"]() == text, "names have come or gone: run `python docs/coverage.py --write`"
    assert coverage["BEGIN"] in text and "| missing |" in text


def test_names_counted_as_there_are_there_and_others_are_not(coverage):
    import torchkeras

    table = {area: (count, missing) for area, count, missing in coverage["areas"]()}
    assert "Dense" not in table["keras.layers"][1] and table["keras.layers"][0] > 150
    for area, (count, missing) in table.items():
        assert len(set(missing)) == len(missing) <= count
        for name in missing:
            place = torchkeras
            for part in f"{area}.{name}".split(".")[1:]:
                place = getattr(place, part, None)
            assert place is None


@pytest.mark.parametrize("module", ["keras.layers", "keras.losses", "keras.callbacks", "keras.ops.image"])
def test_the_names_are_those_of_keras(module):
    place = keras
    for part in module.split(".")[1:]:
        place = getattr(place, part)
    real = {name for name in dir(place) if not name.startswith("_") and type(getattr(place, name)) is not type(keras)}
    assert keras_names()[module] == real
