"""Separation of neighbours: the protocol that needs no labels."""

from lodisc.errors import UserError
from lodisc.evaluation.features import Arm
from lodisc.evaluation.interval import Estimate, mean_estimates
from lodisc.outcome import LEAST
from lodisc.vectors.separation import separation as separation_of


def separation(arm: Arm, *, seed: int = 0) -> dict[str, Estimate]:
    """By how many standard deviations a photograph's twenty nearest stand out from the rest.

    Of the test photographs; `vectors.separation` has the formula. Raises `UserError` for fewer than
    `LEAST` photographs.
    """
    if len(arm.test) < LEAST:
        raise UserError(
            f"separation of {len(arm.test)} photographs tells nothing; give at least {LEAST}"
        )
    scores_N = separation_of(arm.test.vectors).double().numpy()
    (estimate,) = mean_estimates(scores_N[:, None] / 100, seed=seed)  # not in percent
    return {"separation": estimate}
