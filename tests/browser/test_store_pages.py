"""The index and the history of a store in a real browser: from disk, without a network, at desktop and phone width."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from real_browser import CONTRAST, DESKTOP, PHONE, Browser, check_sound, open_browser
from sample_reports import HOSTILE
from stored_reports import nightly

from tflitekit import history, open_store
from tflitekit.render import history as history_page
from tflitekit.render import index as index_page

REPORTS = 70
FILLED = "document.querySelector('#count').textContent !== ''"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as found:
        yield found


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    store = open_store(folder / "store")
    for report in nightly(REPORTS):
        store.add(report, commit="c" * 40)
    for number, name in enumerate(HOSTILE):
        store.add(nightly(1, model=f"hostile-{number}", name=name, shift_at=None)[0])
    store.accept(store.entries("m.keras").entries[3])
    found = {name: folder / f"{name}.html" for name in ("index", "history", "single")}
    found["index"].write_text(
        index_page.render(store.entries().entries, list(store.acceptances()), ()), encoding="utf-8"
    )
    for name, model in (("history", "m.keras"), ("single", "hostile-0")):
        found[name].write_text(history_page.render(history(store, model=model)), encoding="utf-8")
    found["all"] = folder / "all.html"
    found["all"].write_text(history_page.render(history(store)), encoding="utf-8")
    return found


@pytest.mark.parametrize(("name", "width"), [("history", DESKTOP), ("history", PHONE), ("single", PHONE)])
def test_the_history_is_sound(browser, pages, name, width):
    check_sound(browser.open(pages[name], width), pages[name])


def test_many_models_are_drawn_when_they_are_opened(browser, pages):
    page = browser.open(pages["all"], PHONE)
    assert page.run("return document.querySelectorAll('svg.marks').length") == 0
    place = page.run("return document.querySelector('#latest tbody a').getAttribute('href')")
    page.find("#latest tbody a")[0].click()
    page.wait(f"document.querySelectorAll('{place} svg.marks').length === 3")
    assert page.run("return document.querySelectorAll('.chapter[open]').length") == 1
    assert page.run("return document.documentElement.scrollWidth <= window.innerWidth")
    page.driver.execute_cdp_cmd("Page.printToPDF", {})  # paper shows all of them
    page.wait("[...document.querySelectorAll('figure.plot')].every((f) => f.querySelector('svg.marks'))")
    assert page.log() == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [DESKTOP, PHONE])
def test_the_index_is_sound(browser, pages, width, scheme):
    page = browser.open(pages["index"], width, scheme=scheme, ready=FILLED)
    assert page.log() == []
    assert page.requests() == [pages["index"].as_uri()]
    assert page.run("return document.documentElement.scrollWidth <= window.innerWidth")
    assert page.run(CONTRAST) == []


def rows(page: Browser) -> list[list[str]]:
    return page.run(
        "return [...document.querySelectorAll('#reports tbody tr')].map((r) => [...r.cells].map((c) => c.textContent))"
    )


def test_the_index_has_pages_of_rows(browser, pages):
    page = browser.open(pages["index"], DESKTOP, ready=FILLED)
    everything = 2 * REPORTS + 2 * len(HOSTILE)
    assert len(rows(page)) == 100
    assert page.find("#count")[0].text == f"1 to 100 of {everything} rows"
    page.find("#next")[0].click()
    assert page.find("#count")[0].text == f"101 to {everything} of {everything} rows"
    assert not page.find("#next")[0].is_enabled()


def test_the_index_searches_filters_and_sorts(browser, pages):
    page = browser.open(pages["index"], DESKTOP, ready=FILLED)
    head = page.find("#reports thead button")
    assert [button.text for button in head][:3] == ["Model", "Variant", "Device"]
    page.find("#search")[0].send_keys("M.KERAS int8")
    assert page.find("#count")[0].text == f"1 to {REPORTS} of {REPORTS} rows"
    head[5].click()  # the size
    assert page.run("return document.querySelectorAll('#reports thead th')[5].ariaSort") == "ascending"
    assert [row[5] for row in rows(page)] == ["1.0 kB"] * 12 + ["1.1 kB"] * (REPORTS - 12)
    head[5].click()
    assert rows(page)[0][5] == "1.1 kB"
    page.find("#accepted")[0].click()
    assert [row[0] for row in rows(page)] == ["m.kerasaccepted"]
    page.find("#accepted")[0].click()
    page.find("#latest")[0].click()
    (row,) = rows(page)
    assert row[7] == "2026-03-11"
    assert page.run("return document.querySelectorAll('#model option').length") == 2 + len(HOSTILE)


def test_the_index_shows_foreign_names_as_text(browser, pages):
    page = browser.open(pages["index"], DESKTOP, ready=FILLED)
    page.find("#search")[0].send_keys("hostile")
    shown = {row[1].removesuffix("recommended") for row in rows(page)} - {"float32"}
    assert len(shown) == len(HOSTILE)
    assert "<script>alert(1)</script>" in shown
    assert page.run("return document.querySelectorAll('img').length") == 0
    page.find("#search")[0].send_keys(" no such word")
    assert page.find("#count")[0].text == "Nothing fits."
