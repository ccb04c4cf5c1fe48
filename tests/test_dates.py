"""When photographs were taken: from EXIF, as people's cameras write it, and the order by date."""

import io
import os
import tarfile
import threading
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import web
from photos import encoded, png_of, put_pipe, texture, write
from PIL import ExifTags, Image
from runs import until
from web import client_of, index_again, listed

from lodisc.collection.collection import Collection
from lodisc.data import taken as taken_module
from lodisc.data.decode import Unreadable
from lodisc.data.photo import Photo
from lodisc.data.taken import photo_taken, taken

browser, context, expected, open_page = (
    web.browser,
    web.context,
    web.expected,
    web.open_page,
)
TIME = "2026:05:03 14:22:05"
ORIGINAL, DIGITIZED, CHANGED = (
    int(ExifTags.Base.DateTimeOriginal),
    int(ExifTags.Base.DateTimeDigitized),
    int(ExifTags.Base.DateTime),
)


def with_exif(tags: dict[int, Any], *, format: str = "JPEG", number: int = 0) -> bytes:
    """A photograph with these tags."""
    exif = Image.Exif()
    for tag, value in tags.items():
        if tag == CHANGED:
            exif[tag] = value
        else:
            exif.get_ifd(ExifTags.IFD.Exif)[tag] = value
    stream = io.BytesIO()
    texture(number).resize((320, 240)).save(stream, format, exif=exif)
    return stream.getvalue()


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_the_time_of_the_photograph_comes_before_others(format: str) -> None:
    first = {ORIGINAL: TIME, DIGITIZED: "2026:06:01 00:00:00", CHANGED: "2026:07:01 00:00:00"}
    assert taken(with_exif(first, format=format)) == datetime(2026, 5, 3, 14, 22, 5)
    assert taken(with_exif({CHANGED: TIME}, format=format)) == datetime(2026, 5, 3, 14, 22, 5)
    assert taken(with_exif({}, format=format)) is None


def test_of_a_tiff() -> None:
    assert taken(with_exif({CHANGED: TIME}, format="TIFF")) == datetime(2026, 5, 3, 14, 22, 5)


@pytest.mark.parametrize(
    "value",
    [
        "0000:00:00 00:00:00",
        "0001:01:01 00:00:00",
        "9999:01:01 00:00:00",
        "    :  :     :  :  ",
        "",
        "yesterday",
        "2026-05-03",
        "\0" * 19,
    ],
)
def test_what_is_not_a_time_is_passed_over(value: str) -> None:
    assert taken(with_exif({ORIGINAL: value})) is None
    both = {ORIGINAL: value, DIGITIZED: TIME + "\0"}
    assert taken(with_exif(both)) == datetime(2026, 5, 3, 14, 22, 5)


def test_damage_is_no_time_and_no_crash(tmp_path: Path) -> None:
    data = with_exif({ORIGINAL: TIME})
    start = data.index(b"Exif")
    assert taken(data[: start + 8] + b"\xff" * 60 + data[start + 68 :]) is None
    with pytest.raises(Unreadable):
        taken(b"Dear diary")


def test_of_a_large_file_the_head_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.jpg").write_bytes(with_exif({ORIGINAL: TIME}) + bytes(2**20))
    (tmp_path / "b.webp").write_bytes(with_exif({ORIGINAL: TIME}, format="WEBP"))
    monkeypatch.setattr(taken_module, "HEAD", 2000)
    reads: list[Path] = []
    read = Photo.read

    def counted(photo: Photo) -> bytes:
        reads.append(photo.path)
        return read(photo)

    monkeypatch.setattr(Photo, "read", counted)
    for name in ("a.jpg", "b.webp"):
        photo = Photo(name, tmp_path / name)
        assert photo_taken(photo) == datetime(2026, 5, 3, 14, 22, 5)
    assert [path.name for path in reads] == ["b.webp"]


