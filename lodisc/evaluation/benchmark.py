"""`evaluate`: every protocol, for an encoder and for its untouched start, on the same photographs."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import torch

from lodisc.config import split_seed
from lodisc.data.sources import Photo, Skipped, find_photos, split_photos
from lodisc.errors import UserError
from lodisc.evaluation.clustering import clustering
from lodisc.evaluation.features import Arm, FeatureMaker, Features, extract
from lodisc.evaluation.fewshot import fewshot
from lodisc.evaluation.interval import Estimate
from lodisc.evaluation.knn import knn
from lodisc.evaluation.linear import linear
from lodisc.evaluation.linear_paper import linear_paper
from lodisc.evaluation.retrieval import retrieval
from lodisc.files import read_json, write_json
from lodisc.photo_encoder import load, load_start
from lodisc.training.checkpoint import is_run, versions

logger = logging.getLogger("lodisc")


class Measure(Protocol):
    """A protocol: figures, by name, of an arm."""

    def __call__(self, arm: Arm, *, seed: int) -> dict[str, Estimate]: ...


PROTOCOLS: dict[str, Measure] = {
    "retrieval": retrieval,
    "linear": linear,
    "linear_paper": linear_paper,
    "knn": knn,
    "clustering": clustering,
    "fewshot": fewshot,
}
DEFAULT_PROTOCOLS = ("retrieval", "linear", "knn", "clustering", "fewshot")
WITHOUT_TRAIN = ("retrieval", "clustering")

TITLES = {
    ("retrieval", "rank1"): "Retrieval Rank-1",
    ("retrieval", "rank5"): "Retrieval Rank-5",
    ("retrieval", "map"): "Retrieval mAP",
    ("retrieval", "r_precision"): "Retrieval R-prec.",
    ("retrieval", "map_at_r"): "Retrieval mAP@R",
    ("linear", "top1"): "Linear top-1",
    ("linear", "top5"): "Linear top-5",
    ("linear", "mean_class"): "Linear per class",
    ("linear_paper", "top1"): "Linear SGD top-1",
    ("linear_paper", "top5"): "Linear SGD top-5",
    ("linear_paper", "mean_class"): "Linear SGD class",
    ("knn", "top1"): "kNN top-1",
    ("clustering", "nmi"): "Clustering NMI",
    ("clustering", "ari"): "Clustering ARI",
    ("fewshot", "shots1"): "1 label a class",
    ("fewshot", "shots5"): "5 labels a class",
    ("fewshot", "shots10"): "10 labels a class",
}


def evaluate(
    source: str | Path,
    data: str | Path,
    *,
    protocols: Sequence[str] | None = None,
    momentum: bool = False,
    train_split: float | None = None,
    encoder: str | None = None,
    image_size: int | None = None,
    seed: int = 0,
    batch_size: int = 64,
    workers: int = 2,
    device: str = "auto",
    max_skipped: float = 0.05,
) -> dict[str, Any]:
    """Measure a run beside its untouched start, or `timm:NAME` or a weights file alone; a run keeps it as `evaluation.json`.

    DATA is divided into train and test by its folders, else by `train_split`, else as the run divided it when it learnt.
    All figures are percentages of test photographs, which never choose a setting. Raises `UserError` for data without
    labels, classes or a division, and for more than the share `max_skipped` of unreadable photographs.
    """
    _check_protocols(protocols)
    run = Path(source) if is_run(Path(source)) else None
    if run and (encoder or image_size):
        raise UserError(
            f"{run} is a run and has its own encoder and image size; leave --encoder and --image-size out"
        )
    if momentum and not run:
        raise UserError(f"{source} is no run, so it has no momentum encoder; leave --momentum out")
    listing = find_photos(data)
    photos = divide(listing.photos, data, train_split=train_split, run=run, seed=seed)
    arms = {
        "run": load(
            source, momentum=momentum, encoder=encoder, image_size=image_size, device=device
        )
    }
    if run:
        arms["start"] = load_start(run, device=device)
    result = measure(
        arms,
        photos,
        data=data,
        protocols=protocols,
        seed=seed,
        batch_size=batch_size,
        workers=workers,
        skipped=listing.skipped,
        max_skipped=max_skipped,
    )
    result["settings"] = {
        "source": str(source),
        "protocols": list(protocols or DEFAULT_PROTOCOLS),
        "momentum": momentum,
        "train_split": train_split,
        "encoder": encoder,
        "image_size": arms["run"].image_size,
    }
    result |= {"versions": versions(), "date": datetime.now(UTC).isoformat(timespec="seconds")}
    if run:
        write_json(run / "evaluation.json", result)
    return result


def measure(
    arms: Mapping[str, FeatureMaker],
    photos: Sequence[Photo],
    *,
    data: str | Path,
    protocols: Sequence[str] | None = None,
    seed: int = 0,
    batch_size: int = 64,
    workers: int = 2,
    skipped: Sequence[Skipped] = (),
    max_skipped: float = 0.05,
) -> dict[str, Any]:
    """The figures of any number of arms on photographs that are divided into train and test, as `evaluate` returns them.

    Photographs without a label are left out. Test photographs of a class that train lacks count in retrieval and clustering
    alone. `data` names the source in messages, `skipped` is what had been left out before.
    """
    _check_protocols(protocols)
    protocols = protocols or DEFAULT_PROTOCOLS
    train, test, classes = labelled(
        photos, data, learns=[name for name in protocols if name not in WITHOUT_TRAIN]
    )
    if all(name in WITHOUT_TRAIN for name in protocols):
        train = []
    result: dict[str, Any] = {"data": str(data), "classes": len(classes), "seed": seed}
    figures: dict[str, Any] = {}
    for name, encoder in arms.items():
        features = [
            extract(
                encoder,
                part,
                classes=classes,
                batch_size=batch_size,
                workers=workers,
                description=f"{name}: {title} photographs",
            )
            for part, title in ((train, "training"), (test, "test"))
        ]
        unread = [*skipped, *features[0].skipped, *features[1].skipped]
        check_skipped(
            unread, total=len(skipped) + len(train) + len(test), data=data, max_skipped=max_skipped
        )
        seen = torch.isin(features[1].labels, features[0].labels)
        if not len(features[1]) or (train and not seen.any()):
            raise UserError(
                f"{data}: too few photographs can be read to measure anything; the first is {unread[0].key}: {unread[0].reason}"
            )
        result |= {"train": len(features[0]), "test": len(features[1]), "skipped": len(unread)}
        result |= {
            "unlabelled": sum(photo.label is None for photo in photos),
            "unseen": int((~seen).sum()) if train else 0,
        }
        logger.info(f"{name}: {', '.join(protocols)}")
        figures[name] = _figures(Arm(name, encoder, *features), seen, protocols, seed)
    return result | {"arms": figures}


def _figures(
    arm: Arm, seen: torch.Tensor, protocols: Iterable[str], seed: int
) -> dict[str, dict[str, dict[str, float]]]:
    learning = (
        Arm(arm.name, arm.encoder, arm.train, _only(arm.test, seen)) if len(arm.train) else arm
    )
    figures = {}
    for name in protocols:
        estimates = PROTOCOLS[name](arm if name in WITHOUT_TRAIN else learning, seed=seed)
        figures[name] = {metric: estimate.to_dict() for metric, estimate in estimates.items()}
    return figures


def _only(features: Features, mask: torch.Tensor) -> Features:
    return features if mask.all() else features.select(mask)


def _check_protocols(protocols: Sequence[str] | None) -> None:
    unknown = [name for name in protocols or () if name not in PROTOCOLS]
    if unknown:
        raise UserError(
            f"--protocols {unknown[0]}: no such protocol; there are {', '.join(PROTOCOLS)}"
        )


def divide(
    photos: list[Photo], data: str | Path, *, train_split: float | None, run: Path | None, seed: int
) -> list[Photo]:
    """The photographs with their split; a run's own division comes back from its settings, so that it never learnt from test."""
    if train_split is None and any(photo.split == "test" for photo in photos):
        return photos
    settings = read_json(run / "config.json")["settings"] if run else {}
    learnt = settings.get("train_split")
    share = learnt if train_split is None else train_split
    if share is None:
        raise UserError(
            f"{data} has no test/; give --train-split 0.7 to test on 30 % of every class"
        )
    if run and share != learnt:
        logger.info(
            f"note: {run} learnt without --train-split {share}; if it was from {data}, it has seen test photographs, unlabelled"
        )
    if learnt is not None:
        seed = split_seed(settings)
    return split_photos(photos, train_split=share, seed=seed)


