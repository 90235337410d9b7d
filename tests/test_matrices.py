"""Charts of several panels that follow the clock: matrices, bars, histograms; and lines over any field."""

import json

import numpy as np
import pandas as pd
import pytest

from toyviz import charts
from toyviz.charts.clock import LARGEST, together
from toyviz.charts.ticks import linear_range

RNG = np.random.default_rng(0)


def values(chart, name, frame):
    """What a chart draws at a frame, from its whole numbers and their unit."""
    return chart.data[name][f"v{frame}"].to_numpy() * chart.data["scales"]["unit"][frame]


def test_cells_hold_each_matrix_row_by_row_at_every_frame():
    history = RNG.normal(size=(4, 3, 5)) * 10.0 ** np.arange(-3, 1)[:, None, None]
    chart = charts.matrices([charts.Matrix("W1", history)])
    for frame in range(4):
        error = np.abs(values(chart, "cells", frame) - history[frame].ravel()).max()
        assert error <= np.abs(history[frame]).max() / LARGEST
    cells = chart.data["cells"]
    assert cells["row"].tolist() == [str(i) for i in range(3) for _ in range(5)]
    assert cells["column"].tolist() == list("01234") * 3


def test_all_panels_and_frames_share_one_scale_which_may_be_given():
    panels = [charts.Matrix("a", RNG.normal(size=(7, 4, 4))), charts.Matrix("b", np.full((1, 2, 2), -9.0))]
    chart = charts.matrices(panels)
    assert chart.data["meta"]["largest"].item() == 9
    assert charts.matrices(panels, largest=2.0).data["meta"]["largest"].item() == 2
    still = chart.data["cells"].iloc[16:]
    for frame in range(7):  # what has one frame stands still
        assert (still[f"v{frame}"] * chart.data["scales"]["unit"][frame]).tolist() == pytest.approx([-9] * 4)
    assert chart.data["scales"]["largest"].tolist() == [9] * 7


def test_panels_of_another_number_of_frames_are_refused():
    with pytest.raises(ValueError, match="3 and 7 frames"):
        together([np.zeros((3, 2)), np.zeros((7, 2))])
    assert [each.shape for each in together([np.zeros((1, 2)), np.zeros((7, 3))])] == [(7, 2), (7, 3)]


def test_equal_cells_have_one_size_in_all_panels_and_others_fill_panels_of_one_size():
    shapes = ((2, 6), (4, 1), (3, 3))
    for equal in (True, False):
        panels = [charts.Matrix("W", np.ones((1, *shape))) for shape in shapes]
        chart = charts.matrices(panels, equal=equal, across=2)
        cells, frames = chart.data["cells"], chart.data["panels"]
        wide, high = (cells["right"] - cells["left"]), (cells["bottom"] - cells["top"])
        assert np.allclose(wide, 1) == np.allclose(high, 1) == equal
        sides = frames[["right", "bottom"]].to_numpy() - frames[["left", "top"]].to_numpy()
        assert sides == pytest.approx(np.array([(c, r) for r, c in shapes]) if equal else np.ones((3, 2)))
        room = chart.data["meta"].iloc[0]
        assert (room["wide"], room["high"]) == ((7, 4 + 3) if equal else (2, 2))
        assert frames["top"].tolist() == ([0, 0, 4] if equal else [0, 0, 1])


def test_no_two_cells_overlap_and_a_gap_is_left_where_one_says():
    chart = charts.matrices([charts.Matrix("W", np.ones((1, 2, 4)), gap_before=3)], equal=True)
    cells = chart.data["cells"]
    assert cells["left"].tolist() == [0, 1, 2, 3.4] * 2
    assert chart.data["panels"]["right"].item() == pytest.approx(4.4)


def test_a_cell_goes_with_the_features_of_its_row_and_its_column():
    kin = {"row_kin": [",0,", ",1,"], "column_kin": [",5,", ",6,", ",7,"]}
    cells = charts.matrices([charts.Matrix("W", np.ones((1, 2, 3)), **kin)]).data["cells"]
    assert cells["kin"].tolist() == [",0,5,", ",0,6,", ",0,7,", ",1,5,", ",1,6,", ",1,7,"]
    rows = charts.matrices([charts.Matrix("W", np.ones((1, 2, 3)), row_kin=kin["row_kin"])]).data["cells"]
    assert rows["kin"].tolist() == [",0,"] * 3 + [",1,"] * 3


