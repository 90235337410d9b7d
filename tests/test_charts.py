"""Every figure is valid Vega-Lite over data that it brings along, and draws the numbers that it was given."""

import json
import re

import altair as alt
import numpy as np
import pandas as pd
import pytest

from toyviz import charts, theory
from toyviz.charts.geometry import SMALL
from toyviz.export import draw, vega
from toyviz.export.theme import theme

RNG = np.random.default_rng(0)
RUNS = pd.DataFrame(
    {
        "n_samples": [3, 10, 100, 3, 10, 100],
        "seed": [0, 0, 0, 1, 1, 1],
        "train_loss": [1e-9, 0.02, 0.9, 1e-7, 0.04, 0.92],
        "test_loss": [1.0, 3.0, 0.98, 1.02, 5.0, 0.99],
        "weight_norm": [1.7, 7.0, 2.5, 1.8, 7.1, 2.4],
        "bias_norm": [0.0, 13.0, 0.3, 0.1, 12.0, 0.2],
    }
)
BASELINES = {"output 0": 1.0, "best constant output": 0.9927}
REGIMES = pd.DataFrame({"low": [2.4, 30.0], "high": [30.0, 125.0], "name": ["memorising", "generalising"]})
SUMMARY = pd.DataFrame(
    {
        "density": [1.0, 0.1, 0.1],
        "seed": [0, 0, 1],
        "test_loss": [0.2, 0.01, 0.02],
        "best": [True, True, False],
        "represented": [5, 9, 8],
        "superposition": [0.0, 0.9, 0.8],
    }
)
PREDICTED = pd.DataFrame(
    {
        "n_features": [16, 16, 32],
        "n_hidden": [2, 4, 8],
        "density": [1.0, 0.1, 0.1],
        "importance": [charts.IMPORTANCES[0], charts.IMPORTANCES[1], charts.IMPORTANCES[1]],
        "unseen": [False, False, True],
        "measured": [2.0, 7.0, 30.0],
        "predicted": [2.1, 6.0, 32.0],
    }
)
W1, B2 = RNG.normal(size=(2, 6)), RNG.normal(size=6)
COLUMNS, HIDDEN = W1.T, RNG.normal(size=(4, 2))
NOTHING = RUNS.iloc[:0]
POINTS, SEEN = RNG.normal(size=(12, 2)), np.arange(12) % 3 > 0
KINDS = {kind.name: charts.Vectors(POINTS[None], SEEN) for kind in charts.ALL_THREE}
LOGITS = charts.Logits(RNG.normal(size=(3, 12, 2)), RNG.normal(size=(3, 12)), SEEN, 4)
THREE = {10: charts.Picture(POINTS, POINTS, 1, POINTS, (SEEN, SEEN))}
ACCURACY = RUNS.assign(train_accuracy=1.0, test_accuracy=0.02)
ANGLES = np.array([0.0, 45.0, 90.0])
NEURONS = charts.Stack(
    "0.1",
    RNG.normal(size=(4, 2, 3)),
    np.tile([0.0, 0.5, 2.0], (4, 1)),
    np.array([["mono", "poly"]] * 4),
    "density=0.1",
    {"density": 0.1},
)
SPREAD = pd.DataFrame({"density": [1.0, 1.0], "seed": [0, 1], "value": [1.0, 2.0], "best": [True, False]})
LISTS = pd.DataFrame(
    {"n_hidden": [2, 4, 2], "training_size": [8, 8, 16], "value": [0.1, 0.0, 1e-5], "floor": 0.01, "seed": [0, 1, 2]}
)
SHARES = pd.DataFrame({"x": [1.0, 2.0, 1.0], "y": [0.5, 1.0, 0.2], "line": ["a", "a", "b"], "seed": 0})
PHASES = pd.DataFrame(
    {"importance": [0.1, 10.0], "density": 1.0, "phase": ["given up", "alone"], "differs": [False, True], "seed": 0}
).assign(told="given up")
KIN = [f",{k}," for k in range(6)]
HISTORY = RNG.normal(size=(3, 6, 2))
GROUPS = [
    charts.Group("W1 x", HISTORY, np.arange(6), KIN, "#E69F00", "triangle-up"),
    charts.Group("b1", HISTORY[:, :1], np.arange(1), [","], "#A3629A", "diamond", rays=True, ring=True, size=4),
]
RATES = RUNS.assign(line=["1", "1", "1", "0.1", "0.1", "0.1"], loss=RUNS["test_loss"])
DROP = (np.array([1, 10, 100]), np.array([1.0, 0.5, 0.0]))
ROWS = [charts.Kind("never active", "#0A84C6"), charts.Kind("active", "#D55E00", "triangle-up", ring=True, size=2)]
PANELS = [charts.Panel("T = 10", 10, {"active": POINTS, "never active": POINTS / 9}, "uniform", 0.2)]
PICTURES = {10: charts.Picture(COLUMNS, HIDDEN, 1)}


