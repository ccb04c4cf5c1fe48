"""The folder of a collection: what lies where.

C/
  photos.lance/   the photographs and their vectors, in LanceDB (`store.py`)
  labels.sqlite   what people typed, with its history (`labels.py`)
  hidden.json     which photographs are hidden (`hidden.py`)
  groups.json     the last grouping (`groups_file.py`)
  recall.json     how many exact answers the index finds, if there is one (`lookalikes.py`)
  renamed.json    labels that follow renamed photographs, only while `index` runs (`index.py`)
  skipped.jsonl   photographs that could not be read, and why
  encoders/HEX/   the encoder that made the vectors, a timm directory, and `embedding.json`, which
                  holds the settings of the embedding
  vectors/HEX/    embeddings that `lodisc open` made, one for each encoder
  runs/run-1/     trainings that were started from the page (`learning.py`)
  learning.json   the last of them, learning.log what it printed
  cache/          thumbnails and projections; may be deleted
"""

from dataclasses import dataclass
from pathlib import Path

TABLE = "photos"


@dataclass(frozen=True)
class CollectionFiles:
    """The files of a collection; nothing else spells their names."""

    path: Path

    @property
    def photos(self) -> Path:
        return self.path / f"{TABLE}.lance"

    @property
    def labels(self) -> Path:
        return self.path / "labels.sqlite"

    @property
    def hidden(self) -> Path:
        return self.path / "hidden.json"

    @property
    def groups(self) -> Path:
        return self.path / "groups.json"

    @property
    def recall(self) -> Path:
        return self.path / "recall.json"

    @property
    def renamed(self) -> Path:
        return self.path / "renamed.json"

    @property
    def skipped(self) -> Path:
        return self.path / "skipped.jsonl"

    @property
    def thumbnails(self) -> Path:
        return self.path / "cache" / "thumbnails"

    @property
    def projections(self) -> Path:
        return self.path / "cache" / "maps"

    @property
    def dates(self) -> Path:
        return self.path / "cache" / "dates.json"

    @property
    def encoders(self) -> Path:
        return self.path / "encoders"

    def encoder(self, fingerprint: str) -> Path:
        """The encoder with this fingerprint."""
        return self.encoders / fingerprint[:16]

    @property
    def vectors(self) -> Path:
        return self.path / "vectors"

    @property
    def runs(self) -> Path:
        return self.path / "runs"

    @property
    def learning(self) -> Path:
        return self.path / "learning.json"

    @property
    def learning_log(self) -> Path:
        return self.path / "learning.log"

    def embedding_settings(self, fingerprint: str) -> Path:
        """The settings of the embedding by the encoder with this fingerprint."""
        return self.encoder(fingerprint) / "embedding.json"
