"""Consistency of neighbours between two views: the protocol that needs no labels."""

import numpy as np
import torch

from lodisc.data.sample import LEAST, sample_of, view_pairs
from lodisc.errors import UserError
from lodisc.evaluation.features import Arm
from lodisc.evaluation.interval import Estimate, mean_estimates
from lodisc.vectors.consistency import consistency as consistency_of

_BATCH = 64


def consistency(arm: Arm, *, seed: int = 0) -> dict[str, Estimate]:
    """The mean of `consistency_scores` over the sample."""
    (estimate,) = mean_estimates(consistency_scores(arm)[:, None], seed=seed)
    return {"consistency": estimate}


def consistency_scores(arm: Arm) -> np.ndarray:
    """The share of its ten nearest that each test photograph keeps in other views, `[N]` in 0..1.

    Of a sample of the photographs that is always the same. `vectors.consistency` has the formula.
    Raises `UserError` for fewer than `LEAST` photographs.
    """
    size = arm.encoder.image_size
    sample = sample_of(arm.test.photos, image_size=size)
    if len(sample) < LEAST:
        raise UserError(
            f"consistency of {len(sample)} photographs tells nothing; give at least {LEAST}"
        )
    first_ND, second_ND = (
        torch.cat([arm.encoder.features(views) for views in views_N3SS.split(_BATCH)])
        for views_N3SS in view_pairs(sample, image_size=size, workers=0)
    )
    return consistency_of(first_ND, second_ND).double().numpy()
