"""`evaluate` from folders of photographs to metrics, and its one-line answers to unusable data."""

import json
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from photos import collection, encoded, texture, write
from PIL import ImageOps
from safetensors.torch import save_file
from torch import Tensor

import lodisc
from lodisc import cli
from lodisc.commands.tables_learn import print_evaluation
from lodisc.config import TrainConfig
from lodisc.data.sources import find_photos
from lodisc.encoders import build_encoder, load_weights, save_encoder
from lodisc.evaluation.benchmark import DEFAULT_PROTOCOLS, measure
from lodisc.evaluation.features import Pixels, extract
from lodisc.evaluation.interval import EstimateEntry
from lodisc.evaluation.leaks import Leaks, in_words
from lodisc.evaluation.result import ArmMetrics, Evaluation
from lodisc.files import write_json

ENCODER = "vit_tiny_patch16_224"
SPLITS = ("train", "test")
SETTINGS: dict[str, Any] = {  # those of a run by an early version
    **{name: value for name, value in TrainConfig().to_dict().items() if name != "split_seed"},
    "encoder": ENCODER,
    "encoder_args": {},
    "image_size": 32,
}
CONFIG = {"steps": 1, "data": {"path": "", "photos": 1, "fingerprint": ""}}


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_file(
        {
            name: tensor.contiguous()
            for name, tensor in build_encoder(ENCODER, image_size=32).trunk.state_dict().items()
        },
        path,
    )
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "birds"
    for seed, name in enumerate(("start", "encoder", "momentum")):
        torch.manual_seed(seed)
        (folder / name).mkdir(parents=True)
        save_encoder(build_encoder(ENCODER, image_size=32), folder / name)
    write_json(folder / "config.json", {**CONFIG, "settings": {**SETTINGS, "init": "none"}})
    return folder


def evaluate(source: Path | str, data: Path, **settings: Any) -> Evaluation:
    return lodisc.evaluate(source, data, workers=0, device="cpu", **settings)


def test_a_weights_file_is_measured_alone(weights: Path, tmp_path: Path) -> None:
    data = collection(tmp_path, splits=SPLITS)
    result = evaluate(weights, data, encoder=ENCODER, image_size=32)
    assert list(result["arms"]) == ["run"] and tuple(result["arms"]["run"]) == DEFAULT_PROTOCOLS
    assert (result["classes"], result["train"], result["test"], result["skipped"]) == (2, 8, 8, 0)
    assert set(result["arms"]["run"]["retrieval"]) == {
        "rank1",
        "rank5",
        "map",
        "r_precision",
        "map_at_r",
    }
    assert set(result["arms"]["run"]["linear"]["top1"]) == {"value", "low", "high"}
    assert "deviation" in result["arms"]["run"]["fewshot"]["shots5"]
    again = evaluate(weights, data, encoder=ENCODER, image_size=32)
    assert again["arms"] == result["arms"]


