"""The page of the whole lecture in a real browser: at three widths, light and dark, with the keyboard, and in print."""

import shutil
from pathlib import Path

import pytest

from experiments.lessons.contents import ROWS
from experiments.lessons.show import page as lecture_page
from experiments.lessons.work import Claim, Drawing, Number

WIDTHS = (360, 768, 1280)
SCHEMES = ("light", "dark")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")
    with playwright.sync_playwright() as started:
        program = next(filter(None, map(shutil.which, PROGRAMS)), started.chromium.executable_path)
        if not Path(program).exists():
            pytest.skip(f"needs a Chromium: none of {', '.join(PROGRAMS)} is on the path")
        running = started.chromium.launch(
            executable_path=program, args=[*ARGUMENTS, "--disable-sync", "--no-first-run"]
        )
        yield running
        running.close()


@pytest.fixture(scope="module")
def loaded(browser, work_of, tmp_path_factory):
    """The page, and what went wrong or was asked for while it was looked at."""
    works = {row.name: work_of(row.name) for row in ROWS}
    path = lecture_page.write(ROWS, works, tmp_path_factory.mktemp("page") / "index.html")
    told = []
    tab = browser.new_page()
    tab.set_default_timeout(120_000)  # a machine that does other work is slow, and no less right
    tab.on("console", lambda message: told.append(message.text))
    tab.on("pageerror", lambda error: told.append(str(error)))

    def only_the_page(route):
        if route.request.url.partition("#")[0] == path.as_uri():
            return route.continue_()
        told.append(route.request.url)
        return route.abort()

    tab.route("**/*", only_the_page)
    tab.goto(path.as_uri())
    yield tab, told
    tab.close()


@pytest.fixture
def page(loaded):
    """The page as it is when it has been opened, on a desktop, in light colours."""
    tab, _ = loaded
    tab.emulate_media(media="screen", color_scheme="light")
    tab.set_viewport_size({"width": 1280, "height": 900})
    tab.evaluate("() => { for (const d of document.querySelectorAll('details')) d.open = false; scrollTo(0, 0); }")
    return tab


def test_every_row_is_there_in_order(page):
    rows = page.evaluate(
        """() => [...document.querySelectorAll('article')].map(a => {
            const box = a.getBoundingClientRect();
            return [a.id, a.querySelector('h4').innerText, box.top, box.width, box.height];
        })"""
    )
    assert [row[0] for row in rows] == [f"s{number}" for number in range(1, 62)]
    assert [row[1] for row in rows] == [f"{row.name} {row.title}" for row in ROWS]
    assert [row[2] for row in rows] == sorted(row[2] for row in rows)
    assert all(width > 300 and height > 60 for *_, width, height in rows)


def test_every_number_and_claim_is_marked(page, work_of):
    checked = [entry for row in ROWS for entry in work_of(row.name).of(Number) + work_of(row.name).of(Claim)]
    assert page.locator("article .holds, article .fails").count() == len(checked)


def test_every_picture_is_drawn(page, work_of):
    figures = page.evaluate(
        """() => [...document.querySelectorAll('figure')].map(f => {
            const svg = f.querySelector('svg'), box = svg.getBoundingClientRect();
            const shapes = [...svg.querySelectorAll('path, use, image, rect, circle, polygon, text')].filter(s => {
                const inside = s.getBoundingClientRect();
                return !s.closest('defs, clipPath') && inside.width + inside.height > 0
                    && inside.left < box.right && inside.right > box.left
                    && inside.top < box.bottom && inside.bottom > box.top;
            });
            const missing = [...svg.querySelectorAll('use')].filter(
                u => !document.getElementById(u.href.baseVal.slice(1)));
            const name = document.getElementById(svg.getAttribute('aria-labelledby'));
            return [box.width, box.height, shapes.length, missing.length, svg.getAttribute('role'), name.innerText];
        })"""
    )
    drawings = [drawing for row in ROWS for drawing in work_of(row.name).of(Drawing)]
    assert len(figures) == len(drawings) > 0
    for width, height, shapes, missing, role, name in figures:
        assert width > 250
        assert height > 80
        assert shapes > 10
        assert missing == 0
        assert role == "img"
        assert len(name) > 10


