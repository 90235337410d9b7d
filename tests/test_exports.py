"""What can be taken along of every view: its files are read again and held against the charts and the networks."""

import io
import json
import re
import struct
import threading
import time
import tomllib
import xml.etree.ElementTree as ElementTree
import zlib
from typing import NamedTuple
from urllib.parse import urlencode

import altair as alt
import numpy as np
import pandas as pd
import pytest
from conftest import ROOT, in_a_loop
from starlette.applications import Starlette
from streamlit import config

from toyviz import data, runtime, studies
from toyviz.charts import Chart
from toyviz.charts.clock import POSITIONS
from toyviz.citation import CITATION, PAPERS, POST
from toyviz.export import draw, formats, png, render, vega
from toyviz.export.plain_text import plain_text
from toyviz.export.refused import Refused
from toyviz.export.render import RENDERER, Renderer
from toyviz.export.scene import Scene
from toyviz.export.theme import theme, vega_config
from toyviz.store import GALLERY, Store
from toyviz.ui import downloads
from toyviz.view import EXPORTED, RESERVED, Figure, Table, Text
from toyviz.view import link as view_link

PAGES = studies.pages()
VIEWS = {f"{home.id}-{view.id}": (home, view) for home in PAGES.values() for view in home.views}
views = pytest.mark.parametrize(("home", "view"), VIEWS.values(), ids=VIEWS)
SVG = "{http://www.w3.org/2000/svg}"
OVER_T = {"view": "over_t", "v": "2"}


@pytest.fixture(scope="module")
def shipped(tmp_path_factory):
    """The store of a fresh clone."""
    store = Store(tmp_path_factory.mktemp("shipped") / "runs", GALLERY)
    yield store
    store.close()
    RENDERER.close()


def asked(home, view, form="svg", **options):
    return formats.read(home.id, home.write(view, view.default()) | options | {"as": form})


def scene(home, view, store, **options):
    return Scene.of(asked(home, view, **options), store)


def made(store, form, **options):
    return formats.export(formats.read("double_descent", {**OVER_T, **options, "as": form}), store)


# figures


@views
def test_each_figure_is_one_specification_that_needs_nothing(home, view, shipped):
    found = scene(home, view, shipped)
    assert found.figures
    for figure in found.figures:
        spec = vega.self_contained(figure.chart, theme("light"))
        text = json.dumps(spec, allow_nan=False)
        assert '"element"' not in text, figure.id  # bound to nothing of the page
        assert "http" not in text.replace(spec.get("$schema", ""), ""), figure.id
        assert '"data": {"name": "selected"}' not in text, figure.id
        alt.Chart.from_dict({**spec, "datasets": {}})  # by the schema
        used = set(re.findall(r'"data": {"name": "(\w+)"}', text))
        assert used <= set(spec["datasets"]), figure.id
        for name, rows in spec["datasets"].items():
            chart = figure.chart.data[name]
            assert len(rows) in (len(chart), 0)
            for column in chart.columns:
                if (
                    pd.api.types.is_numeric_dtype(chart[column])
                    and chart[column].dtype != bool
                    and rows
                    and column != "selected"
                ):
                    told = np.array([np.nan if row[column] is None else row[column] for row in rows])
                    assert np.array_equal(told, chart[column].to_numpy(dtype=float), equal_nan=True), (figure.id, name)


@views
def test_the_numbers_of_each_figure_are_those_of_its_chart(home, view, shipped):
    found = scene(home, view, shipped)
    for block in found.blocks:
        if isinstance(block, Figure | Table):
            file = made_of(home, view, shipped, "csv", figure=block.id)
            told = pd.read_csv(io.BytesIO(file.content), comment="#")
            if isinstance(block, Table):
                assert list(told.columns) == [str(name) for name in block.frame.columns]
                assert len(told) == len(block.frame)
                continue
            ours = vega.table(block.chart)
            assert list(told.columns) == list(ours.columns)
            numbers = ours.select_dtypes("number").columns
            assert len(told) == len(ours) > 0
            assert np.allclose(told[numbers], ours[numbers].astype(float), rtol=1e-6, equal_nan=True), block.id


def test_a_number_sign_in_a_text_begins_no_comment(shipped, monkeypatch):
    frame = pd.DataFrame({"name": ["feature #7", "b"], "value": [1.5, np.nan]})
    monkeypatch.setattr(vega, "table", lambda chart, position: frame)
    told = pd.read_csv(io.BytesIO(made(shipped, "csv", figure="loss").content), comment="#")
    pd.testing.assert_frame_equal(told, frame, check_dtype=False)


