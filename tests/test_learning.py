"""Learning from the page: a training that outlives it, and the choice of the encoder."""

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
import web
from fastapi.testclient import TestClient
from photos import write
from runs import until
from web import client_of, index_again, label, make_collection, served

from lodisc.collection.collection import Collection
from lodisc.collection.learning import Learning
from lodisc.embedding.embed import embed
from lodisc.encoders import load_encoder
from lodisc.photo_encoder import PhotoEncoder
from lodisc.run import Run

browser = web.browser


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory, run: Path) -> Path:
    """FOLDER/photos and FOLDER/C, embedded by an untouched start: that of the run."""
    folder = tmp_path_factory.mktemp("learning")
    make_collection(folder, run)
    shutil.rmtree(folder / "C")
    shutil.rmtree(folder / "parts")
    start = PhotoEncoder(load_encoder(Run(run).start), name="start")
    embed(start, folder / "photos", out=folder / "parts", workers=0)
    from lodisc.collection.index import index

    index(folder / "parts", collection=folder / "C")
    return folder


@pytest.fixture
def collection(embedded: Path, tmp_path: Path) -> Iterator[Path]:
    """A collection of its own, whose training is stopped in the end."""
    copy = Path(shutil.copytree(embedded / "C", tmp_path / "C"))
    yield copy
    learning = Learning(Collection(copy))
    learning.stop()
    until(lambda: not learning.is_running)


def told(client: TestClient) -> dict[str, Any]:
    answer = client.get("/api/learning")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def use(client: TestClient, name: str) -> None:
    id = next(entry["id"] for entry in told(client)["encoders"] if entry["name"] == name)
    answer = client.post("/api/learning/use", json={"id": id})
    assert answer.status_code == 200, answer.text
    until(lambda: client.get("/api/filling").json()["phase"] in ("finished", "failed"))
    assert client.get("/api/filling").json()["phase"] == "finished"


@pytest.mark.slow
def test_a_training_from_the_page_and_its_encoder_and_back(collection: Path) -> None:
    client = client_of(collection)
    before = told(client)
    assert (before["state"], before["run"]) == ("none", None)
    assert [
        (entry["name"], entry["is_current"], entry["is_learnt"]) for entry in before["encoders"]
    ] == [("start", True, False)]
    keys = Collection(collection).photos().keys
    label(client, keys[:2], "wren")
    started = client.post("/api/learning", json={}).json()
    assert (started["state"], started["run"]) == ("running", "run-1")
    again = client.post("/api/learning", json={})
    assert again.status_code == 409 and "runs already" in again.json()["detail"]
    until(
        lambda: client.get("/api/progress").json()["running"] or told(client)["state"] != "running"
    )
    until(lambda: told(client)["state"] == "finished", seconds=300)
    after = told(client)
    assert "cannot be told" in after["words"] and after["run"] == "run-1"
    assert [entry["name"] for entry in after["encoders"]] == ["start", "run-1"]
    first = client.get("/api/collection").json()
    use(client, "run-1")
    second = client.get("/api/collection").json()
    assert second["encoder"]["name"] == "run-1" and second["version"] != first["version"]
    assert second["labels"] == first["labels"] == [{"label": "wren", "count": 2}]
    assert told(client)["encoders"][0] | {"id": ""} == {
        "id": "",
        "name": "run-1",
        "is_current": True,
        "is_learnt": True,
    }
    use(client, "start")
    assert client.get("/api/collection").json()["encoder"]["name"] == "start"
    assert sorted(entry["name"] for entry in told(client)["encoders"]) == ["run-1", "start"]
    client.post("/api/learning", json={"anew": True})
    until(lambda: told(client)["run"] == "run-2")
    settings = Run(collection / "runs" / "run-1").config["settings"]
    assert settings["image_size"] == 32 and settings["init"].endswith("model.safetensors")


