"""`write_report`: gather what a run holds, fill the template, write one file."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from lodisc.config import RECIPES, TrainConfig
from lodisc.data.decode import decode
from lodisc.data.loader import decode_for
from lodisc.data.photo import Photo, printable
from lodisc.errors import UserError
from lodisc.explanation.overlay import tiles, view_square
from lodisc.files import read_json, read_json_lines, replacing
from lodisc.photo_encoder import PhotoEncoder, load, load_start
from lodisc.report.charts import Line, line_chart, picture_uri
from lodisc.report.lookalikes import Lookalikes, find_lookalikes
from lodisc.report.measures import evaluation_tables, focus_table
from lodisc.training import runlog
from lodisc.training.checkpoint import is_run

THUMBNAIL, TILE = 150, 240
EXPLAINED = 4
REASONS = 8


def write_report(run: str | Path, *, data: str | Path | None = None, device: str = "auto") -> Path:
    """Write RUN/report.html, one file that needs no other and no network, and return its path.

    Shows photographs of `data`, or of the data that the run learnt from, where they are still there. A run that is still
    being trained is reported as far as it is. Raises `UserError` when `run` is no run, or `data` has no photographs.
    """
    run = Path(run)
    if not is_run(run):
        raise UserError(
            f"{printable(run)} is no run; name the folder that  lodisc train  wrote with --out"
        )
    config = read_json(run / "config.json")
    log = runlog.read(run)
    evaluation = read_json(run / "evaluation.json") if (run / "evaluation.json").exists() else None
    page = {
        "name": run.resolve().name,
        "data": "/".join(Path(config["data"]["path"]).parts[-2:]).lstrip("/"),
        "config": config,
        "story": _story(config, log),
        "verdict": _verdict(log),
        "facts": _facts(config, log, evaluation),
        "tables": evaluation_tables(evaluation) if evaluation else None,
        "focus": focus_table(evaluation) if evaluation else None,
        "evaluation": evaluation,
        "evaluate": f"lodisc evaluate {run} {config['data']['path']}",
        "curves": _curves(config, log),
        "settings": _settings(config["settings"]),
        "skipped": read_json_lines(run / "skipped.jsonl")[:REASONS],
        **_pictures(run, config, data=data, device=device),
    }
    html = _environment().get_template("page.html").render(page)
    _write(run / "report.html", html)
    return run / "report.html"


def _environment() -> Environment:
    """Everything that is filled in is escaped, and stands on one line."""
    environment = Environment(
        loader=PackageLoader("lodisc", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: (
            printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value
        ),
    )
    environment.filters["breakable"] = _breakable
    environment.filters["flags"] = _flags
    environment.filters["thumbnail"] = _thumbnail
    environment.filters["uri"] = picture_uri
    return environment


def _breakable(name: str) -> Markup:
    """A name that may go on in the next line after an underscore or a slash."""
    return Markup(str(Markup.escape(printable(name))).replace("_", "_<wbr>").replace("/", "/<wbr>"))


def _flags(text: str) -> Markup:
    """A sentence with its flags set as code."""
    return Markup(re.sub(r"(--[a-z-]+)", r"<code>\1</code>", str(Markup.escape(printable(text)))))


def _thumbnail(photo: Photo) -> str:
    return picture_uri(
        view_square(decode_for(photo, image_size=THUMBNAIL), image_size=THUMBNAIL, side=THUMBNAIL)
    )


def _pictures(
    run: Path, config: Mapping[str, Any], *, data: str | Path | None, device: str
) -> dict[str, Any]:
    """Look-alikes and attention, or the reason why there are none."""
    none: dict[str, Any] = {"lookalikes": None, "explained": [], "why_no_pictures": None}
    if not (run / "encoder").is_dir():
        return none | {
            "why_no_pictures": "The training has not reached its first checkpoint, so there is no encoder to show yet."
        }
    arms = {"before": load_start(run, device=device), "after": load(run, device=device)}
    try:
        lookalikes = find_lookalikes(arms, Path(data or config["data"]["path"]), config["settings"])
        explained = _explained(arms, lookalikes, config["settings"])
    except ValueError as error:
        if data is not None:
            raise
        return none | {
            "why_no_pictures": f"The photographs cannot be shown: {error}. Name them with: lodisc report {run} DATA"
        }
    return none | {"lookalikes": lookalikes, "explained": explained}


def _explained(
    arms: Mapping[str, PhotoEncoder], lookalikes: Lookalikes, settings: Mapping[str, Any]
) -> list[dict[str, Any]]:
    photos = [query.photo for query in lookalikes.queries[:EXPLAINED]]
    images = [decode(photo.read(), at_least=2 * TILE) for photo in photos]
    drawn = tiles(arms, images, fusion=settings["fusion"], tile=TILE)
    return [{"photo": photo, "tiles": tile} for photo, tile in zip(photos, drawn, strict=True)]


def _story(config: Mapping[str, Any], log: Sequence[Mapping[str, Any]]) -> list[str]:
    """What was learnt from what, in sentences."""
    settings, steps = config["settings"], config["steps"]
    start = {"timm": "its pretrained weights", "none": "random weights"}.get(settings["init"])
    start = start or f"the weights in {Path(settings['init']).name}"
    done, epochs = (log[-1]["step"], log[-1]["epoch"]) if log else (0, 0.0)
    times = (
        ("twice" if epochs < 2.5 else f"{epochs:.0f} times")
        if epochs >= 1.5
        else "once"
        if epochs >= 0.95
        else ""
    )
    seen = f"every photograph {times}" if times else f"{epochs:.0%} of the photographs"
    progress = (
        f"All {steps:,} steps are done"
        if done >= steps
        else f"{done:,} of {steps:,} steps are done, so this is a report on the way"
    )
    region = _region(settings) + (", in other colours" if settings.get("recolour") else "")
    task = {
        "global": "the whole view",
        "local": region,
        "both": f"the whole view and, once more, from {region}",
    }[settings["objective"]]
    return [
        f"The encoder {settings['encoder']} began from {start} and has seen {seen}, at {settings['image_size']} pixels "
        f"and without any label (recipe “{settings['recipe']}”). {progress}.",
        f"Its task: recognise a photograph in another random view of it, among {settings['batch_size']} photographs, from {task}.",
    ]


def _region(settings: Mapping[str, Any]) -> str:
    share = f"{settings['keep_ratio']:.0%}"
    return {
        "pivotal": f"its pivotal region (the {share} of its patches with the most attention)",
        "least": f"the {share} of its patches with the least attention",
        "random": f"{share} of its patches, drawn by lot",
        "grid": f"{share} of its patches, evenly spread",
        "block": f"a block of {share} of its patches",
    }[settings["mask"]]


def _verdict(log: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    if not log:
        return {"word": "not begun", "advice": "Nothing has been logged yet.", "style": "open"}
    style = {"healthy": "good", "starting": "open"}.get(log[-1]["health"], "bad")
    advice = log[-1]["advice"]
    return {
        "word": log[-1]["health"],
        "advice": f"{advice[:1].upper()}{advice[1:]}.",
        "style": style,
    }


def _facts(
    config: Mapping[str, Any],
    log: Sequence[Mapping[str, Any]],
    evaluation: Mapping[str, Any] | None,
) -> list[tuple[str, str]]:
    """A few large figures with what they are."""
    done = log[-1]["step"] if log else 0
    facts = [
        (f"{config['data']['photos']:,}", "photographs"),
        (f"{done:,}", "steps"),
        (_duration(config, log), "of training"),
    ]
    arms = (evaluation or {}).get("arms", {})
    for protocol, metric, title in (
        ("retrieval", "rank1", "nearest look-alike is right"),
        ("linear", "top1", "linear probe is right"),
    ):
        values = [
            arms.get(name, {}).get(protocol, {}).get(metric, {}).get("value")
            for name in ("start", "run")
        ]
        if None not in values:
            facts.append((f"{values[0]:.1f} → {values[1]:.1f}%", title))
    return facts


def _duration(config: Mapping[str, Any], log: Sequence[Mapping[str, Any]]) -> str:
    """The time spent on the logged steps, from their speed."""
    seconds, before = 0.0, 0
    for entry in log:
        seconds += (
            (entry["step"] - before)
            * config["settings"]["batch_size"]
            / max(entry["images_per_second"] or math.inf, 1e-9)
        )
        before = entry["step"]
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _curves(config: Mapping[str, Any], log: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Charts of the log, each with what good looks like."""
    settings = config["settings"]

    def line(name: str, style: str, key: str) -> Line:
        return Line(name, style, [(entry["step"], entry.get(key)) for entry in log])

    losses = {
        "global": [line("whole photographs", "run", "loss_global")],
        "local": [line("their regions", "other", "loss_local")],
    }
    chance = 4 * settings["temperature"] * math.log(settings["batch_size"])
    guess = Line("by chance", "dashed", [(entry["step"], chance) for entry in log])
    wanted = (
        [*losses["global"], *losses["local"]]
        if settings["objective"] == "both"
        else losses[settings["objective"]]
    )
    charts: list[tuple[str, str, list[Line], float | None, float | None]] = [
        (
            "Loss",
            "Should fall below chance, fast at first, and level off.",
            [*wanted, guess],
            None,
            None,
        ),
        (
            "Agreement",
            "A view should be closer to its partner than to other photographs: the wider the gap, the better.",
            [line("partner", "run", "agreement"), line("others", "start", "chance_agreement")],
            None,
            None,
        ),
        (
            "Spread",
            "Near 1 the features point in all directions. A fall towards 0 is collapse.",
            [line("spread", "run", "spread")],
            0,
            1,
        ),
        (
            "Effective rank",
            "How many directions the features of a batch use. Many is good; one or two is collapse.",
            [line("rank", "run", "effective_rank")],
            0,
            None,
        ),
        (
            "Attention entropy",
            "1 looks everywhere alike, 0 at a single patch. It may drift down as attention settles, not plunge.",
            [line("entropy", "run", "attention_entropy")],
            0,
            1,
        ),
        (
            "Learning rate",
            "Rises during the warm-up, then falls to 0 along a half cosine.",
            [line("rate", "run", "lr")._replace(smooth=False)],
            0,
            None,
        ),
    ]
    return [
        {
            "title": title,
            "sentence": sentence,
            "lines": lines,
            "chart": line_chart(lines, title=title, bottom=bottom, top=top),
        }
        for title, sentence, lines, bottom, top in charts
    ]


def _settings(settings: Mapping[str, Any]) -> list[tuple[str, str, bool]]:
    """Name, value, and whether it differs from the recipe."""
    usual = RECIPES[settings["recipe"]]().to_dict() if settings["recipe"] in RECIPES else {}
    order = [field.name for field in fields(TrainConfig)]
    names = sorted(settings, key=lambda name: order.index(name) if name in order else len(order))
    return [
        (
            name.replace("_", "-"),
            _plain(settings[name]),
            settings[name] != usual.get(name, settings[name]),
        )
        for name in names
    ]


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(f"{key} {item}" for key, item in value.items()) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "not set" if value is None else str(value)


def _write(path: Path, text: str) -> None:
    with replacing(path) as draft:
        draft.write_text(text, encoding="utf-8")
