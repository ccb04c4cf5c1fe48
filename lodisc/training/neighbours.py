"""The neighbourhood of a run: its photographs as the untouched start sees them, mined once."""

import logging
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from lodisc.config import TrainConfig
from lodisc.console import progress_bar
from lodisc.data.loader import batches_of, evaluation_batches
from lodisc.data.photo import Photo
from lodisc.device import autocast
from lodisc.encoders import save_tensors
from lodisc.errors import UserError
from lodisc.files import replacing
from lodisc.method.encoder import Encoder
from lodisc.method.linear_map import SHARES, are_trusted, share_to_spare
from lodisc.method.neighbours import Neighbourhood, mine
from lodisc.run import Run
from lodisc.training.distributed import Processes

MANY = 20_000  # photographs: mining grows with the square, and takes about a minute for so many

logger = logging.getLogger("lodisc")


def run_neighbourhood(
    run: Run, config: TrainConfig, world: Processes, *, photos: list[Photo], encoder: Encoder
) -> Neighbourhood | None:
    """The neighbourhood in the run's folder, mined by the first process where it is missing.

    None for a run that contrasts the keys of a batch. Raises `UserError` for a photograph that can
    no longer be read.
    """
    if config.keys == "batch":
        return None
    found = _read(run.neighbours_file, photos=len(photos)) if run.has_begun else None
    if not world.from_first(found is not None):
        if world.is_first:
            found = _mine(config, world, photos=photos, encoder=encoder)
            with replacing(run.neighbours_file) as draft:
                save_tensors(vars(found), draft)
        world.wait()
    found = found or _read(run.neighbours_file, photos=len(photos))
    if found is None:
        raise UserError(f"{run.neighbours_file} cannot be read; run the same command again")
    return found


def _read(path: Path, *, photos: int) -> Neighbourhood | None:
    """The neighbourhood in a file, if it is whole and of so many photographs."""
    try:
        found = Neighbourhood(**load_file(path))
    except (OSError, SafetensorError, TypeError):
        return None
    return found if len(found) == photos else None


def _mine(
    config: TrainConfig, world: Processes, *, photos: list[Photo], encoder: Encoder
) -> Neighbourhood:
    features_ND = _features(config, world, photos=photos, encoder=encoder)
    neighbours, share = config.neighbours, config.spared
    if share is None and not are_trusted(features_ND, seed=config.seed):
        neighbours, share = 0, 0.0
        logger.info(
            "Neighbours agree too little to be of one kind: each photograph matches itself alone. "
            "On such photographs --recipe batch gained more (docs/results/neighbours.md)."
        )
    elif share is None:
        with progress_bar() as progress:
            bar = progress.add_task("Finding what to spare", total=len(SHARES), note="")
            share = share_to_spare(
                features_ND,
                neighbours=neighbours,
                seed=config.seed,
                advance=lambda: progress.advance(bar),
            )
    if len(features_ND) > MANY:
        logger.info(f"Mining the neighbours of {len(features_ND):,} photographs takes minutes.")
    found = mine(features_ND, neighbours=neighbours, spared=share, centred=encoder.can_shift)
    if neighbours:
        mutual = (found.mutual_NK >= 0).sum(dim=1).float().mean().item()
        logger.info(
            f"Neighbours: {mutual:.1f} of a photograph's {neighbours} nearest name it too, "
            f"on average; the {share:.1%} most alike are spared."
        )
    return found


@torch.no_grad()
def _features(
    config: TrainConfig, world: Processes, *, photos: list[Photo], encoder: Encoder
) -> Tensor:
    """The features [N, D] of the centre views of all photographs, on the CPU."""
    model = encoder.to(world.device).eval()
    features: list[Tensor] = []
    with progress_bar() as progress:
        bar = progress.add_task("Looking at all photographs", total=len(photos), note="")
        for batch in evaluation_batches(
            batches_of(photos, 64), image_size=config.image_size, workers=config.workers
        ):
            for skipped in batch.skipped:
                raise UserError(
                    f"{skipped.key}: {skipped.reason}; put the photograph back, "
                    "or start a new run without it"
                )
            with autocast(config.precision, world.device):
                features.append(model(batch.views.to(world.device)).float().cpu())
            progress.advance(bar, len(batch.photos))
    model.train()
    return torch.cat(features)
