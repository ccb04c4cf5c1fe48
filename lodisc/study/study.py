"""`study`: train and measure every arm of a question, each with every seed, and say what was found."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lodisc.config import TrainConfig
from lodisc.console import out as console
from lodisc.console import say, table
from lodisc.data.sources import find_photos, training_photos
from lodisc.evaluation.paired import difference, mean_figure, stacked
from lodisc.study import attention, branches, direction, focus, keep_ratio, masks, start
from lodisc.study.compute import of_equal_compute
from lodisc.study.design import BASELINE, Arms, Study
from lodisc.study.plot import draw
from lodisc.study.runs import Runs
from lodisc.study.words import findings
from lodisc.training.checkpoint import read_json, versions, write_json
from lodisc.training.prepare import steps_of_epochs

STUDIES: dict[str, Study] = {
    "branches": branches.STUDY, "masks": masks.STUDY, "keep-ratio": keep_ratio.STUDY, "attention": attention.STUDY,
    "direction": direction.STUDY, "focus": focus.STUDY, "start": start.STUDY,
}  # fmt: skip


def study(
    name: str, data: str | Path, *, out: str | Path, base: TrainConfig, seeds: Sequence[int] = (0, 1, 2), arms: Sequence[str] = ()
) -> dict[str, Any]:
    """Answer the question `name` on `data` by training around the config `base`; the folder `out` keeps NAME.json, NAME.png and all runs.

    Every arm costs the compute of `base`; `arms` names those to do beside global only, all when empty. Runs that are there
    already, of this study or another one in the same folder, are not trained again. Raises `ValueError` for an unknown name, and
    for data or settings that can't be used.
    """
    data, out = Path(data), Path(out)
    _refuse(name, base, seeds)
    question = STUDIES[name]
    runs = Runs(data, out, figures=question.figures)
    base = _with_epochs(base, data)
    configs = {BASELINE: replace(base, objective="global"), **_chosen(question.arms(base), arms)}
    configs, left_out = _train(runs, {arm: of_equal_compute(config, base) for arm, config in configs.items()}, seeds)

    scores = {arm: stacked([runs.scores(replace(config, seed=seed)) for seed in seeds]) for arm, config in configs.items()}
    starts = {_start_of(config, base): config for config in configs.values()}
    for arm, config in starts.items():
        scores[arm] = stacked([runs.start_scores(replace(config, seed=seed)) for seed in seeds])
    result: dict[str, Any] = {
        "study": name, "question": question.question, "data": str(data), "seeds": list(seeds), "settings": base.to_dict(),
        "titles": question.figures, "left_out": left_out, "versions": versions(), "arms": {},
    }  # fmt: skip
    for arm in [*starts, *configs]:
        entry: dict[str, Any] = {"figures": {figure: mean_figure(scores[arm][figure]) for figure in question.figures}}
        if arm in configs:
            config = replace(configs[arm], seed=seeds[0])
            entry |= {"steps": runs.steps(config), "seconds_per_step": runs.seconds_per_step(config), "run": str(runs.folder(config))}
            result["hardware"] = read_json(runs.folder(config) / "config.json")["hardware"]
        if arm != BASELINE:
            entry["against_global"] = {
                figure: difference(scores[arm][figure], scores[BASELINE][figure]).to_dict() for figure in question.figures
            }
        result["arms"][arm] = entry
    result["findings"] = findings(result)
    write_json(out / f"{name}.json", result)
    draw(result, out / f"{name}.png")
    return result | {"picture": str(out / f"{name}.png")}


def print_study(result: dict[str, Any]) -> None:
    """The table and the findings, for people."""
    titles = result["titles"]
    compared = list(titles)[:2]
    rows = []
    for arm, entry in result["arms"].items():
        figures = [f"{entry['figures'][figure]['mean']:.1f} ±{entry['figures'][figure]['deviation']:.1f}" for figure in titles]
        gains = [_gain(entry.get("against_global", {}).get(figure)) for figure in compared]
        rows.append([arm, str(entry.get("steps", "")), *figures, *gains])
    console.print(f"{result['question']} {result['data']}, seeds {result['seeds']}; percent", markup=False, soft_wrap=True)
    columns = ["", "steps", *titles.values(), *[f"{titles[figure]} − global" for figure in compared]]
    table("", columns, rows)
    console.print(f"\n{result['findings']}\n{result['picture']}", markup=False, soft_wrap=True)


def _gain(difference: dict[str, float] | None) -> str:
    return "" if difference is None else f"{difference['value']:+.1f} ({difference['low']:+.1f} {difference['high']:+.1f})"


def _refuse(name: str, base: TrainConfig, seeds: Sequence[int]) -> None:
    if name not in STUDIES:
        raise ValueError(f"no study {name!r}; there are {', '.join(STUDIES)}")
    if base.minutes is not None:
        raise ValueError("a study compares arms at equal compute; give --epochs instead of --minutes")
    if not seeds or len(set(seeds)) < len(seeds):
        raise ValueError("--seeds must name at least one seed, each once, as in --seeds 0,1,2")
    base.check()


def _chosen(arms: Arms, names: Sequence[str]) -> Arms:
    unknown = [name for name in names if name not in {*arms, BASELINE}]
    if unknown:
        raise ValueError(f"--arms {unknown[0]!r}: there are {', '.join(map(repr, arms))}")
    return {name: config for name, config in arms.items() if not names or name in names}


def _with_epochs(base: TrainConfig, data: Path) -> TrainConfig:
    """The base with its number of epochs written out."""
    photos = len(training_photos(find_photos(data).photos))
    if base.train_split is not None:
        photos = round(photos * base.train_split)
    if photos < base.batch_size:
        raise ValueError(f"--batch-size {base.batch_size} is more than the {photos} photographs to learn from in {data}")
    return replace(base, epochs=steps_of_epochs(base, photos) / (photos // base.batch_size))


def _train(runs: Runs, arms: Arms, seeds: Sequence[int]) -> tuple[Arms, dict[str, str]]:
    """Train and measure what is not done yet; the arms that could be, and why others could not.

    An arm whose starting weights can't be had is left out; the baseline must be there.
    """
    missing = [(arm, seed) for arm, config in arms.items() for seed in seeds if not runs.is_done(replace(config, seed=seed))]
    left_out: dict[str, str] = {}
    begun = time.monotonic()
    for number, (arm, seed) in enumerate(missing):
        if arm in left_out:
            continue
        spent = (time.monotonic() - begun) / 60
        left = f", about {spent / number * (len(missing) - number):.0f} minutes left" if number else ""
        say(f"run {number + 1} of {len(missing)}: {arm}, seed {seed}{left}")
        try:
            runs.scores(replace(arms[arm], seed=seed))
        except ValueError as error:
            if "could not be had" not in str(error) or arm == BASELINE:
                raise
            left_out[arm] = str(error)
            say(f"left out: {arm}: {error}")
    return {arm: config for arm, config in arms.items() if arm not in left_out}, left_out


def _start_of(config: TrainConfig, base: TrainConfig) -> str:
    """The name of the untouched start of an arm."""
    same = (config.encoder, config.init) == (base.encoder, base.init)
    return "start" if same else f"start, {'random' if config.init == 'none' else config.encoder}"