def made_of(home, view, store, form, **options):
    return formats.export(asked(home, view, form, **options), store)


@views
def test_the_first_figure_of_each_view_is_drawn(home, view, shipped):
    id = scene(home, view, shipped).figures[0].id
    check_drawn(home, view, shipped, id, "light")


@pytest.mark.slow
@views
def test_every_figure_of_each_view_is_drawn_light_and_dark(home, view, shipped):
    for figure in scene(home, view, shipped).figures:
        for look in ("light", "dark"):
            check_drawn(home, view, shipped, figure.id, look)
    check_sheet(home, view, shipped)


def check_drawn(home, view, store, id, look):
    file = made_of(home, view, store, "svg", figure=id, theme=look)
    assert file.name.startswith(f"{home.id.replace('_', '-')}_{id.replace('_', '-')}")
    root = ElementTree.fromstring(file.content)
    assert root.tag == f"{SVG}svg"
    drawn = list(root.iter(f"{SVG}path")) + list(root.iter(f"{SVG}text")) + list(root.iter(f"{SVG}line"))
    assert len(drawn) > 3
    assert "NaN" not in file.content.decode()
    assert CITATION in file.content.decode()
    assert theme(look).background in file.content.decode()


def test_the_dots_of_a_plane_are_where_its_vectors_are(shipped):
    """The positions in the SVG are the columns of W1 times one scale, upside down: as a drawing has it."""
    result = shipped.get(
        PAGES["double_descent"].view("over_t").plan(PAGES["double_descent"].view("over_t").default()).opened[0]
    )
    root = ElementTree.fromstring(made(shipped, "svg", figure="columns").content)
    at = []
    for group in root.iter(f"{SVG}g"):
        if "mark-symbol" in group.get("class", ""):
            at.append(
                [list(map(float, re.match(r"translate\((.+),(.+)\)", p.get("transform")).groups())) for p in group]
            )
    points = np.array(max(at, key=len))
    W1 = result.W1.T
    assert points.shape == W1.shape
    for axis in (0, 1):
        line = np.polyfit(W1[:, axis], points[:, axis], 1)
        assert np.abs(np.polyval(line, W1[:, axis]) - points[:, axis]).max() < 0.1
        assert (line[0] > 0) == (axis == 0)


def test_a_plane_in_numbers_is_the_network_at_the_asked_step(shipped):
    view = PAGES["double_descent"].view("over_t")
    result = shipped.get(view.plan(view.default()).opened[0])
    for step in (None, 0, 300, int(result.frame_steps[2])):
        at = -1 if step is None else np.abs(result.frame_steps - step).argmin()
        options = {} if step is None else {"step": str(step)}
        told = pd.read_csv(io.BytesIO(made(shipped, "csv", figure="columns", **options).content), comment="#")
        W1 = result.frames["W1"][at].T
        assert np.allclose(told[["x", "y"]], W1, atol=1e-4 * np.abs(W1).max())
        assert "x0" not in told


def test_the_clock_stands_where_it_is_asked(shipped):
    found = json.loads(made(shipped, "vega", figure="curve", step="300").content)
    values = {param["name"]: param.get("value") for param in found["params"]}
    assert 0 < values["clock"] < POSITIONS - 1
    at_the_end = json.loads(made(shipped, "vega", figure="curve").content)
    assert {param["name"]: param.get("value") for param in at_the_end["params"]}["clock"] == POSITIONS - 1
    assert len(at_the_end["layer"]) == len(found["layer"]) - 2  # no mark says that it is the end


def test_nothing_is_marked_as_selected():
    layer = {"mark": "rule", "encoding": {}}
    spec = {"layer": [{**layer, "data": {"name": "selected"}}, {**layer, "data": {"name": "rows"}}]}
    rows = pd.DataFrame({"T": [1, 2], "selected": [True, False], "open": [False, True]})
    meta = pd.DataFrame({"selected": [4.0]})
    chart = Chart(spec, {"rows": rows, "selected": rows, "meta": meta}, "said")
    out = vega.self_contained(chart._replace(spec={**spec, "x": "meta"}), theme("light"))
    assert [layer["data"]["name"] for layer in out["layer"]] == ["rows"]
    assert [(row["selected"], row["open"]) for row in out["datasets"]["rows"]] == [(False, False)] * 2
    assert out["datasets"]["meta"] == [{"selected": vega.NOT_SELECTED}]
    assert spec["layer"][0]["data"]["name"] == "selected"  # the chart itself is as it was


