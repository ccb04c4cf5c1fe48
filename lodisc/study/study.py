"""`study`: train and measure every arm of a question with every seed, and write the findings."""

import logging
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from lodisc.config import TrainConfig, settled
from lodisc.encoders import WeightsUnavailable, native_size, training_size
from lodisc.errors import UserError
from lodisc.evaluation.interval import EstimateEntry
from lodisc.evaluation.paired import difference, mean_metric, stacked
from lodisc.evaluation.result import classes_in_words
from lodisc.files import read_json, write_json
from lodisc.study.compute import of_equal_compute
from lodisc.study.design import BASELINE, Arms, Study, global_only
from lodisc.study.plot import draw
from lodisc.study.result import ArmResult, StudyResult
from lodisc.study.runs import Runs
from lodisc.study.studies import STUDIES
from lodisc.study.words import findings
from lodisc.training.checkpoint import versions
from lodisc.training.prepare import steps_of_epochs

logger = logging.getLogger("lodisc")


def study(
    name: str,
    data: str | Path,
    *,
    out: str | Path,
    base: TrainConfig,
    seeds: Sequence[int] = (0, 1, 2),
    arms: Sequence[str] = (),
) -> StudyResult:
    """Answer the question `name` on `data` by trainings around the config `base`.

    The folder `out` holds NAME.json, NAME.png and all runs. Every arm has the compute of `base`.
    `arms` names the arms to train besides global only; all when empty. Finished runs, of this study
    or another one in the same folder, are not trained again and always shown.

    Raises `UserError` for an unknown name, and for data or settings that cannot be used.
    """
    data, out = Path(data), Path(out)
    _check(name, base, seeds)
    question = STUDIES[name]
    runs = Runs(data, out, base, metrics=question.metrics)
    _check_photographs(out / f"{name}.json", data, runs.fingerprint)
    size = base.image_size or training_size(base.encoder, base.encoder_args)
    base = replace(base, image_size=size, keep="last")  # the question is of learning alone
    _require_a_batch(base, len(runs.training))
    base = settled(base, keys=question.keys or runs.keys_that_fit(base))
    base = replace(base, epochs=_epochs(base, len(runs.training)))
    configs = of_equal_compute({BASELINE: global_only(base), **question.arms(base)}, base)
    configs = _choose_arms(runs, question, configs, arms, seeds)
    logger.info(classes_in_words(runs.classes))
    configs, left_out = _train(runs, question, configs, seeds)
    measured = _measure(runs, question, configs, base, seeds)
    result = StudyResult(
        study=name,
        question=question.question,
        data=str(data.resolve()),
        fingerprint=runs.fingerprint,
        photographs=len(runs.test),
        seeds=list(seeds),
        settings=base.to_dict(),
        titles=question.metrics,
        left_out=left_out,
        leaks=runs.leaks(),
        versions=versions(),
        rival=question.rival if question.rival in configs else None,
        arms=measured,
        findings="",
    )
    result["findings"] = f"{findings(result)} {question.remark}".strip()
    write_json(out / f"{name}.json", result)
    draw(result, out / f"{name}.png")
    result["picture"] = str(out / f"{name}.png")
    return result


def _check(name: str, base: TrainConfig, seeds: Sequence[int]) -> None:
    """Raise a `UserError` for settings that a study cannot use."""
    if name not in STUDIES:
        raise UserError(f"no study {name!r}; there are {', '.join(STUDIES)}")
    if base.tune == "map":
        raise UserError("a study trains encoders, and --recipe map leaves them as they are")
    if base.minutes is not None:
        raise UserError(
            "a study compares arms at equal operations; give --epochs instead of --minutes"
        )
    if not seeds or len(set(seeds)) < len(seeds):
        raise UserError("--seeds must have at least one seed, each once, as in --seeds 0,1,2")
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UserError("a study trains one run after another; start it without torchrun")
    for seed in seeds:
        replace(base, seed=seed).check()


def _check_photographs(path: Path, data: Path, fingerprint: str) -> None:
    """Raise a `UserError` if the file at `path` is a result on other photographs.

    Photographs may move, and the content of a folder may change.
    """
    earlier = read_json(path, kinds={"data": str}) if path.exists() else None
    if not earlier or earlier["data"] == str(data.resolve()):
        return
    if earlier.get("fingerprint") != fingerprint:
        raise UserError(
            f"{path} is of other photographs, those in {earlier['data']}; choose another --out"
        )


def _require_a_batch(base: TrainConfig, photos: int) -> None:
    """Raise a `UserError` for too few training photographs."""
    if photos < base.batch_size:
        raise UserError(
            f"--batch-size {base.batch_size} is more than the {photos} training photographs; "
            "use a smaller one"
        )


