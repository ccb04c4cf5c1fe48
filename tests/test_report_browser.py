"""The report in a real browser, where there is one: playwright and chromium."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from photos import collection
from runs import TINY

from lodisc.report import write_report
from lodisc.training.loop import train

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = next(
    (
        found
        for name in ("chromium", "chromium-browser", "google-chrome")
        if (found := shutil.which(name))
    ),
    None,
)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("browser")
    labels = (
        "a_very_long_name_of_a_class_without_end_and_without_a_space" * 3,
        "wren",
        "Supercalifragilisticexpialidocious" * 4,
    )
    run = train(
        collection(folder / "birds", labels=labels), out=folder / "run", device="cpu", **TINY
    )
    return write_report(run, device="cpu")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        running = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_it_opens_clean_at_any_width(report: Path, browser: Any, width: int, scheme: str) -> None:
    page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    trouble: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: trouble.append(message.text))
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(report.as_uri())
    assert trouble == []
    assert [url for url in asked if not url.startswith("data:")] == [report.as_uri()]
    headings = page.locator("h1, h2").all_inner_texts()
    assert headings[0] == "Trained on 12 photographs, without labels"
    assert headings[1:] == [
        "Before and after",
        "How the training went",
        "Five nearest look-alikes",
        "Where the model looks",
        "Settings",
    ]
    sizes = page.evaluate("[...document.images].map(image => image.complete && image.naturalWidth)")
    assert sizes and all(sizes)
    for summary in page.locator("summary").all():
        summary.click()
    assert page.evaluate("document.documentElement.scrollWidth") == width
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 26)"
    assert dark == (scheme == "dark")
    page.close()


def test_it_works_without_javascript(report: Path, browser: Any) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(report.as_uri())
    page.locator("summary").first.click()
    assert page.locator("dt", has_text="keep-ratio").is_visible()
    context.close()
