"""Before anything imports torch: one thread, so that results do not depend on the machine's cores, and no network."""

import os
from pathlib import Path

import pytest

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["MPLBACKEND"] = "Agg"


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny run; tests only read it."""
    from photos import collection
    from runs import TINY

    import lodisc

    folder = tmp_path_factory.mktemp("run")
    return lodisc.train(collection(folder / "photos"), out=folder / "run", **{**TINY, "epochs": 1})
