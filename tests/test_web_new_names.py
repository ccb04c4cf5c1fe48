"""Several photographs that are dropped, pasted or chosen are named, in a real browser."""

import csv
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import web
from photos import encoded, texture, write
from web import Server, notice

from lodisc.collection import naming
from lodisc.collection.collection import Collection

browser, context, embedded, expected, open_page, server = (
    web.browser,
    web.context,
    web.embedded,
    web.expected,
    web.open_page,
    web.server,
)
ODD = "=cmd|A1 <b>ü.jpg"
BROKEN = "broken.jpg"
DONE = "#naming[open] .naming-progress .figures"
GIVE = """
([files, way]) => {
  const carried = new DataTransfer();
  for (const [name, data] of files) carried.items.add(new File([new Uint8Array(data)], name));
  if (way === "drop") {
    dispatchEvent(new DragEvent("dragenter", { dataTransfer: carried }));
    dispatchEvent(new DragEvent("drop", { dataTransfer: carried, cancelable: true }));
  } else {
    const init = { clipboardData: carried, bubbles: true, cancelable: true };
    document.dispatchEvent(new ClipboardEvent("paste", init));
  }
}
"""


@pytest.fixture
def new(tmp_path: Path, embedded: Path) -> Path:
    """NEW/ of six photographs, one of them broken, and a text."""
    for kind, number in (("finch", 1), ("finch", 9), ("wren", 1), ("wren", 9)):
        path = tmp_path / "new" / "june" / f"{kind} {number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(embedded / "photos" / kind / f"{number}.jpg", path)
    write(tmp_path / "new" / ODD, encoded(texture(77)))
    write(tmp_path / "new" / BROKEN, b"\xff\xd8\xff")
    write(tmp_path / "new" / "notes.txt", b"Dear diary")
    return tmp_path / "new"


@pytest.fixture
def labelled(server: Server) -> Server:
    labels = Collection(server.folder).labels
    for kind in ("finch", "wren"):
        labels.set([f"{kind}/{number}.jpg" for number in range(6)], kind)
    return server


def files_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def give(page: Any, paths: list[Path], way: str = "drop") -> None:
    page.evaluate(GIVE, [[[path.name, list(path.read_bytes())] for path in paths], way])


def drop_from_outside(page: Any, *paths: Path) -> None:
    """As a person drops files and folders; scripts can't make folders."""
    client = page.context.new_cdp_session(page)
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        client.send("Input.dispatchDragEvent", {"type": kind, "x": 300, "y": 300, "data": data})


def finished(page: Any, count: int) -> None:
    page.locator(DONE, has_text=f"{count} of {count}").wait_for()
    page.locator("#naming button", has_text="Cancel").wait_for(state="hidden")


