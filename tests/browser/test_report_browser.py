"""The page in a real browser: Debian's Chromium, headless, at desktop and phone width."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from real_browser import CONTRAST, DESKTOP, PAPER, PHONE, Browser, check_sound, open_browser
from sample_reports import HOSTILE, SAMPLES

from tflitekit.render import html
from tflitekit.results import Report, read_report


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as found:
        yield found


@pytest.fixture(scope="module")
def report(optimized: Path) -> Report:
    return read_report(optimized)


@pytest.fixture(scope="module")
def pages(report: Report, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    found = {kind: folder / f"{kind}.html" for kind in SAMPLES}
    for kind, path in found.items():
        path.write_text(html.render(SAMPLES[kind](report)), encoding="utf-8")
    return found


@pytest.mark.parametrize("width", [DESKTOP, PHONE])
@pytest.mark.parametrize("kind", SAMPLES)
def test_page_is_sound(browser, pages, kind, width):
    check_sound(browser.open(pages[kind], width), pages[kind])


def test_table_sorts_by_click_and_by_keyboard(browser, pages):
    from selenium.webdriver.common.keys import Keys

    page = browser.open(pages["extended"])
    cells = "[...document.querySelectorAll('#variants tbody td:nth-child(2)')].map((c) => +c.dataset.sort)"
    before = page.run(f"return {cells}")
    size = next(button for button in page.find("#variants thead button") if button.text.startswith("Size"))
    head = "document.querySelector('#variants thead th:nth-child(2)')"
    size.click()
    page.wait(f"{head}.ariaSort === 'ascending'")
    page.wait(f"JSON.stringify({cells}) === '{json.dumps(sorted(before), separators=(',', ':'))}'")
    size.send_keys(Keys.ENTER)
    page.wait(f"{head}.ariaSort === 'descending'")
    page.wait(f"JSON.stringify({cells}) === '{json.dumps(sorted(before, reverse=True), separators=(',', ':'))}'")
    page.find("#variants thead button")[0].send_keys(Keys.SPACE)
    page.wait(f"document.querySelector('#variants thead th').ariaSort === 'ascending' && {head}.ariaSort === null")


def test_choices_redraw_the_plot_with_the_keyboard(browser, pages):
    from selenium.webdriver.common.keys import Keys

    page = browser.open(pages["extended"])
    label = "document.querySelector('#tradeoff [role=graphics-document]').ariaLabel"
    assert "size of the file" in page.run(f"return {label}")
    page.find("#tradeoff input")[0].send_keys(Keys.ARROW_RIGHT)
    page.wait(f"{label}.includes('median latency')")
    page.find("#tradeoff input")[2].send_keys(Keys.ARROW_RIGHT)
    page.wait(f"{label}.startsWith('Change from')")
    assert page.run("return document.querySelectorAll('#tradeoff svg.marks').length") == 1
    assert page.log() == []


def test_chosen_and_undominated_variants_stand_out(browser, pages):
    page = browser.open(pages["real"])
    marks = page.run(
        "return [...document.querySelectorAll('#tradeoff svg .mark-symbol path')]"
        ".map((m) => [m.getAttribute('fill-opacity'), getComputedStyle(m).stroke])"
    )
    assert {opacity for opacity, _ in marks} >= {"1", "0"} or {opacity for opacity, _ in marks} >= {None, "0"}
    accent = page.run("return getComputedStyle(document.querySelector('a')).color")
    assert accent in {stroke for _, stroke in marks}


def test_hostile_names_are_shown_and_not_run(browser, pages):
    page = browser.open(pages["hostile"])
    shown = page.run("return document.body.innerText")
    for name in HOSTILE[:4]:
        assert name in shown
    assert page.run("return document.querySelectorAll('img[onerror], img[src=x], body script[src]').length") == 0
    assert page.run("return document.querySelectorAll('script').length") == 6
    page.run(
        "document.querySelector('#tradeoff .mark-symbol path')"
        ".dispatchEvent(new MouseEvent('pointermove', {bubbles: true}))"
    )
    assert page.log() == []


def test_tooltip_shows_names_as_text(browser, pages):
    from selenium.webdriver.common.action_chains import ActionChains

    page = browser.open(pages["hostile"])
    mark = page.find("#tradeoff svg .mark-symbol path")[0]
    page.run("arguments[0].scrollIntoView({block: 'center'})", mark)
    ActionChains(page.driver).move_to_element(mark).perform()
    page.wait("document.querySelector('#vg-tooltip-element.visible') !== null")
    tip = page.find("#vg-tooltip-element")[0]
    assert any(name in tip.text for name in HOSTILE)
    assert page.run("return arguments[0].querySelectorAll('img, script').length", tip) == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_readable_in_both_themes(browser, pages, scheme):
    for kind in ("extended", "trained", "undecided"):
        page = browser.open(pages[kind], scheme=scheme)
        assert page.run(CONTRAST) == []  # WCAG 2.2, 1.4.3, level AA: 4.5 to 1


def test_plots_follow_a_change_of_the_theme(browser, pages):
    page = browser.open(pages["extended"])
    colors = (
        "return [getComputedStyle(document.body).backgroundColor,"
        " getComputedStyle(document.querySelector('#tradeoff svg text')).fill]"
    )
    light = page.run(colors)
    page.emulate(scheme="dark")
    dark = page.run(colors)
    assert light[0] != dark[0]
    assert light[1] != dark[1]


@pytest.mark.parametrize("kind", ["extended", "trained"])
def test_paper_shows_everything(browser, pages, kind):
    page = browser.open(pages[kind], PAPER, scheme="dark")
    page.emulate(scheme="dark", media="print")
    page.wait("[...document.querySelectorAll('main details')].every((d) => d.open)")
    assert page.run("return getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    hidden = page.run(
        "return [...document.querySelectorAll('main table, main svg.marks, main .shots li, main pre')]"
        ".filter((e) => !e.closest('.quiet') && !e.getBoundingClientRect().height).length"
    )
    assert hidden == 0
    cut = page.run(
        "const right = document.documentElement.clientWidth + 1;"
        "return [...document.querySelectorAll('main table')].filter((t) => t.getBoundingClientRect().right > right)"
        ".map((t) => t.caption.textContent)"
    )
    assert cut == []
    assert page.run("return getComputedStyle(document.querySelector('nav')).display") == "none"
    page.emulate(scheme="light")
    page.wait("![...document.querySelectorAll('main details')].some((d) => d.open)")


def test_structure_for_screen_readers_and_the_keyboard(browser, pages):
    from selenium.webdriver.common.keys import Keys

    page = browser.open(pages["extended"])
    levels = page.run("return [...document.querySelectorAll('h1, h2, h3, h4')].map((h) => +h.tagName[1])")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert page.run("return [...document.querySelectorAll('th')].every((t) => ['col', 'row'].includes(t.scope))")
    assert page.run("return [...document.querySelectorAll('table')].every((t) => t.caption?.textContent)")
    assert page.run(
        "return [...document.querySelectorAll('section, figure')].every((e) => e.ariaLabelledByElements?.length)"
    )
    assert page.run("return [...document.querySelectorAll('select, input')].every((e) => e.labels.length)")
    assert page.run(
        "const ids = [...document.querySelectorAll('[id]')].map((e) => e.id); return new Set(ids).size === ids.length"
    )
    page.find("body")[0].send_keys(Keys.TAB)
    assert page.run("return document.activeElement.textContent") == "Skip to the content"
    page.driver.switch_to.active_element.send_keys(Keys.ENTER)
    assert page.run("return document.activeElement.id") == "main"
    outline = "return getComputedStyle(document.querySelector('#variants thead button')).outlineStyle"
    page.find("#variants thead button")[0].send_keys(Keys.TAB)
    page.driver.switch_to.active_element.send_keys(Keys.SHIFT, Keys.TAB)
    assert page.run(outline) == "solid"
