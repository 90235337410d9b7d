"""The app in a real browser: what is on the screen, what moves, and what is sent while it does."""

import contextlib
import re
import shutil
from urllib.parse import parse_qs, urlsplit

import pytest
from conftest import serve

from toyviz import studies
from toyviz.charts import POSITIONS

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
BROWSER = next(filter(None, map(shutil.which, BROWSERS)), None)
PATIENCE = 240_000  # milliseconds: for a test that hangs, however slow or loaded the machine is
SCHEME = "matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light'"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(BROWSER is None, reason="no chromium or google-chrome on this machine"),
    pytest.mark.filterwarnings("default"),
]


SIZES = {"1440 x 900": (1440, 900), "1280 x 720": (1280, 720)}
PAGE = studies.page("double_descent")
SMALL = "n_features=200&seeds=1&v=2"  # networks that are not shipped, and soon trained
# Notes from now on how far each part of the stage is from where it was at first, and how many canvases are made there.
WATCH = """() => {
  const places = {}, moved = window.moved = {}
  const parts = '[class*=st-key-at-], .st-key-clock, .st-key-stage, .st-key-line'
  window.made = 0
  const look = () => {
    document.querySelectorAll(parts).forEach((part) => {
      const name = [...part.classList].find((each) => each.startsWith('st-key')), box = part.getBoundingClientRect()
      const place = [box.x, box.y, box.width, box.height], first = (places[name] ??= place)
      moved[name] = Math.max(moved[name] ?? 0, ...place.map((value, k) => Math.abs(value - first[k])))
    })
    requestAnimationFrame(look)
  }
  look()
  const drawn = (node) => node.nodeName === 'CANVAS' || node.querySelector?.('canvas')
  new MutationObserver((changes) => changes.forEach(({ addedNodes, target }) => addedNodes.forEach((node) => {
    if (target.closest?.('.st-key-stage') && drawn(node)) window.made++
  }))).observe(document.body, { childList: true, subtree: true })
}"""
PICTURE = """name => {
  const chart = document.querySelector(`.st-key-at-${name} :is(canvas, svg.marks)`)
  return chart?.toDataURL?.() ?? chart?.innerHTML
}"""
SET_CLOCK = """async (value) => {
  const clock = document.querySelector('#clock')
  clock.value = value
  clock.dispatchEvent(new Event('input'))
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))
}"""
SCROLLED = "() => document.querySelector('[data-testid=stMain]').scrollTop"


class Wire:
    """Counts what goes over the websocket of a tab, either way."""

    def __init__(self, tab):
        self.messages = 0
        tab.on("websocket", self._listen)

    def _listen(self, socket):
        socket.on("framesent", self._count)
        socket.on("framereceived", self._count)

    def _count(self, _):
        self.messages += 1


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args):
    options = ["--no-sandbox", "--disable-dev-shm-usage"]
    return {**browser_type_launch_args, "executable_path": BROWSER, "args": options}


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """A server of its own, with an empty cache."""
    with serve(tmp_path_factory.mktemp("server")) as server:
        yield server.address


@contextlib.contextmanager
def tab_at(browser, address, scheme="light", path="", size=(1440, 900)):
    """A browser tab on a page; at the end nothing must have gone wrong or left this machine."""
    context = browser.new_context(color_scheme=scheme, viewport={"width": size[0], "height": size[1]})
    tab = context.new_page()
    tab.wire = Wire(tab)
    wrong, outside = [], []
    tab.on("console", lambda message: wrong.append(message.text) if _is_wrong(message) else None)
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    tab.on(
        "request", lambda sent: None if sent.url.startswith((address, "data:", "blob:")) else outside.append(sent.url)
    )
    tab.set_default_timeout(PATIENCE)
    tab.goto(f"{address}{path}")
    yield tab
    context.close()
    assert wrong == []
    assert outside == []