@pytest.mark.parametrize(
    "options", [{}, {"width": "300", "height": "200", "scale": "1"}, {"scale": "0.5", "width": "500"}]
)
def test_a_png_has_the_size_that_is_asked_and_says_what_it_is(options, shipped):
    content = made(shipped, "png", figure="curve", **options).content
    width, height = struct.unpack(">II", content[16:24])
    scale = float(options.get("scale", 2))
    assert width == pytest.approx(scale * int(options.get("width", vega.SIZE[0])), abs=1)
    assert height == pytest.approx(scale * int(options.get("height", vega.SIZE[1])), abs=1)
    told = png.texts(content)
    assert told["Comment"] == CITATION
    assert told["Title"].startswith("Double descent · Over T. Network: bottleneck, one matrix;")
    assert told["Source"].startswith("/double_descent?view=over_t&")


def check_sheet(home, view, store):
    file = made_of(home, view, store, "svg")
    text = file.content.decode()
    root = ElementTree.fromstring(file.content)
    ids = [each.get("id") for each in root.iter() if each.get("id")]
    assert len(ids) == len(set(ids))
    found = scene(home, view, store)
    assert len(list(root.findall(f"{SVG}svg"))) == len(found.figures)
    said = " ".join(each.text or "" for each in root.findall(f"{SVG}text"))
    assert found.title in said
    assert "\\" not in said
    assert "**" not in said
    assert CITATION.split(":")[0] in text
    pdf = made_of(home, view, store, "pdf").content
    assert pdf.startswith(b"%PDF")
    box = re.search(rb"/MediaBox\s*\[\s*0 0 ([\d.]+) ([\d.]+)", pdf)
    width, height = (float(root.get(name)) for name in ("width", "height"))
    assert float(box[2]) / float(box[1]) == pytest.approx(height / width, rel=1e-3)
    return text


@pytest.mark.parametrize("home", PAGES.values(), ids=PAGES)
def test_a_view_is_taken_along_on_one_sheet(home, shipped):
    check_sheet(home, home.views[0], shipped)


def test_a_figure_as_pdf_has_its_caption_on_its_page(shipped):
    pdf = made(shipped, "pdf", figure="curve").content
    streams = [
        zlib.decompress(part.strip(b"\r\n"))
        for part in re.findall(rb"stream\r?\n(.*?)endstream", pdf, re.S)
        if part[:1] == b"x"
    ]
    assert any(b"BT" in stream for stream in streams)  # text that can be searched, not outlines alone


@views
def test_no_formula_is_left_in_a_text(home, view, shipped):
    for block in scene(home, view, shipped).blocks:
        if isinstance(block, Text):
            said = plain_text(block.markdown)
            assert not re.search(r"[\\$]|\*\*|^#", said, re.MULTILINE), said


@pytest.mark.parametrize(
    ("markdown", "said"),
    [
        ("**Bold**, `code` and [a link](/x)", "Bold, code and a link"),
        ("##### Head\n\n- one\n- two", "Head\n\n• one\n• two"),
        (r"$D_i = |v_i|^2 / \sum_j (\hat v_i \cdot v_j)^2$", "Dᵢ = |vᵢ|² / ∑ⱼ (v̂ᵢ · vⱼ)²"),
        (r"$\mathrm{ReLU}(W^\top W x + b)$", "ReLU(Wᵀ W x + b)"),
        (r"$\frac{a+b}{2} \le 10^{-5}$, $x' \ne \sqrt{n}$", "(a+b)/2 ≤ 10⁻⁵, x′ ≠ √n"),
        (r"$\frac1T \sum_{k>H} \sigma_k^2$", "1/T ∑_(k>H) σₖ²"),
        (r"$W_{out}$ and $e^{xy}$", "Wₒᵤₜ and e^(xy)"),
        (r"costs \$5, 2 * 3", "costs $5, 2 * 3"),
    ],
)
def test_a_text_becomes_unicode(markdown, said):
    assert plain_text(markdown) == said


