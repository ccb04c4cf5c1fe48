"""`study`: train and measure every arm of a question, each with every seed, and say what was found."""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lodisc.config import TrainConfig
from lodisc.console import note, stdout, table
from lodisc.encoders import training_size
from lodisc.errors import UserError
from lodisc.evaluation.paired import difference, mean_metric, stacked
from lodisc.files import read_json, write_json
from lodisc.study.compute import of_equal_compute
from lodisc.study.design import BASELINE, Arms, Study
from lodisc.study.plot import draw
from lodisc.study.runs import Runs
from lodisc.study.studies import STUDIES
from lodisc.study.words import findings
from lodisc.training.checkpoint import versions
from lodisc.training.prepare import WeightsUnavailable, steps_of_epochs


def study(
    name: str,
    data: str | Path,
    *,
    out: str | Path,
    base: TrainConfig,
    seeds: Sequence[int] = (0, 1, 2),
    arms: Sequence[str] = (),
) -> dict[str, Any]:
    """Answer the question `name` on `data` by training around the config `base`; the folder `out` keeps NAME.json, NAME.png and all runs.

    Every arm costs the compute of `base`; `arms` names those to do beside global only, all when empty. Runs that are there
    already, of this study or another one in the same folder, are not trained again, and always shown. Raises `UserError` for
    an unknown name, and for data or settings that can't be used.
    """
    data, out = Path(data), Path(out)
    _refuse(name, base, seeds)
    question = STUDIES[name]
    runs = Runs(data, out, base, figures=question.figures)
    _refuse_others(out / f"{name}.json", data, runs.mark)
    base = replace(
        base,
        epochs=_epochs(base, runs.learnt),
        image_size=base.image_size or training_size(base.encoder, base.encoder_args),
    )
    configs = of_equal_compute(
        {BASELINE: replace(base, objective="global"), **question.arms(base)}, base
    )
    chosen = _chosen(
        question,
        configs,
        arms,
        done=lambda config: all(runs.is_done(replace(config, seed=seed)) for seed in seeds),
    )
    configs, left_out = _train(runs, question, {arm: configs[arm] for arm in chosen}, seeds)

    result: dict[str, Any] = {
        "study": name,
        "question": question.question,
        "data": str(data.resolve()),
        "fingerprint": runs.mark,
        "photographs": len(runs.test),
        "seeds": list(seeds),
        "settings": base.to_dict(),
        "titles": question.figures,
        "left_out": left_out,
        "versions": versions(),
        "rival": question.rival if question.rival in configs else None,
        "arms": _measured(runs, question, configs, base, seeds),
    }
    result["findings"] = findings(result)
    write_json(out / f"{name}.json", result)
    draw(result, out / f"{name}.png")
    return result | {"picture": str(out / f"{name}.png")}


def print_study(result: dict[str, Any]) -> None:
    """The figures, how far they lie above those of global only and of a rival, and the findings, for people."""
    titles, arms = result["titles"], result["arms"]
    seeds = ", ".join(map(str, result["seeds"]))
    counts = f"{result['photographs']:,} test photographs, seeds {seeds}"
    stdout.print(f"{result['question']} {result['data']}, {counts}", markup=False, soft_wrap=True)
    rows = []
    for arm, entry in arms.items():
        minutes = (
            f"{entry['steps'] * entry['seconds_per_step'] / 60:.1f}" if "steps" in entry else ""
        )
        rows.append(
            [arm, str(entry.get("steps", "")), minutes, *map(_mean, entry["figures"].values())]
        )
    table(
        "\npercent, mean and deviation over the seeds", ["", "steps", "min", *titles.values()], rows
    )
    for name, other in {"differences": "global only", "beyond_rival": result["rival"]}.items():
        gains = {arm: entry[name].values() for arm, entry in arms.items() if name in entry}
        rows = [
            [
                arm,
                *(f"{gain['value']:+.1f} ({gain['low']:+.1f} {gain['high']:+.1f})" for gain in of),
            ]
            for arm, of in gains.items()
        ]
        if rows:
            table(f"\npoints above {other}, 95 % intervals", ["", *titles.values()], rows)
    stdout.print(f"\n{result['findings']}\n{result['picture']}", markup=False, soft_wrap=True)


def _mean(figure: dict[str, float | None]) -> str:
    return f"{figure['mean']:.1f}" + (
        "" if figure["deviation"] is None else f" ±{figure['deviation']:.1f}"
    )


