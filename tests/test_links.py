"""Links of the app on the command line, and what a view brings along by being one file in a folder."""

import importlib
import json
import sys
from dataclasses import asdict
from types import SimpleNamespace
from urllib.parse import parse_qs, urlencode

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as trying
from hypothesis import strategies as st

from toyviz import figures, gallery, settings, studies
from toyviz.__main__ import main
from toyviz.experiment import Experiment, sweep

KEYS = ["page", "view", "choice", "a", "step", "address", "link", "opened", "experiments"]
KEYS += ["not_settled", "not_understood"]
PAGE = studies.page("double_descent")
SMALL = {"n_features": "30", "sparsity": "0.8", "steps": "6", "warmup": "0", "v": "2"}  # of each network of a link
TWO = {"n_samples": "12,15", "T": "15", "seeds": "2", "seed": "1"} | SMALL


def to(**parameters):
    return f"double_descent?{urlencode(parameters)}"


def quick(**changes):
    return settings.EXPERIMENTS["double_descent"].quick.with_(**changes)


def trained_small(**changes):
    return quick(n_features=30, sparsity=0.8, steps=6, warmup=0, **changes)


@pytest.fixture(autouse=True)
def _own_store(tmp_path, monkeypatch):
    monkeypatch.setenv("TOYVIZ_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def run(capfd):
    """Run a command in this process: exit code, lines of stdout, stderr."""

    def run_words(*words):
        try:
            code = main([*map(str, words)])
        except SystemExit as end:
            code = end.code
        out, err = capfd.readouterr()
        return SimpleNamespace(code=code, lines=out.splitlines(), err=err)

    return run_words


@pytest.fixture
def told(run):
    """What is told of a link, which must be possible."""

    def tell(address):
        done = run("link", address, "--json")
        assert (done.code, done.err, len(done.lines)) == (0, "", 1)
        return json.loads(done.lines[0])

    return tell


# what a link says


def test_a_link_tells_its_choice_its_networks_and_the_complete_address(told):
    found = told(to(view="over_t", network="mlp", n_samples="3,5", seeds="2", T="7", seed="1", step="40", v="2"))
    assert list(found) == KEYS
    view = PAGE.view("over_t")
    assert (found["page"], found["view"], found["step"], found["not_understood"]) == (
        "double_descent",
        "over_t",
        40,
        [],
    )
    assert list(found["choice"]) == [each.id for each in view.every_control]
    assert (found["choice"]["n_samples"], found["choice"]["T"], found["choice"]["lr"]) == ("3,5", "7", "own")
    assert found["address"] == {"view": "over_t", **found["choice"], "step": "40", "v": "2"}
    mlp = settings.EXPERIMENTS["mlp"].quick
    wanted = sweep(mlp, n_samples=(3, 5, 7), seed=(0, 1))
    assert {row["key"] for row in found["experiments"]} == {each.key for each in wanted}
    assert len(found["experiments"]) == 6
    assert found["opened"] == [
        {"key": mlp.with_(n_samples=7, seed=1).key, "experiment": asdict(mlp.with_(n_samples=7, seed=1))}
    ]
    assert found["experiments"][0] == found["opened"][0]
    assert all(Experiment(**row["experiment"]).key == row["key"] for row in found["experiments"])


@pytest.mark.parametrize(
    "address",
    [
        "http://localhost:8501/double_descent?T=30&v=2",
        "https://some.where/below/double_descent/?T=30&v=2#top",
        "/double_descent?T=30&v=2",
        "double_descent?T=30&v=2",
        "double%5Fdescent?T=3%30&v=2",
    ],
)
def test_a_link_may_be_a_whole_one_or_its_end(address, told):
    assert told(address) == told(to(T="30", v="2"))


def test_the_complete_link_says_the_same_again(told):
    for page, view in ((PAGE, view) for view in PAGE.views):
        first = told(f"/{page.id}?view={view.id}&v=2")
        assert told(first["link"]) == first
        assert parse_qs(first["link"].partition("?")[2]) == {name: [text] for name, text in first["address"].items()}
        assert {row["key"] for row in first["experiments"]} <= {each.key for each in view.shipped_experiments()}


def test_what_is_compared_is_all_opened(told):
    found = told(to(view="schedule", v="2"))
    assert [row["experiment"]["schedule"] for row in found["opened"]] == ["warmup_cosine", "constant", "constant"]


def test_a_link_in_lines_says_what_the_object_does(run, told):
    address = to(view="over_t", n_samples="3,5", T="3", nonsense="1", lr="fast", v="2")
    found, done = told(address), run("link", address)
    assert done.code == 0
    text = "\n".join(done.lines)
    assert f"link: {found['link']}" in done.lines
    assert f"networks: {len(found['experiments'])}, by n_samples, seed" in done.lines
    assert f"opened: {found['opened'][0]['key']}, n_samples 3, seed 0" in done.lines
    for each in PAGE.view("over_t").every_control:
        assert f"  {each.label}: {found['choice'][each.id]}" in done.lines
    assert len(found["not_understood"]) == 2
    assert [line for line in done.lines if line.startswith("not ")] == [
        f"not understood: {sentence}" for sentence in found["not_understood"]
    ]
    assert "page: Double descent\nview: Over T\n" in text


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("claims?words=polygon", "claims is not made of views, so its links hold no networks: those of "),
        ("http://localhost:8501/home", "home is not made of views, so its links hold no networks: those of "),
        ("", "'' is not a page; the pages are home, "),
        ("?T=5", "'' is not a page; the pages are home,"),
        ("no/where", "'where' is not a page; the pages are home,"),
        ("http://[", "http://[ is no address: Invalid IPv6 URL"),
        ("double_descent?seed=2147483647&first_seed=2147483647&v=2", "this link cannot be trained: seed must be"),
        (
            "double_descent?n_features=16384&T=1000000&v=2",
            "this link cannot be trained: n_samples x n_features must be",
        ),
    ],
)
def test_a_link_that_cannot_be_read_is_refused_with_code_two_and_one_sentence(address, sentence, run):
    for words in (("link", address), ("link", address, "--json"), ("train", "--link", address)):
        done = run(*words)
        assert (done.code, done.lines) == (2, [])
        assert done.err.startswith(sentence)
        assert done.err.count("\n") == 1