def test_a_run_is_measured_beside_its_start_and_keeps_the_metrics(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = collection(tmp_path, splits=SPLITS)
    result = evaluate(run, data, protocols=["knn", "retrieval"])
    assert list(result["arms"]) == ["run", "start"] and list(result["arms"]["start"]) == [
        "knn",
        "retrieval",
    ]
    assert json.loads((run / "evaluation.json").read_text()) == result
    assert not list(run.glob("*.tmp"))
    assert (
        result["arms"]["run"]
        != evaluate(run, data, protocols=["knn", "retrieval"], momentum=True)["arms"]["run"]
    )
    print_evaluation(result)
    printed = capsys.readouterr().out
    assert "Retrieval mAP@R" in printed and "gain" in printed and "Linear" not in printed


def test_the_start_is_also_measured_at_the_size_that_it_was_made_for(
    run: Path,
    weights: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    data, below = collection(tmp_path / "data", splits=SPLITS), tmp_path / "below"
    shutil.copytree(run, below)
    encoder = build_encoder(ENCODER, image_size=32)
    load_weights(encoder, weights)
    save_encoder(encoder, below / "start")
    write_json(below / "config.json", {**CONFIG, "settings": {**SETTINGS, "init": str(weights)}})
    result = evaluate(below, data, protocols=["retrieval"])
    assert list(result["arms"]) == ["run", "start", "start_at_own_size"]
    alone = evaluate(weights, data, encoder=ENCODER, protocols=["retrieval"])
    assert alone["settings"]["image_size"] == result["settings"]["own_size"] == 224
    assert alone["arms"]["run"] == result["arms"]["start_at_own_size"]
    print_evaluation(result)
    printed = capsys.readouterr().out
    assert "start, 32 px" in printed and "start, 224 px" in printed
    run_map, own_map = (
        result["arms"][arm]["retrieval"]["map"]["value"] for arm in ("run", "start_at_own_size")
    )
    row = next(line for line in printed.splitlines() if "Retrieval mAP " in line)
    assert row.split()[-1] == f"{run_map - own_map:+.1f}"

    torch.manual_seed(7)
    others = build_encoder(ENCODER, image_size=32).trunk.state_dict()
    save_file(
        {name: tensor.contiguous() for name, tensor in others.items()}, tmp_path / "o.safetensors"
    )
    write_json(
        below / "config.json",
        {**CONFIG, "settings": {**SETTINGS, "init": str(tmp_path / "o.safetensors")}},
    )
    with caplog.at_level("INFO", logger="lodisc"):
        assert list(evaluate(below, data, protocols=["retrieval"])["arms"]) == ["run", "start"]
    assert "does not hold the weights any more" in caplog.text


def test_the_command_measures_discovery_of_a_run_and_its_start(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    data = collection(tmp_path / "data", splits=SPLITS, labels=["finch", "linnet", "serin", "wren"])
    words = ["evaluate", str(copy), str(data), "--protocols", "discovery", "--workers", "0"]
    assert cli.main([*words, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert list(result["arms"]) == ["run", "start"]
    for arm in result["arms"].values():
        assert set(arm["discovery"]) == {"all", "known", "new"}
    assert json.loads((copy / "evaluation.json").read_text()) == result
    print_evaluation(result)
    titles = [line[:15] for line in capsys.readouterr().out.splitlines() if "Discovery" in line]
    assert titles == ["Discovery all  ", "Discovery known", "Discovery new  "]


def test_the_table_of_three_arms_fits_eighty_columns(capsys: pytest.CaptureFixture[str]) -> None:
    entry: EstimateEntry = {"value": 100.0, "low": 98.7, "high": 100.0}
    arm: ArmMetrics = {
        "retrieval": {"r_precision": entry},
        "linear_paper": {"top1": entry},
        "fewshot": {"shots10": {**entry, "deviation": 1.0}},
    }
    print_evaluation(
        {
            "data": "birds",
            "seed": 0,
            "classes": 100,
            "class_names": [f"kind {number}" for number in range(100)],
            "train": 2999,
            "test": 2903,
            "skipped": 0,
            "unlabelled": 0,
            "unseen": 0,
            "leaks": {"in_train": 0, "in_test": 0, "labelled_apart": 0},
            "arms": {"run": arm, "start": arm, "pixels": arm},
        }
    )
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80 and sum("100 (98.7–100)" in line for line in lines) == 3


def test_copies_are_said_beside_the_metrics_and_listed_by_the_command_that_is_named(
    weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = collection(tmp_path / "my birds", splits=SPLITS, size=(96, 72))
    picture, other, third = (texture(5000 + seed, size=(96, 72)) for seed in range(3))
    write(data / "train" / "wren" / "a.png", encoded(picture, "PNG"))
    write(data / "test" / "wren" / "mirrored.jpg", encoded(ImageOps.mirror(picture), quality=80))
    for number, quality in enumerate((60, 95)):
        write(data / "test" / "wren" / f"b{number}.jpg", encoded(other, quality=quality))
    for label in ("finch", "wren"):
        write(data / "train" / label / "c.jpg", encoded(third))
    result = evaluate(weights, data, encoder=ENCODER, image_size=32, protocols=["knn"])
    assert result["leaks"] == {"in_train": 1, "in_test": 2, "labelled_apart": 2}
    print_evaluation(result)
    printed = capsys.readouterr().out
    assert f"of {result['test']} test photographs 1 are nearly the same as a training" in printed
    assert "2 are nearly the same as another test one" in " ".join(printed.split())
    assert "2 photographs are nearly the same as one of" in printed
    words = shlex.split(printed.split("; lodisc ")[1].splitlines()[0].removesuffix(" lists them"))
    assert cli.main([*words, "--json"]) == 0
    duplicates = json.loads(capsys.readouterr().out)["duplicates"]
    assert [pair["test"] for pair in duplicates["near"]] == ["test/wren/mirrored.jpg"]
    assert [(pair["first"], pair["second"]) for pair in duplicates["near_within"]] == [
        ("test/wren/b0.jpg", "test/wren/b1.jpg")
    ]
    assert [[photo["key"] for photo in photos] for photos in duplicates["labelled_apart"]] == [
        ["train/finch/c.jpg", "train/wren/c.jpg"]
    ]


def test_copies_are_listed_where_only_the_evaluation_divides(
    weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = collection(tmp_path / "birds", per_label=6, size=(96, 72))
    for number in range(6):
        again = texture(number, size=(96, 72)).resize((80, 60))
        write(data / "wren" / f"again{number}.jpg", encoded(again))
    choice: dict[str, Any] = {"encoder": ENCODER, "image_size": 32, "protocols": ["knn"]}
    leaks = evaluate(weights, data, train_split=0.5, **choice)["leaks"]
    assert leaks["in_train"] + leaks["in_test"] > 0 and leaks["labelled_apart"] == 12
    only_test = Leaks(in_train=0, in_test=2, labelled_apart=0)
    assert in_words(only_test, test=9, data="birds") == (
        "of 9 test photographs 2 are nearly the same as another test one, so metrics are too high; "
        "lodisc data check birds lists them"
    )
    assert in_words(leaks, test=9, data=str(data)).endswith(f"lodisc data check {data} lists them")
    assert cli.main(["data", "check", str(data)]) == 0
    printed = capsys.readouterr().out
    assert "6 pairs" in printed and "copies with different labels" in printed
    assert "finch/0.jpg" in printed and "wren/again0.jpg" in printed


def test_long_photographs_that_share_one_end_are_no_copies(weights: Path, tmp_path: Path) -> None:
    """Each is seen in tiles, of which one is the same."""
    data = collection(tmp_path / "birds", splits=SPLITS, size=(96, 72))
    start = texture(900, size=(72, 72))
    for number in range(6):
        strip = texture(1000 + number, size=(288, 72))
        strip.paste(start, (0, 0))
        split, kind = SPLITS[number % 2], ("finch", "wren")[number // 3]
        write(data / split / kind / f"strip{number}.png", encoded(strip, "PNG"))
    choice: dict[str, Any] = {"encoder": ENCODER, "image_size": 32, "protocols": ["knn"]}
    leaks = evaluate(weights, data, fit="tiles", **choice)["leaks"]
    assert leaks == {"in_train": 0, "in_test": 0, "labelled_apart": 0}


def test_no_copies_are_not_mentioned() -> None:
    assert in_words({"in_train": 0, "in_test": 0, "labelled_apart": 0}, test=9, data="birds") == ""


def test_data_without_a_division_needs_a_share(run: Path, weights: Path, tmp_path: Path) -> None:
    data = collection(tmp_path / "data", per_label=10)
    with pytest.raises(ValueError, match="--train-split"):
        evaluate(weights, data, encoder=ENCODER, image_size=32)
    result = evaluate(
        weights, data, encoder=ENCODER, image_size=32, train_split=0.7, protocols=["knn"]
    )
    assert (result["train"], result["test"]) == (14, 6)
    divided = tmp_path / "run"
    shutil.copytree(run, divided)
    for seeds in (
        {"split_seed": 4, "seed": 0},
        {"seed": 4},
    ):  # the second as versions without --split-seed wrote it
        write_json(
            divided / "config.json",
            {**CONFIG, "settings": {**SETTINGS, "init": "none", "train_split": 0.8, **seeds}},
        )
        result = evaluate(divided, data, protocols=["knn"])
        assert (result["train"], result["test"]) == (16, 4)


def test_a_train_folder_alone_can_be_divided(weights: Path, tmp_path: Path) -> None:
    data = collection(tmp_path, per_label=10, splits=["train"])
    with pytest.raises(ValueError, match="has no test/; give --train-split"):
        evaluate(weights, data, encoder=ENCODER, image_size=32)
    result = evaluate(
        weights, data, encoder=ENCODER, image_size=32, train_split=0.7, protocols=["knn"]
    )
    assert (result["train"], result["test"]) == (14, 6)


@pytest.mark.parametrize(("setting", "value"), [("max_skipped", -1.0), ("workers", -1)])
def test_settings_out_of_range_are_refused(
    weights: Path, tmp_path: Path, setting: str, value: Any
) -> None:
    data = collection(tmp_path, splits=SPLITS)
    with pytest.raises(ValueError, match=rf"--{setting.replace('_', '-')} {value} is out of range"):
        lodisc.evaluate(weights, data, encoder=ENCODER, image_size=32, **{setting: value})


def test_unreadable_photographs_are_counted_up_to_a_share(weights: Path, tmp_path: Path) -> None:
    data = collection(tmp_path, splits=SPLITS)
    write(data / "test" / "wren" / "cut.jpg", b"nothing")
    result = evaluate(
        weights, data, encoder=ENCODER, image_size=32, protocols=["knn"], max_skipped=0.1
    )
    assert (result["train"], result["test"], result["skipped"]) == (8, 8, 1)
    with pytest.raises(
        ValueError,
        match=r"1 of 17 photographs .* --max-skipped 0.05; "
        r"the first is test/wren/cut.jpg: not an image",
    ):
        evaluate(weights, data, encoder=ENCODER, image_size=32, protocols=["knn"])


def test_with_every_photograph_of_a_part_unreadable_nothing_is_measured(tmp_path: Path) -> None:
    data = collection(tmp_path, splits=SPLITS)
    for path in data.glob("train/*/*"):
        path.write_bytes(b"nothing")
    with pytest.raises(ValueError, match="too few photographs can be read"):
        measure(
            {"pixels": Pixels(32)}, find_photos(data).photos, data=data, workers=0, max_skipped=1.0
        )


def test_photographs_without_a_label_or_of_an_unknown_class_are_left_out_and_counted(
    tmp_path: Path,
) -> None:
    data = collection(tmp_path, splits=SPLITS)
    collection(data / "test", labels=["robin"], per_label=3)
    shutil.copy(data / "test" / "wren" / "0.jpg", data / "test" / "loose.jpg")
    result = measure({"pixels": Pixels(32)}, find_photos(data).photos, data=data, workers=0)
    assert (result["classes"], result["test"], result["unseen"], result["unlabelled"]) == (
        3,
        11,
        3,
        1,
    )


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        ({"train": ["wren", "finch"], "test": ["wren"]}, "at least two classes"),
        ({"train": ["wren"], "test": ["wren", "finch"]}, "train has fewer than two classes"),
        (
            {"train": ["wren", "finch"], "test": ["robin", "owl"]},
            "train has none of the classes of test",
        ),
        ({"train": [""], "test": [""]}, "separation of 4 photographs tells nothing"),
        ({"train": ["wren", "finch"], "test": [""]}, "no test photograph has a label"),
    ],
)
def test_data_that_cannot_be_measured_is_refused_in_one_line(
    labels: dict[str, list[str]], reason: str, tmp_path: Path
) -> None:
    for split, names in labels.items():
        collection(tmp_path / split, labels=names, per_label=2)
    with pytest.raises(ValueError, match=reason) as refusal:
        measure({"pixels": Pixels(32)}, find_photos(tmp_path).photos, data=tmp_path, workers=0)
    assert "\n" not in str(refusal.value)


def test_classes_that_train_lacks_can_still_be_retrieved(tmp_path: Path) -> None:
    for split, names in {"train": ["wren", "finch"], "test": ["robin", "owl"]}.items():
        collection(tmp_path / split, labels=names)
    result = measure(
        {"pixels": Pixels(32)},
        find_photos(tmp_path).photos,
        data=tmp_path,
        protocols=["retrieval", "clustering"],
        workers=0,
    )
    assert (result["train"], result["test"]) == (0, 8)


def test_settings_that_do_not_go_together_are_refused(
    run: Path, weights: Path, tmp_path: Path
) -> None:
    data = collection(tmp_path, splits=SPLITS)
    with pytest.raises(
        ValueError, match="--protocols magic: no such protocol; there are retrieval, smoothed"
    ):
        evaluate(run, data, protocols=["magic"])
    with pytest.raises(ValueError, match="--image-size"):
        evaluate(run, data, image_size=64)
    with pytest.raises(ValueError, match="no momentum encoder"):
        evaluate(weights, data, encoder=ENCODER, momentum=True)


def test_a_feature_that_is_not_finite_is_named(tmp_path: Path) -> None:
    class Broken(Pixels):
        def features(self, images: Tensor, /) -> Tensor:
            return super().features(images) / 0

    with pytest.raises(ValueError, match=r"the feature of finch/0.jpg is not finite"):
        extract(
            Broken(32),
            find_photos(collection(tmp_path)).photos,
            classes=["finch", "wren"],
            description="",
            workers=0,
        )


def test_features_keep_the_order_of_the_photographs_for_any_number_of_workers(
    tmp_path: Path,
) -> None:
    data = collection(tmp_path, per_label=5)
    write(data / "finch" / "2.jpg", b"nothing")
    photos = find_photos(data).photos
    alone, shared = (
        extract(Pixels(32), photos, classes=["finch"], description="", batch_size=3, workers=n)
        for n in (0, 2)
    )
    assert torch.equal(alone.vectors, shared.vectors) and alone.photos == shared.photos == [
        *photos[:2],
        *photos[3:],
    ]
    assert alone.labels.tolist() == [0] * 4 + [-1] * 5
    assert [(item.key, item.reason) for item in alone.skipped] == [("finch/2.jpg", "not an image")]


def test_pixels_are_the_photograph_at_32(tmp_path: Path) -> None:
    images = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
    assert torch.allclose(Pixels(32).features(images), images.flatten(1) / 255, atol=1e-6)
    assert Pixels(64).features(torch.full((1, 3, 64, 64), 255, dtype=torch.uint8)).shape == (
        1,
        3072,
    )
