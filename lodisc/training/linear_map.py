"""A run that learns a linear map of frozen features, with `--tune map`: seconds, no checkpoints."""

import logging
import time
from collections.abc import Sequence

import torch

from lodisc.config import TrainConfig
from lodisc.data.photo import Photo
from lodisc.encoders import load_encoder, save_encoder
from lodisc.method import linear_map
from lodisc.method.encoder import Encoder
from lodisc.method.neighbours import Neighbourhood
from lodisc.run import Run
from lodisc.training.watch import Watch

logger = logging.getLogger("lodisc")


def learn_run_map(
    run: Run,
    config: TrainConfig,
    *,
    photos: Sequence[Photo],
    encoder: Encoder,
    neighbourhood: Neighbourhood,
    device: torch.device,
) -> None:
    """Learn the map of a run and save the encoder with the map as its head, or what is kept of it.

    A run that was killed begins again; a finished one stays as it is.
    """
    if (run.encoder / "config.json").is_file():
        logger.info(f"{run.path} is finished: a map is learnt once. Nothing to do.")
        return
    run.cut_log(0)
    watch = Watch(photos, config, start=load_encoder(run.start), device=device)
    started_at = time.monotonic()

    def log(step: int, loss: float) -> None:
        if step % config.log_every == 0 or step in {1, linear_map.STEPS}:
            photographs = step * min(linear_map.BATCH, len(neighbourhood))
            speed = photographs / (time.monotonic() - started_at)
            epoch = photographs / len(neighbourhood)
            verdict = {"health": "healthy", "advice": "a map is learnt from frozen features"}
            numbers = {"step": step, "epoch": epoch, "loss": loss, "images_per_second": speed}
            run.append_to_log({**numbers, **verdict})

    map_DD = linear_map.learn_map(neighbourhood, seed=config.seed, log=log)
    if encoder.can_shift:
        encoder.shift(-neighbourhood.mean_D)
    encoder.map_features(map_DD.to(encoder.mean.device))
    logger.info(f"A linear map was learnt in {time.monotonic() - started_at:.0f} s.")
    save_encoder(encoder, run.momentum)
    steps = linear_map.STEPS
    if watch.is_due(steps, steps=steps):
        watch.look(encoder, step=steps, steps=steps)
    outcome, encoder = watch.conclusion(encoder, done=steps, steps=steps)
    run.write_outcome(outcome)
    save_encoder(encoder, run.encoder)