FIGURES = {
    "clock_curve": charts.clock_curve({"": DROP}, np.array([0, 10, 100]), 1000),
    "clock_curve, several": charts.clock_curve({"a": DROP, "b": (DROP[0], DROP[1] / 2)}, np.array([100]), 100),
    "clock_curve, shares": charts.clock_curve({"a": DROP}, np.array([0, 10, 100]), 1000, share=True),
    "clock_curve, no steps yet": charts.clock_curve({"": (np.empty(0), np.empty(0))}, np.array([0]), 1000),
    "laid_over": charts.laid_over(*(charts.clock_curve({"": DROP}, np.array([0, 10, 100]), 1000) for _ in "AB")),
    "difference": charts.difference(*(charts.size_map(LISTS, "Loss", "loss", linked=True) for _ in "AB")),
    "lines_over_sizes": charts.lines_over_sizes(RATES, ["1", "0.1"], (3, 10, 100), baselines=BASELINES, selected=10),
    "lines_over_sizes, nothing yet": charts.lines_over_sizes(RATES[:0], ["1", "0.1"], (3, 10, 100)),
    "panels_over_sizes": charts.panels_over_sizes(PANELS, ROWS, "Starts", rows=("uniform",), scale_by="never active"),
    "panels_over_sizes, none": charts.panels_over_sizes([], ROWS, "Starts"),
    "plane": charts.plane(
        HISTORY, "columns of W1", np.arange(6), 9, KIN, "#0A84C6", about={"length": np.ones(6)}, labels=np.eye(6)[2] > 0
    ),
    "plane, none": charts.plane(HISTORY[:, :0], "columns of W1", np.arange(0), 0, [], "#0A84C6", rays=True),
    "planes_of_kinds": charts.planes_of_kinds(GROUPS, "The bias", centred=False),
    "over_sizes": charts.over_sizes(
        RUNS, BASELINES, REGIMES, (3, 10, 100), PICTURES, peak=(10, 4.0), selected=10, floor={3: 0.0, 10: 0.01}
    ),
    "over_sizes, nothing yet": charts.over_sizes(NOTHING, BASELINES, REGIMES[:0], (3, 10)),
    "loss_close_to_one": charts.loss_close_to_one(RUNS, BASELINES, (3, 10, 100), 10),
    "norms_over_samples": charts.norms_over_samples(RUNS, 10),
    "panels": charts.panels([("T = 4", {charts.FEATURES: COLUMNS, charts.SAMPLES: HIDDEN})]),
    "panels, many": charts.panels([(f"T = {T}", {charts.FEATURES: COLUMNS}) for T in range(9)]),
    "components": charts.components(),
    "fish_shapes": charts.fish_shapes(256, 32, 64),
    "predictions": charts.predictions(PREDICTED, "Predicted and measured"),
    "factors": charts.factors(
        pd.DataFrame({"name": ["a", "b"], "kind": "x", "value": [1.2, 3.0], "law": ["1", "2"], "kept": "n"}),
        *(("a", "b"), ("x", "y"), "How far off", {"a mark": 1.15}, "a"),
    ),
    "residuals": charts.residuals(PREDICTED, "density", "density 1 − S"),
    "dimensionality": charts.dimensionality({4: np.full(6, 0.3)}, {4: np.full(4, 0.5)}, 2, 6, 4),
    "dimensions_per_feature": charts.dimensions_per_feature(
        {1.0: 1.0, 0.1: 0.4}, {1.0: np.ones(200), 0.1: np.linspace(0, 1, 200)}, theory.PLATEAUS, (1.0, 0.1)
    ),
    "dimensions_per_feature, nothing yet": charts.dimensions_per_feature({}, {}, theory.PLATEAUS, ()),
    "phases": charts.phases(PHASES, "Trained", (0.1, 10.0), (1.0,), (0.1, 1.0)),
    "phases, nothing yet": charts.phases(PHASES[:0], "Trained", (0.1, 10.0), (1.0,)),
    "portraits": charts.portraits([charts.Portrait("1 − S = 1", {"density": 1.0}, W1, B2)], "Networks", planes=True),
    "portraits, none": charts.portraits([], "Networks"),
    "portraits, groups": charts.portraits(
        [charts.Portrait("1 − S = 1", {"density": 1.0}, W1, B2)], "Networks", groups=2
    ),
    "portraits, groups of none": charts.portraits([], "Networks", groups=2),
    "stacks": charts.stacks([NEURONS, NEURONS], "Weights", selected=1, pick=("density",)),
    "stacks, none": charts.stacks([], "Weights"),
    "stairs": charts.stairs(
        (np.array([1, 5, 9]), np.array([0.4, 0.2, 0.2])),
        [charts.Flat(5, 9, 0.2, "square", True), charts.Flat(1, 2, 0.3, "none", False)],
        {"square: 4 of 5 stored": 0.16},
        *(np.array([0, 9]), ["no corner", "4 corners"], 9, "Training loss"),
    ),
    "stairs, nothing yet": charts.stairs((np.array([]), np.array([])), [], {"a": 0.1}, np.array([0]), ["2"], 9, "Loss"),
    "strips": charts.strips(SPREAD, "density", (1.0, 0.1), "Loss", selected=1.0, seed=1),
    "strips, nothing yet": charts.strips(SPREAD[:0], "density", (1.0,), "Loss", logarithmic=True),
    "over_samples": charts.over_samples(ACCURACY, "loss", ("guess", 2.5), (3, 10, 100), 10),
    "over_samples, accuracy": charts.over_samples(ACCURACY, "accuracy", ("chance", 0.08), (3, 10, 100)),
    "over_samples, nothing yet": charts.over_samples(ACCURACY[:0], "loss", ("guess", 2.5), (3, 10)),
    "over_sizes, three kinds": charts.over_sizes(
        RUNS, BASELINES, REGIMES[:0], (3, 10), THREE, kinds=charts.ALL_THREE, what="Cross-entropy"
    ),
    "plane_grid": charts.plane_grid([charts.Column("T = 15", KINDS, value=15)], charts.ALL_THREE, "Shapes", selected=0),
    "plane_grid, none": charts.plane_grid([charts.Column("a|b")], charts.ALL_THREE, "Shapes", linked=True, height=300),
    "logit_plane": charts.logit_plane(LOGITS),
    "logit_plane, no class": charts.logit_plane(LOGITS._replace(label=None)),
    "logit_stages": charts.logit_stages(LOGITS),
    "logit_stages, no class": charts.logit_stages(LOGITS._replace(label=None)),
    "ranking": charts.ranking(LOGITS),
    "ranking, no class": charts.ranking(LOGITS._replace(label=None)),
    "votes": charts.votes(np.arange(3), POINTS[None, :3], POINTS[None, :3].sum(axis=1), np.ones(3)),
    "votes, none": charts.votes(np.arange(0), np.zeros((1, 0, 2)), np.zeros((1, 2)), np.ones(0)),
    "moving_lines": charts.moving_lines(
        [charts.Line("a", ANGLES, ANGLES[None] / 90 + 1, charts.BLUE)], "Squareness", "degrees", rules={"circle": 1.0}
    ),
    "moving_lines, over the steps": charts.moving_lines(
        [charts.Line("a", np.array([1, 9]), np.ones((1, 2)), charts.GREEN)],
        "Squareness",
        "step",
        now=np.array([1, 9]),
        x_ends=(1, 9),
        logarithmic_x=True,
        legend=False,
    ),
    "moving_lines, none": charts.moving_lines([], "Squareness", "degrees"),
    "lines_over": charts.lines_over(RATES.rename(columns={"loss": "value"}), "n_samples", "T", ["1"], (3, 10), "Loss"),
    "matrices": charts.matrices([charts.Matrix("W1ᵀ", np.eye(3)[None])]),
    "matrices, none": charts.matrices([]),
    "bars": charts.bars([charts.Bars("b1", np.arange(3.0)[None])]),
    "bars, none": charts.bars([]),
    "histograms": charts.histograms([charts.Histogram("n = 2", np.arange(3.0)[None])]),
    "histograms, none": charts.histograms([]),
    "size_map": charts.size_map(LISTS, "Loss", "loss"),
    "size_map, accuracy": charts.size_map(LISTS, "Accuracy", "accuracy", logarithmic=False),
    "size_map, nothing yet": charts.size_map(LISTS[:0], "Loss", "loss"),
    "by_seed": charts.by_seed(
        pd.DataFrame({"seed": [0, 2], "value": [0.1, 0.2], "note": ["98%", "100%"]}), range(3), "Loss"
    ),
    "by_seed, none": charts.by_seed(pd.DataFrame(columns=["seed", "value", "note"]), [], "Loss"),
}
figures = pytest.mark.parametrize("figure", FIGURES.values(), ids=FIGURES.keys())