def _epochs(base: TrainConfig, photos: int) -> float:
    """The number of epochs of the base, also where its config does not give it."""
    return steps_of_epochs(base, photos) / (photos // base.batch_size)


def _choose_arms(
    runs: Runs, question: Study, configs: Arms, names: Sequence[str], seeds: Sequence[int]
) -> Arms:
    """All arms, or those in `names`, those they are compared with, and finished ones."""
    choices = [arm for arm in configs if arm != BASELINE]
    unknown = [name for name in names if name not in choices]
    if unknown:
        raise UserError(f"--arms {unknown[0]!r}: there are {', '.join(map(repr, choices))}")
    if not names:
        return configs
    needed = {BASELINE, *names, *(question.against(name) for name in names)}
    return {
        arm: config
        for arm, config in configs.items()
        if arm in needed or all(runs.is_done(replace(config, seed=seed)) for seed in seeds)
    }


def _train(
    runs: Runs, question: Study, arms: Arms, seeds: Sequence[int]
) -> tuple[Arms, dict[str, str]]:
    """Train and measure the unfinished runs; return the trained arms, and why others are left out.

    Leaves out arms whose starting weights are unavailable, and arms whose global only was left out.
    Raises `WeightsUnavailable` for the baseline.
    """
    missing = [
        (arm, seed)
        for arm, config in arms.items()
        for seed in seeds
        if not runs.is_done(replace(config, seed=seed))
    ]
    left_out: dict[str, str] = {}
    started_at = time.monotonic()
    for number, (arm, seed) in enumerate(missing):
        if arm in left_out or question.against(arm) in left_out:
            continue
        spent = (time.monotonic() - started_at) / 60
        left = f", about {spent / number * (len(missing) - number):.0f} min left" if number else ""
        logger.info(f"run {number + 1} of {len(missing)}: {arm}, seed {seed}{left}")
        try:
            runs.scores(replace(arms[arm], seed=seed))
        except WeightsUnavailable as error:
            if arm == BASELINE:
                raise
            left_out[arm] = str(error)
            logger.info(f"left out: {arm}: {error}")
    for arm in arms:
        if question.against(arm) in left_out:
            left_out.setdefault(arm, f"{question.against(arm)} was left out")
    return {arm: config for arm, config in arms.items() if arm not in left_out}, left_out


def _measure(
    runs: Runs, question: Study, configs: Arms, base: TrainConfig, seeds: Sequence[int]
) -> dict[str, ArmResult]:
    """The metrics of the untouched starts and of every arm, and the differences between arms."""
    scores = {
        arm: stacked([runs.scores(replace(config, seed=seed)) for seed in seeds])
        for arm, config in configs.items()
    }
    start_of = {arm: _start_of(config, base) for arm, config in configs.items()}
    starts = _start_scores(runs, {start_of[arm]: configs[arm] for arm in configs}, seeds)
    scores |= starts

    def above(other: str, arm: str) -> dict[str, EstimateEntry]:
        return {
            metric: difference(scores[arm][metric], scores[other][metric]).to_dict()
            for metric in question.metrics
        }

    entries: dict[str, ArmResult] = {}
    for arm in [*starts, *configs]:
        entries[arm] = entry = ArmResult(
            figures={metric: mean_metric(scores[arm][metric]) for metric in question.metrics}
        )
        if arm not in configs:
            continue
        baseline = question.against(arm)
        own_size = _at_own_size(start_of[arm], configs[arm])
        entry["start"] = own_size if own_size in starts else start_of[arm]
        entry["against"] = baseline
        runs.describe(replace(configs[arm], seed=seeds[0]), entry)
        if baseline:
            entry["differences"] = above(baseline, arm)
            if question.rival in configs and arm != question.rival:
                entry["beyond_rival"] = above(question.rival, arm)
    return entries


def _start_scores(
    runs: Runs, starts: Mapping[str, TrainConfig], seeds: Sequence[int]
) -> dict[str, dict[str, np.ndarray]]:
    """The scores of untouched starts, by name, also at their own image size where it differs."""
    scores: dict[str, dict[str, np.ndarray]] = {}
    for start, config in starts.items():
        by_seed = [runs.start_scores(replace(config, seed=seed)) for seed in seeds]
        scores[start] = stacked(by_seed)
        at_own_size = runs.own_size_start_scores(replace(config, seed=seeds[0]))
        if at_own_size is not None:
            scores[_at_own_size(start, config)] = stacked([at_own_size] * len(seeds))
    return scores


def _at_own_size(start: str, config: TrainConfig) -> str:
    """The name of an untouched start at the image size that its model was made for."""
    return f"{start}, {native_size(config.encoder)} pixels"


def _start_of(config: TrainConfig, base: TrainConfig) -> str:
    """The name of the untouched start of an arm."""
    same = (config.encoder, config.init) == (base.encoder, base.init)
    return "start" if same else f"start, {'random' if config.init == 'none' else config.encoder}"
