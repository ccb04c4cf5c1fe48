"""One thread, so that results do not depend on the number of cores, and no network.

This is set before anything imports torch.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["MPLBACKEND"] = "Agg"


@pytest.fixture
def notes() -> Iterator[None]:
    """While the test runs, what lodisc logs is printed on stderr, as under a command."""
    from lodisc.console import log_as_notes

    with log_as_notes():
        yield


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny run; tests only read it."""
    from photos import collection
    from runs import TINY

    import lodisc

    folder = tmp_path_factory.mktemp("run")
    return lodisc.train(collection(folder / "photos"), out=folder / "run", **{**TINY, "epochs": 1})
