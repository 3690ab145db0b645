"""The page that asks who is there, in a browser."""

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

import people

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def guarded(shared_site: Any) -> Any:
    """A server with an account of each role."""
    people.make_people(shared_site.service)
    return shared_site


@pytest.fixture
def page(browser: Browser, guarded: Any) -> Iterator[Page]:
    """A window in which nobody is logged in; requests to other servers fail the test."""
    context = browser.new_context(base_url=guarded.url)
    opened, strange = context.new_page(), []
    opened.on("request", lambda r: strange.append(r.url) if guarded.url not in r.url else None)
    yield opened
    context.close()
    assert strange == []


def enter(page: Page, name: str, password: str = people.PASSWORD) -> None:
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(password)
    page.keyboard.press("Enter")


def test_it_leads_back_to_the_page_that_was_asked_for(page: Page) -> None:
    page.goto("/look?a=1#connect")
    expect(page.get_by_label("Name")).to_be_focused()

    enter(page, "Anna")

    expect(page).to_have_url(re.compile(r"/look\?a=1#connect$"))
    expect(page.locator(".account")).to_have_text("anna annotator Log out")


def test_a_wrong_password_is_told_and_can_be_typed_over(page: Page) -> None:
    page.goto("/")
    enter(page, "rita", "a wrong password")
    expect(page.get_by_role("alert")).to_have_text(
        "Name or password is wrong, or the account is disabled."
    )

    page.keyboard.type(people.PASSWORD)
    page.keyboard.press("Enter")

    expect(page.locator(".account b")).to_have_text("rita")


@pytest.mark.parametrize(
    "asked",
    [
        "//elsewhere.example/x",
        "https://elsewhere.example/",
        "/\\elsewhere.example",
        "javascript:alert(1)",
        "http://[",
        "/login?next=/login",
    ],
)
def test_it_leads_to_no_other_site(page: Page, asked: str) -> None:
    page.goto(f"/login?next={quote(asked, safe='')}")
    enter(page, "ed")

    expect(page.locator("#models-list")).to_be_visible()
    expect(page).to_have_url(re.compile(r"^http://127\.0\.0\.1:\d+/$"))


def test_the_dashboard_shows_what_is_going_on_and_lets_out(page: Page, guarded: Any) -> None:
    page.goto("/")
    enter(page, "ed")
    expect(page.locator("#state")).to_have_text("ready")

    page.get_by_role("button", name="Log out").click()

    expect(page).to_have_url(re.compile(r"/login\?next=%2F$"))
    assert page.context.cookies() == []
    page.goto("/")
    expect(page.get_by_label("Name")).to_be_visible()


@pytest.mark.parametrize(
    ("name", "may"),
    [("anna", False), ("rita", False), ("ed", True)],
)
def test_the_dashboard_offers_only_what_the_role_may_do(page: Page, name: str, may: bool) -> None:
    page.goto("/")
    enter(page, name)

    for control in ("Start training: Outline", "Pin: Outline"):
        button = page.get_by_role("button", name=control)
        expect(button).to_be_enabled(enabled=may)
        why = "" if may else "This needs the role engineer; yours is"
        assert (button.get_attribute("title") or "").startswith(why)


def test_a_page_whose_log_in_has_ended_asks_who_is_there(page: Page, guarded: Any) -> None:
    page.goto("/")
    enter(page, "ed")
    expect(page.locator("#state")).to_have_text("ready")

    guarded.service.store.accounts.set_disabled("ed", True, actor="it")

    expect(page).to_have_url(re.compile(r"/login\?next=%2F$"), timeout=20_000)
    guarded.service.store.accounts.set_disabled("ed", False, actor="it")


def test_every_field_has_a_name_and_it_fits_a_narrow_screen(page: Page) -> None:
    page.set_viewport_size({"width": 360, "height": 640})
    page.goto("/login")

    expect(page.get_by_role("textbox", name="Name")).to_be_visible()
    expect(page.get_by_role("button", name="Log in")).to_be_visible()
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 360


def test_without_accounts_it_says_so(
    browser: Browser, make_site: Callable[..., AbstractContextManager[Any]]
) -> None:
    with make_site() as site, browser.new_context(base_url=site.url) as context:
        page = context.new_page()
        page.goto("/login?next=/look")

        expect(page.get_by_role("alert")).to_contain_text("This server has no accounts")
        page.get_by_role("link", name="Go on").click()
        expect(page).to_have_url(re.compile("/look$"))
        expect(page.locator("#state")).to_have_text("ready")
        assert page.locator(".account").count() == 0
