"""The folder of an embedding: what lies where.

Readers of Parquet take the folder as it is: they skip names that begin with an underscore or a dot.

DIR/
  _embedding.json      what made the vectors, `EmbeddingSettings`
  _encoder/            the encoder itself, a timm directory
  _progress.json       how far `embed` is, or was when it ended, `EmbedProgress`
  part-00007.parquet   a row for each photograph of a shard, `Row`, sorted by key
  _part-00007.jsonl    the photographs of the shard that could not be read, and why
  _part-00007.parquet.damaged  a part as it was before its photographs were embedded again, and
                       `.damaged-2`, where it happened twice
  _skipped.jsonl       what was left out before: files that are not photographs, names not in UTF-8
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NotRequired, TypedDict, cast

from lodisc.config import Fusion
from lodisc.data.check import read_skipped
from lodisc.data.photo import Skipped, printable
from lodisc.embedding.parts import (
    PART_NAME,
    Row,
    column_of,
    is_of_other_encoder,
    read_part,
)
from lodisc.errors import UserError
from lodisc.files import Kinds, read_json, write_json

SETTINGS, ENCODER = "_embedding.json", "_encoder"
SETTING_KINDS: Kinds = {
    **dict.fromkeys(("encoder", "fingerprint", "data"), str),
    "dtype": Literal["float16", "float32"],
    **dict.fromkeys(("dim", "image_size", "slices"), int),
    "run": str | None,
    "fusion": Fusion | None,
}
PROGRESS_KINDS: Kinds = {
    **dict.fromkeys(("done", "total"), int),
    **dict.fromkeys(("started", "updated"), float),
    "finished": bool,
}


class Encoding(TypedDict):
    """What made the vectors of an embedding: encoder and photographs."""

    encoder: str
    """The name of the encoder."""
    fingerprint: str
    """A digest of all that a vector depends on besides the photograph."""
    dim: int
    image_size: int
    data: str
    """Where the photographs are."""
    run: NotRequired[str]
    """The folder of the run that the encoder is of."""
    fusion: NotRequired[str]
    """How that run combines attention maps."""


class EmbeddingSettings(Encoding):
    """What `_embedding.json` holds."""

    dtype: str
    slices: int
    """The number of parts for photographs that are not in a tar."""


class EmbedProgress(TypedDict):
    """What `_progress.json` holds, about the first process; times are in seconds since 1970."""

    done: int
    total: int
    started: float
    updated: float
    finished: bool


@dataclass(frozen=True)
class Embedding:
    """The folder of an embedding; nothing else spells its file names."""

    path: Path

    @property
    def settings_file(self) -> Path:
        return self.path / SETTINGS

    @property
    def encoder(self) -> Path:
        return self.path / ENCODER

    @property
    def progress_file(self) -> Path:
        return self.path / "_progress.json"

    @property
    def skipped_file(self) -> Path:
        return self.path / "_skipped.jsonl"

    def part(self, shard: str) -> Path:
        """The part of the shard with this name."""
        return self.path / f"part-{shard}.parquet"

    @staticmethod
    def shard(part: Path) -> str:
        """The name of the shard of a part."""
        return part.stem.removeprefix("part-")

    def parts(self) -> list[Path]:
        """The parts that are there, in order of their names; files of others are not parts."""
        return sorted(
            path for path in self.path.glob("part-*.parquet") if PART_NAME.fullmatch(path.name)
        )

    @property
    def has_begun(self) -> bool:
        """Whether its settings are written down."""
        return self.settings_file.exists()

    @property
    def is_finished(self) -> bool:
        """Whether the first process of the last call came to its end."""
        try:
            return bool(read_json(self.progress_file, kinds=PROGRESS_KINDS)["finished"])
        except (OSError, UserError):
            return False

    @property
    def is_occupied(self) -> bool:
        """Whether something other than an embedding that was just begun is in the way."""
        if not self.path.exists():
            return False
        own = (SETTINGS, ENCODER, ".")
        return not self.path.is_dir() or any(
            not path.name.startswith(own) for path in self.path.iterdir()
        )

    def settings(self) -> EmbeddingSettings:
        """What made the vectors. Raises `UserError` if the folder does not hold an embedding."""
        try:
            settings = cast(EmbeddingSettings, read_json(self.settings_file, kinds=SETTING_KINDS))
        except FileNotFoundError:
            raise UserError(
                f"{printable(self.path)} holds no embedding; "
                f"make one with  lodisc embed RUN DATA --out {printable(self.path)}"
            ) from None
        if settings["slices"] < 1 or settings["dim"] < 1:
            raise UserError(f"{self.settings_file} is damaged (its slices or dim are below 1)")
        return settings

    def write_settings(self, settings: EmbeddingSettings) -> None:
        """Write `_embedding.json` atomically: from now on the folder holds an embedding."""
        write_json(self.settings_file, settings)

    def write_progress(self, progress: EmbedProgress) -> None:
        write_json(self.progress_file, progress)

    def digests(self) -> dict[str, str]:
        """The digests of all photographs in parts that can be read, by key."""
        columns = [column_of(path, "digest") for path in self.parts()]
        return {key: digest for column in columns for key, digest in column.items()}

    def sizes(self) -> dict[tuple[str, str], int]:
        """How many bytes the file of each had, by shard and key."""
        columns = {self.shard(path): column_of(path, "bytes") for path in self.parts()}
        return {(name, key): size for name in columns for key, size in columns[name].items()}

    def skipped(self) -> list[Skipped]:
        """All photographs that could not be read, sorted by key."""
        files = [self.skipped_file, *(skipped_file(part) for part in self.parts())]
        entries = [entry for path in files for entry in read_skipped(path)]
        return sorted(entries, key=lambda entry: entry.key)

    def elsewhere(
        self, shards: Mapping[str, Set[str]], *, fingerprint: str
    ) -> dict[Path, list[Row]]:
        """The rows of photographs that are not in the shard of their part, by part.

        `shards` are the keys of each. A photograph is elsewhere if it is not there now, and if it
        is in another shard now, such as after a tar was renamed.
        """
        rows = {}
        for path in self.parts():
            shard = self.shard(path)
            keys = shards.get(shard, frozenset())
            if shard not in shards or not column_of(path, "key").keys() <= keys:
                part = read_part(path, fingerprint=fingerprint)
                rows[path] = [row for row in part if row.key not in keys]
        return rows

    def rows_of_size(self, sizes: Set[int], *, fingerprint: str) -> dict[str, Row]:
        """The rows, by digest, of all files that had one of these sizes in bytes."""
        rows = {}
        for path in self.parts():
            if not sizes.isdisjoint(column_of(path, "bytes").values()):
                part = read_part(path, fingerprint=fingerprint)
                rows.update({row.digest: row for row in part if row.bytes in sizes})
        return rows

    def remove_other_parts(self, shards: Collection[str], *, fingerprint: str) -> None:
        """Delete the parts of other shards, which DATA no longer has."""
        for path in self.parts():
            is_other = self.shard(path) not in shards
            if is_other and not is_of_other_encoder(path, fingerprint=fingerprint):
                self.remove_part(path)

    @staticmethod
    def remove_part(path: Path) -> None:
        """Delete a part, with its list of what could not be read."""
        skipped_file(path).unlink(missing_ok=True)
        path.unlink()


def skipped_file(part: Path) -> Path:
    """The list of the photographs of a part that could not be read."""
    return part.with_name(f"_{part.stem}.jsonl")