def test_formulas_are_set(page):
    """Each has a size, a fraction has its parts one above the other, and none is left as it was typed."""
    wrong = page.evaluate(
        r"""() => {
            for (const d of document.querySelectorAll('details')) d.open = true;
            const box = e => e.getBoundingClientRect();
            const maths = [...document.querySelectorAll('math')];
            return {
                count: maths.length,
                flat: maths.filter(m => box(m).width < 4 || box(m).height < 4).map(m => m.textContent),
                fractions: document.querySelectorAll('mfrac').length,
                beside: [...document.querySelectorAll('mfrac')].filter(
                    f => box(f.children[0]).bottom > box(f.children[1]).top + 3).map(f => f.textContent),
                typed: maths.filter(m => /[\\$]/.test(m.textContent)).map(m => m.textContent),
            };
        }"""
    )
    assert wrong["count"] > 60
    assert wrong["fractions"] > 10
    assert wrong["flat"] == wrong["beside"] == wrong["typed"] == []


def test_no_mark_up_is_left_in_the_text(page):
    """Outside of code there is no $, no backtick, no backslash and no link in brackets."""
    left = page.evaluate(
        r"""() => {
            const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), found = [];
            while (walker.nextNode()) {
                const node = walker.currentNode;
                if (node.parentElement.closest('code, pre, svg')) continue;
                if (/[$`\\]|\]\(|\*\*|\bNone\b|\bundefined\b|tensor\(/.test(node.data)) found.push(node.data);
            }
            return found;
        }"""
    )
    assert left == []


@pytest.mark.parametrize("opened", [False, True], ids=["as it opens", "all opened"])
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_clipped_or_sticks_out(page, width, scheme, opened):
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 800})
    page.evaluate("opened => { for (const d of document.querySelectorAll('details')) d.open = opened; }", opened)
    assert page.evaluate(_OUTSIDE) == []


_OUTSIDE = """() => {
    const root = document.documentElement, found = [], cut = ['hidden', 'clip'];
    if (root.scrollWidth > root.clientWidth) found.push(`the page is ${root.scrollWidth} wide`);
    const boxes = new Set();  // what scrolls sideways may hold what is wider
    for (const e of document.querySelectorAll('body *')) {
        if (e.parentElement.closest('svg')) continue;
        const style = getComputedStyle(e), box = e.getBoundingClientRect();
        const name = `${e.tagName} ${e.className} in ${e.closest('[id]')?.id}: ${e.textContent.slice(0, 60)}`;
        if (['auto', 'scroll'].includes(style.overflowX)) boxes.add(e);
        if (e.tagName !== 'svg' && style.display !== 'inline') {
            if (cut.includes(style.overflowX) && e.scrollWidth > e.clientWidth + 1) found.push(`cut ${name}`);
            if (cut.includes(style.overflowY) && e.scrollHeight > e.clientHeight + 1) found.push(`cut below ${name}`);
        }
        if (!box.width || e.matches('.skip')) continue;
        let held = false;
        for (let p = e.parentElement; p; p = p.parentElement) held ||= boxes.has(p);
        if (!held && (box.right > root.clientWidth + 1 || box.left < -1)) found.push(`outside ${name}`);
    }
    return found;
}"""


