"""`lodisc embed` on a Ray cluster: the same function over the same shards gives the same bytes.

    python -m lodisc.embedding.ray RUN DATA --out DIR --actors 8 --gpus 1

RUN, DATA and DIR must be on a file system that every machine sees. An actor takes the next shard
as soon as it has finished one. After a stop, or the loss of a machine, the same command embeds
only what is missing.
"""

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import tyro
from tyro.conf import Positional

from lodisc.console import log_as_notes
from lodisc.data.photo import Photo
from lodisc.embedding.embed import Dtype, EmbedResult, Job, embed, embed_shards, plan
from lodisc.embedding.embedding import Embedding, EmbeddingSettings
from lodisc.embedding.shards import ShardCounts
from lodisc.encoders import load_encoder
from lodisc.errors import UserError
from lodisc.photo_encoder import PhotoEncoder

WITHOUT_RAY = 'embedding on a cluster needs Ray:  pip install "lodisc[ray]"'


def embed_on_ray(
    source: Positional[str],
    data: Positional[Path],
    /,
    *,
    out: Path,
    actors: int = 2,
    cpus: float = 1,
    gpus: float = 0,
    momentum: bool = False,
    encoder: str | None = None,
    image_size: int | None = None,
    dtype: Dtype = "float16",
    batch_size: int = 64,
    remove: bool = False,
) -> EmbedResult:
    """`embed` by `actors` processes of a Ray cluster, each with so many CPUs and GPUs.

    Returns and raises what `embed` does. Joins the cluster that `ray.init` or RAY_ADDRESS names,
    or starts one on this machine. Raises `UserError` if Ray is missing.
    """
    _require_ray()
    choice: dict[str, Any] = {
        "momentum": momentum,
        "encoder": encoder,
        "image_size": image_size,
        "device": "cpu",
    }
    job = plan(source, data, out=out, dtype=dtype, writes=True, **choice)
    counts = _embed_by_actors(
        job, out.absolute(), batch_size=batch_size, actors=actors, cpus=cpus, gpus=gpus
    )
    rest: dict[str, Any] = {
        "dtype": dtype,
        "batch_size": batch_size,
        "workers": 0,
        "remove": remove,
    }
    result = embed(source, data, out=out, **rest, **choice)
    result["embedded"] = sum(count["embedded"] for count in counts)
    result["kept"] = sum(count["kept"] for count in counts)
    return result


def _require_ray() -> None:
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # before the import: nothing is reported to anyone
    try:
        import ray.data  # noqa: F401
    except ImportError:
        raise UserError(WITHOUT_RAY) from None


def _embed_by_actors(
    job: Job, folder: Path, *, batch_size: int, actors: int, cpus: float, gpus: float
) -> list[ShardCounts]:
    """The counts of every shard."""
    from ray.data import ActorPoolStrategy, from_items

    rows = [
        {"name": name, "photos": [_as_dict(photo) for photo in photos]}
        for name, photos in job.shards.items()
    ]
    embedder: Any = _Embedder
    counts: Any = (
        from_items(rows, override_num_blocks=len(rows))
        .map(
            embedder,
            fn_constructor_args=(folder, job.settings, batch_size),
            num_cpus=cpus,
            num_gpus=gpus,
            compute=ActorPoolStrategy(size=actors, max_tasks_in_flight_per_actor=1),
        )
        .take_all()
    )
    return cast(list[ShardCounts], counts)


def _as_dict(photo: Photo) -> dict[str, Any]:
    path = os.path.abspath(photo.path)  # noqa: PTH100 - keeps links
    return {**asdict(photo), "path": path}


class _Embedder:
    """An actor: reads the encoder from the folder once, and embeds one shard after another."""

    def __init__(self, folder: Path, settings: EmbeddingSettings, batch_size: int) -> None:
        self.embedding, self.settings, self.batch_size = Embedding(folder), settings, batch_size
        self.encoder = PhotoEncoder(load_encoder(self.embedding.encoder), name=settings["encoder"])

    def __call__(self, shard: dict[str, Any]) -> ShardCounts:
        photos = [Photo(**{**photo, "path": Path(photo["path"])}) for photo in shard["photos"]]
        parts = {self.embedding.part(shard["name"]): photos}
        return embed_shards(parts, self.encoder, settings=self.settings, batch_size=self.batch_size)


if __name__ == "__main__":
    try:
        with log_as_notes():
            result = tyro.cli(embed_on_ray)
        print(json.dumps(result, indent=2))
    except (UserError, OSError) as error:
        sys.exit(f"lodisc.embedding.ray: {error}")
