"""The page of the API documents in a real browser: what it shows, and that what it sends works."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, sync_playwright

from coir.server.operations import OPERATIONS

from .running import Running, picture

# Debian's name first; Playwright's own is not downloaded.
NAMES = ("chromium", "chromium-browser", "google-chrome")
SWITCHES = [
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip("there is no Chromium on this machine")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, args=SWITCHES, chromium_sandbox=False
        )
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, server: Running) -> Iterator[Page]:
    """The page, opened by somebody who is signed in; nothing may go wrong in it."""
    context = browser.new_context(base_url=server.url)
    context.add_cookies(
        [{"name": "session", "value": server.user("admin").cookies["session"], "url": server.url}]
    )
    wrong: list[str] = []
    shown = context.new_page()
    shown.on("pageerror", lambda error: wrong.append(str(error)))
    shown.on("console", lambda line: wrong.append(line.text) if line.type == "error" else None)
    shown.on("requestfailed", lambda request: wrong.append(request.url))
    shown.goto("/api/docs")
    shown.wait_for_selector("details")
    yield shown
    assert [line for line in wrong if "status of 4" not in line] == []
    context.close()


def opened(page: Page, method: str, path: str) -> Locator:
    """The part of the page about a route, opened."""
    found = page.locator("details", has=page.locator(f'code:text-is("{path}")')).filter(
        has=page.locator(f'.method:text-is("{method}")')
    )
    found.evaluate("details => { details.open = true; }")
    return found


def sent(form: Locator) -> tuple[str, str]:
    """The first line that is shown once the form was sent, and the rest."""
    form.locator("button").click()
    output = form.locator("pre", has_text=re.compile(r"\S"))
    output.wait_for()
    first, _, rest = output.inner_text().partition("\n")
    return first, rest


def test_every_route_is_shown(page: Page) -> None:
    """Under the policy of the server the page's script runs, and shows each route once."""
    shown = [
        (one.locator(".method").inner_text(), one.locator("code").inner_text())
        for one in page.locator("summary").all()
    ]
    assert sorted(shown) == sorted(OPERATIONS)
    assert "The API of COCO-Annotator" in page.locator("#about").inner_text()


def test_requests_are_sent(page: Page, server: Running) -> None:
    """A filled form is sent as it stands: path and query, a JSON body, and a file."""
    form = opened(page, "POST", "/api/dataset/")
    form.locator("[name=name]").fill("shown")
    form.locator("[name=categories]").fill('["cat", "dog"]')
    assert sent(form)[0] == "200 OK"
    dataset = server.user("admin").get("/api/dataset/").json()[-1]
    assert (dataset["name"], len(dataset["categories"])) == ("shown", 2)

    form = opened(page, "POST", "/api/image/")
    file = {"name": "a.png", "mimeType": "image/png", "buffer": picture()}
    form.locator("[name=image]").set_input_files([file])
    form.locator("[name=dataset_id]").fill(str(dataset["id"]))
    status, image = sent(form)
    assert status == "200 OK"

    form = opened(page, "GET", "/api/dataset/{dataset_id}/data")
    form.locator("[name=dataset_id]").fill(str(dataset["id"]))
    form.locator("[name=limit]").fill("7")
    form.locator("[name=filters]").fill(f"id__gte={image.strip()}&file_name__contains=a")
    status, text = sent(form)
    found = json.loads(text)
    assert (status, found["total"], found["per_page"]) == ("200 OK", 1, 7)
    assert found["images"][0]["id"] == int(image)

    form = opened(page, "GET", "/api/image/{image_id}")
    form.locator("[name=image_id]").fill(image.strip())
    status, text = sent(form)
    assert status == "200 OK"
    assert text.endswith(" bytes")


def test_mistakes_are_shown(page: Page) -> None:
    """A refusal is shown as it came; what is no JSON is not sent; a field that must be given is
    asked for."""
    form = opened(page, "GET", "/api/dataset/{dataset_id}/data")
    form.locator("[name=dataset_id]").fill("999999")
    status, text = sent(form)
    assert status == "404 Not Found"
    assert "No such dataset" in json.loads(text)["message"]

    form = opened(page, "POST", "/api/dataset/")
    form.locator("[name=name]").fill("wrong")
    form.locator("[name=categories]").fill("[cat")
    assert "SyntaxError" in sent(form)[0]

    form = opened(page, "POST", "/api/category/")
    form.locator("button").click()
    assert form.locator("[name=name]:invalid").count() == 1
    assert form.locator("pre").is_hidden()
