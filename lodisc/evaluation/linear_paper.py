"""The linear probe as published: SGD on random crops through the frozen encoder for 100 epochs.

Axes: N photographs, B batch, D features, C classes, S side in pixels.
"""

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from lodisc.console import progress_bar, track
from lodisc.data.decode import decode
from lodisc.data.photo import Photo
from lodisc.data.views import random_crop_view
from lodisc.evaluation.features import Arm
from lodisc.evaluation.interval import Estimate
from lodisc.evaluation.linear import accuracy_estimates

EPOCHS = 100
BATCH = 256
MIN_CROP = 0.08
# Short side of the photographs in memory, in sides of a view: about what an average crop needs.
MEMORY_SIDE = 1.5


def linear_paper(arm: Arm, *, seed: int = 0) -> dict[str, Estimate]:
    """Top-1, top-5 and mean per-class accuracy after the last epoch.

    SGD with batches of b = 256, learning rate 0.5·b/256, momentum 0.9, a cosine schedule and no
    weight decay. Reads the training photographs once and holds them in memory: each takes 0.1 MB at
    128 pixels and 0.34 MB at 224.
    """
    pixels = _read(arm.train.photos, side=round(MEMORY_SIDE * arm.encoder.image_size))
    weights, bias = _train(arm, pixels, seed=seed)
    return accuracy_estimates(arm.test.vectors @ weights + bias, arm.test.labels, seed=seed)


def _read(photos: Sequence[Photo], *, side: int) -> list[NDArray[np.uint8]]:
    return [
        _shrink(decode(photo.read(), at_least=side), side)
        for photo in track(photos, description="reading", total=len(photos))
    ]


def _shrink(image: Image.Image, side: int) -> NDArray[np.uint8]:
    scale = side / min(image.size)
    if scale < 1:
        image = image.resize(
            (round(image.width * scale), round(image.height * scale)),
            Image.Resampling.BICUBIC,
            reducing_gap=3.0,
        )
    return np.asarray(image)


def _train(arm: Arm, pixels: list[NDArray[np.uint8]], *, seed: int) -> tuple[Tensor, Tensor]:
    batch = min(BATCH, len(pixels))
    generator = torch.Generator().manual_seed(seed)
    weights = (
        0.01 * torch.randn(arm.train.vectors.shape[1], len(arm.train.classes), generator=generator)
    ).requires_grad_()
    bias = torch.zeros(len(arm.train.classes), requires_grad=True)
    base = 0.5 * batch / 256
    optimiser = torch.optim.SGD([weights, bias], lr=base, momentum=0.9)
    steps = EPOCHS * math.ceil(len(pixels) / batch)
    with progress_bar() as progress, ThreadPoolExecutor(torch.get_num_threads()) as pool:
        task = progress.add_task(f"linear as published, {arm.name}", total=steps, note="")
        for step, (epoch, indices) in enumerate(_batches(len(pixels), batch, seed=seed)):
            optimiser.param_groups[0]["lr"] = base * (1 + math.cos(math.pi * step / steps)) / 2
            crops = pool.map(
                _crop,
                (pixels[i] for i in indices),
                repeat(arm.encoder.image_size),
                ([seed, epoch, i] for i in indices),
            )
            features = arm.encoder.features(torch.stack(list(crops)))
            features = features.clone()  # it may come from inference mode
            loss = F.cross_entropy(features @ weights + bias, arm.train.labels[indices])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            progress.update(task, advance=1, note=f"loss {loss.item():.3f}")
    return weights.detach(), bias.detach()


def _batches(count: int, batch: int, *, seed: int) -> list[tuple[int, list[int]]]:
    """The epoch and photographs of each step; the order depends on (seed, epoch) alone."""
    orders = [
        np.random.default_rng([seed, epoch]).permutation(count).tolist() for epoch in range(EPOCHS)
    ]
    return [
        (epoch, order[first : first + batch])
        for epoch, order in enumerate(orders)
        for first in range(0, count, batch)
    ]


def _crop(pixels: NDArray[np.uint8], image_size: int, entropy: list[int]) -> Tensor:
    return random_crop_view(
        Image.fromarray(pixels),
        np.random.default_rng(entropy),
        image_size=image_size,
        min_crop=MIN_CROP,
    )
