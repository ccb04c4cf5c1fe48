"""Learn, from a folder of unlabelled look-alike photographs, features that tell them apart."""

from typing import Any

__version__ = "0.1.0"
__all__ = ["__version__", "evaluate", "load", "train"]

_HOME = {
    "train": "lodisc.training.loop",
    "load": "lodisc.photo_encoder",
    "evaluate": "lodisc.evaluation.benchmark",
}


def __getattr__(name: str) -> Any:
    """Import the public functions when they are first used, so that `import lodisc` costs nothing."""
    if name not in _HOME:
        raise AttributeError(f"module 'lodisc' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOME[name]), name)
