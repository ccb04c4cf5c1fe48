"""What folders mean, in folders, lists and tars: labels, splits, masks, what systems leave."""

from collections.abc import Callable
from pathlib import Path

import pytest
from photos import encoded, tar, texture, write

from lodisc.data.endings import OF_SYSTEMS
from lodisc.data.layout import Listing
from lodisc.data.sources import find_photos

JPEG = encoded(texture(0))
Make = Callable[[Path, list[str]], Path]


def as_folder(at: Path, names: list[str]) -> Path:
    for name in names:
        write(at / "data" / name, JPEG)
    return at / "data"


def as_list(at: Path, names: list[str]) -> Path:
    as_folder(at, names)
    return write(at / "data" / "list.txt", "\n".join(names).encode())


def as_tar(at: Path, names: list[str]) -> Path:
    return tar(at / "data.tar", dict.fromkeys(names, JPEG))


@pytest.fixture(params=[as_folder, as_list, as_tar], ids=["folder", "list", "tar"])
def make(request: pytest.FixtureRequest) -> Make:
    made: Make = request.param
    return made


def described(listing: Listing) -> set[tuple[str | None, str | None]]:
    return {(photo.split, photo.label) for photo in listing.photos}


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("train", "test"),
        ("Train", "Test"),
        ("TRAINING", "testing"),
        ("training", "val"),
        ("train", "Valid"),
        ("training", "Validation"),
        ("train2017", "val2017"),
        ("training_set", "test_set"),
        ("train-images", "Test Images"),
        ("val", "test"),
        ("images_train", "images_test"),
        ("01_train", "02_test"),
        ("train1", "test1"),
        ("train (1)", "test (1)"),
        ("birds-train-v2", "birds-val-v2"),
    ],
)
@pytest.mark.parametrize("around", ["", "birds/"])
def test_parts_of_a_data_set_by_any_usual_name(
    make: Make, tmp_path: Path, train: str, test: str, around: str
) -> None:
    names = [f"{around}{part}/{kind}/0.jpg" for part in (train, test) for kind in ("finch", "wren")]
    listing = find_photos(make(tmp_path, names))
    if train == "val":
        assert described(listing) == {("test", "finch"), ("test", "wren")}
        return
    assert described(listing) == {
        (split, kind) for split in ("train", "test") for kind in ("finch", "wren")
    }
    assert listing.passed_over == {} and len(listing.notes) == ("val" in test.lower())


@pytest.mark.parametrize(
    ("part", "split"),
    [
        *(("train", "train"), ("training", "train"), ("train_images", "train"), ("Test", "test")),
        *(("Val", None), ("birds/validation", None), ("test_images", None)),
    ],
)
def test_a_part_alone_is_no_label(make: Make, tmp_path: Path, part: str, split: str | None) -> None:
    """Where all would be for testing by another name than test, nothing is divided."""
    names = [f"{part}/{kind}/0.jpg" for kind in ("finch", "wren")]
    assert described(find_photos(make(tmp_path, names))) == {(split, "finch"), (split, "wren")}


@pytest.mark.parametrize("part", ["images_train", "test1", "2021/test 2"])
def test_a_part_alone_by_an_unusual_name_is_noted(make: Make, tmp_path: Path, part: str) -> None:
    listing = find_photos(make(tmp_path, [f"{part}/{kind}/0.jpg" for kind in ("finch", "wren")]))
    assert {photo.split for photo in listing.photos} == {None}
    assert any("divide nothing" in note for note in listing.notes)


def test_a_folder_that_repeats_the_name_of_its_part_is_no_label(make: Make, tmp_path: Path) -> None:
    names = [f"cars_{part}/cars_{part}/{n}.jpg" for part in ("train", "test") for n in range(2)]
    assert described(find_photos(make(tmp_path, names))) == {("train", None), ("test", None)}


def test_a_folder_called_like_a_part_beside_most_photographs_is_a_label(
    make: Make, tmp_path: Path
) -> None:
    names = ["test1/wren/0.jpg", *(f"{n}.jpg" for n in range(3))]
    assert described(find_photos(make(tmp_path, names))) == {(None, "test1"), (None, None)}


