"""The neighbourhood of a run: its photographs as the untouched start sees them, mined once."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import torch
from torch import Tensor

from lodisc.config import SettledKeys, TrainConfig, as_flag, settled
from lodisc.console import progress_bar
from lodisc.data.loader import batches_of, evaluation_batches, means_of
from lodisc.data.photo import Photo, Skipped
from lodisc.device import autocast
from lodisc.errors import UserError
from lodisc.files import replacing
from lodisc.method.encoder import Encoder
from lodisc.method.linear_map import MAPS, share_to_spare
from lodisc.method.neighbours import Neighbourhood, mine
from lodisc.run import Run
from lodisc.tensors import DamagedTensors, load_tensors, save_tensors
from lodisc.training.distributed import Processes, processes
from lodisc.training.prepare import new_encoder, require_new_photographs
from lodisc.vectors.neighbours import TRUSTED, agreement

MANY = 20_000  # photographs: mining grows with the square, and takes about a minute for so many

logger = logging.getLogger("lodisc")


def run_neighbourhood(
    run: Run, config: TrainConfig, world: Processes, *, photos: list[Photo], encoder: Encoder
) -> Neighbourhood | None:
    """The neighbourhood in the run's folder, mined by the first process where it is missing.

    None for a run that contrasts the keys of a batch: one that is to, or leaves it open (`--keys
    auto`) and has neighbours that agree too little. Raises `UserError` for a photograph that can no
    longer be read, and where nothing is left to learn.
    """
    if config.keys == "batch":
        return None
    neighbourhood = _read(run.neighbours_file, photos=len(photos)) if run.has_begun else None
    if not world.from_first(neighbourhood is not None):
        if world.is_first:
            features_ND = torch.cat(
                list(_features(config, world, photos, encoder, unreadable=_refuse))
            )
            neighbourhood = _mine(features_ND, config, photos=photos, encoder=encoder)
            if neighbourhood is not None:
                with replacing(run.neighbours_file) as draft:
                    save_tensors(vars(neighbourhood), draft)
        if not world.from_first(neighbourhood is not None):
            return None
    neighbourhood = neighbourhood or _read(run.neighbours_file, photos=len(photos))
    if neighbourhood is None:
        raise UserError(f"{run.neighbours_file} cannot be read; run the same command again")
    return neighbourhood


def keys_that_fit(config: TrainConfig, *, photos: list[Photo]) -> SettledKeys:
    """What `--keys auto` comes to on these photographs, of which those that can be read are seen.

    Raises `UserError` when the starting weights are not available.
    """
    with processes(config.device) as world:
        encoder = new_encoder(config, world)
        features = list(_features(config, world, photos, encoder, unreadable=lambda _: None))
    is_trusted = features and agreement(torch.cat(features), seed=config.seed) >= TRUSTED
    return "bank" if is_trusted else "batch"


def _read(path: Path, *, photos: int) -> Neighbourhood | None:
    """The neighbourhood in a file, if it is whole and of so many photographs."""
    try:
        neighbourhood = Neighbourhood(**load_tensors(path))
    except (DamagedTensors, TypeError):
        return None
    return neighbourhood if len(neighbourhood) == photos else None


def _mine(
    features_ND: Tensor, config: TrainConfig, *, photos: list[Photo], encoder: Encoder
) -> Neighbourhood | None:
    """None where neighbours agree too little for `--keys auto`."""
    neighbours, share = config.neighbours, config.spared
    agreed = 1.0 if share is not None else agreement(features_ND, seed=config.seed)
    if agreed < TRUSTED:
        note = f"Neighbours agree by {agreed:.3f}, less than {TRUSTED}, so few are of one kind: "
        if config.keys == "auto" and config.tune != "map":
            require_new_photographs(photos, config, start=encoder)
            logger.info(f"{note}learning as by --recipe batch ({_changes(config)}).")
            return None
        logger.info(f"{note}each photograph matches itself alone.")
        neighbours, share = 0, 0.0
    elif share is None:
        with progress_bar() as progress:
            bar = progress.add_task("Finding what to spare", total=MAPS, note="")
            share = share_to_spare(
                features_ND,
                neighbours=neighbours,
                seed=config.seed,
                advance=lambda: progress.advance(bar),
            )
    if len(features_ND) > MANY:
        logger.info(f"Mining the neighbours of {len(features_ND):,} photographs takes minutes.")
    neighbourhood = mine(
        features_ND, neighbours=neighbours, spared=share, centred=encoder.can_shift
    )
    if neighbours:
        mutual = (neighbourhood.mutual_NK >= 0).sum(dim=1).float().mean().item()
        logger.info(
            f"Neighbours: {mutual:.1f} of a photograph's {neighbours} nearest name it too, "
            f"on average; the {share:.1%} most alike are spared."
        )
    return neighbourhood


def _changes(config: TrainConfig) -> str:
    """The flags that tell the config from what it becomes against a batch."""
    before, after = config.to_dict(), settled(config, keys="batch").to_dict()
    changed = [name for name in after if after[name] != before[name]]
    return " ".join(as_flag(name, after[name]) for name in changed)


def _refuse(photo: Skipped) -> NoReturn:
    raise UserError(
        f"{photo.key}: {photo.reason}; put the photograph back, or start a new run without it"
    )


@torch.no_grad()
def _features(
    config: TrainConfig,
    world: Processes,
    photos: list[Photo],
    encoder: Encoder,
    *,
    unreadable: Callable[[Skipped], None],
) -> Iterator[Tensor]:
    """Yield the features [B, D] of the centre views of the photographs, on the CPU.

    Raises `UserError` for features that are not finite.
    """
    model = encoder.to(world.device).eval()
    with progress_bar() as progress:
        bar = progress.add_task("Looking at all photographs", total=len(photos), note="")
        for batch in evaluation_batches(
            batches_of(photos, 64),
            image_size=config.image_size,
            fit=config.fit,
            workers=config.workers,
        ):
            for skipped in batch.skipped:
                unreadable(skipped)
            if batch.photos:
                with autocast(config.precision, world.device):
                    features_VD = model(batch.views.to(world.device)).float().cpu()
                features_BD = means_of(features_VD, batch.counts)
                if not bool(features_BD.isfinite().all()):
                    raise UserError(
                        f"the features of the start are not finite (NaN or infinity): the weights "
                        f"of --init {config.init} are damaged"
                    )
                yield features_BD
            progress.advance(bar, len(batch.photos) + len(batch.skipped))
    model.train()
