"""Limits of the numbers that several commands take."""

from lodisc.errors import UserError

MOST_SEED = 2**32 - 1


def check_seed(seed: int) -> None:
    """Raise a `UserError` for a seed that NumPy or scikit-learn does not take."""
    if not 0 <= seed <= MOST_SEED:
        raise UserError(f"--seed {seed} is out of range; use 0 to {MOST_SEED}")
