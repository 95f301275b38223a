"""The page at ``/`` in a real browser: a decision is tried and explained, nothing is fetched from elsewhere."""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, Route, expect, sync_playwright

from models.release import Release
from serving.ranking import answer_rank

TOKEN = "a token for tests"
BROWSERS = (Path("/usr/bin/chromium-headless-shell"), Path("/usr/bin/chromium"))
QUIET = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
HOSTILE = '<img src=x onerror="window.hurt=1"><script>window.hurt=1</script>\''
expect.set_options(timeout=30_000)  # the first decision of a process compiles

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = next((one for one in BROWSERS if one.exists()), None)
    if program is None:
        pytest.skip("Chromium is not installed (apt-get install chromium-headless-shell)")
    with sync_playwright() as play:
        opened = play.chromium.launch(executable_path=program, args=QUIET)
        yield opened
        opened.close()


@pytest.fixture
def address(port_of: Callable[..., int]) -> str:
    return f"http://127.0.0.1:{port_of(deadline_seconds=300)}"


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """A page of the service; it fails on any other origin, any error of a script and any breach of its policy."""
    context = browser.new_context(locale="en-GB", permissions=["clipboard-read", "clipboard-write"])
    opened, wrong = context.new_page(), list[str]()
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.on("console", lambda said: wrong.append(said.text) if "Content Security" in said.text else None)
    opened.on("request", lambda asked: _same_origin(asked.url, address) or wrong.append(asked.url))
    opened.set_default_timeout(30_000)
    opened.goto(address)
    yield opened
    context.close()
    assert not wrong


def _same_origin(url: str, address: str) -> bool:
    return url.startswith("data:,") or urlsplit(url).netloc == urlsplit(address).netloc


def enter(page: Page, token: str = TOKEN) -> None:
    page.get_by_label("Token").fill(token)
    page.keyboard.press("Enter")


def forget_course(page: Page) -> None:
    expect(page.locator("#work")).to_be_visible()
    while page.get_by_role("button", name="Remove").count():
        page.get_by_role("button", name="Remove").first.click()


def test_a_decision_is_tried_and_explained(page: Page, release: Release) -> None:
    enter(page)
    forget_course(page)
    page.get_by_label("age").fill("90")
    page.get_by_label("sex").select_option("female")
    page.get_by_role("button", name="Add a measurement").click()
    reading = page.get_by_role("group", name="measurement 1")
    reading.get_by_label("measured at").fill("2026-02-01T09:00")
    reading.get_by_label("score").fill("12")
    page.get_by_label("seed").fill("7")
    page.get_by_role("button", name="Decide").click()

    expect(page.get_by_role("alert")).to_be_hidden()
    expect(page.get_by_role("status").first).to_contain_text("The model chose")
    answer = json.loads(page.locator("#raw").text_content() or "")
    request = json.loads(page.locator("#request").text_content() or "")
    assert answer == {**answer, **answer_rank(release, request)}
    assert page.locator("#choice b").inner_text() == answer["content_id"]
    eligible = [row for row in answer["ranking"] if row["eligible"]]
    assert page.locator("#ranking tbody th").all_inner_texts() == [row["content_id"] for row in eligible]
    widths = [float(bar.get_attribute("width") or "") for bar in page.locator("#ranking tbody rect").all()]
    assert widths == pytest.approx([100 * row["probability"] for row in eligible])
    assert page.get_by_role("img").count() == 2  # the intervals of F and of the status
    expect(page.locator("#blocked li")).to_have_text("hard S001: too hard")
    adds = [float(text) for text in page.locator("#contributions table").first.locator("td").all_inner_texts()]
    chosen = next(row for row in eligible if row["content_id"] == answer["content_id"])
    assert sum(adds) == pytest.approx(chosen["feedback"]["mean"], abs=0.01)

    page.get_by_text("The same with curl").click()
    page.get_by_role("button", name="Copy").click()
    expect(page.locator("#copied")).to_have_text("Copied.")
    line = page.evaluate("navigator.clipboard.readText()")
    told = subprocess.run(
        ["bash", "-c", line], check=True, env={"TOKEN": TOKEN, "PATH": "/usr/bin:/bin"}, capture_output=True
    )
    assert json.loads(told.stdout) == answer


