"""The outbox in a browser: a server that is away, two tabs, storage that is blocked."""

from collections.abc import Callable
from typing import Any

import pytest
import web
from runs import until
from web import FIRST, Server, notice, open_labelling, settled, type_name

from lodisc.collection.collection import Collection

browser, context, embedded, expected, open_page, server = (
    web.browser,
    web.context,
    web.embedded,
    web.expected,
    web.open_page,
    web.server,
)
WITHOUT_LOCKS = "delete Navigator.prototype.locks"
BLOCKED = """
for (const name of ["localStorage", "sessionStorage"]) {
  Object.defineProperty(window, name, { get() { throw new Error("blocked"); } });
}
navigator.locks.request = () => Promise.reject(new DOMException("denied", "SecurityError"));
"""


def test_nothing_typed_is_lost_while_the_server_is_away(
    server: Server, open_page: Callable[..., Any], expected: list[str]
) -> None:
    expected.extend(["ERR_CONNECTION_REFUSED", "status of 500"])  # it is away, or on its way out
    page = open_page("/label")
    page.locator(".strip .tile").first.wait_for()
    first = page.locator(".about .key").inner_text()
    server.stop()
    page.keyboard.type("wren")
    page.keyboard.press("Enter")
    page.keyboard.press("1")
    notice(page, "2 actions wait here, safely")
    server.start()
    until(lambda: sorted(server.labels.values()) == ["wren", "wren"])
    assert (
        first.rsplit("/", 1)[-1] in {key.rsplit("/", 1)[-1] for key in server.labels}
        or "\\" in first
    )
    page.locator(".notice.waiting").wait_for(state="detached")
    server.stop()
    page.keyboard.press("1")
    notice(page, "safely")
    server.start()
    page.goto(
        server.address + "/progress"
    )  # another page, of another life of the server, sends what this one could not
    until(lambda: list(server.labels.values()) == ["wren"] * 3)


def test_undo_waits_for_a_label_that_is_on_its_way(
    server: Server, open_page: Callable[..., Any]
) -> None:
    page = open_page("/label")
    page.locator(".strip .tile").first.wait_for()
    held: list[Any] = []
    page.route(
        "**/api/labels",
        lambda route: held.append(route) if route.request.method == "POST" else route.continue_(),
    )
    page.keyboard.type("wren")
    page.keyboard.press("Enter")
    until(lambda: page.wait_for_timeout(20) or held)
    page.keyboard.press("Backspace")
    held[0].continue_()
    notice(page, "Undone")
    assert server.labels == {}


@pytest.mark.parametrize("without", ["", WITHOUT_LOCKS])
def test_what_another_tab_has_sent_is_not_sent_again(
    server: Server, open_page: Callable[..., Any], expected: list[str], without: str
) -> None:
    expected.append("ERR_FAILED")
    page = open_labelling(
        open_page, alone=True, prepare=lambda page: page.context.add_init_script(without)
    )
    page.route("**/api/labels", lambda route: route.abort())
    type_name(page, "aaa")
    notice(page, "safely")
    other = page.context.new_page()
    other.goto(server.address + "/progress")
    settled(other)
    assert list(server.labels.values()) == ["aaa"]
    Collection(server.folder).labels.undo()
    page.unroute("**/api/labels")
    page.evaluate("dispatchEvent(new Event('online'))")
    page.locator(".notice.waiting").wait_for(state="detached")
    page.locator(".strip .label").first.wait_for(state="detached")
    assert server.labels == {}


def test_what_two_tabs_send_in_the_same_moment_is_done_once(
    server: Server, open_page: Callable[..., Any]
) -> None:
    page = open_labelling(
        open_page, alone=True, prepare=lambda page: page.context.add_init_script(WITHOUT_LOCKS)
    )
    answered: list[Any] = []

    def hold(route: Any) -> None:
        if route.request.method == "POST":
            answered.append((route, route.fetch()))
        else:
            route.continue_()

    page.route("**/api/labels", hold)
    type_name(page, "aaa")
    until(lambda: page.wait_for_timeout(20) or answered)
    Collection(server.folder).labels.undo()
    other = page.context.new_page()
    with other.expect_response("**/api/labels"):
        other.goto(server.address + "/progress")
    settled(other)
    assert server.labels == {}
    answered[0][0].fulfill(response=answered[0][1])


def test_what_another_tab_is_sending_is_not_taken_back(
    server: Server, open_page: Callable[..., Any], expected: list[str]
) -> None:
    expected.append("ERR_FAILED")
    page = open_labelling(open_page)
    page.route("**/api/labels", lambda route: route.abort())
    type_name(page, "aaa")
    notice(page, "safely")
    held: list[Any] = []
    other = page.context.new_page()
    other.route("**/api/labels", lambda route: held.append(route))
    other.goto(server.address + "/progress")
    until(lambda: other.wait_for_timeout(20) or held)
    page.keyboard.press("Backspace")
    notice(page, "Please wait")
    held[0].continue_()
    settled(other)
    assert list(server.labels.values()) == ["aaa"]


@pytest.mark.parametrize("path", ["/", "/label", f"/similar/{FIRST}"])
def test_pages_work_where_storage_is_blocked(
    server: Server, open_page: Callable[..., Any], path: str
) -> None:
    page = open_page(path, prepare=lambda page: page.add_init_script(BLOCKED))
    if path.startswith("/similar"):
        page.locator("#query canvas").wait_for()
        return
    if path == "/":
        page.locator("#tile-0 .tick").click(force=True)
        page.locator("#name input").fill("wren")
        page.keyboard.press("Enter")
    else:
        page.locator(".strip .tile").first.wait_for()
        type_name(page, "wren")
    until(lambda: page.wait_for_timeout(20) or list(server.labels.values()) == ["wren"])