def whole(figure):
    """The specification with its data in it, as a browser gets it."""
    data = {name: frame.to_dict("records") for name, frame in figure.data.items() if not nothing(frame)}
    written = json.dumps(data, default=lambda value: None if value is pd.NA else value.item())  # NA: it has none
    return {**figure.spec, "datasets": json.loads(written)}


def nothing(frame):
    """Whether it has no rows, or the one that stands for none, so that its chart need not be built anew."""
    return len(frame) == 0 or (len(frame) == 1 and frame.isna().any(axis=None))


def nodes(spec):
    """Every dictionary in it."""
    if isinstance(spec, dict):
        yield spec
    for value in spec.values() if isinstance(spec, dict) else spec if isinstance(spec, list) else ():
        yield from nodes(value)


def test_every_public_chart_has_a_figure_here():
    made = {name.split(",")[0].split(" ")[0] for name in FIGURES}
    assert made == {name for name in charts.__all__ if name.islower()} - {"count", "limit", "outstanding"} - {
        *("is_clock_curve", "legible", "shared_scales", "together")
    }


@figures
def test_it_is_valid_vega_lite(figure):
    assert alt.Chart.from_dict(figure.spec).to_dict()["$schema"] == alt.SCHEMA_URL  # checked against the schema


@figures
def test_it_brings_exactly_the_data_that_it_draws(figure):
    drawn = {node["data"]["name"] for node in nodes(figure.spec) if "name" in node.get("data", {})}
    assert drawn == set(figure.data)