def content(folder: Path) -> dict[str, bytes]:
    """The files of a collection, but for its caches."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in files_in(folder)
        if "cache" not in path.parts
    }


@pytest.mark.parametrize("way", ["drop", "paste"])
def test_several_are_named_and_the_collection_stays(
    labelled: Server, open_page: Callable[..., Any], expected: list[str], new: Path, way: str
) -> None:
    expected.append("status of 422")
    before = content(labelled.folder)
    page = open_page("/progress")
    give(page, files_in(new), way)
    finished(page, 6)
    assert page.url.endswith("/progress")
    page.locator("#naming", has_text="The collection stays as it is.").wait_for()
    page.locator("#naming", has_text="1 file is not a photograph.").wait_for()
    names = naming.name_photos(
        Collection(labelled.folder), [new], out=new.parent / "command.csv", device="cpu"
    )["names"]
    assert len(names) == 6
    for entry in names:
        row = page.locator(".naming-list li", has_text=entry["key"].split("/")[-1])
        assert row.count() == 1
        if entry["problem"]:
            assert row.locator(".trouble").inner_text().endswith("damaged or unsupported.")
            continue
        words = row.locator("p").inner_text()
        assert words == f"{entry['name']} {int(100 * (entry['confidence'] or 0) + 1e-6)}%"
        link = row.locator(".most-like")
        assert link.get_attribute("title") == entry["look_alike"]
        assert entry["look_alike_label"] in link.inner_text()
        assert f"{int(100 * (entry['similarity'] or 0) + 1e-6)}% similar" in link.inner_text()
        assert link.get_attribute("target") == "_blank", "the names stay"
        until_loaded(row)
    counts = {kind: sum(entry["name"] == kind for entry in names) for kind in ("finch", "wren")}
    told = sorted(page.locator(".naming-counts").inner_text().split(", "))
    assert told == sorted(
        [*(f"{count} {kind}" for kind, count in counts.items() if count), "1 can’t be read"]
    )
    assert content(labelled.folder) == before


def until_loaded(row: Any) -> None:
    """Wait until the pictures of a row are there."""
    row.scroll_into_view_if_needed()
    for image in row.locator("img").all():
        image.evaluate("image => image.decode()")
        assert image.evaluate("image => image.naturalWidth") > 0


def test_names_are_sorted_and_the_table_is_that_of_the_command(
    labelled: Server, open_page: Callable[..., Any], expected: list[str], new: Path
) -> None:
    expected.append("status of 422")
    page = open_page("/label")
    page.locator("#chooser").set_input_files(files_in(new))
    finished(page, 6)
    page.get_by_label("Order").select_option("By name, surest first")
    with page.expect_download() as download:
        page.locator("#naming button", has_text="Download table").click()
    assert download.value.suggested_filename == "names.csv"
    naming.name_photos(Collection(labelled.folder), files_in(new)[:-1], out=new / "command.csv")

    def table(path: Path) -> list[dict[str, str]]:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            return list(csv.DictReader(stream))

    rows = table(Path(download.value.path()))
    command = {row["path"].split("/")[-1]: row for row in table(new / "command.csv")}
    assert list(rows[0]) == list(naming.COLUMNS)
    named = rows[:-1]
    assert rows[-1]["key"] == BROKEN and "damaged or unsupported" in rows[-1]["problem"]
    assert [(row["name"], -float(row["confidence"])) for row in named] == sorted(
        (row["name"], -float(row["confidence"])) for row in named
    )
    shown = page.locator(".naming-list .key.small").all_inner_texts()
    assert shown == [row["key"].removeprefix("'") for row in rows]
    assert "'" + ODD in [row["key"] for row in rows], "no spreadsheet takes it for a formula"
    for row in named:
        other = command[row["key"].removeprefix("'")]
        for column in ("name", "look_alike", "look_alike_label", "problem"):
            assert row[column] == other[column], column
        for column in ("confidence", "similarity"):
            assert float(row[column]) == pytest.approx(float(other[column]), abs=1e-4)


def test_a_folder_is_named_with_its_folders(
    labelled: Server, open_page: Callable[..., Any], expected: list[str], new: Path
) -> None:
    expected.append("status of 422")
    write(new / "june" / ".hidden.jpg", encoded(texture(5)))
    page = open_page("/")
    page.locator(".grid.live").wait_for()
    drop_from_outside(page, new)
    finished(page, 6)
    keys = page.locator(".naming-list .key.small").evaluate_all("all => all.map((e) => e.title)")
    assert "new/june/finch 9.jpg" in keys and f"new/{ODD}" in keys and len(keys) == 6
    page.locator("#naming", has_text="1 file is not a photograph.").wait_for()


def test_one_photograph_opens_its_look_alikes(
    labelled: Server, open_page: Callable[..., Any], new: Path
) -> None:
    page = open_page("/")
    page.locator(".grid.live").wait_for()
    drop_from_outside(page, new / "june" / "finch 9.jpg")
    page.wait_for_url("**/similar/upload-*")
    assert web.key_of(page, ".nearest .tile") == "finch/9.jpg"
    give(page, [new / "june" / "wren 9.jpg", new / "notes.txt"])  # with what lies beside it
    page.locator("h1", has_text="wren 9.jpg").wait_for()
    page.locator(".tile.chosen").wait_for()
    give(page, [new / "notes.txt", new / "notes.txt"])
    notice(page, "There are no photographs here.")
    assert page.locator("#naming").count() == 0


def test_naming_is_cancelled_closed_shown_and_discarded(
    labelled: Server, open_page: Callable[..., Any], new: Path
) -> None:
    page = open_page("/")
    page.locator(".grid.live").wait_for()
    held: list[Any] = []

    def hold(route: Any) -> None:
        if len(held) < 2:
            held.append(route)
            route.continue_()
        else:
            held.append(route)  # without an answer

    page.route("**/api/name", hold)
    good = sorted((new / "june").iterdir())
    give(page, good)
    page.locator(".naming-list li").nth(1).wait_for()
    page.locator(DONE, has_text="2 of 4 · Less than a minute").wait_for()
    page.locator("#naming button", has_text="Cancel").click()
    finished(page, 2)
    page.unroute("**/api/name")
    give(page, [good[0]])  # while the dialog is open, a single one is named, too
    finished(page, 3)
    page.keyboard.press("Escape")
    notice(page, "The names of 3 photographs.")
    page.locator(".notice button", has_text="Show").click()
    assert page.locator(".naming-list li").count() == 3
    page.locator("#naming button", has_text="Close").click()
    page.locator(".notice button", has_text="Discard").click()
    page.locator(".notice").wait_for(state="detached")
    give(page, good[:2])
    finished(page, 2)
    assert page.locator(".naming-list li").count() == 2


def test_it_goes_on_when_the_server_is_back(
    labelled: Server, open_page: Callable[..., Any], expected: list[str], new: Path
) -> None:
    expected += ["ERR_", "status of 422", "status of 404"]
    page = open_page("/map")
    page.locator("canvas").wait_for()
    page.wait_for_load_state("networkidle")
    labelled.stop()
    give(page, files_in(new))
    page.locator(
        "#naming .trouble", has_text="The server does not answer. Trying again…"
    ).wait_for()
    assert page.locator(".naming-list li").count() == 0
    labelled.start()
    finished(page, 6)
    assert page.locator("#naming [role=status].trouble").inner_text() == ""
    assert page.locator(".naming-list .trouble").count() == 1


def test_with_labels_of_fewer_than_two_kinds_the_page_says_what_to_do(
    server: Server, open_page: Callable[..., Any], new: Path
) -> None:
    page = open_page("/groups")
    give(page, sorted((new / "june").iterdir()))
    finished(page, 4)
    page.locator("#naming", has_text="Label photographs of at least two kinds").wait_for()
    assert page.locator(".naming-list b").all_inner_texts() == ["No name yet"] * 4
    links = page.locator(".most-like").evaluate_all("all => all.map((link) => link.title)")
    assert sorted(links) == ["finch/1.jpg", "finch/9.jpg", "wren/1.jpg", "wren/9.jpg"]
    assert page.locator(".naming-counts").inner_text() == "4 without a name"


def test_names_fit_on_a_phone_and_the_veil_says_what_happens(
    labelled: Server, open_page: Callable[..., Any], new: Path
) -> None:
    page = open_page("/", width=390, height=844)
    page.locator(".grid.live").wait_for()
    page.evaluate("""() => {
      const carried = new DataTransfer();
      carried.items.add(new File(["x"], "a.jpg"));
      dispatchEvent(new DragEvent("dragenter", { dataTransfer: carried }));
    }""")
    veil = page.locator(".drop")
    assert "Drop a photograph to find its look-alikes" in veil.inner_text()
    assert "Drop several, or a folder, to name them" in veil.inner_text()
    give(page, sorted((new / "june").iterdir()))
    finished(page, 4)
    veil.wait_for(state="hidden")
    assert page.evaluate("document.querySelector('.naming-list').scrollWidth") <= 390
    for element in page.locator("#naming button:visible, .most-like").all():
        element.scroll_into_view_if_needed()
        box = element.bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= 390 and box["height"] >= 38
