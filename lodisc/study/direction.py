"""Which side of the local task is masked, and which views a region must find."""

from dataclasses import replace
from typing import get_args

from lodisc.config import Direction, Positives, TrainConfig
from lodisc.study.design import RECOGNITION, Arms, Study, with_regions


def arms(base: TrainConfig) -> Arms:
    return {
        f"masked {direction}, {'both views' if positives == 'both' else 'other view'}": replace(
            with_regions(base), direction=direction, positives=positives
        )
        for direction in get_args(Direction)
        for positives in get_args(Positives)
    }


STUDY = Study(question="Should the key be masked, as in the paper, or the query, and what must it find?", arms=arms, figures=RECOGNITION)
