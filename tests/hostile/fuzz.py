"""Change real files, guided by what the readers do with them: only errors that are expected.

    pip install ".[fuzz]"
    python tests/hostile/fuzz.py decode|tar|table|state [--seconds 600] [--seed 1] [--keep fuzz]

What crashes, hangs for five seconds, or takes a gigabyte is kept in the folder.
"""

import argparse
import resource
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import atheris

with atheris.instrument_imports(include=["lodisc", "tarfile", "csv", "json"]):
    from lodisc.data.decode import Unreadable, decode
    from lodisc.data.sources import find_photos
    from lodisc.embedding.parts import DamagedPart, read_table
    from lodisc.errors import UserError
    from lodisc.files import read_json, read_json_lines
    from lodisc.tensors import DamagedTensors, load_tensors, save_tensors

from corpus import samples
from PIL import Image

FIXTURES = Path(__file__).parent.parent / "fixtures"
CPU_SECONDS, MEGABYTES, LONGEST = 5, 1000, 1 << 20  # for a file; bytes of it


class Target(NamedTuple):
    """Whole files to begin with, by their ending, and what reads a changed one."""

    seeds: Callable[[], Iterator[tuple[str, bytes]]]
    read: Callable[[Path], None]


def decode_photo(path: Path) -> None:
    try:
        image = decode(path.read_bytes(), at_least=32)
    except Unreadable as reason:
        assert 0 < len(str(reason)) < 200, reason
        return
    assert image.mode == "RGB" and min(image.size) > 0


def read_photos(path: Path) -> None:
    """What a tar or a list names, and the first photographs in it."""
    try:
        listing = find_photos(path)
    except UserError as reason:
        assert str(reason).isprintable(), reason
        return
    for photo in listing.photos[:20]:
        with suppress(Unreadable):
            decode(photo.read())


def read_state(path: Path) -> None:
    ways: dict[str, tuple[Callable[[Path], object], type[Exception]]] = {
        ".json": (lambda file: read_json(file, kinds={"step": int}), ValueError),
        ".jsonl": (lambda file: list(read_json_lines(file)), ValueError),
        ".parquet": (read_table, DamagedPart),
        ".safetensors": (load_tensors, DamagedTensors),
    }
    read, expected = ways[path.suffix]
    try:
        read(path)
    except expected as reason:
        assert str(reason)


def photographs() -> Iterator[tuple[str, bytes]]:
    for sample in samples():
        yield ".bin", sample.data


def tars() -> Iterator[tuple[str, bytes]]:
    picture = BytesIO()
    Image.effect_noise((24, 16), 60).save(picture, "PNG")
    for kind in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        stream = BytesIO()
        with tarfile.open(fileobj=stream, mode="w", format=kind) as tar:
            for name in ("train/wren/1.png", "test/wren/é.png", f"train/{'x' * 90}/2.png"):
                member = tarfile.TarInfo(name)
                member.size = len(picture.getvalue())
                tar.addfile(member, BytesIO(picture.getvalue()))
            link = tarfile.TarInfo("train/wren/link.png")
            link.type, link.linkname = tarfile.SYMTYPE, "1.png"
            tar.addfile(link)
        yield ".tar", stream.getvalue()


def tables() -> Iterator[tuple[str, bytes]]:
    for separator in ",;\t":
        rows = [("path", "label", "split"), ("a é.jpg", 'the "wren"', "train"), ("b.png", "", "")]
        text = "\r\n".join(separator.join(f'"{cell}"' for cell in row) for row in rows)
        for encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-16-le"):
            yield ".csv", text.encode(encoding)
    yield ".txt", "a.jpg\n# more\nb é.png\n".encode()


def states() -> Iterator[tuple[str, bytes]]:
    import torch

    for ending in (".json", ".jsonl", ".parquet"):
        for path in sorted(FIXTURES.rglob(f"*{ending}")):
            yield ending, path.read_bytes()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state.safetensors"
        save_tensors({"a": torch.arange(50.0), "b": torch.ones(3, 4, dtype=torch.bfloat16)}, path)
        yield path.suffix, path.read_bytes()


TARGETS = {
    "decode": Target(photographs, decode_photo),
    "tar": Target(tars, read_photos),
    "table": Target(tables, read_photos),
    "state": Target(states, read_state),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", choices=list(TARGETS))
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, default=Path("fuzz"))
    settings = parser.parse_args()
    target, folder = TARGETS[settings.target], Path(tempfile.mkdtemp())
    seeds = [(ending, data) for ending, data in target.seeds() if len(data) < LONGEST]
    endings = sorted({ending for ending, _ in seeds})
    corpus = folder / "corpus"
    corpus.mkdir()
    for number, (ending, data) in enumerate(seeds):  # the first byte says the ending
        (corpus / str(number)).write_bytes(bytes([endings.index(ending)]) + data)

    def read(data: bytes) -> None:
        ending = endings[data[0] % len(endings)] if data else endings[0]
        path = folder / f"file{ending}"
        path.write_bytes(data[1:])
        target.read(path)

    settings.keep.mkdir(parents=True, exist_ok=True)
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    words = [
        *(sys.argv[0], str(corpus), f"-artifact_prefix={settings.keep}/"),
        *(f"-max_total_time={settings.seconds}", f"-seed={settings.seed}"),
        *(f"-timeout={CPU_SECONDS}", f"-rss_limit_mb={resident + MEGABYTES}"),
        *(f"-max_len={LONGEST}", "-print_final_stats=1"),
    ]
    atheris.Setup(words, read)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
