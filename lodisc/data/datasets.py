"""Known data sets: where to download them, and how a download becomes OUT/{train,test}/CLASS.

To add a data set, write a function that yields the place of each photograph, and an entry in
`DATASETS`.
"""

import os
import posixpath
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypedDict

from lodisc.data.photo import printable
from lodisc.data.sources import find_photos, log_passed_over
from lodisc.errors import UserError

_GIVE_DOWNLOAD = "give --from the archive as it comes, or its unpacked folder"


class Placement(NamedTuple):
    """A photograph of the download, and its split and class."""

    source: Path
    split: str
    label: str


@dataclass(frozen=True)
class Dataset:
    """A data set and how to arrange its download."""

    title: str
    classes: int
    licence: str
    page: str
    download: str
    """What to download from the page and to give with --from."""
    arrange: Callable[[Path], Iterator[Placement]]


class DatasetEntry(TypedDict):
    """A known data set in `lodisc data list --json`."""

    title: str
    classes: int
    licence: str
    page: str
    download: str
    """What to fetch from the page."""


def describe() -> dict[str, DatasetEntry]:
    """Title, classes, licence, page and download of each known data set by its name, for JSON."""
    return {
        name: {
            "title": dataset.title,
            "classes": dataset.classes,
            "licence": dataset.licence,
            "page": dataset.page,
            "download": dataset.download,
        }
        for name, dataset in DATASETS.items()
    }


def prepare(name: str, *, source: Path, out: Path) -> int:
    """Arrange a download, packed or unpacked, as OUT/{train,test}/CLASS by the official split.

    Returns the number of photographs. OUT appears only when it is complete. Raises `UserError` for
    an unknown name, an incomplete download, or an OUT that is not empty.
    """
    if name not in DATASETS:
        raise UserError(f"unknown data set {name}; there are {', '.join(DATASETS)}")
    dataset = DATASETS[name]
    get = f"get {dataset.download} from {dataset.page}"
    if not source.exists():
        raise UserError(f"{printable(source)} does not exist; {get}")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{printable(out)} exists already; name a new folder with --out")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as temporary:
        draft = Path(temporary) / "draft"
        count = 0
        for placement in dataset.arrange(_unpack(source, Path(temporary) / "unpacked")):
            folder = draft / placement.split / _folder_name(placement.label)
            folder.mkdir(parents=True, exist_ok=True)
            _link(placement.source, folder / _folder_name(placement.source.name))
            count += 1
        if not count:
            raise UserError(f"{printable(source)} holds no photographs of {name}; {get}")
        draft.replace(out)
    return count


def _unpack(source: Path, folder: Path) -> Path:
    """A folder as it is, or the files of a tar archive in `folder`.

    A hard link becomes a copy. Other links, devices and paths that lead outside are not unpacked.
    """
    if source.is_dir():
        return source
    try:
        with tarfile.open(source, encoding="utf-8") as tar:
            for member in tar:
                name, linked = map(posixpath.normpath, (member.name, member.linkname))
                if not (member.isreg() or member.islnk()) or _is_outside(name):
                    continue
                target = folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                if stream := tar.extractfile(member) if member.isreg() else None:
                    with target.open("wb") as unpacked:
                        shutil.copyfileobj(stream, unpacked, 1 << 20)
                elif linked != name and not _is_outside(linked) and (folder / linked).is_file():
                    shutil.copyfile(folder / linked, target)
    except (tarfile.TarError, zlib.error, EOFError, ValueError) as error:
        raise UserError(
            f"{printable(source)} is not a readable tar archive ({error}); "
            "download it again, or unpack it yourself"
        ) from None
    return folder


def _is_outside(name: str) -> bool:
    return name.startswith(("/", ".."))


def _folder_name(name: str) -> str:
    """A class such as `F-16A/B` as the name of a single folder."""
    name = name.replace("/", "_").replace("\\", "_")
    return name if name not in ("", ".", "..") else "_"


def _link(source: Path, target: Path) -> None:
    """Make `target` a hard link to `source`, or a copy where the file system does not allow it."""
    if not source.is_file():
        raise UserError(
            f"{printable(source.name)} is in the lists of the data set but not in the download; "
            "download it again"
        )
    if target.exists():
        name, label = printable(target.name), printable(target.parent.name)
        raise UserError(f"two photographs of {label} have the name {name}; rename one of them")
    try:
        os.link(source.resolve(), target)
    except OSError:  # another file system, or one without links
        shutil.copyfile(source, target)


def _folder_with(source: Path, marker: str) -> Path:
    """The folder, at most two levels down, that holds this file."""
    for pattern in (marker, f"*/{marker}", f"*/*/{marker}"):
        for path in sorted(source.glob(pattern)):
            return path.parents[marker.count("/")]
    raise UserError(f"{marker} is not in the download; {_GIVE_DOWNLOAD}")


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    """The first word of each line and the rest of it."""
    if not path.is_file():
        raise UserError(f"{printable(path.name)} is not in the download; {_GIVE_DOWNLOAD}")
    for line in path.read_text("utf-8", "surrogateescape").splitlines():
        if line.strip() and not line.startswith("#"):
            first, _, rest = line.strip().partition(" ")
            yield first, rest.strip()