def test_folders_of_masks_hide_no_division(make: Make, tmp_path: Path) -> None:
    photographs = [f"set1/images/{part}/{n}.jpg" for part in ("train", "test") for n in range(2)]
    masks = [f"set1/labels/{part}/{n}.txt.png" for part in ("train", "test") for n in range(2)]
    listing = find_photos(make(tmp_path, [*photographs, *masks]))
    assert described(listing) == {("train", None), ("test", None)}
    left_out = [key for keys in listing.passed_over.values() for key in keys]
    assert left_out + [item.key for item in listing.skipped] == sorted(masks)


@pytest.mark.parametrize("around", ["set/", "a/b/", "data/images/"])
def test_folders_around_the_parts_may_lie_in_one_another(
    make: Make, tmp_path: Path, around: str
) -> None:
    names = [f"{around}{part}/wren/{n}.jpg" for part in ("train", "test") for n in range(3)]
    beside = ["docs/figure.png"] * (around == "set/")
    listing = find_photos(make(tmp_path, [*names, *beside]))
    assert described(listing) == {("train", "wren"), ("test", "wren")}
    left_out = [key for keys in listing.passed_over.values() for key in keys]
    assert left_out + [item.key for item in listing.skipped] == beside


@pytest.mark.parametrize(
    ("names", "labels"),
    [
        (["train/0.jpg", "car/0.jpg", "bus/0.jpg"], {"train", "car", "bus"}),  # vehicles
        (["test kitchen/0.jpg", "training shoes/0.jpg"], {"test kitchen", "training shoes"}),
        (["wren/train/0.jpg", "wren/test/1.jpg", "owl/train/2.jpg"], {"wren", "owl"}),
        (["validators/0.jpg", "trainers/1.jpg"], {"validators", "trainers"}),
        (["steam train/0.jpg", "crash test/1.jpg"], {"steam train", "crash test"}),
        (["train1/0.jpg", "train2/0.jpg", "tram/1.jpg"], {"train1", "train2", "tram"}),
        (["2021-05-01 test/0.jpg", "2021-05-02 training/0.jpg"], None),
        (["test1/0.jpg", "training 1/0.jpg", "S00/0.jpg", "S01/0.jpg"], None),
        (["trail cam 1/0.jpg", "trail cam 2 test/0.jpg", "trail cam 3 training/0.jpg"], None),
        (["S1_test/0.jpg", "S2_train/0.jpg"], None),
        (["Test Valley/0.jpg", "Val Valley/0.jpg", "Otter Valley/0.jpg"], None),
        (["train 1/0.jpg", "test 1/0.jpg", "car/0.jpg"], None),
    ],
)
def test_what_is_no_division_is_a_label(
    make: Make, tmp_path: Path, names: list[str], labels: set[str] | None
) -> None:
    listing = find_photos(make(tmp_path, names))
    outer = {name.split("/")[0] for name in names}
    assert described(listing) == {(None, label) for label in labels or outer}
    has_parts = any(
        part in ("train", "test", "train1", "test1", "train 1")
        for name in names
        for part in name.split("/")
    )
    assert any("divide nothing" in note for note in listing.notes) == has_parts


def test_validation_beside_test_is_passed_over_and_counted(make: Make, tmp_path: Path) -> None:
    names = [f"{part}/wren/{n}.jpg" for part in ("train", "valid", "test") for n in range(3)]
    listing = find_photos(make(tmp_path, names))
    assert len(listing.photos) == 6
    assert listing.passed_over == {
        "validation, neither train nor test": [f"valid/wren/{n}.jpg" for n in range(3)]
    }


@pytest.mark.parametrize(
    "name",
    ["images/{part}/{n}.jpg", "{part}/images/{n}.jpg", "birds/{part}/images/{n}.jpg"],
)
def test_a_folder_called_images_is_no_label(make: Make, tmp_path: Path, name: str) -> None:
    names = [name.format(part=part, n=n) for part in ("train", "val") for n in range(2)]
    assert described(find_photos(make(tmp_path, names))) == {("train", None), ("test", None)}


@pytest.mark.parametrize("kinds", [("training", "running"), ("test", "control"), ("val", "gorge")])
def test_kinds_that_are_called_like_parts_are_kinds(
    make: Make, tmp_path: Path, kinds: tuple[str, str]
) -> None:
    names = [f"{kind}/{n}.jpg" for kind in kinds for n in range(2)]
    assert described(find_photos(make(tmp_path, names))) == {(None, kind) for kind in kinds}