@trying(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    start=st.sampled_from(["", "/", "http://", "double_descent?", "/double_descent?v=2&T=", "double_descent?view="]),
    rest=st.text() | st.dictionaries(st.text(), st.text()).map(urlencode),
)
def test_no_address_is_more_than_the_command_can_take(start, rest, capfd):
    words = ["link", "--json", "--", start + rest]
    try:
        code = main(words)
    except SystemExit as end:
        code = end.code
    out, err = capfd.readouterr()
    assert code in (0, 2)
    assert (out.count("\n"), err.count("\n")) == ((1, 0) if code == 0 else (0, 1))


# training what a link opens


def test_of_several_seeds_the_best_is_opened_once_all_are_trained(run, told, tmp_path):
    page, small = "dictionaries", {"view": "squared", "n_features": "6", "n_hidden": "3", "seeds": "3", "steps": "4"}
    link = f"{page}?{urlencode(small | {'warmup': '0', 'v': '2'})}"
    before = told(link)
    assert before["opened"][0]["experiment"]["seed"] == 0
    key = before["opened"][0]["key"]
    sentence = f"{key} is the first of 3: which is the best is known once all of them are trained"
    assert before["not_settled"] == [sentence]
    assert f"not settled: {sentence}" in run("link", link).lines
    first = run("train", "--link", link)
    assert (first.code, json.loads(first.lines[-1])["key"]) == (0, key)
    assert sentence in first.err
    rows = [json.loads(line) for line in run("sweep", "--link", link, "--json").lines]
    best = min(rows, key=lambda row: row["train_loss"])
    after = told(link)
    assert ([each["key"] for each in after["opened"]], after["not_settled"]) == ([best["key"]], [])
    again = run("train", "--link", link)
    assert json.loads(again.lines[-1])["key"] == best["key"]
    assert sentence not in again.err
    path = tmp_path / "best.json"
    assert run("export", link, "--as", "json", "--out", path).code == 0
    assert best["key"] in path.read_text()


def test_train_takes_the_opened_network_of_a_link(run):
    done = run("train", "--link", to(**TWO))
    assert done.code == 0
    told = json.loads(done.lines[-1])
    assert told["experiment"] == asdict(trained_small(n_samples=15, seed=1))
    again = json.loads(run("train", "--link", f"http://localhost:8501/{to(**TWO)}").lines[-1])
    assert again == told | {"cached": True}


def test_fields_are_set_on_top_of_a_link(run):
    told = json.loads(run("train", "--link", to(**TWO), "--set", "steps=3", "seed=5").lines[-1])
    assert told["experiment"] == asdict(trained_small(n_samples=15, seed=5).with_(steps=3))


def test_sweep_takes_every_network_of_a_link_with_a_column_for_each_field_that_differs(run):
    done = run("sweep", "--link", to(**TWO), "--json")
    rows = [json.loads(line) for line in done.lines]
    assert done.code == 0
    assert list(rows[0])[:3] == ["n_samples", "seed", "key"]
    wanted = [trained_small(n_samples=T, seed=seed) for T, seed in ((15, 1), (15, 0), (12, 1), (12, 0))]
    assert [(row["n_samples"], row["seed"]) for row in rows] == [(15, 1), (15, 0), (12, 1), (12, 0)]
    assert [row["key"] for row in rows] == [each.key for each in wanted]
    assert all(row["error"] is None for row in rows)