def test_both_themes_are_those_of_the_app():
    config = (ROOT / ".streamlit/config.toml").read_text(encoding="utf-8")
    for name in ("light", "dark"):
        for colour in (theme(name).background, theme(name).text, *theme(name).category):
            assert colour in config
        assert vega_config(theme(name))["range"]["category"] == theme(name).category
    assert theme("light").background != theme("dark").background


# names


def test_a_name_says_page_figure_and_what_differs(shipped):
    def name(form="svg", **options):
        return made(shipped, form, **options).name

    assert name(figure="loss") == "double-descent_loss_n1000-m2-S0.99.svg"
    assert name(figure="loss", theme="dark", step="300") == "double-descent_loss_n1000-m2-S0.99-step300-dark.svg"
    assert name("json") == "double-descent_network_n1000-m2-S0.99-T10-seed0.json"
    assert name("json", take="sweep") == "double-descent_sweep_n1000-m2-S0.99.json"
    assert name("json", T="500", seed="1", take="network") == "double-descent_network_n1000-m2-S0.99-T500-seed1.json"
    assert name("csv", seeds="2") == "double-descent_over-t_n1000-m2-S0.99-seeds-2.csv"
    assert name("csv", n_samples="3,5") == "double-descent_over-t_n1000-m2-S0.99-n-samples-3+5.csv"
    assert name("csv", n_samples="3,5,6,8") == "double-descent_over-t_n1000-m2-S0.99-n-samples-3to8x4.csv"
    assert name("script", recipe="paper") == "double-descent_script_n1000-m2-S0.99-T10-seed0-recipe-paper.py"


@views
def test_every_name_is_one_that_any_system_takes(home, view, shipped):
    for form in ("csv", "script", "json"):
        for take in ("network", "sweep"):
            try:
                name = made_of(home, view, shipped, form, **({} if form == "csv" else {"take": take})).name
            except Refused:
                continue
            assert re.fullmatch(r"[A-Za-z0-9._+-]{1,140}", name), name


# networks


@pytest.mark.parametrize("form", ["npz", "safetensors"])
def test_a_network_in_a_file_is_whole(form, shipped):
    from safetensors.numpy import load

    view = PAGES["double_descent"].view("over_t")
    result = shipped.get(view.plan(view.default()).opened[0])
    content = made(shipped, form).content
    if form == "npz":
        arrays = dict(np.load(io.BytesIO(content), allow_pickle=False))
        about = json.loads(str(arrays.pop("about")))
    else:
        arrays = load(content)
        about = json.loads(json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])["__metadata__"]["about"])
    assert about["key"] == result.experiment.key
    assert about["metrics"] == result.metrics
    assert about["cite"] == CITATION
    assert np.array_equal(arrays["X"], data.training_features(result.experiment))
    assert np.array_equal(arrays["W2"], result.W1.T)
    assert np.array_equal(arrays["frames.W1"], result.frames["W1"])
    assert np.array_equal(arrays["losses"], result.losses)
    assert {name for name in arrays if name.startswith("frame_metrics.")} == {
        f"frame_metrics.{n}" for n in result.frame_metrics
    }


def test_a_sweep_in_a_file_has_all_its_networks(shipped):
    content = made(shipped, "npz", n_samples="3,5", seeds="2", take="sweep").content
    arrays = dict(np.load(io.BytesIO(content), allow_pickle=False))
    about = json.loads(str(arrays["about"]))
    for k, told in enumerate(about):
        assert arrays[f"{k}/X"].shape == (told["experiment"]["n_samples"], 1000)
    swept = [(told["experiment"]["n_samples"], told["experiment"]["seed"]) for told in about]
    assert sorted(each for each in swept if each[0] < 10) == [(3, 0), (3, 1), (5, 0), (5, 1)]


def test_what_is_too_large_for_a_file_is_refused(shipped, monkeypatch):
    monkeypatch.setattr("toyviz.export.network_files.LARGEST", 1000)
    with pytest.raises(Refused, match="take single networks") as refusal:
        made(shipped, "npz")
    assert refusal.value.status == 413


# refusals


