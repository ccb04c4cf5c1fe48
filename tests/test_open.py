"""`lodisc open`: a folder becomes a page that fills; again it takes in what is new and gone."""

import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
import web
from photos import collection, encoded, texture, write
from runs import command, until

from lodisc.collection import filling
from lodisc.collection.collection import Collection
from lodisc.collection.filling import fill
from lodisc.collection.filling_terms import Choice, Event
from lodisc.collection.index import index
from lodisc.embedding.embed import embed
from lodisc.run import Run

browser = web.browser
COUNT = 80


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return collection(tmp_path / "birds", per_label=COUNT // 2)


def filled(photos: Path, run: Path, **choice: Any) -> tuple[Collection, list[Event]]:
    folder = photos.with_name("birds.lodisc")
    events: list[Event] = []
    fill(photos, folder, choice=Choice(**(choice or {"run": run})), tell=events.append)
    return Collection(folder), events


def keys_of(opened: Collection) -> set[str]:
    return set(opened.photos().keys)


def keys_in(photos: Path) -> set[str]:
    return {str(path.relative_to(photos)) for path in photos.rglob("*.jpg")}


def test_a_collection_grows_while_photographs_are_embedded(
    photos: Path, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filling, "SLICE", 10)
    monkeypatch.setattr(filling, "PAUSE", 0.0)
    monkeypatch.setattr(filling, "MOST_WORK", 1e6)
    folder, sizes = photos.with_name("C"), list[int]()

    def tell(event: Event) -> None:
        if (folder / "photos.lance").is_dir():
            sizes.append(len(Collection(folder).photos()))
        if event.first is not None:
            assert [photo.key for photo in event.first] == sorted(keys_in(photos))[:60]

    fill(photos, folder, choice=Choice(run=run), tell=tell)
    assert sizes == sorted(sizes) and len({*sizes}) > 3 and sizes[-1] == COUNT
    opened = Collection(folder)
    assert opened.settings["run"] == str(run) and opened.settings["data"] == str(photos)
    assert opened.files.groups.exists(), "groups are found without being asked for"


def test_opened_again_it_takes_in_what_is_new_changed_and_gone(photos: Path, run: Path) -> None:
    opened, events = filled(photos, run)
    assert [event.phase for event in events if event.phase] == [
        *("looking", "embedding", "grouping", "finished")
    ]
    keys = sorted(keys_in(photos))
    opened.labels.set(keys[:4], "wren")
    vectors = dict(zip(opened.photos().keys, opened.photos().vectors, strict=True))
    (photos / keys[0]).unlink()
    write(photos / keys[1], encoded(texture(901)))
    (photos / keys[2]).rename(photos / "renamed.jpg")
    write(photos / "new.jpg", encoded(texture(900)))
    groups = opened.files.groups.read_bytes()
    opened, _ = filled(photos, run, device="cpu")  # with the encoder that is there
    assert keys_of(opened) == keys_in(photos) and opened.files.groups.read_bytes() == groups
    fresh = dict(zip(opened.photos().keys, opened.photos().vectors, strict=True))
    assert (fresh[keys[3]] == vectors[keys[3]]).all()
    assert (fresh["renamed.jpg"] == vectors[keys[2]]).all()
    assert not (fresh[keys[1]] == vectors[keys[1]]).all()
    labels = opened.labels.current()
    assert labels["renamed.jpg"] == labels[keys[3]] == "wren"
    write(photos / keys[0], encoded(texture(0)))
    opened, _ = filled(photos, run, device="cpu")
    assert opened.labels.current()[keys[0]] == "wren", "the label of what had gone has waited"


def test_labels_follow_photographs_that_are_numbered_anew(
    photos: Path, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filling, "SLICE", 10)
    monkeypatch.setattr(filling, "PAUSE", 0.0)
    monkeypatch.setattr(filling, "MOST_WORK", 1e6)
    shutil.rmtree(photos)
    for number in range(40):
        write(photos / f"{number:04}.jpg", encoded(texture(number)))
    opened, _ = filled(photos, run)
    opened.labels.set_each({key: f"bird {int(key[:4])}" for key in keys_in(photos)}, how="typed")
    for number in reversed(range(40)):  # one is put in front
        (photos / f"{number:04}.jpg").rename(photos / f"{number + 1:04}.jpg")
    write(photos / "0000.jpg", encoded(texture(900)))
    shutil.rmtree(opened.path / "vectors")  # and the vectors are lost
    filled(photos, run, device="cpu")
    labels = Collection(opened.path).labels.current()
    assert labels == {f"{number + 1:04}.jpg": f"bird {number}" for number in range(40)}


def test_vectors_of_numbers_of_32_bits_are_opened(photos: Path, run: Path) -> None:
    embed(run, photos, out=photos.with_name("vectors"), dtype="float32", workers=0)
    index(photos.with_name("vectors"), collection=photos.with_name("birds.lodisc"))
    opened, _ = filled(photos, run)
    assert opened.settings["dtype"] == "float32"


def test_if_most_photographs_have_gone_they_stay(
    photos: Path, run: Path, caplog: pytest.LogCaptureFixture
) -> None:
    filled(photos, run)
    for path in sorted(photos.rglob("*.jpg"))[: COUNT * 3 // 4]:
        path.unlink()
    opened, events = filled(photos, run, device="cpu")
    assert len(opened.photos()) == COUNT and "60 photographs are not in" in caplog.text
    assert any("60 photographs" in (event.note or "") for event in events)


def test_vectors_of_another_encoder_replace_all_at_once(
    photos: Path, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = filled(photos, run)
    fingerprint = first.settings["fingerprint"]
    monkeypatch.setattr(filling, "SLICE", 10)
    monkeypatch.setattr(filling, "PAUSE", 0.0)
    other = shutil.copytree(run, photos.with_name("other"))
    shutil.copytree(Run(run).start, Run(other).encoder, dirs_exist_ok=True)
    sizes: list[int] = []
    fill(
        photos,
        first.path,
        choice=Choice(run=other),
        tell=lambda event: sizes.append(len(Collection(first.path).photos())),
    )
    assert {*sizes} == {COUNT}
    second = Collection(first.path)
    assert second.settings["encoder"] == "other"
    assert second.settings["fingerprint"] != fingerprint
    assert len(list((first.path / "vectors").iterdir())) == 2
    third, _ = filled(photos, run)
    assert third.settings["run"] == str(run), "and back"


def test_what_was_begun_goes_on_with_the_same_encoder(
    photos: Path, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filling, "index", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        filled(photos, run)
    monkeypatch.undo()
    opened, _ = filled(photos, run, device="cpu")
    assert opened.settings["run"] == str(run) and len(opened.photos()) == COUNT


@contextmanager
def opening(photos: Path, *words: Any) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`lodisc open` in a process of its own, and its address."""
    process = command("open", photos, "--port", 0, *words)
    try:
        assert process.stdout is not None
        yield process, process.stdout.readline().split("   ")[0].strip()
    finally:
        process.kill()
        process.communicate()


def is_finished(address: str) -> bool:
    answer = httpx.get(f"{address}api/filling", timeout=20).json()
    assert answer["phase"] != "failed", answer
    return bool(answer["phase"] == "finished")


@pytest.mark.slow
def test_one_command_opens_a_folder_and_ctrl_c_ends_it(photos: Path, run: Path) -> None:
    with opening(photos, "--run", run) as (process, address):
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", address)
        answer = httpx.get(address, timeout=20)
        assert answer.status_code == 200 and "birds" in answer.text
        until(lambda: is_finished(address))
        assert httpx.get(f"{address}api/collection").json()["photographs"] == COUNT
        other_host = httpx.get(f"{address}api/filling", headers={"Host": "evil.example"})
        assert other_host.status_code == 421
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
    assert process.returncode in (0, 130)  # 0 where the shell has left the signal ignored
    with opening(photos, "--run", run) as (process, address):
        assert httpx.get(f"{address}api/collection").json()["photographs"] == COUNT
        until(lambda: is_finished(address))
    with opening(photos.with_name("birds.lodisc")) as (process, address):  # or by its collection
        until(lambda: is_finished(address))
        assert httpx.get(f"{address}api/collection").json()["photographs"] == COUNT
    photos.rename(photos.with_name("away"))
    missing = command("open", photos, "--port", 0)
    _, messages = missing.communicate(timeout=60)
    assert missing.returncode == 1 and "its collection is there: lodisc serve" in messages


@pytest.mark.slow
def test_before_the_first_vector_other_hosts_are_refused_too(tmp_path: Path, run: Path) -> None:
    photos = collection(tmp_path / "many", per_label=400)
    with opening(photos, "--run", run) as (_, address):
        first = httpx.get(f"{address}api/filling", timeout=20).json()
        evil = httpx.get(f"{address}opening/0.webp", headers={"Host": "evil.example"})
        assert evil.status_code == 421
        if not first["photographs"]:
            assert httpx.get(f"{address}api/photos").status_code in (200, 503)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["nowhere"], "nowhere: no such folder"),
        (["empty"], "no photographs"),
        (["birds", "--collection", "/proc/none"], "name another folder by --collection"),
        (["birds", "--init", "nothing.safetensors"], "nothing.safetensors"),
    ],
)
def test_what_cannot_be_opened_is_one_line(
    photos: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], expected: str
) -> None:
    monkeypatch.chdir(photos.parent)
    (photos.parent / "empty").mkdir()
    process = command("open", words[0], "--port", 0, *words[1:])
    _, messages = process.communicate(timeout=60)
    assert process.returncode == 1
    assert expected in messages and "Traceback" not in messages
    assert messages.count(expected) == 1, messages


@pytest.mark.slow
def test_code_in_the_opened_folder_is_not_run(tmp_path: Path) -> None:
    (tmp_path / "socket.py").write_text("print('code of a stranger', flush=True); 1 / 0")
    ended = subprocess.run(  # -P: as the installed command, which has no folder of its own
        [sys.executable, "-P", "-m", "lodisc", "open", ".", "--port", "0"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "no photographs in ." in ended.stderr and "stranger" not in ended.stdout + ended.stderr


@pytest.mark.slow
def test_the_page_fills_by_itself(photos: Path, run: Path, browser: Any) -> None:
    with opening(photos, "--run", run) as (_, address):
        context = browser.new_context()
        page = context.new_page()
        trouble: list[str] = []
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.goto(address)
        page.locator(".grid.live").wait_for(timeout=web.PATIENCE)
        page.locator("#filling").wait_for(state="detached", timeout=web.PATIENCE)
        until(lambda: page.locator("#count").inner_text() == str(COUNT))
        assert trouble == []
        context.close()
