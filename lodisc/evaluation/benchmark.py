"""`evaluate`: every protocol, for an encoder and its untouched start, on the same photographs."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import torch

from lodisc.config import Fit
from lodisc.data.photo import Photo, Skipped
from lodisc.data.sample import sample_of
from lodisc.data.sources import find_photos, log_passed_over, split_photos
from lodisc.errors import UserError
from lodisc.evaluation.clustering import clustering
from lodisc.evaluation.discovery import discovery
from lodisc.evaluation.features import Arm, FeatureMaker, Features, extract_arm
from lodisc.evaluation.fewshot import fewshot
from lodisc.evaluation.interval import Estimate
from lodisc.evaluation.knn import knn
from lodisc.evaluation.leaks import Leaks, leaks
from lodisc.evaluation.linear import linear
from lodisc.evaluation.linear_paper import linear_paper
from lodisc.evaluation.result import ArmMetrics, Evaluation, EvaluationSettings
from lodisc.evaluation.retrieval import retrieval, smoothed_retrieval
from lodisc.evaluation.separation import separation
from lodisc.files import write_json
from lodisc.photo_encoder import PhotoEncoder, load, load_start, load_start_at_own_size
from lodisc.run import Run
from lodisc.training.checkpoint import versions

logger = logging.getLogger("lodisc")


class Measure(Protocol):
    """A protocol: measures an arm and returns its metrics by name."""

    def __call__(self, arm: Arm, *, seed: int) -> dict[str, Estimate]: ...


PROTOCOLS: dict[str, Measure] = {
    "retrieval": retrieval,
    "smoothed": smoothed_retrieval,
    "linear": linear,
    "linear_paper": linear_paper,
    "knn": knn,
    "clustering": clustering,
    "fewshot": fewshot,
    "discovery": discovery,
    "separation": separation,
}
DEFAULT_PROTOCOLS = ("retrieval", "linear", "knn", "clustering", "fewshot")
WITHOUT_TRAIN = ("retrieval", "smoothed", "clustering", "separation")
WITHOUT_LABELS = ("separation",)

OWN_SIZE = "start_at_own_size"
"""The arm of a run's start at the image size that its model was made for, where that is another."""

TITLES = {
    ("retrieval", "rank1"): "Retrieval Rank-1",
    ("retrieval", "rank5"): "Retrieval Rank-5",
    ("retrieval", "map"): "Retrieval mAP",
    ("retrieval", "r_precision"): "Retrieval R-prec.",
    ("retrieval", "map_at_r"): "Retrieval mAP@R",
    ("smoothed", "rank1"): "Smoothed Rank-1",
    ("smoothed", "map"): "Smoothed mAP",
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
    ("discovery", "all"): "Discovery all",
    ("discovery", "known"): "Discovery known",
    ("discovery", "new"): "Discovery new",
    ("separation", "separation"): "Separation",
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
    fit: Fit | None = None,
    seed: int = 0,
    batch_size: int = 64,
    workers: int = 2,
    device: str = "auto",
    max_skipped: float = 0.05,
) -> Evaluation:
    """Measure a run and its untouched start, or `timm:NAME` or a weights file alone.

    The start is also measured at the image size that its model was made for. Where no photograph
    has a label, the protocol is separation, on a sample of all of them.

    DATA is divided into train and test by its folders, else by `train_split`, else as the run
    divided it for its training. Metrics are percentages of test photographs, which never choose a
    hyperparameter; those of `discovery` are of training photographs whose labels are hidden. The
    result for a run is also written to its `evaluation.json`.

    Raises `UserError` for data without the labels, classes or division that a protocol needs, and
    when more than the share `max_skipped` of the photographs is unreadable.
    """
    _check_protocols(protocols)
    run = _run(source, momentum=momentum, encoder=encoder, image_size=image_size, fit=fit)
    listing = find_photos(data)
    log_passed_over(data, listing)
    photos = listing.photos
    protocols = protocols or default_protocols(photos)
    if not _without_labels(protocols):
        _require_labels(photos, data)
        photos = divide(photos, data, train_split=train_split, run=run, seed=seed)
    choice: dict[str, Any] = {
        "encoder": encoder,
        "image_size": image_size,
        "fit": fit,
        "device": device,
    }
    student = load(source, momentum=momentum, **choice)
    arms = {"run": student}
    if run:
        arms |= _starts(run, device=device)
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
    result["settings"] = EvaluationSettings(
        source=str(source),
        protocols=list(protocols),
        momentum=momentum,
        train_split=train_split,
        encoder=encoder,
        image_size=student.image_size,
    )
    if OWN_SIZE in arms:
        result["settings"]["own_size"] = arms[OWN_SIZE].image_size
    result["versions"] = versions()
    result["date"] = datetime.now(UTC).isoformat(timespec="seconds")
    if run:
        write_json(run.evaluation_file, result)
    return result