@pytest.mark.parametrize(
    ("name", "options", "status", "said"),
    [
        ("nothing.svg", {}, 404, "not a page of views"),
        ("double_descent.gif", {}, 404, "one of svg, png"),
        ("double_descent.svg", {"as": "exe"}, 400, "one of svg, png"),
        ("double_descent.svg", {"theme": "red"}, 400, "one of light, dark"),
        ("double_descent.svg", {"width": "9"}, 400, "from 100 to 4000"),
        ("double_descent.svg", {"height": "1e3"}, 400, "from 100 to 4000"),
        ("double_descent.png", {"scale": "nan"}, 400, "from 0.25 to 8"),
        ("double_descent.png", {"scale": "99"}, 400, "from 0.25 to 8"),
        ("double_descent.svg", {"take": "all"}, 400, "one of network, sweep"),
        ("double_descent.svg", {"T": "x"}, 400, "T=x is not a number"),
        ("double_descent.svg", {"step": "-1"}, 400, "step=-1"),
        ("double_descent.svg", {"unknown": "1"}, 400, "nothing here is called unknown"),
        ("double_descent.svg", {"n_samples": "1" * 9000}, 414, "too long"),
        ("double_descent.svg", {"figure": "nothing"}, 404, "one of loss, columns"),
        ("double_descent.svg", {"take": "sweep"}, 400, "leave it out"),
        ("double_descent.vega", {}, 400, "figure= must be one of loss"),
        ("double_descent.png", {}, 400, "figure= must be one of loss"),
        ("double_descent.png", {"figure": "loss", "width": "4000", "height": "4000"}, 413, "scale=2 is too large"),
        ("double_descent.npz", {"figure": "loss"}, 400, "which is of a network"),
        ("double_descent.torch", {"take": "sweep"}, 400, "of one network"),
        ("double_descent.csv", {"figure": "loss", "width": "300"}, 400, "width= is not possible for csv"),
        ("double_descent.npz", {"height": "300"}, 400, "height= is not possible for npz, which is of a network"),
        ("double_descent.npz", {"step": "300"}, 400, "step= is not possible for npz, which is of a network"),
        ("double_descent.script", {"step": "300"}, 400, "step= is not possible for script"),
        ("double_descent.csv", {"take": "network"}, 400, "take= is not possible for csv, which is of a view"),
        ("double_descent.svg", {"figure": "loss", "take": "network"}, 400, "take= is not possible for svg"),
        ("double_descent.json", {"theme": "dark"}, 400, "theme= is not possible for json"),
        ("double_descent.svg", {"figure": "loss", "scale": "2"}, 400, "scale= is not possible for svg"),
        ("double_descent.pdf", {"width": "300"}, 400, "width= is not possible for pdf without figure="),
        ("double_descent.csv", {"step": "300"}, 400, "step= is not possible for csv without figure="),
        ("double_descent.npz", {"T": "77"}, 404, "not trained yet"),
        ("double_descent.svg", {"T": "77", "figure": "columns"}, 404, "is not trained yet"),
        ("double_descent.svg", {"n_samples": "77", "T": "77"}, 404, "nothing of this is trained yet"),
    ],
)
def test_what_is_not_possible_is_refused_in_a_sentence(name, options, status, said, shipped):
    with pytest.raises(Refused) as refusal:
        formats.export(formats.read(name, {**OVER_T, **options}), shipped)
    assert refusal.value.status == status
    assert said in str(refusal.value)


def test_what_is_taken_along_of_a_comparison_says_that_it_is_b_alone(shipped):
    beside = {"T": "5", "a.T": "10"}
    about = json.loads(made(shipped, "json", **beside).content)
    assert about["experiment"]["n_samples"] == 5
    assert "this is B of a comparison, and A is not in this file" in about["caption"]
    assert "&a.T=10&" in about["link"]
    assert PAGES["double_descent"].read(view_link(about["link"])[1]).pinned["T"] == 10
    head = made(shipped, "csv", figure="loss", **beside).content.decode().split("\n")
    assert "A is not in this file" in head[0]
    assert "&a.T=10&" in head[1]
    assert "A is not in this file" in made(shipped, "script", **beside).content.decode()
    assert "comparison" not in made(shipped, "script", T="5").content.decode()


def test_a_network_of_several_opened_ones_says_that_it_is_the_first(shipped):
    found = [(home, view) for home, view in VIEWS.values() if len(view.plan(view.default()).opened) > 1]
    assert found
    for home, view in found:
        opened = view.plan(view.default()).settled(shipped.get).opened
        about = json.loads(made_of(home, view, shipped, "json").content)
        assert f"The first of the {len(opened)} opened networks" in about["caption"]
        assert about["key"] == opened[0].key
    assert "The network with T = 10, seed 0. " in json.loads(made(shipped, "json").content)["caption"]
    every = json.loads(made(shipped, "json", take="sweep").content)
    assert {each["caption"].partition(". ")[0] for each in every} == {"Double descent · Over T"}
    assert not any("The network" in each["caption"] for each in every)