def test_a_click_on_a_panel_picks_what_it_is_about():
    panels = [charts.Matrix(f"{d}", np.ones((1, 2, 2)), about={"density": d}) for d in (0.1, 1.0)]
    chart = charts.matrices(panels, pick=("density",))
    assert chart.data["cells"]["density"].tolist() == [0.1] * 4 + [1.0] * 4
    assert '"fields": ["density", "time"]' in json.dumps(chart.spec)
    assert '"pick"' not in json.dumps(charts.matrices(panels).spec)


# bars


def test_bars_hold_each_vector_and_its_shades_at_every_frame():
    history, shade = RNG.normal(size=(5, 6)), RNG.uniform(size=(5, 6))
    chart = charts.bars([charts.Bars("a", history, shade), charts.Bars("b", np.ones((1, 2)))], shade_title="shared")
    for frame in range(5):
        drawn = values(chart, "bars", frame)
        assert drawn == pytest.approx(np.r_[history[frame], 1, 1], abs=np.abs(drawn).max() / LARGEST)
        assert chart.data["bars"][f"s{frame}"][:6].to_numpy() / 100 == pytest.approx(shade[frame], abs=0.005)
    assert chart.data["bars"]["shaded"].tolist() == [True] * 6 + [False] * 2


def test_one_axis_holds_0_every_bar_of_the_history_and_every_target():
    panels = [charts.Bars("a", RNG.normal(size=(5, 6)) + 3), charts.Bars("b", np.array([[-1.0, 2.0]]))]
    chart = charts.bars([*panels, charts.Bars("c", np.zeros((1, 2)), targets=np.array([np.nan, 20.0]))])
    low, high = chart.data["meta"][["low", "high"]].iloc[0]
    assert low < -1
    assert high > 20
    scales = charts.bars(panels).data["scales"]
    for frame in range(5):
        assert scales["high"][frame] > max(panels[0].history[frame].max(), 2)
    given = charts.bars(panels, low=0, high=4).data["meta"].iloc[0]
    assert (given["low"], given["high"]) == (0, 4)
    assert charts.bars([charts.Bars("a", np.zeros((1, 3)))]).data["meta"]["high"].item() > 0


def test_a_line_stands_after_so_many_bars_and_names_stand_below_the_middle_of_theirs():
    chart = charts.bars([charts.Bars("a", np.ones((1, 4)), names="wxyz"), charts.Bars("b", np.ones((1, 8)))], after=2)
    assert chart.data["panels"]["after"].tolist() == [0.5, 0.25]
    labels = chart.data["labels"]
    assert labels.loc[:3, "text"].tolist() == list("wxyz")
    assert labels.loc[:3, "at"].tolist() == [0.125, 0.375, 0.625, 0.875]


# histograms


def test_a_histogram_holds_the_share_of_values_in_each_bin():
    history = RNG.normal(size=(3, 500))
    chart = charts.histograms([charts.Histogram("n", history)], low=-1, high=1, bins=8)
    for frame in range(3):
        inside, _ = np.histogram(history[frame], np.linspace(-1, 1, 9))
        inside[0] += (history[frame] < -1).sum()
        inside[-1] += (history[frame] > 1).sum()
        assert values(chart, "bars", frame) == pytest.approx(inside / 500, abs=1e-4)
        assert values(chart, "bars", frame).sum() == pytest.approx(1, abs=1e-3)


def test_all_histograms_have_the_same_bins_and_round_numbers_below():
    panels = [charts.Histogram("a", np.array([[0.0, 1.0]])), charts.Histogram("b", np.array([[-3.0, 3.0]]))]
    chart = charts.histograms(panels, bins=6)
    assert chart.data["bars"]["name"].tolist() == [f"{k} to {k + 1}" for k in range(-3, 3)] * 2
    labels = chart.data["labels"]
    assert labels["text"].tolist() == ["−2", "0", "2"] * 2
    assert labels["at"][:3].tolist() == pytest.approx([1 / 6, 1 / 2, 5 / 6])


# lines over a field


def table(*rows):
    return pd.DataFrame(rows, columns=["density", "line", "seed", "value"])