@figures
def test_no_number_in_it_is_missing_or_infinite(figure):
    assert json.dumps(whole(figure), allow_nan=False)


@figures
def test_a_sentence_says_what_is_seen(figure):
    assert figure.alt.endswith(".")
    assert "nan" not in figure.alt
    assert not re.search(r"\s[.,\s]|[:,;.][.,]", figure.alt)  # nothing is left out where there is nothing to tell


@figures
def test_it_has_a_title_or_names_its_panels_and_every_axis_that_is_shown_has_a_name(figure):
    encodings = [node["encoding"] for node in nodes(figure.spec) if "encoding" in node]
    assert figure.spec["title"]
    if not figure.square:
        for axis in ("x", "y"):
            titles = {encoding[axis].get("title") for encoding in encodings if "field" in encoding.get(axis, {})}
            assert titles - {None} or figure.spec["title"]
    for axis in ("x", "y") if figure.square else ():
        shown = [encoding[axis] for encoding in encodings if axis in encoding and labelled(encoding[axis])]
        if {each.get("field", axis) for each in shown} - {axis}:  # x and y are vectors in the plane
            assert any(each.get("title") or each.get("axis", {}).get("title") for each in shown)


def labelled(channel):
    """Whether an axis is drawn for it, with labels."""
    return channel.get("axis", {}) is not None and channel.get("axis", {}).get("labels", True)