@pytest.mark.parametrize(
    "masks",
    [
        ["masks/0.png", "masks/1.png"],
        ["Masks/wren/0.png", "Masks/wren/1.png"],
        ["wren/0_mask.png", "wren/1_mask.png"],
        ["wren/0-mask.png", "wren/1_seg.png"],
        ["segmentations/wren/0.png", "segmentations/wren/1.png"],
        ["annotations/trimaps/0_mask.png", "annotations/trimaps/1_mask.png"],
        ["SegmentationClass/0.png", "SegmentationObject/1.png"],
        ["ground_truth/0.bmp", "gt/1.tif"],
        ["wren/0_mask_1.png", "wren/1_seg2.png"],
        ["trimaps/0.png", "trimaps/1.png"],
        ["segmentation_masks/0.png", "train_masks/1.png"],
        ["wren/0_superpixels.png", "wren/1_labelIds.png"],
        ["wren/0.mask.png", "wren/1.jpg.mask.png"],
        ["wren/mask_0.png", "wren/seg-1.png"],
        ["wren/0_label.png", "wren/1_annotation.png"],
    ],
)
def test_masks_are_no_photographs(make: Make, tmp_path: Path, masks: list[str]) -> None:
    listing = find_photos(make(tmp_path, ["wren/0.jpg", "wren/1.jpg", *masks]))
    assert [photo.key for photo in listing.photos] == ["wren/0.jpg", "wren/1.jpg"]
    assert listing.passed_over == {"masks of other photographs": sorted(masks)}


@pytest.mark.parametrize(
    "names",
    [
        ["w/red.jpg", "w/red_label.jpeg"],
        ["w/b.JPG", "w/b_mask.jpeg"],
        ["herb/0.tif", "herb/0_label.tiff"],
        ["herb/1.png", "herb/label 1.png"],
        [f"{kind}/{n}.{end}" for kind, end in (("hat", "jpg"), ("gas mask", "png")) for n in "01"],
        [f"{kind}/{n}.{end}" for kind, end in (("sedan", "jpg"), ("Ford GT", "png")) for n in "01"],
        [f"{kind}/{n}.jpg" for kind in ("Images", "Mustang GT", "white label") for n in "01"],
    ],
)
def test_names_that_resemble_those_of_masks_are_of_photographs(
    make: Make, tmp_path: Path, names: list[str]
) -> None:
    assert len(find_photos(make(tmp_path, names)).photos) == len(names)


@pytest.mark.parametrize("around", ["", "train/", "set/"])
def test_masks_beside_images_may_be_of_any_kind(make: Make, tmp_path: Path, around: str) -> None:
    names = [f"{around}{kind}/{n}.jpg" for kind in ("images", "masks") for n in range(2)]
    listing = find_photos(make(tmp_path, names))
    assert [photo.key.split("/")[-2] for photo in listing.photos] == ["images"] * 2
    assert listing.passed_over == {"masks of other photographs": names[2:]}


def test_photographs_whose_names_begin_like_masks_have_masks(make: Make, tmp_path: Path) -> None:
    names = ["wren/label_0.jpg", "wren/gt_1.jpg", "masks/label_0.png", "masks/gt_1.png"]
    listing = find_photos(make(tmp_path, names))
    assert listing.passed_over == {"masks of other photographs": sorted(names[2:])}


def test_kinds_that_are_called_like_masks_are_kinds(make: Make, tmp_path: Path) -> None:
    names = ["masks/venice.jpg", "masks/no_mask.jpg", "helmets/a.jpg", "helmets/mask.jpg"]
    assert len(find_photos(make(tmp_path, names)).photos) == 4


@pytest.mark.parametrize("around", ["", "train/"])
def test_kinds_whose_photographs_are_numbered_alike_are_kinds(
    make: Make, tmp_path: Path, around: str
) -> None:
    names = [
        f"{around}{kind}/{n:04}.jpg" for kind in ("masks", "helmets", "hats") for n in range(3)
    ]
    listing = find_photos(make(tmp_path, names))
    assert len(listing.photos) == 9
    assert [note for note in listing.notes if "masks" in note] == [
        f"{around}masks is read as photographs, named as those beside it; if they are masks, move "
        "them out"
    ]
    names = [f"two/{around}{kind}/{n:04}.png" for kind in ("mask", "no_mask") for n in range(3)]
    assert len(find_photos(make(tmp_path / "two", names)).photos) == 6
    names = [
        f"{kind}/{n}.{end}" for kind, end in (("mask", "png"), ("no_mask", "jpg")) for n in "12"
    ]
    assert len(find_photos(make(tmp_path / "three", names)).photos) == 4