def test_a_wrong_token_is_told_and_another_may_be_tried(page: Page) -> None:
    enter(page, "not this one at all")
    expect(page.get_by_role("alert")).to_contain_text("a token that is valid now")
    expect(page.get_by_label("Token")).to_be_focused()
    assert page.get_by_label("Token").get_attribute("aria-invalid") == "true"
    expect(page.locator("#work")).to_be_hidden()
    enter(page)
    expect(page.locator("#work")).to_be_visible()
    expect(page.get_by_role("alert")).to_be_hidden()


def test_what_is_refused_is_told_at_its_field(page: Page) -> None:
    enter(page)
    second = page.get_by_role("group", name="session 2")
    second.get_by_label("sleep hours").fill("99")
    page.get_by_role("button", name="Decide").click()
    expect(page.get_by_role("alert")).to_contain_text("sessions[1].sleep_hours")
    expect(second.get_by_label("sleep hours")).to_be_focused()
    second.get_by_label("sleep hours").fill("7")
    page.get_by_label("voice").fill("1, two")
    page.get_by_label("voice").press("Enter")
    expect(page.get_by_role("alert")).to_have_text("user.voice: expected numbers, with commas")


def test_it_is_used_by_keyboard_and_every_field_has_a_name(page: Page) -> None:
    page.keyboard.press("Tab")
    page.keyboard.type(TOKEN)
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    expect(page.locator("#work")).to_be_visible()
    page.get_by_role("button", name="Remove session 4").press("Enter")
    expect(page.get_by_role("button", name="Add a session")).to_be_focused()
    assert page.locator("#sessions .entry").count() == 3
    unnamed = "[...document.querySelectorAll('input, select')].filter((one) => !one.labels.length).length"
    assert page.evaluate(unnamed) == 0
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map((one) => one.id)")
    assert len(ids) == len(set(ids))
    page.get_by_role("button", name="Decide").press("Enter")
    expect(page.locator("#details")).to_be_visible()


@pytest.mark.parametrize("size", [(1280, 800), (390, 844)])
def test_times_are_whole_and_the_button_is_in_sight(page: Page, size: tuple[int, int]) -> None:
    page.set_viewport_size({"width": size[0], "height": size[1]})
    enter(page)
    expect(page.get_by_role("button", name="Decide")).to_be_in_viewport(ratio=1)
    widths = "[...document.querySelectorAll('[type=datetime-local]')].map((one) => one.offsetWidth)"
    assert min(page.evaluate(widths)) >= 220


def test_it_fits_a_phone(page: Page) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    enter(page)
    page.get_by_role("button", name="Decide").click()
    expect(page.locator("#details")).to_be_visible()
    for summary in page.locator("summary").all():
        summary.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_hostile_words_are_shown_as_words(page: Page) -> None:
    """The service refuses such ids and columns; the page does not rest on that."""

    def hostile(route: Route) -> None:
        route.fulfill(json=_spoilt(route.fetch().json()))

    page.route("**/v1/*", hostile)
    enter(page)
    page.get_by_role("button", name="Decide").click()
    expect(page.locator("#choice b")).to_have_text(HOSTILE)
    expect(page.locator("#served")).to_have_text(f"{HOSTILE}. ")
    expect(page.locator("#message q")).to_have_text(HOSTILE)
    for place in ("#ranking tbody", "#contributions", "#raw"):
        assert HOSTILE in (page.locator(place).first.text_content() or "").replace('\\"', '"')
    assert page.evaluate("window.hurt") is None
    assert page.locator("main img, main script").count() == 0
    assert page.evaluate("try { document.body.innerHTML = '<b>x</b>'; false } catch { true }")  # nobody can, by mistake


def _spoilt(answer: dict[str, Any]) -> dict[str, Any]:
    """The therapy or the decision, with hostile words wherever words may stand."""
    if "catalogue" in answer:
        return {**answer, "title": HOSTILE}
    ranking = [{**row, "content_id": HOSTILE} for row in answer["ranking"]]
    parts = [{"name": HOSTILE, "adds": 1.0}, {"name": "usual", "adds": 0.0}]
    because = dict.fromkeys(answer["because"], HOSTILE)
    told = {"content_id": HOSTILE, "message": HOSTILE, "because": because, "explanation": {"feedback": parts}}
    return {**answer, **told, "ranking": ranking}