@figures
def test_lines_and_texts_can_be_seen_on_a_light_and_on_a_dark_page(figure):
    for node in nodes(figure.spec):
        mark = node.get("mark", {})
        if isinstance(mark, dict) and mark.get("type") in ("rule", "text", "line"):
            assert "color" in mark or "color" in node["encoding"]


@figures
def test_colour_is_never_the_only_difference_between_kinds(figure):
    marks = [node for node in nodes(figure.spec) if "mark" in node and "color" in node.get("encoding", {})]
    for node in marks:
        color, mark = node["encoding"]["color"], node["mark"]["type"]
        if color.get("type") == "nominal" and mark in ("line", "point", "circle") and not alone(figure, color["field"]):
            assert told_apart(node) or (mark == "line" and any(on_its_line(each, node) for each in marks))
        if "condition" in color and mark in ("point", "circle", "tick"):
            assert {"shape", "size"} & set(node["encoding"])


def alone(figure, field):
    """Whether all of the figure is of one kind."""
    kinds = [set(frame[field]) for frame in figure.data.values() if field in frame]
    return field == "kind" and len(set().union(*kinds)) < 2


def told_apart(node):
    """Whether dashes or shapes, each of its own, tell what the colour tells, also in the legend if there is one."""
    color = node["encoding"]["color"]
    for other in (node["encoding"].get(channel, {}) for channel in ("strokeDash", "shape")):
        if other.get("field") == color["field"]:
            own = [str(value) for value in other.get("scale", {}).get("range", ())]
            in_legend = other.get("legend", True) is not None or color.get("legend", True) is None
            return in_legend and len(set(own)) == len(own)
    return False


def on_its_line(point, line):
    """Whether points stand all along the line, of shapes that tell which line it is."""
    fields = {each["encoding"]["color"].get("field") for each in (point, line)}
    same = "data" in line and point.get("data") == line["data"] and len(fields) == 1
    return same and point["mark"]["type"] == "point" and told_apart(point)


def test_the_specification_is_built_once():
    again = charts.over_sizes(RUNS.iloc[:2], BASELINES, REGIMES, (3, 10))
    assert again.spec is FIGURES["over_sizes"].spec


def test_a_chart_that_stands_alone_has_a_height_and_is_as_wide_as_the_page():
    rows = RATES.rename(columns={"loss": "value"})
    alone = charts.lines_over(rows, "n_samples", "T", ["1"], (3, 10), "Loss", height=330)
    assert alone.spec["height"] == 330
    assert alone.spec["autosize"] == {"type": "fit", "contains": "padding"}
    assert alone.spec | FIGURES["lines_over"].spec == alone.spec
    assert not FIGURES["plane_grid, none"].square
    assert FIGURES["plane_grid"].square


def test_the_window_close_to_one_holds_the_lowest_loss():
    deep = RUNS.assign(test_loss=[1.0, 3.0, 0.9, 1.0, 3.0, 0.91])
    window = {
        each["name"]: each["value"] for each in charts.loss_close_to_one(deep, BASELINES, (3, 100)).spec["params"]
    }
    assert window["low"] < 0.9 < 1 < window["high"]


def test_the_rays_of_a_panel_go_out_to_each_column_and_back():
    figure = FIGURES["panels"]
    paths, dots = (figure.data[name] for name in ("paths", "dots"))
    path = paths.sort_values("order")[["x", "y"]].to_numpy()
    dot = dots.loc[dots["kind"] == charts.FEATURES, ["x", "y"]].to_numpy()
    assert np.array_equal(path[1::2], dot)
    assert (path[::2] == 0).all()
    assert dot == pytest.approx(COLUMNS)
    told = vega.table(figure)  # the vectors' own numbers, each once
    assert len(told) == len(dots)
    assert set(told["panel"]) == {"T = 4"}


