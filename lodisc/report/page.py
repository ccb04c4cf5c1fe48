"""`write_report`: gather what a run holds, fill the template, write one file."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from jinja2 import PackageLoader
from markupsafe import Markup

from lodisc.config import RECIPES, TrainConfig, settled
from lodisc.data.decode import decode
from lodisc.data.loader import decode_for
from lodisc.data.photo import Photo, printable
from lodisc.data.views import whole_square
from lodisc.encoders import training_size
from lodisc.errors import UserError
from lodisc.evaluation.benchmark import OWN_SIZE
from lodisc.evaluation.leaks import in_words
from lodisc.evaluation.result import Evaluation, classes_in_words, read_evaluation
from lodisc.explanation.overlay import tiles
from lodisc.files import replacing
from lodisc.html import html_environment
from lodisc.outcome import in_words as outcome_in_words
from lodisc.photo_encoder import PhotoEncoder, load, load_start
from lodisc.report.charts import picture_uri
from lodisc.report.curves import training_curves
from lodisc.report.lookalikes import Lookalikes, find_lookalikes
from lodisc.report.measures import evaluation_tables, focus_table, separations
from lodisc.run import Run, RunConfig, steps_of

Log = Sequence[Mapping[str, Any]]

THUMBNAIL, TILE = 150, 240
EXPLAINED = 4
REASONS = 8


def write_report(run: str | Path, *, data: str | Path | None = None, device: str = "auto") -> Path:
    """Write RUN/report.html for a run, and return its path.

    The file needs no other file and no network. It shows photographs of `data`, or else of the data
    of the training if they still exist. A run that is still being trained is reported up to now.
    Raises `UserError` when `run` is not a run, or `data` has no photographs.
    """
    folder = Run(Path(run))
    if not folder.exists:
        raise UserError(
            f"{printable(run)} is not a run; name the folder that  lodisc train  wrote with --out"
        )
    config, log = folder.config, folder.log()
    evaluation = read_evaluation(folder)
    page = {
        "name": folder.path.resolve().name,
        "data": "/".join(Path(config["data"]["path"]).parts[-2:]).lstrip("/"),
        "config": config,
        "story": _story(config, log),
        "verdict": _verdict(log),
        "outcome": _outcome(config),
        "facts": _facts(config, log, evaluation),
        "tables": evaluation_tables(evaluation) if evaluation else None,
        "focus": focus_table(evaluation) if evaluation else None,
        "leaks": _leaks(evaluation) if evaluation else "",
        "evaluation": evaluation,
        "classes": _classes(evaluation) if evaluation else "",
        "separations": separations(evaluation) if evaluation else "",
        "evaluate": f"lodisc evaluate {run} {config['data']['path']}",
        "curves": training_curves(config, log),
        "settings": _settings(config["settings"]),
        "skipped": folder.skipped()[:REASONS],
        **_pictures(folder, data=data, device=device),
    }
    filters: dict[str, Callable[..., str]] = {
        "breakable": _breakable,
        "flags": _flags,
        "thumbnail": _thumbnail,
        "uri": picture_uri,
    }
    environment = html_environment(PackageLoader("lodisc", "report"), filters)
    with replacing(folder.report_file) as draft:
        draft.write_text(environment.get_template("page.html").render(page), encoding="utf-8")
    return folder.report_file


def _classes(evaluation: Evaluation) -> str:
    """Of what classes the metrics are; files of older versions do not name them."""
    names = evaluation.get("class_names")
    return classes_in_words(names) if names else f"{evaluation['classes']} classes"


def _leaks(evaluation: Evaluation) -> str:
    """What is said of photographs that are nearly the same; files of older versions have none."""
    if "leaks" not in evaluation:
        return ""
    words = in_words(evaluation["leaks"], test=evaluation["test"], data=evaluation["data"])
    return printable(f"Note: {words}.") if words else ""


def _breakable(name: str) -> Markup:
    """A name that may continue on the next line after an underscore or a slash."""
    return Markup(str(Markup.escape(printable(name))).replace("_", "_<wbr>").replace("/", "/<wbr>"))


def _flags(text: str) -> Markup:
    """A sentence with its flags set as code."""
    return Markup(re.sub(r"(--[a-z-]+)", r"<code>\1</code>", str(Markup.escape(printable(text)))))


def _thumbnail(photo: Photo) -> str:
    image = decode_for(photo, image_size=THUMBNAIL)
    return picture_uri(whole_square(image, image_size=THUMBNAIL, side=THUMBNAIL))


def _pictures(run: Run, *, data: str | Path | None, device: str) -> dict[str, Any]:
    """Look-alikes and attention, or the reason why there are none."""
    pictures: dict[str, Any] = {"lookalikes": None, "attention": [], "reason_without": None}
    if not run.encoder.is_dir():
        pictures["reason_without"] = (
            "The training has not reached its first checkpoint, so there is no encoder to show yet."
        )
        return pictures
    arms = {"before": load_start(run.path, device=device), "after": load(run.path, device=device)}
    settings = run.config["settings"]
    try:
        lookalikes = find_lookalikes(arms, Path(data or run.config["data"]["path"]), settings)
        attention = _attention(arms, lookalikes, settings)
    except UserError as error:
        if data is not None:
            raise
        pictures["reason_without"] = (
            f"The photographs cannot be shown: {error}. "
            f"Name them with: lodisc report {run.path} DATA"
        )
        return pictures
    return pictures | {"lookalikes": lookalikes, "attention": attention}


def _attention(
    arms: Mapping[str, PhotoEncoder], lookalikes: Lookalikes, settings: Mapping[str, Any]
) -> list[dict[str, Any]]:
    photos = [query.photo for query in lookalikes.queries[:EXPLAINED]]
    images = [decode(photo.read(), at_least=2 * TILE) for photo in photos]
    tiles_of = tiles(arms, images, fusion=settings["fusion"], tile=TILE)
    return [{"photo": photo, "tiles": item} for photo, item in zip(photos, tiles_of, strict=True)]


def _story(config: RunConfig, log: Log) -> list[str]:
    """What the run was trained on and for, in sentences."""
    settings, steps = config["settings"], steps_of(config)
    start = {"timm": "its pretrained weights", "none": "random weights"}.get(settings["init"])
    start = start or f"the weights in {Path(settings['init']).name}"
    step, epochs = (log[-1]["step"], log[-1]["epoch"]) if log else (0, 0.0)
    progress = (
        f"All {steps:,} steps are done"
        if step >= steps
        else f"{step:,} of {steps:,} steps are done, so the training is not complete"
    )
    seen = (
        f"The encoder {settings['encoder']} started from {start} and has seen {_exposure(epochs)}, "
        f"at {settings['image_size']} pixels and without any label "
        f"(recipe “{settings['recipe']}”). {progress}."
    )
    return [seen, _task(config)]


def _task(config: RunConfig) -> str:
    """What the run learns to do, in a sentence."""
    settings, photographs = config["settings"], f"{config['data']['photos']:,} photographs"
    if settings["tune"] == "map":
        return (
            "The encoder is frozen. A linear map of its features learns to bring together each "
            f"photograph and its nearest neighbours among {photographs}."
        )
    region = _region(settings) + (", in other colours" if settings["recolour"] else "")
    task = {
        "global": "the whole view",
        "local": region,
        "both": f"the whole view and, once more, from {region}",
    }[settings["objective"]]
    if settings["keys"] == "bank":
        return (
            "Its task: recognise a photograph and its nearest neighbours, "
            f"among {photographs}, from {task}."
        )
    return (
        "Its task: recognise a photograph in another random view of it, "
        f"among {settings['batch_size']} photographs, from {task}."
    )


def _exposure(epochs: float) -> str:
    """How often the photographs were seen, in words."""
    if epochs < 0.95:
        return f"{epochs:.0%} of the photographs"
    if epochs < 1.5:
        return "every photograph once"
    return "every photograph twice" if epochs < 2.5 else f"every photograph {epochs:.0f} times"


def _region(settings: Mapping[str, Any]) -> str:
    share = f"{settings['keep_ratio']:.0%}"
    return {
        "pivotal": f"its pivotal region (the {share} of its patches with the most attention)",
        "least": f"the {share} of its patches with the least attention",
        "random": f"{share} of its patches, chosen at random",
        "grid": f"{share} of its patches, evenly spread",
        "block": f"a block of {share} of its patches",
    }[settings["mask"]]


def _verdict(log: Log) -> dict[str, str]:
    """Word, style and advice of the last health check."""
    if not log:
        return {"word": "not started", "advice": "Nothing has been logged yet.", "style": "open"}
    word, advice = log[-1].get("health") or "unknown", log[-1].get("advice") or "no verdict"
    style = {"healthy": "good", "starting": "open"}.get(word, "bad")
    return {"word": word, "advice": f"{advice[:1].upper()}{advice[1:]}.", "style": style}


def _outcome(config: RunConfig) -> dict[str, str] | None:
    """Verdict, style and words of what the run came to; runs of older versions have none."""
    outcome = config.get("outcome")
    if outcome is None:
        return None
    style = {"helped": "good", "made worse": "bad"}.get(outcome["verdict"], "open")
    return {"word": outcome["verdict"], "words": outcome_in_words(outcome), "style": style}


def _facts(config: RunConfig, log: Log, evaluation: Evaluation | None) -> list[tuple[str, str]]:
    """A few important numbers with their titles."""
    step = log[-1]["step"] if log else 0
    facts = [
        (f"{config['data']['photos']:,}", "photographs"),
        (f"{step:,}", "steps"),
        (_duration(config["settings"]["batch_size"], log), "of training"),
    ]
    arms = evaluation["arms"] if evaluation else {}
    before = OWN_SIZE if OWN_SIZE in arms else "start"
    for protocol, metric, title in (
        ("retrieval", "rank1", "nearest look-alike is right"),
        ("linear", "top1", "linear probe is right"),
    ):
        start, run = (arms.get(arm, {}).get(protocol, {}).get(metric) for arm in (before, "run"))
        if start and run:
            facts.append((f"{start['value']:.1f} → {run['value']:.1f}%", title))
    return facts


def _duration(batch_size: int, log: Log) -> str:
    """The time that the logged steps took, from their speed."""
    seconds, last_step = 0.0, 0
    for entry in log:
        speed = max(entry.get("images_per_second") or math.inf, 1e-9)
        seconds += (entry["step"] - last_step) * batch_size / speed
        last_step = entry["step"]
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _settings(settings: Mapping[str, Any]) -> list[tuple[str, str, bool]]:
    """Name, value, and whether it differs from the recipe."""
    usual: dict[str, Any] = {}
    if settings["recipe"] in RECIPES:
        # Neighbours may have decided on a batch, or a person: the nearer one is what was left as is
        choices = [
            settled(RECIPES[settings["recipe"]](), keys=keys).to_dict()
            for keys in ("bank", "batch")
        ]
        usual = min(choices, key=lambda choice: sum(settings.get(n) != choice[n] for n in choice))
    if usual.get("image_size") == 0:
        usual["image_size"] = training_size(settings["encoder"], settings["encoder_args"])
    order = [field.name for field in fields(TrainConfig)]
    names = sorted(settings, key=lambda name: order.index(name) if name in order else len(order))
    return [
        (
            name.replace("_", "-"),
            _as_text(settings[name]),
            settings[name] != usual.get(name, settings[name]),
        )
        for name in names
    ]


def _as_text(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(f"{key} {item}" for key, item in value.items()) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "not set" if value is None else str(value)