def _starts(run: Run, *, device: str) -> dict[str, PhotoEncoder]:
    """The untouched start of a run at the run's image size, and at its own if that is another."""
    starts = {"start": load_start(run.path, device=device)}
    try:
        if at_own_size := load_start_at_own_size(run.path, device=device):
            starts[OWN_SIZE] = at_own_size
    except UserError as error:
        logger.info(f"note: the start is not measured at its own image size: {error}")
    return starts


def _run(
    source: str | Path,
    *,
    momentum: bool,
    encoder: str | None,
    image_size: int | None,
    fit: Fit | None,
) -> Run | None:
    """The run that `source` names, if it does; `UserError` for options that do not fit it."""
    run = Run(Path(source))
    if not run.exists:
        if momentum:
            raise UserError(
                f"{source} is not a run, so it has no momentum encoder; leave --momentum out"
            )
        return None
    if encoder or image_size or fit:
        raise UserError(
            f"{source} is a run and has its own encoder, image size and fit; "
            "leave --encoder, --image-size and --fit out"
        )
    return run


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
) -> Evaluation:
    """The metrics of any number of arms on photographs that are divided into train and test.

    Photographs without a label are ignored, unless separation alone is measured. Test photographs
    of a class that train lacks count in retrieval and clustering only. `data` names the source in
    messages, and `skipped` are the photographs that were skipped before.
    """
    _check_protocols(protocols)
    protocols = protocols or default_protocols(photos)
    if _without_labels(protocols):
        train, classes = list[Photo](), list[str]()
        test = sample_of(photos, image_size=next(iter(arms.values())).image_size)
    else:
        train, test, classes = labelled(
            photos, data, learns=[name for name in protocols if name not in WITHOUT_TRAIN]
        )
    if all(name in WITHOUT_TRAIN for name in protocols):
        train = []
    result = _without_arms(data, photos, classes=classes, seed=seed)
    for name, encoder in arms.items():
        arm = extract_arm(
            name,
            encoder,
            train,
            test,
            classes=classes,
            batch_size=batch_size,
            workers=workers,
            with_thumbnails=not result["arms"],
        )
        unreadable = [*skipped, *arm.train.skipped, *arm.test.skipped]
        total = len(skipped) + len(train) + len(test)
        check_skipped(unreadable, total=total, data=data, max_skipped=max_skipped)
        seen_N = torch.isin(arm.test.labels, arm.train.labels)
        if not len(arm.test) or (train and not seen_N.any()):
            raise UserError(
                f"{data}: too few photographs can be read to measure anything; "
                f"the first is {unreadable[0].key}: {unreadable[0].reason}"
            )
        result["train"], result["test"] = len(arm.train), len(arm.test)
        result["skipped"] = len(unreadable)
        result["unseen"] = int((~seen_N).sum()) if train else 0
        if not result["arms"]:
            result["leaks"] = leaks(arm.train, arm.test)
        logger.info(f"{name}: {', '.join(protocols)}")
        result["arms"][name] = _metrics(arm, seen_N, protocols, seed)
    return result


def _without_arms(
    data: str | Path, photos: Sequence[Photo], *, classes: list[str], seed: int
) -> Evaluation:
    """The result before anything is read."""
    return Evaluation(
        data=str(data),
        classes=len(classes),
        seed=seed,
        train=0,
        test=0,
        skipped=0,
        unlabelled=sum(photo.label is None for photo in photos),
        unseen=0,
        leaks=Leaks(in_train=0, in_test=0, labelled_apart=0),
        class_names=classes,
        arms={},
    )