def _cub200(source: Path) -> Iterator[Placement]:
    root = _folder_with(source, "train_test_split.txt")
    names, classes = dict(_lines(root / "images.txt")), dict(_lines(root / "classes.txt"))
    labels = dict(_lines(root / "image_class_labels.txt"))
    for number, is_train in _lines(root / "train_test_split.txt"):
        try:
            yield Placement(
                root / "images" / names[number],
                "train" if is_train == "1" else "test",
                classes[labels[number]],
            )
        except KeyError:
            raise UserError(
                f"the lists of CUB-200-2011 disagree on photograph {number}; download it again"
            ) from None


def _fgvc_aircraft(source: Path) -> Iterator[Placement]:
    root = _folder_with(source, "images_variant_trainval.txt")
    for split, name in (("train", "trainval"), ("test", "test")):
        for number, variant in _lines(root / f"images_variant_{name}.txt"):
            yield Placement(root / "images" / f"{number}.jpg", split, variant)


def _oxford_pets(source: Path) -> Iterator[Placement]:
    root = _folder_with(source, "annotations/trainval.txt")
    for split, name in (("train", "trainval"), ("test", "test")):
        for photograph, _ in _lines(root / "annotations" / f"{name}.txt"):
            breed = photograph.rsplit("_", 1)[0]
            yield Placement(root / "images" / f"{photograph}.jpg", split, breed)


def _flowers102(source: Path) -> Iterator[Placement]:
    from scipy.io import loadmat  # comes with scikit-learn
    from scipy.io.matlab import MatReadError

    root = _folder_with(source, "setid.mat")
    if not (root / "imagelabels.mat").is_file():
        raise UserError(
            "imagelabels.mat is not next to setid.mat; "
            "put both and the unpacked 102flowers.tgz into one folder"
        )
    names = ("trnid", "train"), ("valid", "train"), ("tstid", "test")
    try:
        labels = loadmat(root / "imagelabels.mat")["labels"].ravel()
        splits = loadmat(root / "setid.mat")
        numbers = [(number, split) for name, split in names for number in splits[name].ravel()]
    except (ValueError, KeyError, TypeError, MatReadError) as error:
        raise UserError(
            f"the .mat files in {printable(root)} can't be read ({error}); download them again"
        ) from None
    for number, split in numbers:
        label = f"{labels[number - 1]:03}"
        yield Placement(root / "jpg" / f"image_{number:05}.jpg", split, label)


def _with_split_folders(source: Path) -> Iterator[Placement]:
    tops = [
        folder
        for folder in (source, *sorted(source.glob("*")))
        if (folder / "train").is_dir() and (folder / "test").is_dir()
    ]
    if not tops:
        raise UserError(
            "the download has no folders train/ and test/; "
            "put the photographs of each class into train/CLASS and test/CLASS"
        )
    listing = find_photos(tops[0])
    placements = [
        Placement(photo.path, photo.split, photo.label)
        for photo in listing.photos
        if photo.split and photo.label and photo.size is None  # no tar
    ]
    if loose := [photo.key for photo in listing.photos if not photo.label]:
        listing.passed_over["in no folder of a class"] = loose
    for item in listing.skipped:
        listing.passed_over.setdefault(item.reason, []).append(item.key)
    log_passed_over(tops[0], listing)
    yield from placements


_PREPARED = "an archive or folder with train/CLASS and test/CLASS; there is no official one"
_VGG = "https://www.robots.ox.ac.uk/~vgg/data"

DATASETS = {
    "cub200": Dataset(
        "CUB-200-2011: bird species",
        200,
        "non-commercial research and teaching",
        "https://www.vision.caltech.edu/datasets/cub_200_2011/",
        "CUB_200_2011.tgz",
        _cub200,
    ),
    "fgvc_aircraft": Dataset(
        "FGVC-Aircraft: aircraft variants",
        100,
        "non-commercial research",
        f"{_VGG}/fgvc-aircraft/",
        "fgvc-aircraft-2013b.tar.gz",
        _fgvc_aircraft,
    ),
    "oxford_pets": Dataset(
        "Oxford-IIIT Pet: breeds of cats and dogs",
        37,
        "CC BY-SA 4.0",
        f"{_VGG}/pets/",
        "images.tar.gz and annotations.tar.gz, unpacked into one folder",
        _oxford_pets,
    ),
    "flowers102": Dataset(
        "Oxford 102 Flower: flower species",
        102,
        "none stated",
        f"{_VGG}/flowers/102/",
        "102flowers.tgz, unpacked, with imagelabels.mat and setid.mat in one folder",
        _flowers102,
    ),
    "stanford_cars": Dataset(
        "Stanford Cars: makes, models and years",
        196,
        "non-commercial research; the official link is dead",
        "https://ai.stanford.edu/~jkrause/cars/car_dataset.html",
        _PREPARED,
        _with_split_folders,
    ),
    "caltech101": Dataset(
        "Caltech-101: generic objects, told apart by their shape",
        101,
        "CC BY 4.0",
        "https://data.caltech.edu/records/mzrjq-6wc02",
        _PREPARED,
        _with_split_folders,
    ),
}