def _is_wrong(message):
    """An error, other than Streamlit's own way to find its base path from the address of a page."""
    return message.type == "error" and not re.search(r"/\w+/_stcore/(health|host-config)$", message.location["url"])


def go(tab, title):
    tab.get_by_role("button", name="Bottleneck", exact=True).click()
    tab.get_by_role("menuitem", name=title).click()
    tab.get_by_role("heading", name=title, exact=True).wait_for()


def staged(tab, networks=""):
    """Waits until so many networks are trained, and the stage stands still."""
    tab.locator(".st-key-status").get_by_text(f"{networks} network").wait_for()
    tab.locator(".st-key-status").get_by_text("trained and kept").wait_for()
    tab.locator(".st-key-at-curve canvas").first.wait_for()
    tab.locator("[data-testid='stApp'][data-test-script-state='notRunning']").wait_for(state="attached")
    tab.get_by_role("button", name="Play").wait_for()
    settled(tab)


def settled(tab):
    """Waits until nothing comes any more, and two looks at the stage, a while apart, see the same."""
    before = None
    while before != (before := (tab.wire.messages, [tab.evaluate(PICTURE, figure) for figure in figures(tab)])):
        tab.wait_for_timeout(1000)


def figures(tab):
    """The ids of the figures on the stage."""
    classes = tab.locator(".st-key-stage [class*=st-key-at-]").evaluate_all("all => all.map((each) => each.className)")
    return [re.search(r"st-key-at-(\S+)", each).group(1) for each in classes]


def said(tab):
    """What stands beside the clock about the frame of now."""
    return tab.locator(".st-key-player output").inner_text()


def at(tab):
    """Where the clock is."""
    return int(tab.locator("#clock").input_value())


def type_into(tab, label, value):
    box = tab.get_by_role("combobox", name=label)
    box.click()
    box.fill(value)
    box.press("Enter")


FIRST = {  # each is the very first thing that a fresh server is asked for
    "/double_descent": "Double descent",
    "/superposition?superposition=Phases&seeds=1": "Superposition",
    "/double_descent?descent=What+the+bias+does": "Double descent",
}


@pytest.mark.parametrize("link", FIRST)
def test_a_fresh_server_that_is_first_asked_for_a_page_shows_it_without_a_dialog(link, browser, tmp_path):
    with serve(tmp_path) as server, tab_at(browser, server.address, "light", link) as tab:
        tab.get_by_role("heading", name=FIRST[link], exact=True).wait_for()
        tab.locator("[data-testid='stApp'][data-test-script-state='notRunning']").wait_for(state="attached")
        assert tab.get_by_role("dialog").count() == 0
        assert tab.get_by_text("Page not found").count() == 0
        if "Phases" in link:
            assert tab.get_by_role("radio", name="Phases").is_checked()


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_all_that_moves_is_on_one_screen_in_every_view(size, browser, address):
    with tab_at(browser, address, path="/double_descent", size=size) as tab:
        for view in PAGE.views:
            tab.get_by_role("radio", name=view.title, exact=True).click()
            tab.wait_for_function(f"location.search.includes('view={view.id}') || '{view.id}' === '{PAGE.views[0].id}'")
            staged(tab)
            shown = [tab.locator(f".st-key-at-{each}") for each in figures(tab)]
            assert len(shown) >= 4
            for part in [*shown, *map(tab.locator, (".st-key-line", ".st-key-player", "#clock"))]:
                box = part.bounding_box()
                assert min(box["x"], box["y"]) >= 0
                assert box["x"] + box["width"] <= size[0]
                assert box["y"] + box["height"] <= size[1]
                assert box["width"] >= 100
            assert tab.evaluate(SCROLLED) == 0