def labelled(
    photos: Sequence[Photo], data: str | Path, *, learns: list[str]
) -> tuple[list[Photo], list[Photo], list[str]]:
    """Train and test photographs that have a label, and all their classes; `UserError` where nothing can be measured."""
    labels = {photo.label for photo in photos if photo.label is not None}
    if not labels:
        raise UserError(
            f"{data}: no photograph has a label; put those of each class into a folder of its own, as in train/wren/1.jpg"
        )
    train = [photo for photo in photos if photo.split == "train" and photo.label is not None]
    test = [photo for photo in photos if photo.split == "test" and photo.label is not None]
    if not test:
        raise UserError(
            f"{data}: no test photograph has a label; put those of each class into a folder of its own, as in test/wren/1.jpg"
        )
    if len({photo.label for photo in test}) < 2:
        raise UserError(
            f"{data}: all test photographs are of the class {test[0].label}; there must be at least two classes to tell apart"
        )
    known = {photo.label for photo in train}
    if learns and (len(known) < 2 or not any(photo.label in known for photo in test)):
        why = "has fewer than two classes" if len(known) < 2 else "has none of the classes of test"
        raise UserError(
            f"{data}: train {why}, too little for {', '.join(learns)}; {' and '.join(WITHOUT_TRAIN)} alone need no labels to learn from"
        )
    return train, test, sorted(labels)


def check_skipped(
    skipped: Sequence[Skipped], *, total: int, data: str | Path, max_skipped: float
) -> None:
    if not 0 <= max_skipped <= 1:
        raise UserError(f"--max-skipped {max_skipped} is out of range; give a share from 0 to 1")
    if len(skipped) > max_skipped * total:
        first = f"the first is {skipped[0].key}: {skipped[0].reason}"
        raise UserError(
            f"{data}: {len(skipped)} of {total} photographs cannot be read, more than --max-skipped {max_skipped}; {first}"
        )
