"""Grouping that takes a while: how far it is, and its end before the time."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
import web
from fastapi.testclient import TestClient
from runs import until
from web import Server, notice

from lodisc.collection.collection import Collection
from lodisc.collection.groups_file import load_groups
from lodisc.vectors.clusters import Grouping, Step, find_groups
from lodisc.web.app import create_app
from lodisc.web.state import grouping

browser, context, embedded, expected, open_page, server = (
    web.browser,
    web.context,
    web.embedded,
    web.expected,
    web.open_page,
    web.server,
)


class Hold:
    """Grouping that tries 3 groups until it is let go; `is_deaf` while it can't be ended there."""

    def __init__(self) -> None:
        self.is_there, self.may_go = threading.Event(), threading.Event()
        self.is_deaf = False

    def find_groups(
        self, *vectors: Any, advance: Callable[[Step], None], **settings: Any
    ) -> Grouping:
        def hold(step: Step) -> None:
            advance(step)
            while step.k == 3 and not step.is_last and not self.may_go.wait(0.01):
                self.is_there.set()
                if not self.is_deaf:
                    advance(step)

        return find_groups(*vectors, advance=hold, **settings)


@pytest.fixture
def hold(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hold]:
    held = Hold()
    monkeypatch.setattr(grouping, "find_groups", held.find_groups)
    yield held
    held.may_go.set()


@pytest.fixture
def client(server: Server) -> TestClient:
    return TestClient(create_app(server.folder), base_url="http://localhost")


@pytest.fixture
def in_background() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as pool:
        yield pool


def group(client: TestClient, pool: ThreadPoolExecutor, k: int | None = None) -> "Future[Any]":
    return pool.submit(client.post, "/api/groups", json={"k": k})


def status(client: TestClient) -> Any:
    return client.get("/api/groups/status").json()


def test_how_far_it_is_and_how_it_ended(
    client: TestClient, hold: Hold, in_background: ThreadPoolExecutor
) -> None:
    assert status(client)["state"] == "none"
    assert client.post("/api/groups/cancel").json()["state"] == "none"
    answer = group(client, in_background)
    assert hold.is_there.wait(60)
    running = status(client)
    assert running["state"] == "running" and (running["step"], running["steps"]) == (3, 7)
    assert running["words"] == "Trying 3 groups, step 3 of at most 7." and running["seconds"] > 0
    assert client.get("/api/groups").json()["k"] is None
    busy = client.post("/api/groups", json={"k": 2})
    assert busy.status_code == 409 and "are being grouped" in busy.json()["detail"]
    hold.may_go.set()
    made = answer.result(60).json()
    assert made == client.get("/api/groups").json() and made["k"] is not None
    ended = status(client)
    assert ended["state"] == "saved" and ended["words"].startswith(f"{made['k']} group")
    assert client.post("/api/groups/cancel").json() == ended, "there is nothing to cancel"


@pytest.mark.parametrize("is_deaf", [False, True], ids=["between steps", "in a long step"])
def test_what_is_cancelled_answers_at_once_and_leaves_the_groups(
    client: TestClient,
    server: Server,
    hold: Hold,
    in_background: ThreadPoolExecutor,
    is_deaf: bool,
) -> None:
    before = client.post("/api/groups", json={"k": 2}).json()
    hold.is_deaf = is_deaf
    answer = group(client, in_background)
    assert hold.is_there.wait(60)
    cancelled = client.post("/api/groups/cancel").json()
    assert cancelled["state"] == "cancelled"
    assert cancelled["words"] == "Grouping was cancelled; the groups are as they were."
    refusal = answer.result(60)  # though a long step still computes
    assert refusal.status_code == 409 and refusal.json()["detail"] in cancelled["words"]
    following = group(client, in_background, k=4)
    if is_deaf:
        until(lambda: status(client)["state"] == "running")
        assert client.get("/api/groups").json() == before
        hold.may_go.set()
    assert following.result(60).json()["k"] == 4
    saved = load_groups(Collection(server.folder))
    assert saved is not None and len(saved) == 4, "what was cancelled is not saved after it"