def test_on_a_phone_the_clock_stays_at_hand_and_nothing_scrolls_sideways(browser, address):
    with tab_at(browser, address, "dark", "/double_descent", size=(390, 844)) as tab:
        staged(tab)
        for scrolled in (0, 400):
            tab.evaluate("top => document.querySelector('[data-testid=stMain]').scrollTo(0, top)", scrolled)
            box = tab.locator("#clock").bounding_box()
            assert 700 < box["y"] < 844
            assert box["width"] > 300
        assert tab.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth") <= 390


@pytest.mark.parametrize(("size", "scheme"), [*zip(SIZES.values(), ("light", "dark"), strict=True)], ids=SIZES)
def test_nothing_moves_from_the_change_of_a_control_to_the_end_of_training(size, scheme, browser, address):
    sparsity = f"0.96{size[0] // 160}"  # other networks each time
    with tab_at(browser, address, scheme, f"/double_descent?T=1000&sparsity=0.9&{SMALL}", size) as tab:
        staged(tab, 16)
        tab.evaluate("() => document.querySelector('[data-testid=stMain]').scrollTo(0, 60)")
        tab.evaluate(WATCH)
        before = tab.evaluate(PICTURE, "loss")
        type_into(tab, "Sparsity S", sparsity)
        tab.locator(".st-key-status").get_by_text("Training:").wait_for()
        tab.wait_for_function(f"before => ({PICTURE})('loss') !== before", arg=before)
        staged(tab, 16)
        moved = tab.evaluate("window.moved")
        assert len(moved) >= 7
        assert max(moved.values()) <= 2, moved
        assert tab.evaluate("window.made") == 0
        assert tab.evaluate(SCROLLED) == 60
        assert f"sparsity={sparsity}" in tab.url


def test_the_clock_moves_pictures_marker_and_numbers_and_sends_nothing(browser, address):
    with tab_at(browser, address, path=f"/double_descent?T=1000&{SMALL}") as tab:
        staged(tab, 16)
        end = {each: tab.evaluate(PICTURE, each) for each in ("columns", "hidden", "curve")}, said(tab)
        quiet = tab.wire.messages
        for position in (0, 7, 20, 33):
            tab.evaluate(SET_CLOCK, position)
            now = {each: tab.evaluate(PICTURE, each) for each in end[0]}
            assert all(now[each] != end[0][each] for each in now), position
            assert said(tab) != end[1]
        tab.evaluate(SET_CLOCK, 0)
        assert said(tab).startswith("step 0 of 5,000")
        tab.get_by_role("button", name="Play").click()
        tab.wait_for_function(f"+document.querySelector('#clock').value === {POSITIONS - 1}")
        tab.get_by_role("button", name="Play").wait_for()
        settled(tab)
        assert said(tab) == end[1]
        for each in ("columns", "hidden"):  # the curve is drawn anew in part alone, and so a shade apart
            assert tab.evaluate(PICTURE, each) == end[0][each]
        assert tab.wire.messages == quiet


def test_the_curve_and_the_keys_move_the_clock_and_the_step_is_in_the_address(browser, address):
    with tab_at(browser, address, path=f"/double_descent?T=1000&{SMALL}") as tab:
        staged(tab, 16)
        quiet = tab.wire.messages
        box = tab.locator(".st-key-at-curve canvas").first.bounding_box()
        tab.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        tab.wait_for_function(f"+document.querySelector('#clock').value < {POSITIONS - 1}")
        tab.wait_for_function("location.search.includes('step=')")
        step = re.search(r"step=(\d+)", tab.url).group(1)
        assert said(tab).startswith(f"step {int(step):,} of")
        before = at(tab)
        tab.keyboard.press("ArrowRight")
        assert at(tab) == before + 1
        tab.keyboard.press("ArrowLeft")
        assert at(tab) == before
        tab.keyboard.press("Home")
        assert said(tab).startswith("step 0 of")
        tab.keyboard.press("Space")
        tab.wait_for_function("+document.querySelector('#clock').value > 1")
        tab.keyboard.press("Space")
        tab.keyboard.press("End")
        assert at(tab) == POSITIONS - 1
        tab.wait_for_function("!location.search.includes('step=')")
        assert tab.wire.messages == quiet
        tab.goto(f"{tab.url}&step={step}")
        staged(tab, 16)
        assert said(tab).startswith(f"step {int(step):,} of")


