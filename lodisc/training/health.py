"""Whether the training goes well, in plain words, from what each batch shows anyway.

Axes: V views, B photographs, D feature or vector, L layers, P patches.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from lodisc.method.lodisc import Step

EARLY_STEPS, EARLY_SHARE = 20, 0.1


@dataclass(frozen=True)
class Health:
    """A verdict and what to do about it."""

    verdict: str
    advice: str


def spread(features_BD: Tensor) -> float:
    """√(1 − ‖mean unit feature‖²): 0 if all point one way, near 1 if they fill the sphere."""
    return (
        (1 - F.normalize(features_BD.float(), dim=1).mean(dim=0).square().sum())
        .clamp_min(0)
        .sqrt()
        .item()
    )


def effective_rank(features_BD: Tensor) -> float:
    """exp(entropy of the normalised singular values of the centred unit features).

    The number of directions in use.
    """
    unit_BD = F.normalize(features_BD.float(), dim=1)
    values = torch.linalg.svdvals(unit_BD - unit_BD.mean(dim=0))
    share = values / values.sum().clamp_min(1e-12)
    return torch.special.entr(share).sum().exp().item()


def attention_entropy(rows_BLP: Tensor) -> float:
    """Entropy of the attention on the patches over log P, mean over layers.

    1 when it is even over the patches, 0 when it is on one patch.
    """
    share_BLP = rows_BLP / rows_BLP.sum(dim=-1, keepdim=True)
    return (
        torch.special.entr(share_BLP).sum(dim=-1).mean() / math.log(max(rows_BLP.shape[-1], 2))
    ).item()


@torch.no_grad()
def measure(step: Step) -> dict[str, float]:
    """Metrics of one batch: of the features, and of the agreement of queries with keys."""
    if not torch.isfinite(step.loss):
        return {}
    query_BD, key_BD = (
        F.normalize(step.queries_VBD[0].float(), dim=1),
        F.normalize(step.keys_VBD[1].float(), dim=1),
    )
    cosine_BB = query_BD @ key_BD.T
    own_B = cosine_BB.diagonal()
    others = (cosine_BB.sum() - own_B.sum()) / (cosine_BB.numel() - len(own_B))
    matched = (
        (cosine_BB.argmax(dim=1) == torch.arange(len(own_B), device=own_B.device)).float().mean()
    )
    return {
        "spread": spread(step.features_VBD[0]),
        "effective_rank": effective_rank(step.features_VBD[0]),
        "agreement": own_B.mean().item(),
        "chance_agreement": others.item(),
        "matched": matched.item(),
        "attention_entropy": attention_entropy(step.rows_BLP),
    }


def judge(
    measured: dict[str, float], *, first: dict[str, float], step: int, steps: int, batch: int
) -> Health:
    """A verdict on the smoothed figures after `step` of `steps`, against those of the first step.

    `batch` is the number of photographs among which each query looks for its own key.
    """
    if not measured or step < max(EARLY_STEPS, EARLY_SHARE * steps):
        return Health("starting", "too early to tell")
    if measured["spread"] < 0.1 * first["spread"] or measured["effective_rank"] < max(
        1.5, 0.1 * first["effective_rank"]
    ):
        return Health(
            "collapsing",
            "features become alike: lower --lr, raise --batch-size, or start from pretrained "
            "weights with --init",
        )
    matches = f"a view finds its partner among {batch} in {measured['matched']:.0%} of cases "
    matches += f"(by chance {1 / batch:.0%})"
    if (
        measured["matched"] < min(2 / batch, (1 + 1 / batch) / 2)
        or measured["agreement"] - measured["chance_agreement"] < 0.02
    ):
        return Health(
            "not learning",
            f"{matches}: raise --epochs or --lr, or start from pretrained weights with --init",
        )
    return Health("healthy", matches)