@pytest.fixture
def folder(tmp_path: Path, run: Path) -> Path:
    """FOLDER/C of dated photographs: by EXIF 2, 0, 3; by their file 1 and 4; the newest is 4."""
    dates = {"a": 2, "b": 0, "c": 3}
    for number, name in enumerate("abcde"):
        if name in dates:
            tags = {ORIGINAL: f"2024:01:0{dates[name] + 1} 10:00:00"}
            data = with_exif(tags, number=number)
        else:
            data = encoded(texture(number))
        write(tmp_path / "photos" / f"{name}.jpg", data)
    for name, day in (("d", 2), ("e", 5), ("a", 9), ("b", 8), ("c", 7)):
        time = datetime(2024, 1, day, 10).timestamp()
        os.utime(tmp_path / "photos" / f"{name}.jpg", (time, time))
    index_again(tmp_path, run)
    return tmp_path


def ordered(client: Any) -> list[str]:
    """The keys by date, once all is read."""
    listed(client, sort="date")
    until(lambda: client.get("/api/dates").json()["done"] == 5)
    return [key[0] for key in listed(client, sort="date")]


def test_newest_first_from_exif_or_from_the_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = client_of(folder / "C")
    assert client.get("/api/dates").json() == {"done": 0, "total": 0}
    assert ordered(client) == ["e", "c", "a", "d", "b"]
    photo = next(iter(client.get("/api/photos?q=c.jpg").json()["photos"]))
    detail = client.get(f"/api/photos/{photo['id']}").json()
    assert detail["taken"] == "2024-01-04T10:00:00"
    assert "taken 2024-01-04 10:00" in client.get(f"/similar/{photo['id']}").text
    (folder / "C" / "cache" / "dates.json").write_text('{"x": 3')
    assert ordered(client_of(folder / "C")) == ["e", "c", "a", "d", "b"], "a damaged cache"
    monkeypatch.setattr("lodisc.web.state.dates.photo_taken", lambda photo: 1 / 0)
    assert ordered(client_of(folder / "C")) == ["e", "c", "a", "d", "b"], "it is all in the cache"


def test_a_file_that_is_away_is_read_when_it_is_back(folder: Path) -> None:
    (folder / "photos" / "c.jpg").rename(folder / "c.jpg")
    assert ordered(client_of(folder / "C"))[0] == "c", "by its file, of which the index knows"
    (folder / "c.jpg").rename(folder / "photos" / "c.jpg")
    assert ordered(client_of(folder / "C")) == ["e", "c", "a", "d", "b"]


def test_photographs_in_a_tar(folder: Path, run: Path) -> None:
    elsewhere = folder / "tars"
    elsewhere.mkdir()
    with tarfile.open(elsewhere / "all.tar", "w") as tar:
        for path in sorted((folder / "photos").iterdir()):
            tar.add(path, path.name)
    (elsewhere / "photos").mkdir()
    (elsewhere / "all.tar").rename(elsewhere / "photos" / "all.tar")
    index_again(elsewhere, run)
    keys = Collection(elsewhere / "C").photos().keys
    assert len(keys) == 5
    client = client_of(elsewhere / "C")
    listed(client, sort="date")
    until(lambda: client.get("/api/dates").json()["done"] == 5)
    order = [Path(key).stem[-1] for key in listed(client, sort="date")]
    assert [name for name in order if name in "abc"] == ["c", "a", "b"]


@pytest.fixture
def server(folder: Path) -> Any:
    running = web.Server(folder / "C")
    yield running
    running.stop()