def test_a_script_needs_no_training(shipped):
    assert b"n_samples=77" in made(shipped, "script", T="77").content
    assert b"T = 77  #" in made(shipped, "pytorch", T="77").content


def test_no_control_can_have_the_name_of_an_option():
    assert set(EXPORTED) <= RESERVED


# the drawing process


def test_drawing_in_a_process_that_dies_or_takes_too_long_is_refused_and_goes_on():
    renderer = Renderer()
    small = {"mark": "point", "data": {"values": [{"x": 1}]}, "encoding": {"x": {"field": "x", "type": "quantitative"}}}
    first = renderer.svg(small)
    renderer._process.kill()
    renderer._process.wait()
    assert renderer.svg(small) == first
    renderer.seconds = 0.0001
    many = {**small, "data": {"sequence": {"start": 0, "stop": 300_000, "as": "x"}}}
    with pytest.raises(Refused, match="longer than") as refusal:
        renderer.svg(many)
    assert refusal.value.status == 503
    renderer.seconds = 30
    assert renderer.svg(small) == first
    with pytest.raises(Refused, match="could not be drawn"):
        renderer.svg({"mark": "nothing"})
    assert renderer.svg(small) == first
    renderer.close()
    assert renderer._process is None


def test_one_is_drawn_at_a_time_and_few_wait(monkeypatch):
    monkeypatch.setattr(render, "WAITING", 2)
    renderer = Renderer()
    began, go, drawing, most = threading.Event(), threading.Event(), [], []

    def draws(job):
        drawing.append(job)
        most.append(len(drawing))
        began.set()
        go.wait(60)
        drawing.remove(job)
        return b"drawn"

    monkeypatch.setattr(renderer, "_draw", draws)
    told = []
    waiting = [threading.Thread(target=lambda: told.append(renderer.png("<svg/>", 1))) for _ in range(2)]
    for each in waiting:
        each.start()
    began.wait(60)
    while renderer._places._value:
        time.sleep(0.01)
    with pytest.raises(Refused, match="too many") as refusal:
        renderer.png("<svg/>", 1)
    assert refusal.value.status == 503
    go.set()
    for each in waiting:
        each.join(60)
    assert (told, max(most)) == ([b"drawn"] * 2, 1)


def test_a_specification_loads_nothing(tmp_path):
    secret = tmp_path / "secret.csv"
    secret.write_text("x\n1\n")
    for url in (secret.as_uri(), str(secret), "http://127.0.0.1:9/x.csv"):
        spec = {"mark": "point", "data": {"url": url}, "encoding": {"x": {"field": "x", "type": "quantitative"}}}
        try:
            drawn = draw.vl_convert.vegalite_to_svg(spec, vl_version=draw.VEGA_LITE, allowed_base_urls=draw.NOWHERE)
        except ValueError:
            continue
        assert "mark-symbol" not in drawn or "M" not in re.findall(r"mark-symbol.*?</g>", drawn, re.S)[0]


# the routes


class Answer(NamedTuple):
    status_code: int
    headers: dict
    content: bytes

    @property
    def text(self):
        return self.content.decode()


def ask(path, params=None, headers=None, method="GET", body=b""):
    """What the routes answer to a browser at 127.0.0.1:8501."""
    path, _, query = path.partition("?")
    sent = {"host": "127.0.0.1:8501"} | {name.lower(): value for name, value in (headers or {}).items()}
    scope = {"type": "http", "method": method, "path": path, "raw_path": path.encode(), "scheme": "http"}
    scope |= {"query_string": (query or urlencode(params or {})).encode(), "http_version": "1.1", "root_path": ""}
    scope |= {"headers": [(name.encode(), value.encode()) for name, value in sent.items()]}
    scope |= {"server": ("127.0.0.1", 8501), "client": ("127.0.0.1", 9)}
    said = []

    async def receive():
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message):
        said.append(message)

    in_a_loop(Starlette(routes=downloads.ROUTES)(scope, receive, send))
    told = {name.decode(): value.decode() for name, value in said[0]["headers"]}
    return Answer(said[0]["status"], told, b"".join(each.get("body", b"") for each in said[1:]))


