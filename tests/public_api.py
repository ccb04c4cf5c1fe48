"""A program that uses every public name of lodisc, for the type checker and to be run."""

from pathlib import Path
from typing import Any, assert_type

from torch import Tensor

import lodisc
from lodisc.data.layout import Listing
from lodisc.photo_encoder import PhotoEncoder


def use_everything(photos: Path, folder: Path, settings: dict[str, Any]) -> None:
    """Learn from `photos`, measure, show, embed and index; everything is written into `folder`."""
    listing = assert_type(lodisc.find_photos(photos), Listing)
    paths = [photo.path for photo in listing.photos]

    run = assert_type(lodisc.train(photos, out=folder / "run", **settings), Path)
    encoder = assert_type(lodisc.load(run, device="cpu"), PhotoEncoder)
    vectors_ND = assert_type(encoder.embed(paths), Tensor)
    assert vectors_ND.shape == (len(paths), encoder.dim)

    metrics = lodisc.evaluate(run, photos, protocols=["retrieval"], workers=0)
    value: float = metrics["arms"]["run"]["retrieval"]["rank1"]["value"]
    assert 0 <= value <= 100
    pictures = assert_type(lodisc.explain(run, paths[:1], out=folder / "pictures"), list[Path])
    report = assert_type(lodisc.write_report(run), Path)
    assert all(path.is_file() for path in [*pictures, report])

    counts = lodisc.embed(run, photos, out=folder / "vectors", workers=0)
    number: int = lodisc.index(folder / "vectors", collection=folder / "birds")["photographs"]
    assert number == counts["photographs"] == len(paths)
    birds = lodisc.Collection(folder / "birds")
    assert_type(birds, lodisc.Collection)
    assert sorted(birds.photos().keys) == [photo.key for photo in listing.photos]


def make_mistakes() -> None:
    """Calls that a type checker refuses; each comment is an error where it does not."""
    lodisc.train(1, out="run")  # type: ignore[arg-type]
    lodisc.load("run", devise="cpu")  # type: ignore[call-arg]
    lodisc.evaluate("run", "photos", protocols=1)  # type: ignore[arg-type]
    lodisc.explain("run", ["a.jpg"], fusion="product")  # type: ignore[call-arg]
    lodisc.write_report("run", data=1)  # type: ignore[arg-type]
    lodisc.embed("run", "photos", out="vectors", dtype="int8")  # type: ignore[arg-type]
    lodisc.index("vectors", collection=1)  # type: ignore[arg-type]
    lodisc.find_photos(1)  # type: ignore[arg-type]
    lodisc.Collection(1)  # type: ignore[arg-type]
    lodisc.UserError.words  # type: ignore[attr-defined]  # noqa: B018
    lodisc.segment("photo.jpg")  # type: ignore[attr-defined]