def test_the_page_says_how_far_it_is_and_then_changes_the_order(
    server: Any, open_page: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()
    read = photo_taken
    monkeypatch.setattr(
        "lodisc.web.state.dates.photo_taken", lambda photo: (go_on.wait(60), read(photo))[1]
    )
    page = open_page("/")
    page.locator(".grid.live").wait_for()
    page.locator("#sort").select_option(label="Newest first")
    page.locator("#dates", has_text="Reading when photographs were taken: 0 of 5.").wait_for()
    first = page.locator(".grid .tile").first
    assert first.get_attribute("title") == "a.jpg", "the file's date counts until then"
    go_on.set()
    page.locator("#dates").wait_for(state="hidden")
    until(lambda: first.get_attribute("title") == "e.jpg")


@pytest.mark.parametrize(("text", "hours"), [("+02:00", 2), ("-05:00", -5), ("Z", 0)])
def test_with_its_offset_where_there_is_one(text: str, hours: int) -> None:
    offset = int(ExifTags.Base.OffsetTimeOriginal)
    zone = timezone(timedelta(hours=hours))
    expected = datetime(2026, 5, 3, 14, 22, 5, tzinfo=zone)
    time = taken(with_exif({ORIGINAL: TIME, offset: text}))
    assert time == expected and time.utcoffset() == timedelta(hours=hours)
    assert taken(with_exif({ORIGINAL: TIME, offset: "+99:00"})) == datetime(2026, 5, 3, 14, 22, 5)


def test_a_large_png_without_a_time_is_not_read_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "a.png", png_of((32, 24), bytes(2**20)))
    monkeypatch.setattr(Photo, "read", lambda photo: pytest.fail("it was read whole"))
    assert photo_taken(Photo("a.png", path)) is None


def stop_at(monkeypatch: pytest.MonkeyPatch, key: str) -> tuple[threading.Event, list[str]]:
    """Have the reading wait at this photograph for an event; the keys that are read."""
    go_on, keys = threading.Event(), []

    def read(photo: Photo) -> datetime | None:
        keys.append(photo.key)
        if photo.key == key:
            go_on.wait(60)
        return photo_taken(photo)

    monkeypatch.setattr("lodisc.web.state.dates.PATIENCE", 0)
    monkeypatch.setattr("lodisc.web.state.dates.photo_taken", read)
    return go_on, keys


def test_what_is_known_counts_while_the_rest_is_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, keys = stop_at(monkeypatch, "c.jpg")
    client = client_of(folder / "C")
    assert client.get("/api/dates").json() == {"done": 0, "total": 0} and keys == []
    listed(client, sort="date")
    until(lambda: client.get("/api/dates").json() == {"done": 2, "total": 5})
    assert [key[0] for key in listed(client, sort="date")] == ["c", "e", "a", "d", "b"]
    go_on.set()
    assert ordered(client) == ["e", "c", "a", "d", "b"]


def test_all_are_done_only_once_the_order_is_right(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()
    monkeypatch.setattr("lodisc.web.state.dates.write_cache", lambda *words: go_on.wait(60))
    assert ordered(client_of(folder / "C")) == ["e", "c", "a", "d", "b"]
    go_on.set()


def test_the_first_answer_of_the_next_start_is_in_order(folder: Path) -> None:
    ordered(client_of(folder / "C"))
    until(lambda: (folder / "C" / "cache" / "dates.json").exists())
    keys = listed(client_of(folder / "C"), sort="date")
    assert [key[0] for key in keys] == ["e", "c", "a", "d", "b"]


def test_a_file_that_could_not_be_read_is_read_again(folder: Path) -> None:
    path = folder / "photos" / "c.jpg"
    data = path.read_bytes()
    put_pipe(path)
    assert ordered(client_of(folder / "C"))[0] == "c"
    path.unlink()
    write(path, data)
    assert ordered(client_of(folder / "C")) == ["e", "c", "a", "d", "b"]


def test_when_the_server_ends_so_does_the_reading(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, keys = stop_at(monkeypatch, "b.jpg")
    with client_of(folder / "C") as client:
        listed(client, sort="date")
        until(lambda: "b.jpg" in keys)
    go_on.set()
    until(lambda: (folder / "C" / "cache" / "dates.json").exists())
    assert keys == ["a.jpg", "b.jpg"]
    monkeypatch.setattr("lodisc.web.state.dates.photo_taken", lambda p: keys.append(p.key))
    listed(client_of(folder / "C"), sort="date")
    until(lambda: len(keys) == 5)
    assert keys[2:] == ["c.jpg", "d.jpg", "e.jpg"], "what was read is kept"


def test_no_memory_for_a_file_does_not_stop_the_others(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(photo: Photo) -> datetime | None:
        if photo.key == "a.jpg":
            raise MemoryError
        return photo_taken(photo)

    monkeypatch.setattr("lodisc.web.state.dates.photo_taken", read)
    assert ordered(client_of(folder / "C")) == ["a", "e", "c", "d", "b"]