def _refuse(name: str, base: TrainConfig, seeds: Sequence[int]) -> None:
    if name not in STUDIES:
        raise UserError(f"no study {name!r}; there are {', '.join(STUDIES)}")
    if base.minutes is not None:
        raise UserError(
            "a study compares arms at equal compute; give --epochs instead of --minutes"
        )
    if not seeds or len(set(seeds)) < len(seeds):
        raise UserError("--seeds must name at least one seed, each once, as in --seeds 0,1,2")
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UserError("a study trains one run after another; start it without torchrun")
    for seed in seeds:
        replace(base, seed=seed).check()


def _refuse_others(path: Path, data: Path, mark: str) -> None:
    """Keep what was found on other photographs; the same ones may have moved, and a folder may have changed."""
    before = read_json(path) if path.exists() else None
    if before and before["data"] != str(data.resolve()) and before.get("fingerprint") != mark:
        raise UserError(
            f"{path} is of other photographs, those in {before['data']}; choose another --out"
        )


def _epochs(base: TrainConfig, photos: int) -> float:
    """The number of epochs of the base, written out."""
    if photos < base.batch_size:
        raise UserError(
            f"--batch-size {base.batch_size} is more than the {photos} photographs to learn from"
        )
    return steps_of_epochs(base, photos) / (photos // base.batch_size)


def _chosen(
    question: Study, configs: Arms, names: Sequence[str], *, done: Callable[[TrainConfig], bool]
) -> list[str]:
    """The arms to do: all, or those named with what they are held against, and what is done already."""
    choices = [arm for arm in configs if arm != BASELINE]
    unknown = [name for name in names if name not in choices]
    if unknown:
        raise UserError(f"--arms {unknown[0]!r}: there are {', '.join(map(repr, choices))}")
    needed = {BASELINE, *names, *(question.against(name) for name in names)}
    return [arm for arm, config in configs.items() if not names or arm in needed or done(config)]


def _train(
    runs: Runs, question: Study, arms: Arms, seeds: Sequence[int]
) -> tuple[Arms, dict[str, str]]:
    """Train and measure what is not done yet; the arms that could be, and why others could not.

    An arm whose starting weights can't be had is left out, and so is one whose global only was; the baseline must be there.
    """
    missing = [
        (arm, seed)
        for arm, config in arms.items()
        for seed in seeds
        if not runs.is_done(replace(config, seed=seed))
    ]
    left_out: dict[str, str] = {}
    begun = time.monotonic()
    for number, (arm, seed) in enumerate(missing):
        if arm in left_out or question.against(arm) in left_out:
            continue
        spent = (time.monotonic() - begun) / 60
        left = f", about {spent / number * (len(missing) - number):.0f} min left" if number else ""
        note(f"run {number + 1} of {len(missing)}: {arm}, seed {seed}{left}")
        try:
            runs.scores(replace(arms[arm], seed=seed))
        except WeightsUnavailable as error:
            if arm == BASELINE:
                raise
            left_out[arm] = str(error)
            note(f"left out: {arm}: {error}")
    for arm in arms:
        if question.against(arm) in left_out:
            left_out.setdefault(arm, f"{question.against(arm)} was left out")
    return {arm: config for arm, config in arms.items() if arm not in left_out}, left_out


def _measured(
    runs: Runs, question: Study, configs: Arms, base: TrainConfig, seeds: Sequence[int]
) -> dict[str, Any]:
    """The figures of the untouched starts and of every arm, and how far an arm lies above its global only and above the rival."""
    scores = {
        arm: stacked([runs.scores(replace(config, seed=seed)) for seed in seeds])
        for arm, config in configs.items()
    }
    start_of = {arm: _start_of(config, base) for arm, config in configs.items()}
    starts = {start: configs[arm] for arm, start in start_of.items()}
    scores |= {
        start: stacked([runs.start_scores(replace(config, seed=seed)) for seed in seeds])
        for start, config in starts.items()
    }

    def above(other: str, arm: str) -> dict[str, Any]:
        return {
            figure: difference(scores[arm][figure], scores[other][figure]).to_dict()
            for figure in question.figures
        }

    entries = {}
    for arm in [*starts, *configs]:
        entry: dict[str, Any] = {
            "figures": {figure: mean_metric(scores[arm][figure]) for figure in question.figures}
        }
        if arm in configs:
            entry |= {
                "start": start_of[arm],
                "against": question.against(arm),
                **runs.about(replace(configs[arm], seed=seeds[0])),
            }
        if entry.get("against"):
            entry["differences"] = above(entry["against"], arm)
        if entry.get("against") and question.rival in configs and arm != question.rival:
            entry["beyond_rival"] = above(question.rival, arm)
        entries[arm] = entry
    return entries


def _start_of(config: TrainConfig, base: TrainConfig) -> str:
    """The name of the untouched start of an arm."""
    same = (config.encoder, config.init) == (base.encoder, base.init)
    return "start" if same else f"start, {'random' if config.init == 'none' else config.encoder}"
