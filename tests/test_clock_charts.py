"""Charts that are not built anew: one specification for all data; clock and pointing are the browser's."""

import colorsys
import json
import math
import re

import numpy as np
import pandas as pd
import pytest

from toyviz import charts
from toyviz.charts.chart import COLOUR_WORDS
from toyviz.charts.clock import LARGEST, POSITIONS, frame_at, packed, position_of
from toyviz.charts.columns import short
from toyviz.charts.layers import ABOVE, LINE, legend
from toyviz.charts.loss import FLOOR
from toyviz.charts.sizes import DRAWN, FINE, TOP, borders
from toyviz.charts.ticks import MOST, log_range

RNG = np.random.default_rng(0)
SIZES = (3, 10, 100)


def runs(sizes, seeds=2, factor=1.0):
    rows = [
        {"n_samples": T, "seed": seed, "train_loss": factor * T / 100 + seed * 0.1, "test_loss": factor * (3 + seed)}
        for T in sizes
        for seed in range(seeds)
    ]
    return pd.DataFrame(rows, columns=["n_samples", "seed", "train_loss", "test_loss"])


def plane(frames, vectors, what="columns of W1", **options):
    history = RNG.normal(size=(frames, vectors, 2))
    kin = [f",{k}," for k in range(vectors)]
    return charts.plane(history, what, np.arange(vectors), 1000, kin, charts.BLUE, rays=True, **options)


def groups(frames, vectors):
    return [
        charts.Group.of(
            kind, RNG.normal(size=(frames, vectors, 2)) + place, np.arange(vectors), [f",{k}," for k in range(vectors)]
        )
        for place, kind in enumerate(charts.LIFT_KINDS)
    ]


def pictures(sizes):
    return {T: charts.Picture(RNG.normal(size=(300, 2)), RNG.normal(size=(T, 2)), seed=1) for T in sizes}


def regimes(*names):
    return pd.DataFrame({"low": [1.0, 20.0][: len(names)], "high": [20.0, 400.0][: len(names)], "name": names})


def over_sizes(done, sizes=SIZES, **options):
    return charts.over_sizes(runs(done), {"output 0": 1.0}, regimes(), sizes, pictures(done), **options)


def curve(steps, frames, names=("",)):
    at = np.unique(np.geomspace(1, 1000, steps).astype(int))
    return charts.clock_curve(
        dict.fromkeys(names, (at, 1 / at)) if steps else {"": (np.empty(0), np.empty(0))},
        np.linspace(0, 1000, frames).astype(int),
        1000,
    )


def rates(done, names=("1", "0.1"), **options):
    rows = pd.concat([runs(done).assign(line=name) for name in names]).assign(loss=lambda rows: rows["test_loss"])
    return charts.lines_over_sizes(rows, names, SIZES, baselines={"output 0": 1.0}, **options)


def small(done, vectors=20, **options):
    panels = [
        charts.Panel(f"T = {T}", T, {kind.name: RNG.normal(size=(vectors, 2)) for kind in charts.LIFT_KINDS})
        for T in done
    ]
    return charts.panels_over_sizes(panels, charts.LIFT_KINDS, "The bias", selected=10, **options)


def cells(done, accuracy=False, **options):
    table = runs(done, 1).assign(n_hidden=2, value=lambda rows: rows["train_loss"])
    side = charts.Side("n_samples", "training samples T", tuple(done))
    return charts.size_map(table, f"{len(done)} sizes", "loss", logarithmic=not accuracy, x=side, y=HIDDEN, **options)


def stack(density, frames, empty=False):
    history = (0 if empty else 1) * RNG.normal(size=(frames, 3, 5))
    names = np.full((frames, 3), "" if empty else "mono")
    return charts.Stack(
        f"{density:g}", history, np.abs(history[:, 0]), names, f"density={density:g}", {"density": density}
    )


def stacks(*panels, title="W1", **options):
    return charts.stacks(panels, title, pick=("density",), **options)


def strips(densities, columns=(1.0, 0.3, 0.1), **options):
    rows = pd.DataFrame(
        [
            {"density": density, "seed": seed, "value": 1.0 + seed * density, "best": seed == 0}
            for density in densities
            for seed in range(3)
        ],
        columns=["density", "seed", "value", "best"],
    )
    return charts.strips(rows, "density", columns, f"{len(densities)} densities", **options)


def over_density(done, lines=("ReLU", "linear"), **options):
    rows = [(x, line, seed, 0.1 + seed * x) for x in done for line in lines for seed in (0, 1)]
    table = pd.DataFrame(rows, columns=["density", "line", "seed", "value"])
    return charts.lines_over(
        table, "density", "density 1 − S", lines, DENSITIES, "Accuracy", **{"linked": False} | options
    )


