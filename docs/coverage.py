"""Which public names of Keras are here: the table of README.md.

python docs/coverage.py            prints what is missing
python docs/coverage.py --write    brings the table of README.md up to date
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torchkeras
from torchkeras.missing import keras_names

README = Path(__file__).parent.parent / "README.md"
BEGIN, END = "<!-- coverage: python docs/coverage.py --write -->", "<!-- end of coverage -->"
OTHER_BACKENDS = {"FlaxLayer", "JaxLayer", "TFSMLayer", "is_nnx_enabled", "OrbaxCheckpoint"}  # bound to JAX or TensorFlow
TOLD = 8  # names that a row of the table has at the most


def _find(path: str) -> Any:
    found: Any = torchkeras
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # names that Keras calls deprecated
        for part in path.split(".")[1:]:
            found = getattr(found, part, None)
    return found


def areas() -> Iterator[tuple[str, int, list[str]]]:
    """For each part of the API its name, how many names Keras has there, and those that are missing."""
    table: dict[str, tuple[int, list[str]]] = {}
    for module, names in sorted(keras_names().items()):
        area = ".".join(module.split(".")[:2])
        own = sorted(names - OTHER_BACKENDS)
        place = _find(module)
        missing = [f"{module}.{name}".removeprefix(f"{area}.") for name in own if not hasattr(place, name)]
        count, before = table.get(area, (0, []))
        table[area] = count + len(own), before + missing
    yield from ((area, count, missing) for area, (count, missing) in table.items() if count)


def markdown() -> str:
    """The table: a row for each part of the API that is not complete, and a line that names the complete ones."""
    rows, complete, total, there = [], [], 0, 0
    for area, count, missing in areas():
        total, there = total + count, there + count - len(missing)
        if not missing:
            complete.append(f"`{area}`")
            continue
        told = ", ".join(f"`{name}`" for name in missing[:TOLD]) + (f" and {len(missing) - TOLD} more" if len(missing) > TOLD else "")
        rows.append(f"| `{area}` | {count - len(missing)} of {count} | {told} |")
    lines = [f"{there} of the {total} public names of Keras 3.15.1 are here. Complete: {', '.join(complete)}.", ""]
    return "\n".join([*lines, "| | names | missing |", "|---|---|---|", *rows])


def written() -> str:
    """README.md with the table as it is now."""
    text = README.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}\n{markdown()}\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write the table into README.md")
    if parser.parse_args().write:
        README.write_text(written(), encoding="utf-8")
    else:
        for area, count, missing in areas():
            print(f"{area}: {count - len(missing)} of {count}")
            for name in missing:
                print(f"    {name}")