def test_a_line_goes_through_the_means_in_the_order_of_the_axis():
    rows = table((0.1, "a", 0, 1.0), (0.1, "a", 1, 3.0), (1.0, "a", 0, 5.0), (0.01, "b", 0, 7.0))
    for reverse in (False, True):
        chart = charts.lines_over(
            rows, "density", "density", {"a": "ReLU", "b": "linear"}, (0.01, 0.1, 1.0), "Loss", reverse=reverse
        )
        mean = chart.data["mean"]
        first = mean[mean["line"] == "a"]
        assert first["value"].tolist() == ([5, 2] if reverse else [2, 5])
        assert first["place"].tolist() == ([0, 1] if reverse else [1, 2])
        labels = ["0.01", "0.1", "1"]
        assert chart.data["sizes"]["label"].tolist() == (labels[::-1] if reverse else labels)
        assert chart.data["names"]["name"].tolist() == ["ReLU", "linear"]


def test_every_network_is_a_mark_of_its_own_that_picks_field_line_and_seed():
    rows = table((0.1, "a", 0, 1.0), (0.1, "a", 1, 3.0), (0.1, "a", 2, np.nan), (0.5, "a", 0, 9.0))
    chart = charts.lines_over(rows, "density", "density", ["a"], (0.1, 1.0), "Loss", selected=0.1)
    points = chart.data["points"]
    assert points[["density", "line", "seed", "value"]].to_numpy().tolist() == [[0.1, "a", 0, 1], [0.1, "a", 1, 3]]
    assert points["told"].tolist() == ["a, density 0.1, seed 0: 1", "a, density 0.1, seed 1: 3"]
    assert set(points["kin"]) == {"density=0.1"} < set(chart.data["sizes"]["kin"])
    assert '"fields": ["density", "line", "seed", "time"]' in json.dumps(chart.spec)
    assert chart.data["meta"]["selected"].item() == 0


def test_the_axis_of_shares_goes_from_0_to_1_and_others_hold_what_there_is():
    rows = table((0.1, "a", 0, 0.3))

    def ends(**options):
        chart = charts.lines_over(rows, "density", "density", ["a"], (0.1,), "Accuracy", **options)
        return chart.data["meta"][["low", "high"]].iloc[0].tolist()

    assert ends(share=True) == [0, 1]
    assert ends() == pytest.approx([0, 0.3])
    assert ends(high=0.1) == pytest.approx([0, 0.3])
    assert ends(rules={"chance": 2.0}) == [0, 2]
    assert ends(logarithmic_y=True, low=0.01, high=10) == [0.01, 10]


def test_a_linear_axis_holds_its_values_between_round_ends():
    for _ in range(300):
        low = RNG.normal() * 10 ** RNG.uniform(-5, 5)
        high = low + 10 ** RNG.uniform(-3, 5) * abs(low)
        start, end, ticks = linear_range(low, high)
        assert start <= low + 1e-6 * (high - low)
        assert end >= high - 1e-6 * (high - low)
        assert 2 <= len(ticks) <= 8
    with pytest.raises(ValueError, match="low and high are 1 and 1"):
        linear_range(1, 1)


def test_shades_go_up_to_their_end_which_is_written():
    shade = np.array([[0.0, 1.0, 2.0, 3.0]])
    chart = charts.bars([charts.Bars("a", np.ones((1, 4)), shade)], shade_title="superposition", shade_end=2.0)
    assert chart.data["bars"]["s0"].tolist() == [0, 50, 100, 100]
    spec = json.dumps(chart.spec)
    assert "'2+'" in spec
    assert '"calculate": "datum[\'s\' + frame] * 0.02"' in spec
    whole = json.dumps(charts.bars([charts.Bars("a", np.ones((1, 4)), shade / 3)], shade_title="share").spec)
    assert "'1'" in whole
    assert "'2+'" not in whole


def test_a_line_may_be_the_median_of_its_seeds():
    rows = pd.DataFrame({"density": 0.1, "line": "a", "seed": range(3), "value": [1.0, 2.0, 30.0]})
    for median, value in ((True, 2.0), (False, 11.0)):
        chart = charts.lines_over(rows, "density", "density", ["a"], (0.1,), "Loss", median=median)
        assert chart.data["mean"]["value"].tolist() == [value]


def test_a_curve_has_a_short_title_where_it_is_narrow():
    steps = np.array([1, 10])
    title = charts.clock_curve({"": (steps, 1 / steps)}, steps, 10, "Training loss").data["meta"].iloc[0]
    assert (title["title"], title["small"]) == ("Training loss over the training steps", "Training loss")