def _metrics(arm: Arm, seen_N: torch.Tensor, protocols: Iterable[str], seed: int) -> ArmMetrics:
    """All protocols; those that learn are measured on the test photographs of `seen_N` classes."""
    seen = replace(arm, test=_only(arm.test, seen_N)) if len(arm.train) else arm
    metrics: ArmMetrics = {}
    for name in protocols:
        estimates = PROTOCOLS[name](arm if name in WITHOUT_TRAIN else seen, seed=seed)
        metrics[name] = {metric: estimate.to_dict() for metric, estimate in estimates.items()}
    return metrics


def _only(features: Features, mask: torch.Tensor) -> Features:
    return features if mask.all() else features.select(mask)


def default_protocols(photos: Sequence[Photo]) -> tuple[str, ...]:
    """The protocols for these photographs, labelled or not."""
    return DEFAULT_PROTOCOLS if any(photo.label for photo in photos) else WITHOUT_LABELS


def _without_labels(protocols: Iterable[str]) -> bool:
    return all(name in WITHOUT_LABELS for name in protocols)


def _check_protocols(protocols: Sequence[str] | None) -> None:
    unknown = [name for name in protocols or () if name not in PROTOCOLS]
    if unknown:
        raise UserError(
            f"--protocols {unknown[0]}: no such protocol; there are {', '.join(PROTOCOLS)}"
        )


def divide(
    photos: list[Photo], data: str | Path, *, train_split: float | None, run: Run | None, seed: int
) -> list[Photo]:
    """The photographs with their splits.

    A run that divided its photographs is measured on the same division, as it never learnt from
    those test photographs.
    """
    if train_split is None and any(photo.split == "test" for photo in photos):
        return photos
    settings = run.config["settings"] if run else {}
    run_share = settings.get("train_split")
    share = run_share if train_split is None else train_split
    if share is None:
        raise UserError(
            f"{data} has no test/; give --train-split 0.7 to test on 30 % of every class"
        )
    if run and share != run_share:
        logger.info(
            f"note: {run.path} was not trained with --train-split {share}; "
            f"if it was trained on {data}, it has seen test photographs, without labels"
        )
    if run_share is not None:
        seed = settings["split_seed"]
    return split_photos(photos, train_split=share, seed=seed)


def labelled(
    photos: Sequence[Photo], data: str | Path, *, learns: list[str]
) -> tuple[list[Photo], list[Photo], list[str]]:
    """The labelled train and test photographs, and all classes.

    `learns` names the protocols that learn from train. Raises `UserError` when nothing can be
    measured.
    """
    _require_labels(photos, data)
    labels = {photo.label for photo in photos if photo.label is not None}
    train = [photo for photo in photos if photo.split == "train" and photo.label is not None]
    test = [photo for photo in photos if photo.split == "test" and photo.label is not None]
    if not test:
        raise UserError(
            f"{data}: no test photograph has a label; "
            "put each class into a folder of its own, as in test/wren/1.jpg"
        )
    if len({photo.label for photo in test}) < 2:
        raise UserError(
            f"{data}: all test photographs are of the class {test[0].label}; "
            "add at least two classes"
        )
    train_classes = {photo.label for photo in train}
    if learns and (
        len(train_classes) < 2 or not any(photo.label in train_classes for photo in test)
    ):
        few = len(train_classes) < 2
        reason = "has fewer than two classes" if few else "has none of the classes of test"
        raise UserError(
            f"{data}: train {reason}, too few for {', '.join(learns)}; add labelled photographs, "
            f"or give --protocols {' '.join(WITHOUT_TRAIN)}, which do not learn from train"
        )
    return train, test, sorted(labels)


def _require_labels(photos: Sequence[Photo], data: str | Path) -> None:
    if all(photo.label is None for photo in photos):
        raise UserError(
            f"{data}: no photograph has a label; put each class into a folder of its own, as in "
            f"train/wren/1.jpg, or measure without by --protocols {' '.join(WITHOUT_LABELS)}"
        )


def check_skipped(
    skipped: Sequence[Skipped], *, total: int, data: str | Path, max_skipped: float
) -> None:
    """Raise a `UserError` when more than the share `max_skipped` of `total` was skipped."""
    if not 0 <= max_skipped <= 1:
        raise UserError(f"--max-skipped {max_skipped} is out of range; use a share from 0 to 1")
    if len(skipped) > max_skipped * total:
        first = f"the first is {skipped[0].key}: {skipped[0].reason}"
        raise UserError(
            f"{data}: {len(skipped)} of {total} photographs cannot be read, "
            f"more than --max-skipped {max_skipped}; {first}"
        )
