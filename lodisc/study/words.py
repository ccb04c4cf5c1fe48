"""What a study found, in one paragraph of plain words."""

from typing import Any


def findings(result: dict[str, Any]) -> str:
    """Which arms differ clearly from their global only, and from the rival, in the study's first two figures, and which is highest."""
    trained = {arm: entry for arm, entry in result["arms"].items() if "steps" in entry}
    compared = {
        arm: entry["differences"] for arm, entry in trained.items() if "differences" in entry
    }
    rivalled = {
        arm: entry["beyond_rival"] for arm, entry in trained.items() if "beyond_rival" in entry
    }
    seeds = len(result["seeds"])
    sentences = []
    if compared:
        among = (
            "on these photographs, with one training of each"
            if seeds == 1
            else f"over {seeds} trainings of each"
        )
        sentences.append(f"Against global only at equal compute, {among}.")
        sentences += [
            _differences(compared, figure, result["titles"][figure])
            for figure in list(result["titles"])[:2]
        ]
    if rivalled:
        sentences.append(f"Against {result['rival']}, in the same way.")
        sentences += [
            _differences(rivalled, figure, result["titles"][figure])
            for figure in list(result["titles"])[:2]
        ]
    comparisons = 2 * (len(compared) + len(rivalled))
    if comparisons >= 6:
        sentences.append(
            f"Of these {comparisons} comparisons one in twenty would look clear by chance."
        )
    first, title = next(iter(result["titles"].items()))
    best = max(trained, key=lambda arm: trained[arm]["figures"][first]["mean"])
    values = [
        result["arms"][arm]["figures"][first]["mean"] for arm in (best, trained[best]["start"])
    ]
    sentences.append(
        f"Highest is {best}: {title} {values[0]:.1f} % where its untouched start has {values[1]:.1f} %."
    )
    if seeds == 1:
        sentences.append(
            "Another seed may differ by more than these intervals say: repeat with several."
        )
    sentences += [f"{arm} was left out: {why}." for arm, why in result["left_out"].items()]
    return " ".join(sentences)


def _differences(compared: dict[str, Any], figure: str, title: str) -> str:
    better = {arm: of[figure]["value"] for arm, of in compared.items() if of[figure]["low"] > 0}
    worse = {arm: of[figure]["value"] for arm, of in compared.items() if of[figure]["high"] < 0}
    unclear = {
        arm: of[figure]["value"]
        for arm, of in compared.items()
        if arm not in better and arm not in worse
    }
    groups = {"higher": better, "lower": worse, "not clearly different": unclear}
    named = [
        f"{word}: {', '.join(f'{arm} ({value:+.1f})' for arm, value in group.items())}"
        for word, group in groups.items()
        if group
    ]
    subject = (
        title if any(map(str.isupper, title)) else title.capitalize()
    )  # mAP and kNN stay as they are
    return f"{subject} is {'; '.join(named)}."