def test_fields_set_on_top_of_a_sweep_of_a_link_hold_for_all_its_networks_each_once(run):
    done = run("sweep", "--link", to(**TWO), "--set", "n_samples=9", "lr=0.1", "--json")
    rows = [json.loads(line) for line in done.lines]
    assert [row["key"] for row in rows] == [trained_small(n_samples=9, seed=seed, lr=0.1).key for seed in (1, 0)]
    assert list(rows[0])[:2] == ["seed", "key"]


def test_one_network_is_a_sweep_without_a_column_of_its_own(run):
    done = run("sweep", "--link", to(**TWO | {"n_samples": "15", "seeds": "1", "seed": "0"}))
    assert (done.code, len(done.lines)) == (0, 2)
    assert done.lines[0].split()[0] == "key"


@pytest.mark.parametrize("command", ["train", "sweep"])
def test_a_link_of_which_something_was_not_understood_trains_nothing(command, run):
    done = run(command, "--link", to(**TWO | {"T": "none", "seed": "0", "n_samples": "10,12"}, what="1"))
    assert (done.code, done.lines) == (2, [])
    assert done.err.startswith(
        "this link is not understood: T=none is not a number: 1 to 1000000; shown: 10; nothing here is called what."
    )


def test_a_link_of_more_networks_than_are_allowed_is_refused(run, monkeypatch):
    monkeypatch.setenv("TOYVIZ_MAX_SWEEP_NETWORKS", "3")
    done = run("sweep", "--link", to(**TWO))
    assert (done.code, done.lines) == (2, [])
    assert done.err.startswith("networks of a sweep must be at most 3 here; got 4")


# a view is one file

FILE = """
from toyviz.experiment import Experiment
from toyviz.control import numbers
from toyviz.view import Plan, PostFigure, Text, View

SEED = numbers("seed", "Seed", (0, 1), 0)


def plan(choice):
    return Plan([], [Experiment(n_features=7, n_samples=5, steps=3, seed=choice.seed)])


def show(choice, plan, sweep):
    yield Text("answer", "Seven.")


VIEW = View(
    id="seven", title="Seven features", place=70, controls=(), opens=(SEED,), plan=plan, show=show,
    inside=lambda choice, opened: iter(()), stage=(), named=lambda choice: "double_descent",
    figures={"F99": PostFigure("A figure of seven", "answer", ("double_descent",), {"seed": 1})},
    shipped=({"seed": 1},),
)
"""
SEVEN = [Experiment(n_features=7, n_samples=5, steps=3, seed=seed) for seed in (0, 1)]


@pytest.fixture
def _with_a_view_more(tmp_path, monkeypatch):
    folder = importlib.import_module("toyviz.studies.double_descent")
    (tmp_path / "seven.py").write_text(FILE)
    monkeypatch.setattr(folder, "__path__", [*folder.__path__, str(tmp_path)])
    importlib.invalidate_caches()
    yield
    sys.modules.pop("toyviz.studies.double_descent.seven", None)
    vars(folder).pop("seven", None)


@pytest.mark.usefixtures("_with_a_view_more")
def test_a_file_is_a_view_in_the_menu_the_list_the_gallery_the_index_and_the_links(run, told):
    assert studies.page("double_descent").views[-1].title == "Seven features"
    listed = json.loads(run("list", "--json").lines[0])
    (page,) = (row for row in listed["pages"] if row["name"] == "double_descent")
    assert page["views"][-1] == {"id": "seven", "title": "Seven features"}
    assert [row for row in listed["figures"] if row["id"] == "F99"] == [
        {
            "id": "F99",
            "title": "A figure of seven",
            "page": "double_descent",
            "view": "seven",
            "block": "answer",
            "experiments": ["double_descent"],
            "address": {"view": "seven", "seed": "1", "v": "2"},
        }
    ]
    assert list(figures.figures())[-1] == "F99"
    assert [each for each in gallery.wanted() if each.n_features == 7] == SEVEN
    assert [row["key"] for row in told("double_descent?view=seven&seed=1&v=2")["opened"]] == [SEVEN[1].key]


def test_without_the_file_it_is_gone():
    assert [view.id for view in studies.page("double_descent").views if view.id == "seven"] == []
    assert not set(SEVEN) & set(gallery.wanted())
    assert "F99" not in figures.figures()
