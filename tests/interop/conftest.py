"""The libraries of the extra `interop` stand behind the marker of that name: without it nothing here is imported."""

from pathlib import Path

import pytest

# What these libraries themselves warn of, each for a reason; a warning of ours stays an error.
FILTERS = {
    "captum": ["ignore:Setting forward, backward hooks and attributes on non-linear:UserWarning"],  # DeepLift says what it does
    "lightning": [
        "ignore:The '.*dataloader' does not have many workers:UserWarning",  # two cores, small data
        "ignore:The number of training batches:UserWarning",  # the log interval is longer than an epoch
        "ignore:`isinstance\\(treespec, LeafSpec\\)` is deprecated:FutureWarning",  # Lightning's own use of torch
    ],
}


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    chosen = config.option.markexpr
    return True if chosen and ("interop" not in chosen or "not interop" in chosen) else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.interop)
            for text in FILTERS.get(item.path.stem.removeprefix("test_"), []):
                item.add_marker(pytest.mark.filterwarnings(text))
