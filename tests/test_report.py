"""The report: one self-contained file, about runs in any state, with and without photographs."""

import json
import os
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from photos import ODD_NAMES, collection, encoded, texture, write

from lodisc.config import TrainConfig
from lodisc.data.sources import find_photos, fingerprint, split_photos, training_photos
from lodisc.files import read_json, write_json
from lodisc.photo_encoder import load, load_start
from lodisc.report import write_report
from lodisc.report.charts import Interval, Line, interval_plot, line_chart, ticks
from lodisc.report.lookalikes import find_lookalikes
from lodisc.report.measures import evaluation_tables, focus_table
from lodisc.report.page import _settings
from lodisc.training.loop import train

TINY: dict[str, Any] = {
    "encoder": "vit_tiny_patch16_224",
    "encoder_args": {"depth": 2, "embed_dim": 32, "num_heads": 2, "patch_size": 8},
    "init": "none",
    "image_size": 32,
    "epochs": 2,
    "batch_size": 4,
    "hidden_dim": 32,
    "out_dim": 16,
    "spared": 0.1,
    "workers": 0,
    "device": "cpu",
    "log_every": 1,
}
ODD_LABELS = ("<script>alert(1)<", "goldfinch-\N{BIRD}", "line\nbreak", "{{ 7*7 }}")


@pytest.fixture(scope="module")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    data = collection(folder / "birds", labels=ODD_LABELS, per_label=3, splits=("train", "test"))
    return train(data, out=folder / "run", **TINY)


@pytest.fixture
def run(finished_run: Path, tmp_path: Path) -> Path:
    return shutil.copytree(finished_run, tmp_path / "run")


class Page(HTMLParser):
    """What a page holds: tags in order, their attributes, and that they nest."""

    VOID = ("meta", "link", "img", "line", "circle", "polyline", "wbr")

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.html = path.read_text(encoding="utf-8")
        self.feed(self.html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] not in ("style",):
            self.text += data

    def count(self, tag: str, **attributes: str) -> int:
        return sum(
            name == tag and attributes.items() <= tag_attributes.items()
            for name, tag_attributes in self.tags
        )


def estimate(value: float) -> dict[str, float]:
    return {"value": value, "low": value - 2, "high": value + 2}


def evaluation(**arms: float) -> Any:
    metrics = {
        name: {
            "retrieval": {
                "rank1": estimate(value),
                "map": estimate(value / 2),
                "r_precision": estimate(value / 3),
            },
            "linear": {"top1": estimate(value + 10), "top5": estimate(value + 20)},
            "clustering": {"nmi": estimate(value)},
        }
        for name, value in arms.items()
    }
    return {
        "data": "birds",
        "classes": 4,
        "train": 12,
        "test": 12,
        "seed": 0,
        "skipped": 0,
        "arms": metrics,
    }


def test_a_report_stands_alone_and_shows_everything(run: Path) -> None:
    leaks = {"in_train": 3, "in_test": 0, "labelled_apart": 2}
    names = ["finch", "linnet", "serin", "wren"]
    measured = evaluation(run=65.2, start=51.6) | {"leaks": leaks, "class_names": names}
    (run / "evaluation.json").write_text(json.dumps(measured))
    path = write_report(run, device="cpu")
    page = Page(path)
    assert path == run / "report.html"
    assert path.stat().st_size < 3_000_000
    assert [path.name for path in run.iterdir() if path.suffix == ".tmp"] == []
    assert page.count("script") == 0
    links = [
        value or ""
        for _, tag_attributes in page.tags
        for name, value in tag_attributes.items()
        if name in ("src", "href", "srcset", "poster", "data")
    ]
    assert all(link.startswith(("data:", "#")) for link in links)
    assert "url(" not in page.html and "@import" not in page.html
    assert {tag_attributes["href"] for tag, tag_attributes in page.tags if tag == "a"} <= {
        f"#{tag_attributes['id']}" for _, tag_attributes in page.tags if "id" in tag_attributes
    }
    assert page.count("svg", role="img") == 6
    assert page.count("img") == 8 * 11 + 4 * 5
    assert all(tag_attributes.get("alt") for tag, tag_attributes in page.tags if tag == "img")
    for words in (
        "Trained on 12 photographs",
        "random weights",
        "All 6 steps are done",
        "12 test photographs",
        "51.6",
        "+13.6",
        "63.2–67.2",
        "12 test photographs, with 95% intervals; 4 classes: finch, linnet, serin, …",
        "of 12 test photographs 3 are nearly the same as a training one",
        "2 photographs are nearly the same as one of another class",
        "lodisc data check birds lists them",
    ):
        assert words in page.text


