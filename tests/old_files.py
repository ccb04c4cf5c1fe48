"""What lodisc says about the files in `tests/fixtures`, by its command line and Python interface.

As a script, given a copy of that folder, it prints these answers as JSON: `expected.json`.
Only the public interface is used, so that modules may be renamed.
New names of settings and studies go here.
"""

import csv
import io
import json
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import lodisc
from lodisc.cli import main

FINCH = "train/amber_finch/0000.jpg"

# The settings of the runs, under their names in this version, and the defaults of theirs.
TINY: dict[str, Any] = {
    "encoder": "vit_tiny_patch16_224",
    "encoder_args": {"depth": 2, "embed_dim": 16, "num_heads": 2, "patch_size": 8},
    "init": "none",
    "image_size": 32,
    "batch_size": 4,
    "hidden_dim": 32,
    "out_dim": 16,
    "precision": "fp32",
    "workers": 0,
    "device": "cpu",
    "objective": "local",
    "mask": "random",
    "keep_ratio": 0.75,
    "keys": "batch",
    "temperature": 0.2,
    "recolour": True,
    "fit": "crop",
}
SETTINGS: dict[str, Any] = {
    **TINY,
    "epochs": 5,
    "lr": 0.005,
    "log_every": 1,
    "objective": "both",
    "local_weight": 0.5,
    "masked_side": "key",
    "positives": "other",
    "attention_from": "student",
    "mask": "pivotal",
    "keep_ratio": 0.5,
    "mask_mode": "zero",
    "fusion": "rollout",
    "seed": 3,
}
STUDIES = {"direction": "masked-side", "attention": "attention"}  # then: now


def answer(*words: Any) -> Any:
    """The JSON that a command prints."""
    with redirect_stdout(io.StringIO()) as printed:
        status = main([*map(str, words), "--json"])
    assert status == 0, words
    return json.loads(printed.getvalue())


def flags(settings: dict[str, Any]) -> list[str]:
    """Settings as words of the command line."""
    words = []
    for name, value in settings.items():
        flag = name.replace("_", "-")
        values = (
            [word for pair in value.items() for word in pair]
            if isinstance(value, dict)
            else [value]
        )
        words += [f"--{flag}"] if value is True else [f"--{flag}", *map(str, values)]
    return words


def vectors(folder: Path) -> dict[str, list[float]]:
    """The features of one photograph by each encoder of the runs."""
    arms = {
        "student": lodisc.load(folder / "finished", device="cpu"),
        "momentum": lodisc.load(folder / "finished", momentum=True, device="cpu"),
        "stopped": lodisc.load(folder / "run", device="cpu"),
    }
    return {
        name: encoder.embed([folder / "photos" / FINCH])[0].tolist()
        for name, encoder in arms.items()
    }


def look_alikes(folder: Path) -> dict[str, Any]:
    """Look-alikes by key, by file and under conditions; near-duplicates and outliers."""
    birds, file = folder / "birds", folder / "photos" / FINCH
    queries: dict[str, list[Any]] = {
        "key": [FINCH, "--top", 5],
        "file": [file, "--top", 3, "--device", "cpu"],
        "label": [FINCH, "--top", 30, "--where", "label = 'Pinson (mâle)'"],
        "group": [FINCH, "--top", 30, "--where", '"group" = 1'],
    }
    results = {
        name: answer("search", birds, *words)["answers"][0] for name, words in queries.items()
    }
    outliers = answer("search", birds, "--outliers", "--top", 3)["outliers"]
    duplicates = answer("search", birds, "--duplicates")["sets"]
    return {
        **{
            name: [[hit["key"], hit["score"], hit["label"]] for hit in result["found"]]
            for name, result in results.items()
        },
        "duplicates": [[photo["key"] for photo in photos] for photos in duplicates],
        "outliers": [[hit["key"], hit["score"]] for hit in outliers],
    }


def table(folder: Path) -> list[dict[str, str]]:
    """The rows of the exported table."""
    path = folder / "exported.csv"
    answer("labels", "export", folder / "birds", path)
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))


def labels(folder: Path) -> dict[str, Any]:
    """Photographs by label, the last actions; folder, label and group of every photograph."""
    described = answer("labels", "show", folder / "birds")
    rows = {
        row["key"]: [row["folder"], row["label"].removeprefix("'"), row["group"]]
        for row in table(folder)
    }
    return {
        "labels": described["labels"],
        "history": [[action["what"], action["undone"]] for action in described["history"]],
        "photographs": rows,
    }


def names(folder: Path) -> dict[str, str]:
    """The name that the labels of the others give every photograph."""
    return {row["key"]: row["name"].removeprefix("'") for row in table(folder)}


def groups(folder: Path) -> list[list[Any]]:
    """Number, size, typical photograph and its label of the groups, made again."""
    described = answer("group", folder / "birds", "--k", 3)
    return [
        [
            group["group"],
            group["size"],
            *(group["representative"][name] for name in ("key", "label")),
        ]
        for group in described["groups"]
    ]


def study(folder: Path, name: str) -> dict[str, list[float]]:
    """The mean of every metric of every arm of a study, whose runs are there."""
    settings = flags({**TINY, "epochs": 2})
    result = answer(
        "study", name, folder / "photos", "--out", folder / "study", "--seeds", "0,1", *settings
    )
    return {
        arm: [metric["mean"] for metric in entry["figures"].values()]
        for arm, entry in result["arms"].items()
    }


def evaluation(result: Mapping[str, Any]) -> dict[str, float]:
    """The value of every metric of the run and of its start."""
    return {
        f"{arm} {protocol} {metric}": estimate["value"]
        for arm, protocols in result["arms"].items()
        for protocol, metrics in protocols.items()
        for metric, estimate in metrics.items()
    }


def log(run: Path) -> list[dict[str, Any]]:
    """The lines of the log of a run."""
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


def answers(folder: Path) -> dict[str, Any]:
    """All answers; the groups are made again in the collection, the runs stay as they are."""
    return {
        "steps": [log(folder / "run")[-1]["step"], log(folder / "finished")[-1]["step"]],
        "loss": log(folder / "finished")[-1]["loss"],
        "evaluation": evaluation(json.loads((folder / "finished" / "evaluation.json").read_text())),
        "vectors": vectors(folder),
        "look_alikes": look_alikes(folder),
        "labels": labels(folder),
        "names": names(folder),
        "groups": groups(folder),
        "studies": {then: study(folder, now) for then, now in STUDIES.items()},
    }


def rounded(value: Any) -> Any:
    """The same with five digits after the point."""
    if isinstance(value, dict):
        return {name: rounded(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [rounded(entry) for entry in value]
    return round(value, 5) if isinstance(value, float) else value


if __name__ == "__main__":
    json.dump(rounded(answers(Path(sys.argv[1]))), sys.stdout, indent=1, ensure_ascii=False)
    print()