def test_what_the_pointer_is_on_is_marked_in_the_other_pictures(browser, address):
    with tab_at(browser, address, path=f"/double_descent?T=10&{SMALL}") as tab:
        staged(tab, 16)
        before, quiet = tab.evaluate(PICTURE, "columns"), tab.wire.messages
        box = tab.locator(".st-key-at-hidden canvas").first.bounding_box()
        for k in range(20 * 20):  # until it is on one of the ten samples
            tab.mouse.move(
                box["x"] + box["width"] * (k % 20 + 0.5) / 20, box["y"] + box["height"] * (k // 20 + 0.5) / 20
            )
            if tab.locator("#pointed").input_value():
                break
        features = tab.locator("#pointed").input_value()
        assert re.fullmatch(r",(\d+,)+", features)
        tab.wait_for_function(f"before => ({PICTURE})('columns') !== before", arg=before)
        tab.mouse.move(5, 5)
        tab.wait_for_function(f"before => ({PICTURE})('columns') === before", arg=before)
        assert tab.wire.messages == quiet


def test_a_cell_that_the_pointer_is_on_is_marked_in_the_other_map(browser, address):
    with tab_at(browser, address, path="/double_descent?view=sizes&v=2") as tab:
        staged(tab, 30)
        before, quiet = tab.evaluate(PICTURE, "test_accuracy"), tab.wire.messages
        box = tab.locator(".st-key-at-test_loss :is(canvas, svg.marks)").first.bounding_box()
        tab.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + box["height"] * 0.45)
        tab.wait_for_function("document.querySelector('#pointed').value !== ''")
        assert re.fullmatch(r"n_samples=\d+ n_hidden=\d+", tab.locator("#pointed").input_value())
        tab.wait_for_function(f"before => ({PICTURE})('test_accuracy') !== before", arg=before)
        assert tab.wire.messages == quiet


def test_a_clicked_point_opens_its_network_and_a_copied_link_opens_the_same_again(browser, address):
    with tab_at(browser, address, path=f"/double_descent?T=10&{SMALL}") as tab:
        staged(tab, 16)
        box = tab.locator(".st-key-at-loss canvas").first.bounding_box()
        for x in (0.985, 0.97, 0.95):  # the small pictures of the largest T
            tab.mouse.click(box["x"] + box["width"] * x, box["y"] + box["height"] * 0.9)
            tab.wait_for_timeout(500)
            if "T=2000" in tab.url:
                break
        tab.wait_for_function("location.search.includes('T=2000')")
        staged(tab, 16)
        tab.evaluate(SET_CLOCK, 12)
        tab.wait_for_function("location.search.includes('step=')")
        tab.get_by_role("button", name="Copy link").click()
        tab.get_by_role("button", name="Copied").wait_for()
        link, shown = tab.evaluate("window.copied"), said(tab)
    wanted = {"view", "v", "step", *(each.id for each in PAGE.views[0].every_control)}
    assert set(parse_qs(urlsplit(link).query)) == wanted
    opened = PAGE.read(parse_qs(urlsplit(link).query))
    assert (opened.view.id, opened.choice.T, opened.choice.n_features, opened.not_understood) == (
        "over_t",
        2000,
        200,
        (),
    )
    with tab_at(browser, "", path=link) as tab:
        staged(tab, 16)
        assert said(tab) == shown