def test_panels_have_equal_axes_that_hold_every_vector():
    small, large = {charts.FEATURES: COLUMNS}, {charts.FEATURES: 10 * COLUMNS}
    figure = charts.panels([("a", small), ("b", large)])
    x, y = (figure.spec["layer"][0]["encoding"][axis]["scale"] for axis in ("x", "y"))
    assert x == y  # a square, in any room
    squares, dots = figure.data["squares"], figure.data["dots"]
    assert squares[["x", "y"]].to_numpy() == pytest.approx(np.array([[0.5, 0.5], [1.5, 0.5]]))
    at = dots[["x", "y"]].to_numpy().reshape(2, -1, 2) * squares["a_unit"].to_numpy()[:, None, None]
    assert at[0] == pytest.approx(at[1])
    assert 0.4 < np.abs(at).max() < 0.5
    a, b = (float(label.removeprefix("±")) for label in squares["label"])
    assert b == pytest.approx(10 * a, rel=0.05)


@pytest.mark.parametrize(("size", "lines"), [((900, 120), 1), ((700, 260), 2), ((330, 300), 3)])
def test_panels_are_in_several_lines_where_the_room_is_narrow(size, lines):
    figure = charts.panels([(f"T = {T}", {charts.FEATURES: COLUMNS, charts.SAMPLES: HIDDEN}) for T in range(16)])
    svg = draw.vl_convert.vegalite_to_svg(
        vega.self_contained(figure, theme("light"), size=size), vl_version=draw.VEGA_LITE
    )
    names = re.findall(r"translate\(([-\d.]+),([-\d.]+)\)[^>]*>T = \d+<", svg)
    assert len(names) == len(set(names)) == 16
    assert len({y for _, y in names}) == lines


def test_where_vectors_are_left_out_some_evenly_spaced_stay():
    many = RNG.normal(size=(SMALL + 500, 2))
    assert len(charts.panels([("a", {charts.SAMPLES: many})]).data["dots"]) == SMALL


def test_the_strip_keeps_all_that_stand_out_and_the_smallest():
    values = np.concatenate([0.01 * RNG.random(995), 0.2 + 0.1 * RNG.random(5)])
    drawn = charts.dimensionality({4: values}, {4: np.ones(4)}, 2, 1000).data["values"]
    features = drawn[drawn["kind"] == charts.FEATURES]["share"]
    assert len(features) < 100
    assert set(values[-5:]) < set(features)
    assert values.min() == features.min()


def test_the_dashed_line_of_the_strip_is_the_share_in_a_regular_polygon():
    lines = FIGURES["dimensionality"].data["lines"].query("line == 'm / T'")
    assert np.allclose(lines["share"], np.minimum(1, 2 / lines["n_samples"]))


@pytest.mark.parametrize("best", [False, True])
def test_the_line_over_sizes_is_the_mean_of_the_seeds_or_the_best_by_train_loss_and_says_which(best):
    losses = {(10, 0): (0.3, 1.0), (10, 1): (0.1, 5.0), (100, 0): (0.4, 9.0), (100, 1): (0.6, 7.0)}  # train, test
    rows = [(T, seed, *both) for (T, seed), both in losses.items()]
    table = pd.DataFrame(rows, columns=["n_samples", "seed", "train_loss", "test_loss"])
    chart = charts.over_sizes(table, {}, pd.DataFrame(columns=["low", "high", "name"]), [10, 100], best=best)
    drawn = {(row.set, row.n_samples): row.loss for row in chart.data["mean"].itertuples()}
    for T, seed in ((10, 1), (100, 0)):
        of_size = np.array([both for (size, _), both in losses.items() if size == T])
        train, test = losses[T, seed] if best else of_size.mean(axis=0)
        assert (drawn["train", T], drawn["test", T]) == (pytest.approx(train), pytest.approx(test))
    told = chart.data["meta"].iloc[0]
    assert (told["title"], told["small"]) == (
        ("Loss over T, best of the seeds by train loss", "Loss over T, best")
        if best
        else ("Loss over T, mean of the seeds", "Loss over T, mean")
    )
    assert told["title"].removeprefix("Loss over T, ") in chart.alt