def test_it_learns_from_what_the_run_of_the_collection_began_with(
    tmp_path: Path, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = tmp_path / "photos"
    collection = make_collection(tmp_path, run)
    for path in sorted((photos / "wren").iterdir())[:4]:
        write(photos / "test" / "wren" / path.name, path.read_bytes())
    shutil.move(photos / "finch", photos / "train" / "finch")
    shutil.rmtree(photos / "wren")
    commands: list[list[str]] = []

    class Process:
        pid = 1

        def __init__(self, words: list[str], **settings: Any) -> None:
            commands.append(words)

        def wait(self) -> int:
            return 0

    monkeypatch.setattr("lodisc.collection.learning.subprocess.Popen", Process)
    index_again(tmp_path, run, remove=True)
    Learning(Collection(collection)).start()
    words = commands[0]
    options = words[words.index("--out") :]
    given = dict(zip(options[::2], options[1::2], strict=False))
    assert given["--init"] == str(run / "start" / "model.safetensors")
    assert given["--batch-size"] == "8", "those in test/ are not learnt from"


@pytest.mark.slow
def test_it_outlives_the_server_stops_and_goes_on(collection: Path) -> None:
    with served(collection, port=0) as (process, address):
        assert httpx.post(f"{address}api/learning", json={}).status_code == 200
        until(lambda: httpx.get(f"{address}api/progress").json()["running"])
        process.send_signal(signal.SIGKILL)
        process.communicate()
    client = client_of(collection)
    assert told(client)["state"] == "running"
    client.post("/api/learning/stop")
    until(lambda: told(client)["state"] != "running")
    stopped = told(client)
    assert stopped["state"] == "stopped" and "Stopped at step" in stopped["words"]
    assert "command" not in stopped["words"]
    tasks = client.get("/api/progress").json()
    assert tasks["running"] == [] and tasks["finished"][0]["state"] == "stopped"
    assert client.post("/api/learning", json={}).json()["run"] == "run-1"
    until(lambda: told(client)["state"] == "finished", seconds=300)
    assert "Going on from step" in (collection / "learning.log").read_text()


@pytest.mark.slow
def test_what_goes_wrong_is_told_in_words(collection: Path, embedded: Path) -> None:
    client = client_of(collection)
    unknown = client.post("/api/learning/use", json={"id": "0" * 16})
    assert unknown.status_code == 404
    weights = next((embedded / "parts" / "_encoder").glob("*.safetensors"))
    content = weights.read_bytes()
    try:
        weights.write_bytes(content[: len(content) // 2])
        client.post("/api/learning", json={})
        until(lambda: told(client)["state"] != "running")
        failed = told(client)
        assert failed["state"] == "failed" and "did not begin" in failed["words"]
        assert "safetensors" in failed["words"] and "Traceback" not in failed["words"]
    finally:
        weights.write_bytes(content)
    away = embedded / "photos"
    away.rename(embedded / "elsewhere")
    try:
        answer = client.post("/api/learning", json={})
        assert answer.status_code == 422 and "put the photographs back" in answer.json()["detail"]
    finally:
        (embedded / "elsewhere").rename(away)


@pytest.mark.slow
def test_the_button_and_the_choice_in_a_browser(collection: Path, browser: Any) -> None:
    with served(collection, port=0) as (_, address):
        context = browser.new_context()
        context.set_default_timeout(web.PATIENCE)
        page = context.new_page()
        page.goto(f"{address}progress")
        page.locator("#learning button", has_text="Learn").click()
        page.locator("#running .task").wait_for()
        page.locator("#learning button", has_text="Use it").click(timeout=300_000)
        page.locator("#learning tr", has_text="run-1").locator(
            ".word", has_text="In use"
        ).wait_for()
        page.locator("#learning tr", has_text="start").locator("button").click()
        page.locator("#learning tr", has_text="start").locator(
            ".word", has_text="In use"
        ).wait_for()
        context.close()