def test_back_and_forward_walk_through_views_and_choices(browser, address):
    with tab_at(browser, address, path="/double_descent") as tab:
        staged(tab, 64)
        tab.get_by_role("radio", name="The bias").click()
        staged(tab, 16)
        tab.get_by_role("radio", name="The learning rate").click()
        staged(tab, 42)
        tab.go_back()
        staged(tab, 16)
        assert tab.get_by_role("radio", name="The bias").is_checked()
        tab.go_back()
        staged(tab, 64)
        tab.go_forward()
        staged(tab, 16)
        assert "view=bias" in tab.url


def test_an_own_value_is_taken_and_what_is_not_possible_is_refused_in_a_sentence(browser, address):
    with tab_at(browser, address, path=f"/double_descent?T=10&n_samples=10,30&{SMALL}") as tab:
        staged(tab, 2)
        type_into(tab, "Hidden width m", "5")
        staged(tab, 2)
        assert "n_hidden=5" in tab.url
        type_into(tab, "Hidden width m", "0")
        tab.locator(".st-key-status").get_by_text("n_hidden=0 is not possible: 1 to 4096").wait_for()
        assert "n_hidden=5" in tab.url
        tab.goto(f"{address}/double_descent?n_hidden=0&T=10&n_samples=10,30&{SMALL}")
        tab.locator(".st-key-status").get_by_text("shown: 2").wait_for()


def test_who_goes_back_while_a_network_trains_sees_its_history_and_stays_there(browser, address):
    long = "T=5000&n_samples=5000&steps=40000&n_features=1000&seeds=1&v=2"
    with tab_at(browser, address, path=f"/double_descent?{long}") as tab:
        status = tab.locator(".st-key-status")
        status.get_by_text("Training: 0 of 1").wait_for()
        tab.wait_for_function("document.querySelector('.st-key-at-curve canvas')")
        tab.wait_for_function("+document.querySelector('#clock').value === 39")
        tab.wait_for_timeout(3000)
        newest = said(tab)
        tab.evaluate(SET_CLOCK, 0)
        tab.get_by_text("step 0 of 40,000").wait_for()
        tab.wait_for_timeout(1500)
        assert at(tab) == 0
        tab.keyboard.press("End")
        tab.wait_for_function("old => !document.body.innerText.includes(old)", arg=newest)
        assert not said(tab).startswith("step 0 of")
        tab.get_by_role("button", name="Cancel").click()
        status.get_by_text("Cancelled.").wait_for()


def test_a_reloaded_page_finds_its_training_and_can_cancel_it(browser, address):
    long = "n_samples=2000,5000&T=5000&seeds=2&weight_decay=0.1&steps=20000&v=2"
    with tab_at(browser, address, path=f"/double_descent?{long}") as tab:
        status = tab.locator(".st-key-status")
        status.get_by_text("Training: 0 of 4").wait_for()
        tab.reload()
        status.get_by_text("Training: 0 of 4").wait_for()
        tab.get_by_role("button", name="Cancel").click()
        status.get_by_text("Cancelled.").wait_for()
        tab.get_by_role("button", name="Resume").wait_for()


def test_a_shipped_history_can_be_trained_again_as_a_whole(browser, address):
    with tab_at(browser, address, path="/double_descent") as tab:
        staged(tab, 64)
        tab.locator(".st-key-status").get_by_text("The opened one has").wait_for()
        assert all("–" not in each for each in told_over_the_history(tab, 24))  # each frame was measured
        tab.get_by_role("button", name="Whole history").click()
        tab.get_by_role("button", name="Whole history").wait_for(state="detached")
        staged(tab, 64)
        assert all("–" not in each for each in told_over_the_history(tab, 40))


def told_over_the_history(tab, frames):
    """What is told beside the clock at each of its forty positions, which show so many frames."""
    told = []
    for position in range(40):
        tab.evaluate(SET_CLOCK, position)
        told.append(said(tab))
    assert len({each.split(" of ")[0] for each in told}) == frames
    return told