@pytest.mark.parametrize(
    "name",
    [*sorted(OF_SYSTEMS - {".trash", ".trashes"}), "found.000", "FOUND.017", "CaptureOne/Cache"],
)
def test_what_a_system_put_there_is_passed_over_and_counted(
    make: Make, tmp_path: Path, name: str
) -> None:
    names = ["wren/0.jpg", f"{name}/wren/0.jpg", f"wren/{name}/1.jpg", f"{name.upper()}/2.jpg"]
    listing = find_photos(make(tmp_path, names))
    assert [photo.key for photo in listing.photos] == ["wren/0.jpg"]
    if not (name.startswith(".") and make is as_tar):  # a tar hides them by their dot
        assert sum(map(len, listing.passed_over.values())) == 3


def test_names_that_only_resemble_those_of_systems_are_kinds(make: Make, tmp_path: Path) -> None:
    names = ["@home/0.jpg", "#1/0.jpg", "$10/0.jpg", "recycle/0.jpg", "thumbs/0.jpg"]
    assert {photo.label for photo in find_photos(make(tmp_path, names)).photos} == {
        name.split("/")[0] for name in names
    }


@pytest.mark.parametrize("name", ["s1_label.jpg", "s1 label 2.jpg", "s1_gt.jpg", "s1_mask.jpg"])
def test_a_photograph_beside_another_is_a_photograph(make: Make, tmp_path: Path, name: str) -> None:
    """Masks are not JPEG, whose values change when it is saved."""
    assert len(find_photos(make(tmp_path, ["a/s1.jpg", f"a/{name}"])).photos) == 2


def test_a_table_says_itself_what_is_a_photograph(tmp_path: Path) -> None:
    names = [f"{kind}/{n}.png" for kind in ("images", "masks") for n in range(2)]
    as_folder(tmp_path, [f"images/{n}.jpg" for n in range(2)] + names)
    table = "path,label\n" + "".join(f"{name},{name.split('/')[0]}\n" for name in names)
    listing = find_photos(write(tmp_path / "data" / "t.csv", table.encode()))
    assert len(listing.photos) == 4 and listing.passed_over == {}


def test_libraries_of_programs_are_read_without_their_previews(make: Make, tmp_path: Path) -> None:
    names = [
        "Photos.photoslibrary/originals/A/1.jpg",
        "Photos.photoslibrary/resources/derivatives/A/1_4_5005_c.jpg",
        "Lightroom Previews.lrdata/A/1.jpg",
        "iPhoto.photolibrary/Thumbnails/1.jpg",
        "Aperture.aplibrary/Previews/1.jpg",
    ]
    listing = find_photos(make(tmp_path, names))
    assert [photo.key for photo in listing.photos] == names[:1]
    assert listing.passed_over == {"put there by a system, not by you": sorted(names[1:])}


@pytest.mark.parametrize("make", [as_folder, as_tar])
def test_what_is_not_named_like_a_photograph_is_counted(make: Make, tmp_path: Path) -> None:
    names = {
        "IMG0001": "without the ending of a photograph",
        "a.jpg_large": "without the ending of a photograph",
        "a.JPG.1": "without the ending of a photograph",
        "a.pjpeg": "without the ending of a photograph",
        ".a.jpg.icloud": "left in iCloud",
        "a.mp4": "videos",
        "a.AVI": "videos",
        "a.NEF": "cannot decode .nef",
        "a.svs": "cannot decode .svs",
        "a.dcm": "cannot decode .dcm",
        "a.fits": "cannot decode .fits",
        "a.zip": "archives",
        ".b.jpg": "hidden",
    }
    texts = ["README", "a.jpg.xmp", "a.jpg.json", "list.csv", "Thumbs.db", ".DS_Store", "._a.jpg"]
    listing = find_photos(make(tmp_path, ["wren/0.jpg", *names, *texts]))
    assert [photo.key for photo in listing.photos] == ["wren/0.jpg"]
    reasons = {key: reason for reason, keys in listing.passed_over.items() for key in keys}
    assert reasons.keys() == names.keys()
    assert all(
        reason.startswith(names[key].split()[0]) or names[key] in reason
        for key, reason in reasons.items()
    )