def test_a_server_that_ends_cancels_it(
    client: TestClient, hold: Hold, in_background: ThreadPoolExecutor
) -> None:
    answer = group(client, in_background)
    assert hold.is_there.wait(60)
    client.app.state.opened.close()  # type: ignore[attr-defined]
    assert answer.result(60).status_code == 409
    assert client.get("/api/groups").json()["k"] is None


def test_what_can_not_be_saved_is_said(client: TestClient, server: Server) -> None:
    (server.folder / "groups.json").mkdir()
    refusal = client.post("/api/groups", json={"k": 2})
    failed = status(client)
    assert refusal.status_code == 503 and failed["state"] == "failed"
    assert "groups.json is a folder; delete it" in failed["words"]


def test_the_page_shows_how_far_it_is_and_cancels_it(
    server: Server, open_page: Callable[..., Any], hold: Hold, expected: list[str]
) -> None:
    expected.append("status of 409")
    page = open_page("/groups")
    page.locator("#k").fill("2")
    page.locator("#make").click()
    page.locator(".cards > li").nth(1).wait_for()
    page.locator("#choose").focus()
    page.keyboard.press("Enter")
    running = page.locator("#grouping")
    running.locator(".words", has_text="Trying 3 groups, step 3 of at most 7.").wait_for()
    bar = page.get_by_role("progressbar", name="Grouping")
    assert bar.evaluate("bar => [bar.value, bar.max]") == [2, 7]
    page.locator("#grouping .time", has_text="0:01").wait_for()
    assert page.locator("#choose").is_disabled() and page.locator("#make").is_disabled()
    assert page.evaluate("document.activeElement.id") == "cancel", "the focus is not lost"
    other = open_page("/groups")  # another tab, or this page loaded again
    other.locator("#grouping .words", has_text="Trying 3 groups").wait_for()
    assert other.locator("#make").is_disabled()
    page.keyboard.press("Enter")
    for tab in (page, other):
        notice(tab, "Grouping was cancelled; the groups are as they were.")
        tab.locator("#grouping").wait_for(state="hidden")
        assert tab.locator("h1").inner_text() == "2 groups"
    assert page.locator("#choose").is_enabled()
    assert page.evaluate("document.activeElement.id") == "choose"
    hold.may_go.set()
    page.keyboard.press("Enter")
    page.locator("h1", has_text="group").wait_for()
    notice(page, "group")
    assert page.locator(".notice.bad").count() == 0


def test_a_press_in_a_page_that_does_not_know_of_it(
    open_page: Callable[..., Any], hold: Hold, expected: list[str]
) -> None:
    expected.append("status of 409")
    first, second = open_page("/groups"), open_page("/groups")
    first.locator(".empty button").click()
    first.locator("#grouping .words", has_text="Trying 3 groups").wait_for()
    second.locator(".empty button").click()
    second.locator("#grouping .words", has_text="Trying 3 groups").wait_for()
    hold.may_go.set()
    for page in (first, second):
        page.locator(".cards > li").first.wait_for()
        page.locator("#grouping").wait_for(state="hidden")


def test_a_server_that_stops_while_it_groups(
    server: Server, open_page: Callable[..., Any], hold: Hold, expected: list[str]
) -> None:
    expected.append("ERR_")
    page = open_page("/groups")
    page.locator(".empty button").click()
    page.locator("#grouping .words", has_text="Trying 3 groups").wait_for()
    server.stop()
    notice(page, "The server does not answer. This page goes on when it is back.")
    server.start()
    notice(page, "The server was started anew; the groups are as they were.")
    page.locator(".empty button:enabled").wait_for()
    assert page.locator(".notice.waiting").count() == 0