def test_a_page_that_is_left_as_it_was_shows_its_shipped_results(browser, address):
    with tab_at(browser, address) as tab:
        tab.get_by_role("heading", name="toyviz").wait_for()
        go(tab, "Superposition")
        staged(tab, 28)
        go(tab, "Double descent")
        staged(tab, 64)


# A beside B, and the stage before a room

BESIDE = f"/double_descent?T=1000&a.T=10&{SMALL}"


def test_a_stands_beside_b_on_a_screen_and_above_it_on_a_phone(browser, address):
    for size, beside in (((1280, 720), True), ((390, 844), False)):
        with tab_at(browser, address, path=BESIDE, size=size) as tab:
            staged(tab, 16)
            a, b = (tab.locator(f".st-key-at-{prefix}loss").bounding_box() for prefix in ("a-", ""))
            assert a["width"] == pytest.approx(b["width"], abs=2)
            assert a["height"] == pytest.approx(b["height"], abs=2)
            if beside:
                assert a["x"] + a["width"] <= b["x"]
                assert a["y"] == pytest.approx(b["y"], abs=2)
                for part in (".st-key-at-loss", ".st-key-at-hidden", ".st-key-at-curve", "#clock"):
                    box = tab.locator(part).bounding_box()
                    assert box["y"] + box["height"] <= size[1]
                assert len(set(figures(tab))) == 9
            else:
                assert a["y"] + a["height"] <= b["y"]
                assert a["x"] == pytest.approx(b["x"], abs=2)
                assert tab.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth") <= 390


def test_one_clock_moves_both_sides_and_sends_nothing(browser, address):
    with tab_at(browser, address, path=BESIDE, size=(1280, 720)) as tab:
        staged(tab, 16)
        moving = ("a-columns", "a-hidden", "columns", "hidden", "curve")
        end, quiet = {each: tab.evaluate(PICTURE, each) for each in moving}, tab.wire.messages
        for position in (0, 12, 30):
            tab.evaluate(SET_CLOCK, position)
            assert all(tab.evaluate(PICTURE, each) != end[each] for each in moving), position
        tab.evaluate(SET_CLOCK, 0)
        assert re.fullmatch(r"A step 0 of 5,000.*\s*B step 0 of 5,000.*", said(tab), re.S)
        assert tab.wire.messages == quiet


def test_what_is_pinned_stays_and_nothing_is_built_anew_while_b_trains(browser, address):
    with tab_at(browser, address, path=f"/double_descent?T=1000&{SMALL}", size=(1280, 720)) as tab:
        staged(tab, 16)
        tab.get_by_role("button", name="Compare").click()
        tab.locator(".st-key-at-a-loss").wait_for()
        staged(tab, 16)
        tab.evaluate(WATCH)
        type_into(tab, "Sparsity S", "0.955")
        tab.locator(".st-key-status").get_by_text("Training:").wait_for()
        staged(tab, 32)
        assert tab.evaluate("window.made") == 0
        assert max(tab.evaluate("window.moved").values()) <= 2
        assert "a.sparsity=0.99" in tab.url
        tab.get_by_role("button", name="Unpin").click()
        tab.locator(".st-key-at-a-loss").wait_for(state="detached")
        staged(tab, 16)