def test_labels_that_may_mean_none_or_look_the_same_are_noted(tmp_path: Path) -> None:
    as_folder(tmp_path, [f"{n}.jpg" for n in range(6)])
    names = ("Great tit", "Great\u00a0tit", "Great  tit", "Great\u200b tit", "NA", "#N/A")
    table = "path,label\n" + "".join(f"{n}.jpg,{name}\n" for n, name in enumerate(names))
    twins, missing = find_photos(write(tmp_path / "data" / "t.csv", table.encode())).notes
    assert twins.count("tit") == 4 and "\\u200b" in twins
    assert missing == "#N/A, NA is taken for a label; leave the cell empty for none"


def test_what_is_hidden_is_counted(tmp_path: Path) -> None:
    names = ["wren/0.jpg", "wren/.1.jpg", ".cache/2.jpg", "wren/.old/3.jpg", "wren/._0.jpg"]
    listing = find_photos(as_folder(tmp_path, names))
    assert [photo.key for photo in listing.photos] == ["wren/0.jpg"]
    assert listing.passed_over == {
        "hidden, by a name that begins with a dot": [
            ".cache/2.jpg",
            "wren/.1.jpg",
            "wren/.old/3.jpg",
        ]
    }


def test_lists_name_hidden_files_and_those_of_systems_in_vain(tmp_path: Path) -> None:
    """As `find` writes them."""
    names = {
        ".Trash-1000/0.jpg": "hidden",
        "wren/.ipynb_checkpoints/0.jpg": "hidden",
        "wren/._0.jpg": "hidden",
        "wren/Thumbs.db": "put there by a system",
        "wren/0.jpg:Zone.Identifier": "put there by a system",
    }
    source = as_list(tmp_path / ".home", ["wren/0.jpg", *names])
    whole = tmp_path / ".home" / "data" / "@eaDir" / "0.jpg"
    write(whole, JPEG)
    elsewhere = write(
        tmp_path / "lists" / "l.txt", f"{source.parent}/wren/0.jpg\n{whole}\n".encode()
    )
    listing = find_photos(source)
    assert [photo.key for photo in listing.photos] == ["wren/0.jpg"] and listing.skipped == []
    reasons = {key: reason for reason, keys in listing.passed_over.items() for key in keys}
    assert reasons.keys() == names.keys()
    assert all(reason.startswith(names[key]) for key, reason in reasons.items())
    assert len(find_photos(elsewhere).photos) == 1


def test_folders_above_the_data_are_not_asked(tmp_path: Path) -> None:
    write(tmp_path / "lost+found" / "wren" / "0.jpg", JPEG)
    names = ["../lost+found/wren/0.jpg", str(tmp_path / "lost+found" / "wren" / "0.jpg")]
    for name in names:
        source = write(tmp_path / "lists" / "l.txt", name.encode())
        assert len(find_photos(source).photos) == 1


def test_notes_are_of_what_is_read(make: Make, tmp_path: Path) -> None:
    names = [f"bottle/{part}/good/{n}.png" for part in ("train", "test") for n in range(2)]
    beside = [f"bottle/ground_truth/good/deep/{n}.png" for n in range(2)]
    listing = find_photos(make(tmp_path, [*names, *beside]))
    assert len(listing.photos) == 4 and listing.notes == []


def test_deeper_folders_and_twins_are_noted(make: Make, tmp_path: Path) -> None:
    names = ["Aves/wren/0.jpg", "Aves/wren/1.jpg", "aves/2.jpg", "Pisces/3.jpg"]
    notes = find_photos(make(tmp_path, names)).notes
    assert notes == [
        "the outer folder is the label of Aves/wren/0.jpg and 1 more",
        "labels that differ in case or blanks alone are different: Aves, aves",
    ]


def test_a_column_goes_before_folders(tmp_path: Path) -> None:
    as_folder(tmp_path, [f"train/wren/{n}.jpg" for n in range(4)])
    table = "file,species,set\n" + "".join(
        f"train/wren/{n}.jpg,finch,{part}\n"
        for n, part in enumerate(("Training", "VAL", "", "val"))
    )
    listing = find_photos(write(tmp_path / "data" / "t.csv", table.encode()))
    assert [(photo.split, photo.label) for photo in listing.photos] == [
        ("train", "finch"),
        ("test", "finch"),
        ("test", "finch"),
    ]
    assert [item.reason for item in listing.skipped] == ["neither in train nor in test"]