def test_names_are_text_and_nothing_else(run: Path, tmp_path: Path) -> None:
    entries = [
        {"key": f"train/{name}", "reason": "<b>truncated</b>"}
        for name in ("<img src=x onerror=alert(1)>", *ODD_NAMES[-3:])
    ]
    (run / "skipped.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    page = Page(write_report(run, device="cpu"))
    assert (
        page.count("script")
        == page.count("b", onerror="alert(1)")
        == page.count("img", src="x")
        == 0
    )
    for words in (
        "<script>alert(1)<",
        "goldfinch-\N{BIRD}",
        r"line\nbreak",
        "{{ 7*7 }}",
        "<b>truncated</b>",
        r"latin-\udce9.jpg",
    ):
        assert words in page.text.replace("\n", " ") or words in str(page.tags)
    shutil.rmtree(tmp_path / "run" / "encoder")
    strange = (tmp_path / "run").rename(tmp_path / "<i>run\n")
    assert r"<i>run\n" in Page(write_report(strange, device="cpu")).text


def test_frames_tell_right_from_wrong_and_are_left_out_without_labels(
    run: Path, tmp_path: Path
) -> None:
    page = Page(write_report(run, device="cpu"))
    right, wrong = page.count("li", **{"class": "right"}), page.count("li", **{"class": "wrong"})
    assert right + wrong == 8 * 2 * 5
    assert wrong >= 8 * 2 * 3  # a class has two others at most
    flat = tmp_path / "flat"
    for seed in range(6):
        write(flat / f"{seed}.jpg", encoded(texture(seed)))
    page = Page(write_report(run, data=flat, device="cpu"))
    assert page.count("li", **{"class": "right"}) == page.count("li", **{"class": "wrong"}) == 0
    assert page.count("img") == 6 * 11 + 4 * 5
    assert "among the 6 training photographs" in " ".join(page.text.split())


def test_queries_are_random_from_test_and_one_of_each_class_first(run: Path) -> None:
    config = read_json(run / "config.json")
    arms = {"before": load_start(run, device="cpu"), "after": load(run, device="cpu")}
    first, again = (
        find_lookalikes(arms, Path(config["data"]["path"]), config["settings"]) for _ in range(2)
    )
    assert [query.photo for query in first.queries] == [query.photo for query in again.queries]
    assert {query.photo.split for query in first.queries} == {"test"}
    assert {query.photo.label for query in first.queries[:4]} == set(ODD_LABELS)
    for query in first.queries:
        for near in query.nearest.values():
            assert query.photo not in near and len(set(near)) == 5
    query = first.queries[0]
    embedded = arms["after"].embed([photo.path for photo in (query.photo, *query.nearest["after"])])
    similarity = (embedded / embedded.norm(dim=1, keepdim=True))[1:] @ (
        embedded[0] / embedded[0].norm()
    )
    assert similarity.tolist() == sorted(similarity.tolist(), reverse=True)


def test_a_report_divides_the_photographs_as_the_run_did(tmp_path: Path) -> None:
    data = collection(tmp_path / "birds", per_label=8)
    run = train(data, out=tmp_path / "run", train_split=0.5, seed=3, **TINY)
    config = read_json(run / "config.json")
    lookalikes = find_lookalikes({"after": load(run, device="cpu")}, data, config["settings"])
    photos = split_photos(find_photos(data).photos, train_split=0.5, seed=0)
    assert fingerprint(training_photos(photos)) == config["data"]["fingerprint"]
    keys = {
        photo.key
        for query in lookalikes.queries
        for photo in (query.photo, *query.nearest["after"])
    }
    assert keys <= {photo.key for photo in photos if photo.split == "test"}


def test_a_report_says_what_there_is_not_and_how_to_get_it(run: Path) -> None:
    shutil.rmtree(run / "encoder")
    lines = (run / "log.jsonl").read_text().splitlines(keepends=True)
    (run / "log.jsonl").write_text("".join(lines[:2]) + lines[2][:20])
    page = Page(write_report(run, device="cpu"))
    assert page.count("img") == 0
    for words in (
        "2 of 6 steps are done",
        "has not reached its first checkpoint",
        f"lodisc evaluate {run}",
        "Starting",
    ):
        assert words in page.text
    (run / "log.jsonl").unlink()
    page = Page(write_report(run, device="cpu"))
    assert "Not started" in page.text and "0 of 6 steps are done" in page.text
    assert page.count("svg", role="img") == 0


def test_a_report_of_damaged_files_names_them_or_does_without(run: Path) -> None:
    shutil.rmtree(run / "encoder")
    lines = (run / "log.jsonl").read_text().splitlines(keepends=True)
    for line in (
        '{"step": 3}',
        '{"step": 3, "epoch": "x"}',
        '{"step": 3, "epoch": 1, "loss": "x"}',
    ):
        (run / "log.jsonl").write_text(f"{lines[0]}{line}\n")
        assert "1 of 6 steps are done" in Page(write_report(run, device="cpu")).text
    (run / "log.jsonl").write_text('{"step": 3, "epoch": 1.0}\n')
    assert "3 of 6 steps are done" in Page(write_report(run, device="cpu")).text
    sound = {"arms": {}, "test": 1, "classes": 1, "data": "photos"}
    for content, reason in (
        ({"arms": {}}, "it has no test"),
        ({"arms": [], "test": 1, "classes": 1}, "its arms is of another kind"),
        ({"arms": {"run": 3}, "test": 1, "classes": 1}, "its arms is of another kind"),
        (
            {"arms": {"run": {"knn": {"top1": {"value": 1}}}}, "test": 1, "classes": 1},
            "its arms is of another kind",
        ),
        ({"arms": {}, "test": 1, "classes": 1}, "it has no data"),
        ({**sound, "leaks": -5}, "its leaks is of another kind"),
        ({**sound, "leaks": {}}, "its leaks is of another kind"),
        ({**sound, "leaks": {"in_train": 1, "in_test": "x"}}, "its leaks is of another kind"),
        ({**sound, "class_names": "wren"}, "its class_names is of another kind"),
    ):
        write_json(run / "evaluation.json", content)
        with pytest.raises(ValueError, match=rf"evaluation\.json is damaged \({reason}\)"):
            write_report(run, device="cpu")
    write_json(run / "evaluation.json", sound)
    assert "lodisc evaluate" not in Page(write_report(run, device="cpu")).text
    (run / "evaluation.json").unlink()
    for name in ("evaluation.json", "log.jsonl"):
        (run / name).unlink(missing_ok=True)
        os.mkfifo(run / name)
        with pytest.raises(OSError, match=rf"not a file.*{name}"):
            write_report(run, device="cpu")
        (run / name).unlink()


@pytest.mark.parametrize(("size", "is_changed"), [(224, False), (128, True)])
def test_the_encoder_s_own_image_size_is_as_the_recipe_says(size: int, is_changed: bool) -> None:
    settings = TrainConfig(image_size=size).to_dict()
    rows = {name: changed for name, _, changed in _settings(settings)}
    assert rows["image-size"] is is_changed and not rows["lr"]


@pytest.mark.parametrize(
    ("settings", "task"),
    [
        (
            {"objective": "local", "mask": "random", "keep_ratio": 0.75, "recolour": True},
            "75% of its patches, chosen at random, in other colours",
        ),
        (
            {"objective": "both", "mask": "pivotal", "keep_ratio": 0.25, "recolour": False},
            "the whole view and, once more, from its pivotal region "
            "(the 25% of its patches with the most attention)",
        ),
    ],
)
def test_the_task_is_that_of_the_settings(run: Path, settings: dict[str, Any], task: str) -> None:
    config = read_json(run / "config.json")
    config["settings"] |= settings
    write_json(run / "config.json", config)
    text = re.sub(r"\s+", " ", Page(write_report(run, device="cpu")).text)
    assert f", from {task}." in text


def test_photographs_that_are_gone_leave_the_rest(run: Path, tmp_path: Path) -> None:
    config = read_json(run / "config.json")
    config["data"]["path"] = str(tmp_path / "gone")
    (run / "config.json").write_text(json.dumps(config))
    page = Page(write_report(run, device="cpu"))
    assert page.count("img") == 0 and page.count("svg", role="img") == 6
    assert "gone does not exist" in page.text
    with pytest.raises(ValueError, match="nowhere does not exist"):
        write_report(run, data=tmp_path / "nowhere", device="cpu")
    with pytest.raises(ValueError, match="is not a run"):
        write_report(tmp_path, device="cpu")


def test_tables_take_any_arms_and_any_protocols() -> None:
    result = evaluation(run=65.2, start=71.6, pixels=9.0)
    del result["arms"]["pixels"]["linear"]
    tables = evaluation_tables(result)
    assert tables["main"].arms == [("start", "Before"), ("other", "Raw pixels"), ("run", "After")]
    rank1, _, linear, nmi = tables["main"].rows
    assert [cell.value for cell in rank1.cells if cell] == ["71.6", "9.0", "65.2"]
    assert rank1.gain == "−6.4"
    assert linear.cells[1] is None and linear.plot.count("<circle") == 2
    assert nmi.title == "Clustering NMI"
    assert [row.title for row in tables["more"].rows] == ["Retrieval R-precision", "Linear top-5"]
    assert focus_table(result) is None
    alone = evaluation_tables(evaluation(run=50.0))
    assert alone["main"].rows[0].gain == ""


def test_the_focus_stands_next_to_uniform_attention() -> None:
    result = evaluation(run=65.2, start=51.6)
    for name, shift in (("start", 0), ("run", 20)):
        shares = {"object": 26, "part": 8, "part_covered": 30}
        result["arms"][name]["focus"] = {
            key: estimate(value + shift) for key, value in shares.items()
        }
        result["arms"][name]["focus"] |= {"object_area": estimate(25), "part_area": estimate(7)}
    table = focus_table(result)
    assert table is not None
    assert [title for _, title in table.arms] == ["Uniform", "Before", "After"]
    values = [[cell.value for cell in row.cells if cell] for row in table.rows]
    assert values == [["25.0", "26.0", "46.0"], ["7.0", "8.0", "28.0"], ["25.0", "30.0", "50.0"]]
    assert table.rows[2].cells[0] is not None and table.rows[2].cells[0].interval == ""


def test_charts_stand_any_values() -> None:
    nan = float("nan")
    gaps = Line(
        "loss",
        "run",
        [
            (step, None if step % 7 == 0 else nan if step % 11 == 0 else 1 / step)
            for step in range(1, 5000)
        ],
    )
    chart = line_chart([gaps], title="<Loss>")
    assert "nan" not in chart and "&lt;Loss&gt;" in chart
    assert all(len(points.split()) <= 160 for points in re.findall(r'points="([^"]*)"', chart))
    for points in ([(1, 0.0)], [(1, 2.0), (2, 2.0)], [(1, -1e-9), (2, 1e9)]):
        chart = line_chart([Line("a", "run", points)], title="a")
        places = [float(place) for place in re.findall(r'(?:y1|cy)="([-\d.]+)"', chart)]
        assert all(0 <= place <= 172 for place in places)
    assert "Nothing was logged" in line_chart([Line("a", "run", [(1, None)])], title="a")
    assert 'cx="100.00%"' in interval_plot([Interval("run", 100.0, 99.0, 101.0)])


@pytest.mark.parametrize(
    ("low", "high"), [(0, 1), (0, 0), (-0.1, 0.4), (3, 3.0001), (1e-7, 3e-4), (-5, -5), (0, 12345)]
)
def test_ticks_are_few_and_hold_the_range(low: float, high: float) -> None:
    marks = ticks(low, high)
    assert 2 <= len(marks) <= 7
    assert marks == sorted(set(marks))
    assert marks[0] <= low + 1e-9 and marks[-1] >= high - 1e-9 * max(1, abs(high))
