"""`lodisc embed` on a Ray cluster: the same function over the same shards gives the same bytes, by as many actors as there are.

    python -m lodisc.embedding.ray RUN DATA --out DIR --actors 8 --gpus 1

RUN, DATA and DIR lie on a file system that every machine sees. An actor takes the next shard whenever it is done with one. What was
stopped, or lost with its machine, is done by the same command again; it does only what is missing.
"""

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import tyro
from tyro.conf import Positional

from lodisc.data.photo import Photo
from lodisc.embedding import embed as embedding
from lodisc.embedding.parts import ENCODER
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
    dtype: embedding.Dtype = "float16",
    batch_size: int = 64,
) -> dict[str, Any]:
    """`embed` by `actors` processes of a Ray cluster, with so many CPUs and GPUs each; returns and raises what `embed` does.

    Joins the cluster that `ray.init` or RAY_ADDRESS names, or starts one on this machine. Raises `UserError` where Ray is missing.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = (
        "0"  # before Ray is imported: nothing is reported to anyone
    )
    try:
        from ray.data import ActorPoolStrategy, from_items
    except ImportError:
        raise UserError(WITHOUT_RAY) from None
    how: dict[str, Any] = {
        "momentum": momentum,
        "encoder": encoder,
        "image_size": image_size,
        "device": "cpu",
    }
    begun = embedding.plan(source, data, out=out, dtype=dtype, writes=True, **how)
    rows = [
        {"name": name, "photos": [_plain(photo) for photo in shard]}
        for name, shard in begun.shards.items()
    ]
    embedder: Any = _Embedder
    done = (
        from_items(rows, override_num_blocks=len(rows))
        .map(
            embedder,
            fn_constructor_args=(out.absolute(), begun.settings, batch_size),
            num_cpus=cpus,
            num_gpus=gpus,
            compute=ActorPoolStrategy(size=actors, max_tasks_in_flight_per_actor=1),
        )
        .take_all()
    )
    finished = embedding.embed(
        source, data, out=out, dtype=dtype, batch_size=batch_size, workers=0, **how
    )
    return {
        **finished,
        **{title: sum(counts[title] for counts in done) for title in ("embedded", "kept")},
    }


def _plain(photo: Photo) -> dict[str, Any]:
    return {**asdict(photo), "path": os.path.abspath(photo.path)}


class _Embedder:
    """An actor: reads the encoder from DIR once, and embeds one shard after another."""

    def __init__(self, folder: Path, settings: dict[str, Any], batch_size: int) -> None:
        self.folder, self.settings, self.batch_size = folder, settings, batch_size
        self.encoder = PhotoEncoder(load_encoder(folder / ENCODER), name=settings["encoder"])

    def __call__(self, shard: dict[str, Any]) -> dict[str, Any]:
        photos = [Photo(**{**photo, "path": Path(photo["path"])}) for photo in shard["photos"]]
        path = self.folder / f"part-{shard['name']}.parquet"
        return embedding.embed_shards(
            {path: photos}, self.encoder, settings=self.settings, batch_size=self.batch_size
        )


if __name__ == "__main__":
    try:
        print(json.dumps(tyro.cli(embed_on_ray), indent=2))
    except (ValueError, OSError) as error:
        sys.exit(f"ray_embed: {error}")