WRITTEN = """() => {
  window.written = []
  for (const name of ['fillText', 'strokeText']) {
    const plain = CanvasRenderingContext2D.prototype[name]
    CanvasRenderingContext2D.prototype[name] = function (...rest) {
      window.written.push([this.canvas, parseFloat(/([\\d.]+)px/.exec(this.font)[1]), rest[0]])
      return plain.apply(this, rest)
    }
  }
}"""
SMALLEST = """() => {
  const shown = (node) => node.closest('.st-key-stage') && node.getBoundingClientRect().width > 0
  const onCanvas = window.written
    .filter(([canvas, size, text]) => canvas.isConnected && shown(canvas) && size > 0 && text)
    .map(([canvas, size, text]) => [size * canvas.getBoundingClientRect().width / canvas.offsetWidth, text])
  const svg = [...document.querySelectorAll('.st-key-stage svg.marks text')].filter((each) => each.textContent.trim())
    .map((each) => [each, parseFloat(getComputedStyle(each).fontSize), each.closest('svg')])
    .filter(([each, size]) => size > 0 && getComputedStyle(each).opacity > 0)
    .map(([each, size, of]) => [size * of.getBoundingClientRect().width / of.width.baseVal.value, each.textContent])
  const told = '.st-key-line p, .st-key-line [data-baseweb=select] > div, .player output'
  const words = [...document.querySelectorAll(told)]
    .filter((each) => each.getBoundingClientRect().width > 0 && each.textContent.trim())
    .map((each) => [parseFloat(getComputedStyle(each).fontSize) * each.getBoundingClientRect().width / each.offsetWidth,
      each.textContent])
  return [...onCanvas, ...svg, ...words].sort((a, b) => a[0] - b[0]).slice(0, 5)
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_before_a_room_every_text_has_18_pixels_and_all_is_on_the_screen(scheme, browser, address):
    with tab_at(browser, address, scheme, "/double_descent", (1280, 720)) as tab:
        for view in PAGE.views:
            tab.goto(f"{address}/double_descent?view={view.id}&v=2")
            staged(tab)
            tab.evaluate(WRITTEN)
            tab.keyboard.press("p")
            tab.wait_for_function("location.search.includes('present=1')")
            tab.get_by_role("button", name="Leave").wait_for()
            settled(tab)
            smallest = tab.evaluate(SMALLEST)
            assert smallest[0][0] >= 18, (view.id, smallest)
            for size in ((1280, 720), (1024, 576)):
                tab.set_viewport_size({"width": size[0], "height": size[1]})
                settled(tab)
                for part in [*(f".st-key-at-{each}" for each in figures(tab)), "#clock"]:
                    box = tab.locator(part).bounding_box()
                    assert min(box["x"], box["y"]) >= 0, (view.id, part)
                    assert box["x"] + box["width"] <= size[0] + 1, (view.id, part)
                    assert box["y"] + box["height"] <= size[1] + 1, (view.id, part)
            tab.set_viewport_size({"width": 1280, "height": 720})


def test_keys_lead_through_the_views_before_a_room_and_back_to_the_page(browser, address):
    with tab_at(browser, address, path=f"/double_descent?T=1000&{SMALL}", size=(1280, 720)) as tab:
        staged(tab, 16)
        tab.evaluate(SET_CLOCK, 12)
        tab.wait_for_function("location.search.includes('step=')")
        step = re.search(r"step=(\d+)", tab.url).group(1)
        tab.keyboard.press("p")
        tab.get_by_role("button", name="Leave").wait_for()
        settled(tab)
        assert not tab.locator("[data-testid=stSidebar]").is_visible()
        assert f"step={step}" in tab.url
        assert "T=1000" in tab.url
        assert at(tab) == 12
        box = tab.locator(".st-key-at-loss canvas").first.bounding_box()
        tab.mouse.move(
            box["x"] + box["width"] * 0.6, box["y"] + box["height"] * 0.5
        )  # where it is seen, though enlarged
        tab.wait_for_function("document.querySelector('#pointed').value.startsWith('T=')")
        tab.keyboard.press("n")
        tab.wait_for_function("location.search.includes('view=bias')")
        tab.keyboard.press("b")
        tab.wait_for_function("location.search.includes('view=over_t')")
        settled(tab)
        tab.keyboard.press("Escape")
        tab.get_by_role("button", name="Present").wait_for()
        settled(tab)
        assert "present" not in tab.url
        assert "T=1000" in tab.url
        assert tab.locator("[data-testid=stSidebar]").is_visible()
        assert tab.evaluate("getComputedStyle(document.querySelector('.st-key-page')).zoom") == "1"
