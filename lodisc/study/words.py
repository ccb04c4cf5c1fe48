"""What a study found, in one paragraph of plain words."""

from typing import Any

from lodisc.study.design import BASELINE


def findings(result: dict[str, Any]) -> str:
    """Which arms differ from global only by more than chance, in the study's first two figures, and which arm is best on average."""
    trained = {arm: entry for arm, entry in result["arms"].items() if "steps" in entry}
    seeds = len(result["seeds"])
    sentences = [f"At equal compute and with {seeds} {'seed' if seeds == 1 else 'seeds'}, against global only:"]
    for figure in list(result["titles"])[:2]:
        sentences.append(_against_global(trained, figure, result["titles"][figure]))
    first, title = next(iter(result["titles"].items()))
    best = max(trained, key=lambda arm: trained[arm]["figures"][first]["mean"])
    start = next(entry for arm, entry in result["arms"].items() if arm.startswith("start"))
    numbers = (
        f"{trained[best]['figures'][first]['mean']:.1f} % {title} where the untouched start has {start['figures'][first]['mean']:.1f} %"
    )
    sentences.append(f"Highest on average is {best}, with {numbers}.")
    if seeds == 1:
        sentences.append("One seed says little about another training: repeat it with more.")
    for arm, why in result["left_out"].items():
        sentences.append(f"{arm} was left out: {why}.")
    return " ".join(sentences)


def _against_global(trained: dict[str, Any], figure: str, title: str) -> str:
    differences = {arm: entry["against_global"][figure] for arm, entry in trained.items() if arm != BASELINE}
    better = {arm: d for arm, d in differences.items() if d["low"] > 0}
    worse = {arm: d for arm, d in differences.items() if d["high"] < 0}
    parts = [f"{word} are {_named(group)}" for word, group in (("better", better), ("worse", worse)) if group]
    unclear = [arm for arm in differences if arm not in better and arm not in worse]
    if unclear:
        parts.append(f"no clear difference for {', '.join(unclear)}")
    return f"in {title}, {'; '.join(parts)}."


def _named(differences: dict[str, Any]) -> str:
    return ", ".join(f"{arm} ({d['value']:+.1f})" for arm, d in differences.items())
