"""The app in a real browser: a control is moved, networks form, a point is clicked, in light and in dark."""

import contextlib
import re
import shutil

import pytest
from conftest import serve

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
BROWSER = next(filter(None, map(shutil.which, BROWSERS)), None)
PATIENCE = 240_000  # milliseconds: for a test that hangs, however slow or loaded the machine is
SCHEME = "matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light'"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(BROWSER is None, reason="no chromium or google-chrome on this machine"),
    pytest.mark.filterwarnings("default"),
]


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
def tab_at(browser, address, scheme, path=""):
    """A browser tab on a page; at the end nothing must have gone wrong or left this machine."""
    context = browser.new_context(color_scheme=scheme, viewport={"width": 1300, "height": 1000})
    tab = context.new_page()
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


@pytest.fixture(params=["light", "dark"])
def visit(request, browser, address):
    """A browser tab on the start page."""
    with tab_at(browser, address, request.param) as tab:
        tab.get_by_role("heading", name="toyviz").wait_for()
        yield tab


def _is_wrong(message):
    """An error, other than Streamlit's own way to find its base path from the address of a page."""
    return message.type == "error" and not re.search(r"/\w+/_stcore/(health|host-config)$", message.location["url"])


def go(tab, title):
    tab.get_by_role("button", name="Bottleneck", exact=True).click()
    tab.get_by_role("menuitem", name=title).click()
    tab.get_by_role("heading", name=title, exact=True).wait_for()


def finished(tab, networks):
    tab.locator(".st-key-status").get_by_text(f"{networks} networks.").wait_for()
    tab.locator("[data-testid='stApp'][data-test-script-state='notRunning']").wait_for(state="attached")


def figure(tab, said):
    """The drawn chart whose description begins like this."""
    found = tab.get_by_label(re.compile(f"^{said}")).first
    found.locator("svg.marks, canvas").first.wait_for()
    return found


FIRST = {  # each is the very first thing that a fresh server is asked for
    "/double_descent": "Double descent",
    "/superposition?superposition=Phases&seeds=1": "Superposition",
    "/double_descent?descent=": "Double descent",
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


def test_shipped_results_are_there_at_once_and_a_clicked_point_shows_its_geometry(visit):
    go(visit, "Superposition")
    finished(visit, 28)
    figure(visit, "Heat maps of W1'W1 with the bias beside it, 7 of 20 by 20 features")
    go(visit, "Double descent")
    finished(visit, 52)
    figure(visit, "10 hidden vectors in the plane")
    loss = figure(visit, "Mean test loss over the size of the training set")
    loss.scroll_into_view_if_needed()
    point = loss.locator("path[aria-label*='samples T: 2000;'][aria-label*='set: test; seed']").first.bounding_box()
    visit.mouse.click(point["x"] + point["width"] / 2, point["y"] + point["height"] / 2)
    figure(visit, "1,000 of 2,000 hidden vectors in the plane")
    assert "T=2000" in visit.url


def test_a_moved_control_trains_networks_that_are_seen_forming(visit, address):
    key = {"light": "ArrowLeft", "dark": "ArrowRight"}[visit.evaluate(SCHEME)]  # other networks for each
    visit.goto(f"{address}/double_descent?seeds=2&T=1000")
    finished(visit, 26)
    slider = visit.get_by_role("slider", name="Sparsity S")
    slider.focus()
    slider.press(key)
    live = visit.locator(".st-key-live")
    live.get_by_text("In training").wait_for()
    frame = figure(live, "200 of 1,000 columns of W1").inner_html()
    visit.wait_for_function(
        "old => { const now = document.querySelector('.st-key-live [role=graphics-document]');"
        " return !now || now.innerHTML != old }",
        arg=frame,
    )
    finished(visit, 26)
    live.wait_for(state="detached")
    figure(visit, "1,000 hidden vectors in the plane")
    assert re.search(r"sparsity=0.9(8|95)", visit.url)


def test_a_reloaded_page_finds_its_training_and_can_cancel_it(visit, address):
    decay = {"light": "0", "dark": "0.1"}[visit.evaluate(SCHEME)]
    visit.goto(f"{address}/double_descent?n_samples=5000&n_samples=2000&seeds=2&weight_decay={decay}")
    status = visit.locator(".st-key-status")
    status.get_by_text("Training: 0 of 4").wait_for()
    visit.reload()
    status.get_by_text("Training: 0 of 4").wait_for()
    visit.get_by_role("button", name="Cancel").click()
    status.get_by_text("Cancelled.").wait_for()
    visit.get_by_role("button", name="Resume").wait_for()