@pytest.mark.parametrize("scheme", SCHEMES)
def test_text_stands_out_from_its_ground(page, scheme):
    """Contrast of 4.5 and more, as WCAG 2 counts it."""
    page.emulate_media(color_scheme=scheme)
    page.evaluate("() => { for (const d of document.querySelectorAll('details')) d.open = true; }")
    pairs = page.evaluate(
        """() => {
            const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), pairs = {};
            while (walker.nextNode()) {
                const node = walker.currentNode;
                if (!node.data.trim() || node.parentElement.closest('svg')) continue;
                let e = node.parentElement;
                const ink = getComputedStyle(e).color;
                while (e && getComputedStyle(e).backgroundColor === 'rgba(0, 0, 0, 0)') e = e.parentElement;
                const ground = e ? getComputedStyle(e).backgroundColor : 'nothing';
                pairs[`${ink} on ${ground}`] = node.data.trim().slice(0, 40);
            }
            return pairs;
        }"""
    )
    assert len(pairs) > 10
    faint = {pair: text for pair, text in pairs.items() if _contrast(*pair.split(" on ")) < 4.5}
    assert faint == {}


def _contrast(*colours):
    low, high = sorted(map(_luminance, colours))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour):
    channels = [int(c) / 255 for c in colour.removeprefix("rgb(").removesuffix(")").split(",")]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_links_lead_somewhere_and_ids_are_unique(page):
    found = page.evaluate(
        """() => {
            const ids = [...document.querySelectorAll('[id]')].map(e => e.id);
            const named = [...document.querySelectorAll('[aria-labelledby]')]
                .map(e => e.getAttribute('aria-labelledby'));
            const links = [...document.querySelectorAll('a')].map(a => a.getAttribute('href'));
            return {
                twice: ids.filter((id, i) => ids.indexOf(id) !== i),
                dead: links.filter(h => h.startsWith('#') ? !document.getElementById(h.slice(1)) : !/^https:/.test(h)),
                nameless: named.filter(id => !document.getElementById(id)),
            };
        }"""
    )
    assert found == {"twice": [], "dead": [], "nameless": []}


def test_an_answer_is_hidden_until_asked_with_the_keyboard(page):
    answer = page.locator("#s24 .question strong")
    assert not answer.is_visible()
    page.focus("#s24 h4 a")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Answer"
    for key, visible in (("Enter", True), ("Enter", False), ("Space", True)):
        page.keyboard.press(key)
        assert answer.is_visible() is visible
    assert answer.inner_text() == "12.9"


def test_the_keyboard_reaches_the_text_past_the_contents(page):
    page.reload()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the lecture"
    assert page.locator(".skip").bounding_box()["x"] >= 0
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('main') !== null")


def test_a_row_leads_to_its_source(page):
    page.click("#s24 .code a")
    page.wait_for_function("document.querySelector(':target')?.getBoundingClientRect().top < innerHeight")
    box = page.locator(":target").bounding_box()
    assert page.locator(":target").inner_text().startswith("def hinge_loss(")
    assert 0 <= box["y"] < 900


def test_contents_are_beside_the_text_on_a_desktop_and_folded_on_a_phone(page):
    link = page.locator(".contents a[href='#s24']")
    assert link.is_visible()
    assert not page.locator(".contents summary").is_visible()
    page.evaluate("scrollTo(0, 5000)")
    assert page.locator("details.contents").bounding_box()["y"] == 0
    page.set_viewport_size({"width": 360, "height": 740})
    assert not link.is_visible()
    page.click(".bar a[href='#contents']")
    assert link.is_visible()
    link.click()
    page.wait_for_function("Math.abs(document.querySelector('#s24').getBoundingClientRect().top) < 150")
    # The bar at the top does not cover the title that was asked for.
    bar, title = (page.locator(where).bounding_box() for where in (".bar", "#s24 h4"))
    assert bar["y"] + bar["height"] <= title["y"]


def test_print_shows_what_a_click_would(page):
    page.emulate_media(media="print")
    assert page.locator("#s24 .question strong").is_visible()
    assert page.locator("#s24 .code pre").first.is_visible()
    assert not page.locator(".contents a").first.is_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def test_no_error_no_script_and_no_request(loaded):
    """Runs last: whatever the tests above have set off is counted."""
    tab, told = loaded
    assert told == []
    assert tab.evaluate("document.scripts.length") == 0
    assert tab.evaluate("performance.getEntriesByType('resource').map(r => r.name)") == []