@pytest.fixture(autouse=True)
def _shipped_alone(shipped, monkeypatch):
    """The server has what a fresh clone has."""
    monkeypatch.setattr(runtime, "store", lambda: shipped)


def test_a_file_comes_with_its_name_and_nothing_that_runs():
    answer = ask("/export/double_descent.csv", params={**OVER_T, "figure": "loss"})
    assert answer.status_code == 200
    assert answer.headers["content-disposition"].endswith("''double-descent_loss_n1000-m2-S0.99.csv")
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]
    assert "http://127.0.0.1:8501/double_descent?view=over_t" in answer.text.split("\n")[1]
    answer = ask("/export", params={**OVER_T, "page": "double_descent"})
    told = json.loads(answer.content)
    assert [each["id"] for each in told["figures"]][:4] == ["loss", "columns", "hidden", "curve"]
    assert set(told["formats"]) == set(formats.FORMATS)


def test_a_refusal_is_a_sentence_with_a_status():
    for path, status in (("double_descent.gif", 404), ("x.svg", 404), ("double_descent.png?v=2", 400)):
        answer = ask(f"/export/{path}")
        assert answer.status_code == status
        assert answer.headers["content-type"].startswith("text/plain")
        assert 20 < len(answer.text) < 1000


def test_a_page_of_another_site_gets_nothing():
    hosts = config.get_option("server.allowedHosts")
    config.set_option("server.allowedHosts", ["127.0.0.1"])
    try:
        check_other_sites()
    finally:
        config.set_option("server.allowedHosts", hosts)


def check_other_sites():
    at = "/export/double_descent.script?v=2"
    assert ask(at).status_code == 200
    followed = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert ask(at, headers=followed).status_code == 200  # a link in a mail
    for headers in (
        {"Host": "evil.example"},
        {"Origin": "http://evil.example"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
    ):
        assert ask(at, headers=headers).status_code == 403
    assert ask("/import", method="POST", body=b"x", headers={"Origin": "http://evil.example"}).status_code == 403
    assert ask("/import", method="POST", body=b"x", headers=followed).status_code == 403


def test_a_list_without_a_page_says_which_there_are():
    answer = ask("/export", params={"v": "2"})
    assert answer.status_code == 400
    assert answer.text.startswith("page= is missing: one of ")
    assert "double_descent" in answer.text


def test_nothing_is_fetched_where_a_file_is_handed_in():
    for method in ("GET", "HEAD", "PUT", "DELETE"):
        answer = ask("/import", method=method)
        assert answer.status_code == 405
        assert "POST" in answer.headers["allow"]


def test_a_server_is_asked_by_each_of_its_own_names():
    hosts = config.get_option("server.allowedHosts")
    ours = tomllib.loads((ROOT / ".streamlit/config.toml").read_text(encoding="utf-8"))
    config.set_option("server.allowedHosts", ours["server"]["allowedHosts"])
    try:
        for host, status in (("127.0.0.1:8501", 200), ("localhost", 200), ("[::1]:8501", 200), ("[::2]:8501", 403)):
            assert ask("/export/double_descent.script?v=2", headers={"Host": host}).status_code == status, host
    finally:
        config.set_option("server.allowedHosts", hosts)


def test_too_many_at_once_are_told_to_come_again(monkeypatch):
    monkeypatch.setattr(downloads, "_places", threading.BoundedSemaphore(1))
    downloads._places.acquire()
    answer = ask("/export/double_descent.script?v=2")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


def test_what_goes_wrong_is_no_traceback(monkeypatch):
    def fails(*given):
        raise RuntimeError("secret")

    monkeypatch.setattr(formats, "export", fails)
    answer = ask("/export/double_descent.svg?v=2")
    assert answer.status_code == 500
    assert "secret" not in answer.text


# who is cited


def test_the_citation_file_cites_what_every_export_cites():
    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    for work in (each.told for each in (POST, *PAPERS)):
        author, title, year = re.match(r"(?:\w+ )?(\w+)(?: et al\.)?, (.+), (\d{4})$", work).groups()
        assert f'"{title}"' in text
        assert f"family-names: {author}" in text
        assert f"year: {year}" in text
    assert text.startswith("cff-version: 1.2.0")