def matrices(frames, *shapes, **options):
    about = {"density": 0.1}
    panels = [charts.Matrix("W", RNG.normal(size=(frames, *shape)), about=about) for shape in shapes]
    return charts.matrices(panels, pick=("density",), **options) if panels else charts.matrices([], **options)


def bars(frames, *sizes, **options):
    return charts.bars([charts.Bars("b1", RNG.normal(size=(frames, k))) for k in sizes], "The bias", **options)


def histograms(frames, *sizes, **options):
    panels = [charts.Histogram(f"n = {k}", RNG.normal(size=(frames, k))) for k in sizes]
    return charts.histograms(panels, "Cosines", **options)


def portraits(trained, n=6, m=2, **options):
    """Two rows of three portraits, of which these are trained."""
    panels = []
    for place in range(6):
        weights = (RNG.normal(size=(m, n)), RNG.normal(size=n)) if place in trained else ()
        about = {"density": DENSITIES[place % 3], "seed": "best"}
        panels.append(charts.Portrait(f"1 − S = {place}", about, *weights, row="ab"[place // 3]))
    return charts.portraits(panels, f"{len(trained)} networks", **options)


def plateaus(trained, **options):
    features = {density: RNG.random(100) for density in trained}
    shares = {density: float(values.mean()) for density, values in features.items()}
    return charts.dimensions_per_feature(shares, features, {"alone": 1.0, "triangle": 2 / 3}, DENSITIES, **options)


def by_seed(done, **options):
    rows = pd.DataFrame({"seed": list(done), "value": [0.1 + seed for seed in done], "note": [f"{k}%" for k in done]})
    return charts.by_seed(rows, range(8), "Loss", **options)


def phases(count, **options):
    places = [(importance, density) for importance in (0.1, 1.0, 10.0) for density in DENSITIES][:count]
    cells = pd.DataFrame(places, columns=["importance", "density"]).assign(
        phase="alone", differs=[k == 0 for k in range(count)], told="alone", seed=range(count)
    )
    return charts.phases(cells, "Trained", (0.1, 1.0, 10.0), DENSITIES, **options)


DENSITIES = (1.0, 0.1, 0.01)


def three(frames, vectors):
    """A network of the unembedding: vectors of each kind over frames, some of them never seen."""
    seen = np.arange(vectors) % 3 > 0
    return {k.name: charts.Vectors(RNG.normal(size=(frames, vectors, 2)), seen) for k in charts.ALL_THREE}


def grid(*networks, **options):
    columns = [charts.Column(f"T|{k}", each, value=k) for k, each in enumerate(networks)]
    return charts.plane_grid(columns, charts.ALL_THREE, f"{len(networks)} networks", linked=True, **options)


def pictures_of_three(done):
    vectors = RNG.normal(size=(300, 2))
    seen = (np.arange(300) < 200, np.arange(300) < 100)
    drawn = {T: charts.Picture(vectors, vectors[:T], rows=vectors, seen=seen) for T in done}
    return charts.over_sizes(
        runs(done), {}, regimes(), SIZES, drawn, kinds=charts.ALL_THREE, what="Cross-entropy", linked=True
    )


def logits(frames, classes, label):
    terms, bias = RNG.normal(size=(frames, classes, 2)), RNG.normal(size=(frames, classes))
    return charts.Logits(terms, bias, np.arange(classes) % 2 > 0, label)


def vote(frames, features):
    arrows = RNG.normal(size=(frames, features, 2))
    return charts.votes(np.arange(features), arrows, arrows.sum(axis=1), RNG.uniform(0.1, 1, features))


def moving(frames, points, seen=True):
    at = np.linspace(0, 90, points)
    lines = [charts.Line(name, at if seen else at[:0], RNG.normal(size=(frames, points))[:, : points * seen], colour)
             for name, colour in (("a", charts.BLUE), ("b", charts.GREEN))]  # fmt: skip
    return charts.moving_lines(lines, "Squareness", "degrees", rules={"circle": 1.0}, x_ends=(0, 90))


def stairs(frames, points, flats):
    curve = np.arange(1, points + 1), np.linspace(0.5, 0.1, points)
    marked = [charts.Flat(k, k + 2, 0.3, "square", k % 2 == 0) for k in range(1, flats + 1)]
    now = [f"{f} corners" for f in range(frames)]
    return charts.stairs(curve, marked, {"square": 0.3, "a": 0.0}, np.arange(frames), now, 99, f"{flats} stairs")


OF_LOGITS = [(1, 3, None), (1, 9, 4), (40, 60, 0)]
HIDDEN = charts.Side("n_hidden", "hidden size m", (2, 4))
MADE = {  # from nothing to everything, with all that may change while one looks
    "plane": [plane(1, 0), plane(1, 5), plane(40, 300, about={}, labels=np.arange(300) < 3)],
    "planes_of_kinds": [
        charts.planes_of_kinds(groups(1, 2), "2 samples"),
        charts.planes_of_kinds(groups(9, 30), "30 samples", centred=False),
    ],
    "over_sizes": [
        over_sizes(()),
        over_sizes((3, 10), peak=(10, 4.0), selected=10),
        over_sizes(SIZES, (*SIZES, 350, 5000), floor={3: 0.1, 10: 0.2}),
    ],
    "clock_curve": [curve(0, 1), curve(9, 1), curve(300, 40), curve(30, 9, ("1", "0.1", "0.01"))],
    "lines_over_sizes": [rates(()), rates((3, 10)), rates(SIZES, ("a", "b", "c"))],
    "lines_over": [over_density(()), over_density((0.1,)), over_density(DENSITIES, "abc", reverse=True, selected=0.1)],
    "matrices": [
        matrices(1, (2, 3)),
        matrices(40, (2, 3), (8, 8), (1, 1), equal=True, across=2, show_names=True),
    ],
    "portraits": [
        charts.portraits([], "None"),
        portraits((), rows="ab"),
        portraits(range(6), 50, 5, selected={"density": 0.1}),
        portraits(range(2), 5, 9),
    ],
    "portraits, with planes": [portraits((), planes=True), portraits(range(3), 12, planes=True, rows="ab")],
    "dimensions_per_feature": [plateaus(()), plateaus((0.1,), selected=0.1), plateaus(DENSITIES)],
    "phases": [phases(0), phases(4, selected=(1.0, 0.1)), phases(9)],
    "bars": [bars(1), bars(1, 5), bars(40, 3, 8, 1, across=2, after=2, faint_below=0.1)],
    "histograms": [histograms(1), histograms(1, 1), histograms(9, 30, 2, low=-1, high=1)],
    "panels_over_sizes": [small(()), small((3,), 0), small(SIZES)],
    "over_sizes, three kinds": [pictures_of_three(()), pictures_of_three((3, 10)), pictures_of_three(SIZES)],
    "plane_grid": [grid({}), grid({}, three(1, 5)), grid(three(9, 400), three(1, 3), {}, selected=1)],
    "votes": [vote(1, 0), vote(1, 3), vote(40, 9)],
    "logit_plane": [charts.logit_plane(logits(*each)) for each in OF_LOGITS],
    "logit_stages": [charts.logit_stages(logits(*each)) for each in OF_LOGITS],
    "ranking": [charts.ranking(logits(*each)) for each in OF_LOGITS],
    "moving_lines": [moving(1, 1, seen=False), moving(1, 3), moving(40, 31)],
    "size_map": [cells(()), cells((3,)), cells((*SIZES, 350))],
    "stacks": [
        stacks(),
        stacks(stack(1.0, 1, empty=True)),
        stacks(stack(1.0, 1), stack(0.1, 40), selected=1, title="other"),
    ],
    "by_seed": [by_seed(()), by_seed((3,)), by_seed(range(8), selected=2, ends=(0.5, 1.0), note_title="accuracy")],
    "stairs": [stairs(1, 0, 0), stairs(2, 3, 1), stairs(40, 300, 5)],
    "strips": [
        strips(()),
        strips((1.0,), selected=1.0, seed=2),
        strips((1.0, 0.1), (1.0, 0.3, 0.1, 0.03), ends=(0, 9)),
    ],
}
each = pytest.mark.parametrize("made", MADE.values(), ids=MADE.keys())


def walk(spec):
    """Every value in it, with its name."""
    for name, value in spec.items() if isinstance(spec, dict) else enumerate(spec):
        yield name, value
        if isinstance(value, dict | list):
            yield from walk(value)


@each
def test_one_specification_serves_all_data_so_that_no_chart_is_built_anew(made):
    assert all(chart.spec is made[0].spec or chart.spec == made[0].spec for chart in made)
    assert len({tuple(chart.data) for chart in made}) == 1


@each
def test_every_data_set_has_a_row_and_always_the_same_kind_of_columns(made):
    for chart in made:
        assert min(map(len, chart.data.values())) > 0
        assert len(chart.data["meta"]) == 1


@each
def test_it_says_what_is_seen_and_only_the_data_know_it(made):
    assert len({chart.alt for chart in made}) > 1
    for chart in made:
        assert chart.alt not in json.dumps(chart.spec)
        assert chart.alt.endswith(".")


@each
def test_every_signal_that_an_expression_reads_from_data_is_there(made):
    for chart in made:
        text = json.dumps(chart.spec)
        for name, column in re.findall(r"data\('(\w+)'\)\[0\]\.(\w+)", text):
            assert column in chart.data[name]
        assert set(re.findall(r"data\('(\w+)'\)", text)) <= set(chart.data)


@pytest.mark.parametrize("made", [v for k, v in MADE.items() if k != "size_map"])
def test_it_fills_the_room_that_it_gets_on_a_canvas(made):
    assert not {"width", "height"} & set(made[0].spec)
    assert made[0].spec["usermeta"]["embedOptions"]["renderer"] == "canvas"
    assert made[0].spec["config"] == {"aria": False}


@each
def test_every_colour_has_a_word(made):
    used = {v for _, v in walk(made[0].spec) if isinstance(v, str) and re.fullmatch(r"#[0-9A-Fa-f]{6}", v)}
    scale = {c.upper() for c in charts.maps.VIRIDIS} | {charts.maps.DARK, charts.maps.BRIGHT.upper()}
    assert {colour.upper() for colour in used} <= set(COLOUR_WORDS) | scale


def test_the_word_for_a_colour_is_the_one_that_its_hue_has():
    hues = {"orange": (15, 38), "yellow": (38, 65), "green": (90, 170), "blue": (190, 250), "purple": (270, 330)}
    for colour, word in COLOUR_WORDS.items():
        red, green, blue = (int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5))
        hue, _, saturation = colorsys.rgb_to_hls(red, green, blue)
        if word == "grey":
            assert saturation < 0.1
        else:
            assert hues[word][0] <= 360 * hue < hues[word][1]


# pointing and clicking

LINKED = {  # as they stand on a page with a clock
    "over_sizes": over_sizes(SIZES, linked=True),
    "lines_over_sizes": rates(SIZES, linked=True),
    "panels_over_sizes": small(SIZES, linked=True),
    "size_map": cells(SIZES, linked=True),
    "strips": strips((1.0, 0.3, 0.1), linked=True),
    "lines_over": over_density(DENSITIES, linked=True),
}
linked = pytest.mark.parametrize("name", LINKED)


def parameters(spec):
    return [v for _, v in walk(spec) if isinstance(v, dict) and "name" in v and {"select", "bind", "value"} & set(v)]


def kin(chart):
    return {name: set(frame["kin"]) for name, frame in chart.data.items() if "kin" in frame}


@linked
def test_what_is_pointed_at_is_told_and_heard_by_every_chart_of_a_page_with_a_clock(name):
    found = parameters(LINKED[name].spec)
    assert [each["select"]["fields"] for each in found if each["name"] == "on"] == [["kin"]]
    assert {each["bind"]["element"] for each in found if "bind" in each} == {"#pointed"}
    assert not [each for each in parameters(MADE[name][-1].spec) if "bind" in each]  # no clock, nothing to bind to


@linked
def test_a_network_is_never_taken_for_a_feature(name):
    told = set.union(*kin(LINKED[name]).values())
    assert len(told) == len(SIZES)
    assert all(re.fullmatch(r"[^,]+=\d+.*", each) for each in told)
    assert "indexof(pointed, ',') == 0" in json.dumps(MADE["plane"][0].spec)


def test_charts_of_the_same_sizes_tell_each_other_the_same():
    loss, lines, pictured = (kin(LINKED[name]) for name in ("over_sizes", "lines_over_sizes", "panels_over_sizes"))
    assert loss["sizes"] == loss["targets"] == lines["sizes"] == lines["points"] == pictured["frames"]
    first = cells(SIZES, linked=True).data["cells"]["kin"].tolist()
    assert cells(SIZES, accuracy=True, linked=True).data["cells"]["kin"].tolist() == first


@linked
def test_a_second_click_on_the_same_mark_is_another_selection(name):
    layer = next(
        v for _, v in walk(LINKED[name].spec) if isinstance(v, dict) and "params" in v and v is not LINKED[name].spec
    )
    pick = next(each for each in layer["params"] if each["name"] == "pick")
    changing = layer["transform"][-1]
    assert "pick" in changing["calculate"]
    assert "now()" in changing["calculate"]
    assert changing["as"] in pick["select"]["fields"]


# the clock


def test_the_clock_goes_from_the_first_frame_to_the_last_and_passes_each():
    for frames in range(1, POSITIONS + 1):
        seen = [frame_at(p, frames) for p in range(POSITIONS)]
        assert seen == sorted(seen)
        assert set(seen) == set(range(frames))
        assert [frame_at(position_of(f, frames), frames) for f in range(frames)] == list(range(frames))


def test_python_and_the_browser_round_alike():
    for frames in range(1, POSITIONS + 1):  # Math.round rounds a half up
        browser = [math.floor(p * (frames - 1) / (POSITIONS - 1) + 0.5) for p in range(POSITIONS)]
        assert browser == [frame_at(p, frames) for p in range(POSITIONS)]
    assert f"round(toNumber(clock) * last / {POSITIONS - 1})" in json.dumps(MADE["plane"][0].spec)


def test_a_click_on_the_loss_curve_gives_a_position_not_a_frame():
    frames = curve(300, 9).data["frames"]
    assert frames["position"].tolist() == [0, 5, 10, 15, 20, 24, 29, 34, 39]
    assert curve(300, 1).data["frames"]["position"].item() == POSITIONS - 1  # the newest alone: one goes on following
    jump = next(v for _, v in walk(curve(3, 3).spec) if isinstance(v, dict) and v.get("name") == "jump")
    assert jump["select"]["fields"] == ["position"]


def test_more_frames_than_positions_are_refused():
    with pytest.raises(ValueError, match="41 frames"):
        plane(41, 3)
    with pytest.raises(ValueError, match="41 frames"):
        curve(300, 41)


def test_sixteen_bits_hold_each_frame_to_a_part_in_sixty_thousand_of_its_own_largest():
    history = RNG.normal(size=(5, 30, 2)) * 10.0 ** np.arange(-4, 1)[:, None, None]
    columns, units = packed(history)
    for f in range(5):
        back = np.stack([columns[f"x{f}"], columns[f"y{f}"]], axis=1) * units[f]
        assert np.abs(back - history[f]).max() <= np.abs(history[f]).max() / LARGEST / 2 * (1 + 1e-9)
        assert columns[f"x{f}"].dtype == np.int16


def test_a_plane_holds_every_vector_of_the_whole_history_and_of_each_frame():
    history = RNG.normal(size=(4, 20, 2)) * np.arange(1, 5)[:, None, None] + 3
    numbers, kin = np.arange(20), [","] * 20
    for centred in (True, False):
        group = charts.Group("W1 x", history, numbers, kin, charts.BLUE)
        data = charts.planes_of_kinds([group], "T = 20", centred).data
        whole, own = data["meta"].iloc[0], data["scales"]
        assert np.abs(history - [whole["x"], whole["y"]]).max() < whole["half"]
        for f in range(4):
            assert np.abs(history[f] - own.loc[f, ["x", "y"]].to_numpy(float)).max() < own.loc[f, "half"]
        assert (whole["x"] == 0) == centred


def test_a_row_of_nothing_draws_nothing():
    for chart, column in ((plane(1, 0), "number"), (small(()), "u")):
        drawn = [v for _, v in walk(chart.spec) if isinstance(v, dict) and v.get("data") == {"name": "dots"}]
        assert len(drawn) == 1
        assert {"filter": f"isValid(datum.{column})"} in drawn[0]["transform"]
        assert chart.data["dots"][column].isna().all()


def test_the_longest_columns_have_rays_and_those_that_stand_out_their_number():
    history = RNG.normal(size=(2, 500, 2))
    history[:, 7] = [[50.0, 0.0], [0.0, 0.0]]  # long at first, nothing at the end
    dimensionality = np.zeros(500)
    dimensionality[[3, 8]] = 0.5, 0.1
    chart = charts.plane(
        history, "columns", np.arange(500), 500, [","] * 500, charts.BLUE, rays=True,
        labels=charts.outstanding(dimensionality),
    )  # fmt: skip
    dots = chart.data["dots"]
    assert dots["ray"].sum() == charts.RAYS
    assert dots.loc[7, "ray"]
    assert dots.loc[dots["label"] != "", "label"].tolist() == ["3"]


def test_the_mark_stands_on_the_curve_at_the_step_of_its_frame():
    chart = charts.clock_curve({"": (np.array([1, 100]), np.array([1.0, 0.0001]))}, np.array([0, 10, 100]), 100)
    assert chart.data["dots"]["step"].tolist() == [1, 10, 100]
    assert chart.data["dots"]["loss"].tolist() == pytest.approx([1, 0.50005, 0.0001])


# axes


def test_a_logarithmic_axis_holds_its_values_and_has_two_numbers_or_more():
    for _ in range(3000):
        low = 10 ** RNG.uniform(-12, 5)
        high = low * 10 ** (RNG.uniform() ** 3 * 14)
        start, end, ticks = log_range(low, high)
        assert 0 < start <= low * (1 + 1e-6)
        assert end >= high * (1 - 1e-6)
        assert 2 <= len(ticks) <= MOST
        assert ticks.min() >= start * (1 - 1e-6)
        assert ticks.max() <= end * (1 + 1e-6)


def test_a_wide_axis_is_marked_at_evenly_spaced_powers_and_a_narrow_one_evenly():
    assert log_range(3e-7, 1.0)[2].tolist() == pytest.approx([1e-6, 1e-4, 1e-2, 1])
    assert log_range(1, 80)[2].tolist() == [1, 10, 100]
    assert log_range(0.971, 0.993)[2].tolist() == pytest.approx([0.97, 0.98, 0.99])
    with pytest.raises(ValueError, match="low and high are 0 and 1"):
        log_range(0, 1)


def test_an_axis_moves_seldom_while_a_loss_falls():
    lows = {log_range(low, 1.0)[0] for low in np.geomspace(1e-5, 1, 500)}
    assert len(lows) < 30


# over T


def test_columns_are_evenly_spaced_and_a_border_lies_between_its_two_sizes():
    assert borders(np.array([1, 3, 10, 100, 1000]), SIZES).tolist() == [-0.5, -0.5, 1, 2.5, 2.5]
    assert borders(np.sqrt([30.0, 1000.0]), SIZES) == pytest.approx([0.5, 1.5])


def test_each_picture_stands_in_the_column_of_its_size_and_fits_its_cell():
    chart = over_sizes((10, 100), (3, 10, 35, 100))
    vectors = chart.data["vectors"]
    assert set(vectors["place"]) == {1, 3}
    assert FINE / 2 < vectors[["u", "v"]].abs().to_numpy().max() < FINE
    assert chart.data["sizes"]["trained"].tolist() == [False, True, False, True]
    rays = vectors[(vectors["row"] == 0) & (vectors["place"] == 1)]
    assert len(rays) == 2 * DRAWN + 1
    assert not rays[["u", "v"]].to_numpy()[::2].any()


def test_a_point_picks_its_seed_and_the_rest_of_a_column_its_size_alone():
    targets = over_sizes((10,)).data["targets"]
    assert set(targets["n_samples"]) == set(SIZES)
    on_point = targets["row"] == charts.sizes.ON_POINT
    assert targets.loc[on_point, ["n_samples", "seed"]].to_numpy().tolist() == [[10, 0], [10, 1]] * 2  # two sets
    assert targets.loc[~on_point, "seed"].isna().all()
    assert (~on_point).sum() == 3 * 3  # a column and two pictures a size, trained or not
    assert on_point.tolist() == sorted(on_point)  # the topmost are the last: what is below would be clicked in vain
    assert "T = 10, seed 1: hidden vectors" in set(targets["told"])


def test_the_axis_of_the_loss_stands_still_until_a_loss_is_above_it():
    tops = [over_sizes(done).data["meta"]["top"].item() for done in ((), (3,), SIZES)]
    assert tops == [TOP] * 3
    high = charts.over_sizes(runs(SIZES, factor=1000.0), {}, regimes(), SIZES)
    assert high.data["meta"]["top"].item() > 4000


def test_a_memorised_loss_is_drawn_at_the_floor_and_told_as_it_is():
    chart = charts.over_sizes(runs((3,), 1).assign(train_loss=1e-9), {}, regimes(), SIZES)
    train = chart.data["points"].query("set == 'train'")
    assert train[["loss", "shown"]].to_numpy().tolist() == [[1e-9, FLOOR]]
    assert "train loss 1e-09" in " ".join(chart.data["targets"]["told"])


def test_the_mean_and_its_band_are_those_of_the_seeds():
    mean = over_sizes((3,)).data["mean"].set_index("set")
    assert mean.loc["test", ["loss", "low", "high"]].tolist() == [3.5, 3, 4]


def test_the_label_of_the_peak_stands_above_every_seed_near_it_and_between_the_borders_around_it():
    named = regimes("memorising", "in between")
    table = runs(SIZES).assign(test_loss=[1, 2, 9, 50, 3, 4])  # the highest seed is at T = 10
    peak = charts.over_sizes(table, {}, named, SIZES, peak=(100, 3.5)).data["peak"]
    assert peak[["place", "above"]].to_numpy().tolist() == [[2, 50]]
    border = float(borders(np.array([20.0]), SIZES)[0])
    assert peak[["left", "right"]].to_numpy().tolist() == [[border, 2.5]]
    assert peak["label"].tolist() == ["peak 3.5"]


def test_a_regime_knows_how_much_room_its_neighbours_leave():
    found = charts.over_sizes(runs(SIZES), {}, regimes("memorising", "in between"), SIZES).data["regimes"]
    width = (found["end"] - found["start"]).tolist()
    assert found["left_width"].tolist() == [0, width[0]]
    assert found["right_width"].tolist() == [width[1], 0]
    assert found[["left_letters", "right_letters"]].to_numpy().tolist() == [[0, 10], [10, 0]]


def test_names_of_rules_that_are_close_stand_on_one_line_and_others_apart():
    chart = charts.over_sizes(runs(()), {"output 0": 1.0, "best constant": 0.98, "far": 0.1}, regimes(), SIZES)
    assert chart.data["baselines"]["label"].tolist() == ["", "output 0 · best constant", "far"]


def test_the_name_of_a_rule_stands_under_what_is_closely_below_it():
    sizes = (1, 2, 3, 4, 5, 6, 7, 8)  # the names stand over the first two
    near = runs(sizes, 1).assign(test_loss=5.0, train_loss=[0.7, 0.5, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3])
    for factor, under in ((1, 0.5), (0.01, 1.0)):  # a line far below is not in the way
        table = near.assign(train_loss=factor * near["train_loss"])
        assert charts.over_sizes(table, {"output 0": 1.0}, regimes(), sizes).data["baselines"]["under"].item() == under


def test_a_size_is_labelled_as_it_was_typed():
    assert [short(T) for T in (3, 350, 1000, 2500, 1234)] == ["3", "350", "1k", "2.5k", "1234"]


def test_small_pictures_hold_all_their_vectors_or_what_one_kind_needs():
    shown = small((3, 10)).data["dots"]
    assert len(shown) == 2 * 4 * 20
    assert shown[["u", "v"]].abs().to_numpy().max() <= 1
    never, active = RNG.uniform(-1, 1, (400, 2)), np.array([[0.5, 0.5], [4.0, 0.0]])
    panel = charts.Panel("T = 5", 5, {"never active": never, "active": active}, square=1.0)
    chart = charts.panels_over_sizes([panel], charts.START_KINDS, "Starts", scale_by="never active")
    assert (chart.data["dots"]["kind"] == "active").sum() == 1  # what lies far beyond is left out
    assert chart.data["frames"]["square"].item() == pytest.approx(0.5, abs=0.02)


def test_one_mark_among_hundreds_is_drawn_on_top_with_its_ray_from_the_origin():
    last = charts.LIFT_KINDS[-1]
    assert (last.name, last.rays, last.ring) == ("b1", True, False)
    vectors = {kind.name: RNG.normal(size=(300, 2)) + 3 for kind in charts.LIFT_KINDS} | {"b1": np.array([[1.0, 2.0]])}
    panels = [charts.Panel(f"T = {T}", T, vectors) for T in (3, 10)]
    chart = charts.panels_over_sizes(panels, charts.LIFT_KINDS, "The bias", selected=10)
    assert chart.data["dots"]["kind"][chart.data["dots"]["place"] == 1].iloc[-1] == "b1"
    rays = chart.data["rays"]
    assert rays["place"].tolist() == [0, 1]
    along = (rays[["u", "v"]].to_numpy() - rays[["zero_u", "zero_v"]].to_numpy()).astype(float)
    assert along[:, 1] == pytest.approx(2 * along[:, 0])
    layers = [each["data"]["name"] for each in chart.spec["layer"]]
    assert layers.index("rays") + 1 == layers.index("dots")  # both above the frames


@pytest.mark.parametrize("chart", [small((3,)), MADE["planes_of_kinds"][0]], ids=["pictures", "plane"])
def test_a_legend_shows_hollow_what_is_drawn_hollow(chart):
    named = {layer["mark"]["color"]: layer["mark"]["filled"] for layer in chart.spec["layer"] if of_legend(layer)}
    assert named == {kind.colour: not kind.ring for kind in charts.LIFT_KINDS}


def of_legend(layer):
    mark = layer.get("mark", {})
    return (mark.get("type"), mark.get("size"), layer["data"]["name"]) == ("point", 48, "meta")


def test_a_legend_without_room_stands_in_two_lines_and_each_begins_at_the_left():
    places = []
    for layer in legend([charts.Kind(name, charts.BLUE) for name in ("given up", "in a pair", "alone")]):
        if layer["mark"]["type"] == "point":
            y, x = (layer["encoding"][axis]["value"]["expr"] for axis in "yx")
            places.append([*map(float, re.search(r"\? (-?\d+) : (-?\d+)", y).groups())])
            places[-1] += map(float, re.search(r"\? (\d+) : (\d+)\)", x).groups())
    two, one, left_of_two, left_of_one = (np.array(each) for each in zip(*places, strict=True))
    assert (one == ABOVE).all()
    assert (np.diff(left_of_one) > 0).all()
    assert set(two) == {ABOVE, ABOVE - LINE}
    for line in set(two):
        lefts = left_of_two[two == line]
        assert lefts[0] == 5
        assert (np.diff(lefts) > 0).all()


def test_each_picture_has_its_own_scale():
    panels = [charts.Panel(f"T = {T}", T, {"active": np.full((1, 2), 1.0 * T)}) for T in (1, 10)]
    own = charts.panels_over_sizes(panels, charts.START_KINDS, "Starts", scale_by="active").data["dots"]["u"]
    assert own[0] == pytest.approx(own[1])


def test_below_rows_those_of_the_selected_size_are_drawn_once_more():
    panels = [
        charts.Panel(f"T = {T}", T, {"active": np.full((3, 2), 1.0 * T)}, row) for row in ("a", "b") for T in (5, 30)
    ]
    chart = charts.panels_over_sizes(panels, charts.START_KINDS, "Starts", rows=["a", "b"], selected=30)
    frames, dots = chart.data["frames"], chart.data["dots"]
    assert frames.loc[frames["large"], ["label", "place"]].to_numpy().tolist() == [["T = 30, a", 0], ["T = 30, b", 1]]
    assert len(frames) == 4 + 2
    assert dots["large"].sum() == 2 * 3
    assert "4 small pictures" in chart.alt
    assert not charts.panels_over_sizes(panels, charts.START_KINDS, "Starts", selected=30).data["frames"]["large"].any()


# maps


def test_the_better_the_darker_in_every_map():
    scales = [
        next(v for _, v in walk(cells(SIZES, accuracy).spec) if isinstance(v, dict) and "interpolate" in v)
        for accuracy in (False, True)
    ]
    assert [scale["reverse"] for scale in scales] == [False, True]


def test_an_accuracy_of_0_has_a_colour_and_a_missing_cell_an_outline():
    table = pd.DataFrame({"n_samples": [3, 10], "n_hidden": 2, "value": [0.0, 1.0]})
    side = charts.Side("n_samples", "T", (3, 10, 100))
    chart = charts.size_map(table, "Accuracy", "accuracy", logarithmic=False, x=side, y=HIDDEN)
    assert chart.data["cells"]["value"].tolist() == [0, 1]
    assert len(chart.data["frame"]) == 6
    assert "white" not in json.dumps(chart.spec)


def test_small_shares_are_told_in_percent_and_their_colours_end_where_one_says():
    table = pd.DataFrame({"n_samples": [3, 10, 100], "n_hidden": 2, "value": [0.0, 0.0023, 0.09]})
    side = charts.Side("n_samples", "T", (3, 10, 100))
    options = {"logarithmic": False, "x": side, "y": HIDDEN}
    small = charts.size_map(table, "Accuracy", "accuracy", ends=(0, 0.09), **options)
    whole = charts.size_map(table, "Accuracy", "accuracy", **options)
    assert small.data["cells"]["text"].tolist() == ["0 %", "0.23 %", "9 %"]
    assert whole.data["cells"]["text"].tolist() == ["0", "0.0023", "0.09"]
    assert small.data["meta"][["low", "high"]].to_numpy().tolist() == [[0, 0.09]]
    assert whole.data["meta"][["low", "high"]].to_numpy().tolist() == [[0, 1]]
    kinds = {
        next(v["type"] for _, v in walk(chart.spec) if isinstance(v, dict) and "interpolate" in v)
        for chart in (small, whole, cells(SIZES))
    }
    assert kinds == {"sqrt", "linear", "log"}
    assert "from 0 % to 9 %" in small.alt


def test_numbers_in_cells_are_written_as_one_reads_them():
    assert [charts.maps.rounded(v, 1) for v in (28.6, 10.0, 0.04, 0.0, 2e-6, 1234.0)] == [
        "30", "10", "0.04", "0", "2e-06", "1000",
    ]  # fmt: skip
