"""Learn, from a folder of unlabelled look-alike photographs, features that tell them apart.

In Python, as on the command line:

    run = lodisc.train("photos/", out="runs/mine")
    encoder = lodisc.load(run)
    vectors_ND = encoder.embed(["a.jpg", "b.jpg"])

A function imports what it needs when it is first used, so `import lodisc` takes no time.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lodisc.collection.collection import Collection as Collection
    from lodisc.collection.index import index as index
    from lodisc.data.sources import find_photos as find_photos
    from lodisc.embedding.embed import embed as embed
    from lodisc.errors import UserError as UserError
    from lodisc.evaluation.benchmark import evaluate as evaluate
    from lodisc.explanation.overlay import explain as explain
    from lodisc.photo_encoder import load as load
    from lodisc.report.page import write_report as write_report
    from lodisc.training.loop import train as train

__version__ = "0.1.0"

_HOMES = {
    "Collection": "lodisc.collection.collection",
    "UserError": "lodisc.errors",
    "embed": "lodisc.embedding.embed",
    "evaluate": "lodisc.evaluation.benchmark",
    "explain": "lodisc.explanation.overlay",
    "find_photos": "lodisc.data.sources",
    "index": "lodisc.collection.index",
    "load": "lodisc.photo_encoder",
    "train": "lodisc.training.loop",
    "write_report": "lodisc.report.page",
}

__all__ = [
    "Collection",
    "UserError",
    "__version__",
    "embed",
    "evaluate",
    "explain",
    "find_photos",
    "index",
    "load",
    "train",
    "write_report",
]


if not TYPE_CHECKING:  # so that a type checker refuses a name that is not there

    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module 'lodisc' has no attribute {name!r}")
        return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
