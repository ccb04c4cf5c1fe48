"""Attention compared with masks of the object and its discriminative parts, as the finches have.

Axes: N photographs, K kinds of region, S side in pixels, P patches.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from lodisc.data.decode import Unreadable, decode
from lodisc.data.photo import Photo, printable
from lodisc.data.views import whole_view
from lodisc.errors import UserError
from lodisc.evaluation.interval import Estimate, mean_estimates
from lodisc.method.masking import pivotal_region
from lodisc.photo_encoder import PhotoEncoder

# Least mask values of the object and of its discriminative part: halfway between 0, 128 and 255.
OBJECT, PART = 64, 192
METRICS = ("object", "part", "object_area", "part_area", "part_covered")
_BATCH = 64


def focus(
    encoder: PhotoEncoder,
    photos: Sequence[Photo],
    masks: Path,
    *,
    fusion: str = "product",
    seed: int = 0,
) -> dict[str, Estimate]:
    """Shares of the fused attention in percent, with intervals over photographs.

    - `object`, `part`: the share on the object, and on its discriminative part.
    - `object_area`, `part_area`: the share of the view that they cover, which is what uniform
      attention would give.
    - `part_covered`: the share of the part that is in the pivotal region, the quarter of the
      patches with the most attention; over the photographs that show the part.

    The mask of a photograph is `masks`/KEY.png. Unreadable photographs are skipped. Raises
    `UserError` when a mask is missing or damaged, no photograph can be read, or none shows a part.
    """
    scores = focus_scores(encoder, photos, masks, fusion=fusion)
    return {
        name: mean_estimates(scores_N[np.isfinite(scores_N)][:, None], seed=seed)[0]
        for name, scores_N in scores.items()
    }


def focus_scores(
    encoder: PhotoEncoder, photos: Sequence[Photo], masks: Path, *, fusion: str = "product"
) -> dict[str, np.ndarray]:
    """The metrics of `focus` for every readable photograph, float64 `[N]` in 0..1.

    `part_covered` is NaN where a photograph shows no part.
    """
    attention_NP, area_NKP = _attention_and_areas(encoder, photos, masks, fusion=fusion)
    pivotal_NP = pivotal_region(attention_NP)
    part_NP = area_NKP[:, 1]
    if not part_NP.any():
        raise UserError(
            f"{printable(masks)}: no mask shows a discriminative part (255) inside the view"
        )
    covered_N = (part_NP * pivotal_NP).sum(1) / part_NP.sum(1)  # 0/0 is NaN
    share_NK = (attention_NP[:, None] * area_NKP).sum(2)
    scores_N5 = torch.cat([share_NK, area_NKP.mean(2), covered_N[:, None]], dim=1)
    return dict(zip(METRICS, scores_N5.double().numpy().T, strict=True))


def _attention_and_areas(
    encoder: PhotoEncoder, photos: Sequence[Photo], masks: Path, *, fusion: str
) -> tuple[Tensor, Tensor]:
    """Attention `[N, P]` that sums to 1, and `_areas` of the masks, `[N, K=2, P]`."""
    attention, areas = [], []
    for first in range(0, len(photos), _BATCH):
        views = []
        for photo in photos[first : first + _BATCH]:
            try:
                image = decode(photo.read())
            except Unreadable:
                continue
            views.append(whole_view(image, image_size=encoder.image_size, fit=encoder.fit))
            areas.append(_areas(_read_mask(photo, masks), encoder))
        attention.append(encoder.attention(views, fusion=fusion).flatten(1))
    if not areas:
        raise UserError("focus: none of the photographs can be read; give others")
    return torch.cat(attention), torch.stack(areas)


def _read_mask(photo: Photo, masks: Path) -> Image.Image:
    path = masks / Path(photo.key).with_suffix(".png")
    try:
        return decode(Photo(path.name, path).read()).convert("L")
    except Unreadable as error:
        raise UserError(f"{printable(path)}, the mask of {printable(photo.key)}: {error}") from None


def _areas(mask: Image.Image, encoder: PhotoEncoder) -> Tensor:
    """The share of every patch that object and part cover in the centre view, `[K=2, P]`."""
    layers = [
        mask.point([255 * (value >= least) for value in range(256)]) for least in (OBJECT, PART)
    ]
    image = Image.merge("RGB", [*layers, layers[0]])
    view_KSS = whole_view(image, image_size=encoder.image_size, fit=encoder.fit)[:2]
    return F.adaptive_avg_pool2d(view_KSS.float() / 255, encoder.encoder.grid).flatten(1)
