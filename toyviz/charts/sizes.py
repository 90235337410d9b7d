"""What a sweep over the size of the training set shows: each T has a column, evenly spaced, and below it its pictures.

The pictures are drawn in the same chart as the curve, in pixels, so that each stands exactly below its T in any room.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from toyviz.charts.chart import BLUE, GREEN, GREY, VERMILLION, Chart, records, stacked, stands_alone
from toyviz.charts.clock import LIVELY, POINTED_AT, SCHEMA, Kind, meta, pointed_in, targets, unseen
from toyviz.charts.geometry import CLASSES, FEATURES, SAMPLES, limit
from toyviz.charts.loss import FLOOR, SETS

DRAWN = 120  # vectors in a small picture, at most
FINE = 127  # of the whole numbers that they are sent as: half a pixel
TOP = 10.0  # of the axis of the loss, unless a loss is higher
NEAR = 2  # columns on each side of the peak that its label may reach over
CLOSE = 1.8  # rules that are closer than this ratio share one label
TEXTS = {"label", "short", "name", "told", "set", "kind", "scale", "kin", "text", "precise", "line"}  # columns of text
ON_COLUMN, ON_POINT = -2, -1  # where a target is that is in neither row of pictures, 0 or 1
AIM = 14  # pixels: how far across a point can be clicked
BELOW = 4  # times a rule over what is closely below it
BORDERED = ("start", "end", "name", "left_width", "left_letters", "right_width", "right_letters")
SET_COLOURS = {"test": GREEN, "train": VERMILLION}
SET_SHAPES = {"test": "circle", "train": "square"}
SET_DASHES: dict[str, list[int]] = {"test": [], "train": [5, 3]}


COLUMNS_AND_HIDDEN = (Kind(FEATURES, BLUE, rays=True), Kind(SAMPLES, VERMILLION))  # the rows of pictures
ALL_THREE = (Kind(FEATURES, BLUE), Kind(SAMPLES, VERMILLION), Kind(CLASSES, GREEN))
SHORT = {FEATURES: "'W1'", SAMPLES: "cell < 28 ? 'hidden' : 'hidden|vectors'", CLASSES: "'W2'"}


class Picture(NamedTuple):
    """What one network looks like: its columns of W1 and its hidden vectors in the plane, and which seed it is.

    rows: those of W2, where they are drawn too. seen: which columns, and which rows, the training has seen.
    """

    columns: np.ndarray  # (k, 2)
    hidden: np.ndarray  # (j, 2)
    seed: int = 0
    rows: np.ndarray | None = None  # (i, 2)
    seen: tuple[np.ndarray, np.ndarray] | None = None  # (k,) and (i,) bool

    @property
    def drawn(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """The vectors of each row of pictures, and which of them the training has seen."""
        rows = np.empty((0, 2)) if self.rows is None else self.rows
        active, named = self.seen or (np.ones(len(self.columns), bool), np.ones(len(rows), bool))
        return [(self.columns, active), (self.hidden, np.ones(len(self.hidden), bool)), (rows, named)]


def over_sizes(
    runs: pd.DataFrame,
    baselines: Mapping[str, float],
    regimes: pd.DataFrame,
    sizes: Sequence[int],
    pictures: Mapping[int, Picture] | None = None,
    *,
    peak: tuple[int, float] | None = None,
    selected: int | None = None,
    floor: Mapping[int, float] | None = None,
    top: float = TOP,
    linked: bool = False,
    height: int | None = None,
    kinds: Sequence[Kind] = COLUMNS_AND_HIDDEN,
    what: str = "Loss",
) -> Chart:
    """Train and test loss over T, a column a T, and below each T its network: columns of W1, hidden vectors.

    runs: columns n_samples, seed, train_loss, test_loss. baselines: loss by name, drawn as rules. regimes: columns
    low, high (in T), name; none while the sweep is unfinished. sizes: every T of the sweep, trained or not. pictures:
    by T, each on its own scale; a T without one has an empty frame. peak: the T of the highest mean test loss, and that
    loss. floor: T -> the least train loss there can be. top: the upper end of the axis, which no result moves unless it
    is higher. linked: whether the page has a clock, so that pointing at a T marks it in every chart. height: in pixels,
    where no stage gives it its room. kinds: the rows of pictures, from the top, with rays or as dots; of dots those
    that the training has not seen are grey crosses. what: what the loss is called. Clicking a point picks its n_samples
    and seed, clicking elsewhere in a column its n_samples alone.
    """
    sizes = sorted({*sizes})
    place = {T: k for k, T in enumerate(sizes)}
    runs = runs[runs["n_samples"].isin(place)]
    pictures = {T: picture for T, picture in (pictures or {}).items() if T in place}
    points = _points(runs, place)
    mean = _means(points)
    highest = float(points["shown"].max()) if len(points) else 0.0
    bordered = _bordered(regimes, sizes)
    data = {
        "meta": meta(
            title=f"{what} over the number of training samples T",
            small=f"{what} over T",
            count=max(len(sizes), 1),
            selected=place.get(selected, -99) if selected is not None else -99,
            low=FLOOR,
            top=max(top, 1.4 * highest),
            longest=max((len(short(T)) for T in sizes), default=1),
        ),
        "sizes": filled(labelled(sizes, pictures)),
        "points": filled(points),
        "mean": filled(mean),
        "baselines": filled(_free(close_rules(baselines), points, len(sizes))),
        "regimes": filled(bordered),
        "floor": filled(_floor(floor or {}, place)),
        "peak": filled(_peak(peak, place, points, bordered)),
        "vectors": filled(_small(pictures, place, kinds)),
        "targets": filled(_targets(points, pictures, sizes, [kind.name for kind in kinds])),
    }
    return stands_alone(Chart(_over_sizes(tuple(kinds), linked), data, _said(mean, peak, what)), height)


def short(T: float) -> str:
    """A size as its column is labelled: "350", "2k", "1234", "0.01"."""
    return f"{T / 1000:g}k" if T >= 1000 and T % 100 == 0 else f"{T:.5g}"


def borders(T: np.ndarray, sizes: Sequence[int]) -> np.ndarray:
    """Where values of T lie among evenly spaced columns, logarithmic between two; at an end: the end of the axis."""
    at = np.interp(np.log(np.maximum(T, 1e-9)), np.log(sizes), np.arange(len(sizes)))
    return np.where(sizes[0] >= T, -0.5, np.where(sizes[-1] <= T, len(sizes) - 0.5, at))


def filled(frame: pd.DataFrame) -> pd.DataFrame:
    """The same, with one row of nothing where it has none: a data set without rows would have the chart built anew."""
    return frame if len(frame) else pd.DataFrame({name: ["" if name in TEXTS else np.nan] for name in frame.columns})


def labelled(sizes: Sequence[int], trained: Collection[int] = ()) -> pd.DataFrame:
    """The columns: each with its place, its label, what pointing at it tells other charts, and whether it is there."""
    rows = [{"place": k, "label": short(T), "kin": kin_of(T), "trained": T in trained} for k, T in enumerate(sizes)]
    return records(rows, "place", "label", "kin", "trained")


def kin_of(T: int) -> str:
    """What the pointer is on where it is on this size: "T=500"."""
    return f"T={T}"


def _points(runs: pd.DataFrame, place: Mapping[int, int]) -> pd.DataFrame:
    """One row for each network and set; "shown" is the loss, but not below FLOOR."""
    parts = []
    for name in SETS:
        loss = runs[f"{name}_loss"].to_numpy(float)
        there = np.isfinite(loss)
        size, seed, loss = runs["n_samples"].to_numpy(int)[there], runs["seed"].to_numpy(int)[there], loss[there]
        at = np.array([place[T] for T in size], dtype=int)
        shown = np.maximum(loss, FLOOR)
        parts.append({"place": at, "n_samples": size, "seed": seed, "set": name, "loss": loss, "shown": shown})
    return stacked(parts, "place", "n_samples", "seed", "set", "loss", "shown")


def _means(points: pd.DataFrame) -> pd.DataFrame:
    """The mean, the lowest and the highest seed at each size and set."""
    by = points.groupby(["set", "place", "n_samples"], as_index=False)
    mean = by.agg(loss=("loss", "mean"), low=("shown", "min"), high=("shown", "max"))
    return mean.assign(shown=mean["loss"].clip(lower=FLOOR))


def close_rules(baselines: Mapping[str, float]) -> pd.DataFrame:
    """The baselines; those so close that their names would print over each other share one label."""
    rows: list[dict[str, Any]] = []
    for name, loss in sorted(baselines.items(), key=lambda each: -each[1]):
        if rows and rows[-1]["loss"] < CLOSE * loss:
            label, rows[-1]["label"] = f"{rows[-1]['label']} · {name}", ""
        else:
            label = name
        rows.append({"loss": loss, "label": label})
    found = records(rows, "loss", "label")
    return found.assign(under=found["loss"])


def _free(rules: pd.DataFrame, points: pd.DataFrame, count: int) -> pd.DataFrame:
    """The same, each name under what is drawn closely below its rule in the columns that it stands over."""
    first = points.loc[points["place"] + 1 <= count / 4, "shown"]
    under = [min([loss, *first[(first < loss) & (first > loss / BELOW)]]) for loss in rules["loss"]]
    return rules.assign(under=under)


def _bordered(regimes: pd.DataFrame, sizes: Sequence[int]) -> pd.DataFrame:
    """Regimes with the places where they begin and end, and how wide and how long in letters their neighbours are."""
    if regimes.empty or not sizes:
        return records([], *BORDERED)
    low, high = (borders(regimes[end].to_numpy(float), sizes) for end in ("low", "high"))
    found = pd.DataFrame({"start": low, "end": high, "name": regimes["name"].to_numpy()})
    width, letters = found["end"] - found["start"], found["name"].str.len()
    for side, by in (("left", 1), ("right", -1)):
        found[f"{side}_width"], found[f"{side}_letters"] = (
            width.shift(by, fill_value=0),
            letters.shift(by, fill_value=0),
        )
    return found


def _floor(floor: Mapping[int, float], place: Mapping[int, int]) -> pd.DataFrame:
    """The floor at each T, not drawn below FLOOR; "last" is where it carries its name."""
    there = sorted(T for T in floor if T in place)
    rows = [{"place": place[T], "shown": max(floor[T], FLOOR), "last": there[-1] == T} for T in there]
    return records(rows, "place", "shown", "last")


def _peak(
    peak: tuple[int, float] | None, place: Mapping[int, int], points: pd.DataFrame, regimes: pd.DataFrame
) -> pd.DataFrame:
    """The peak, what its label must stand above, and between which two borders."""
    columns = ("place", "above", "left", "right", "label")
    if peak is None or peak[0] not in place:
        return records([], *columns)
    at = place[peak[0]]
    above = float(points.loc[(points["place"] - at).abs() <= NEAR, "shown"].max()) if len(points) else peak[1]
    edges = [-0.5, len(place) - 0.5, *regimes["start"].dropna()]
    left, right = max(edge for edge in edges if edge <= at), min(edge for edge in edges if edge > at)
    row = {"place": at, "above": max(above, peak[1]), "left": left, "right": right, "label": f"peak {peak[1]:.3g}"}
    return records([row], *columns)


def _small(pictures: Mapping[int, Picture], place: Mapping[int, int], kinds: Sequence[Kind]) -> pd.DataFrame:
    """The vectors of all pictures, each on its own scale from -FINE to FINE: those with rays as one path, or dots."""
    parts = []
    for T, picture in pictures.items():
        for row, (kind, (vectors, seen)) in enumerate(zip(kinds, picture.drawn, strict=False)):
            if kind.rays:
                chosen = _chosen(np.argsort(-np.hypot(*vectors.T), kind="stable"), longest=True)
                drawn = np.zeros((2 * len(chosen) + 1, 2))
                drawn[1::2] = vectors[chosen] / limit(vectors)
                known = np.ones(len(drawn), bool)
            else:
                chosen = seen_and_not(seen, DRAWN)
                drawn, known = vectors[chosen] / limit(vectors), seen[chosen]
            at = {"place": place[T], "row": row, "order": np.arange(len(drawn)), "seen": known}
            parts.append(at | {"u": np.rint(FINE * drawn[:, 0]), "v": np.rint(FINE * drawn[:, 1])})
    small = {"place": np.int16, "row": np.int8, "order": np.int16, "seen": bool, "u": np.int8, "v": np.int8}
    return stacked(parts, *small).astype(small)


def seen_and_not(seen: np.ndarray, most: int) -> np.ndarray:
    """Which of these vectors are drawn, at most so many, evenly spaced by number: of each sort its share.

    The few that the training has seen would be lost among all others: they have up to a half. seen: (k,) bool.
    """
    known, unknown = np.flatnonzero(seen), np.flatnonzero(~seen)
    most = min(most, len(seen))
    of_known = max(round(most * len(known) / max(len(seen), 1)), min(len(known), most // 2), most - len(unknown))
    parts = ((known, of_known), (unknown, most - of_known))
    drawn: np.ndarray = np.sort(np.concatenate([p[np.linspace(0, len(p) - 1, k).astype(int)] for p, k in parts if k]
                                               or [known]))  # fmt: skip
    return drawn


def _chosen(order: np.ndarray, longest: bool = False) -> np.ndarray:
    """DRAWN of them: the first, or evenly spaced."""
    if len(order) <= DRAWN:
        return order
    return order[:DRAWN] if longest else order[np.linspace(0, len(order) - 1, DRAWN).astype(int)]


def _targets(
    points: pd.DataFrame, pictures: Mapping[int, Picture], sizes: Sequence[int], names: Sequence[str]
) -> pd.DataFrame:
    """What can be pointed at and clicked, the topmost last: every column, its pictures, every point.

    A point alone has a seed: what is clicked elsewhere picks the size, and leaves the seed as it is.
    """
    rows: list[dict[str, Any]] = []
    for k, T in enumerate(sizes):
        at = {"place": k, "n_samples": T, "seed": None, "shown": 1.0}
        rows.append({**at, "row": ON_COLUMN, "told": f"T = {T:,}"})
        for row, what in enumerate(names):
            there = f", seed {pictures[T].seed}: {what}" if T in pictures else ": not trained yet"
            rows.append({**at, "row": row, "told": f"T = {T:,}{there}"})
    for at, T, seed, name, loss, shown in points[["place", "n_samples", "seed", "set", "loss", "shown"]].itertuples(
        index=False
    ):
        told = f"T = {T:,}, seed {seed}: {name} loss {loss:.4g}"
        rows.append({"place": at, "n_samples": T, "seed": seed, "shown": shown, "row": ON_POINT, "told": told})
    found = records(rows, "place", "n_samples", "seed", "shown", "row", "told").astype(
        {"shown": float, "seed": "Int64"}
    )
    return found.assign(kin=[kin_of(T) for T in found["n_samples"]])


def _said(mean: pd.DataFrame, peak: tuple[int, float] | None, what: str) -> str:
    test = mean[mean["set"] == "test"]
    if not len(test):
        return f"Train and test {what.lower()} over the size of the training set; nothing is trained yet."
    first, last = test.iloc[0], test.iloc[-1]
    rises = f" rises to a peak of {peak[1]:.3g} at T = {peak[0]:,}, and" if peak else ""
    return (
        f"Mean test {what.lower()} over the size of the training set: it is {first['loss']:.3g} at "
        f"T = {first['n_samples']:,},"
        f"{rises} is {last['loss']:.3g} at T = {last['n_samples']:,}."
    )


# Pixels. A cell is as wide as its column, but both rows of cells take no more than a share of the height.
ROOM = 0.19  # of the height, at most, for each row of pictures, labels included
LABELS = 20  # height of the row of labels
HEAD = 15  # above the axis, for the name of the peak
COLUMNS: list[dict[str, Any]] = [
    {"name": "count", "expr": "data('meta')[0].count"},
    {"name": "column", "expr": "width / count"},
    # Where not every label has room, every second has, or every third, ...; that of the selected T always.
    {"name": "every", "expr": "ceil((6.4 * data('meta')[0].longest + 7) / column)"},
]
CENTRE = "(datum.place + 0.5) * column"
LABELLED = (
    "datum.place == data('meta')[0].selected || "
    "(datum.place % every == 0 && abs(datum.place - data('meta')[0].selected) >= every)"
)


def x_of_places(field: str = "place") -> dict[str, Any]:
    """The axis that all charts over T share: evenly spaced columns."""
    scale = {"domain": {"expr": "[-0.5, data('meta')[0].count - 0.5]"}, "nice": False, "zero": False}
    return {"field": field, "type": "quantitative", "title": None, "axis": None, "scale": scale}


def selected_column(height: str = "height") -> dict[str, Any]:
    """A broad, quiet stripe through the T that is looked into."""
    at = {"expr": "(data('meta')[0].selected + 0.5) * column"}
    width = {"expr": "min(column, 120)"}
    mark = {"type": "rect", "color": GREY, "opacity": 0.17, "cornerRadius": 6, "tooltip": None, "width": width}
    mark["height"] = {"expr": height}
    return {
        "data": {"name": "meta"},
        "transform": [{"filter": "datum.selected >= 0"}],  # far outside it would take its room from the plot
        "mark": mark,
        "encoding": {"x": {"value": at}, "y": {"value": {"expr": f"({height}) / 2"}}},
    }


def pointed_column(height: str = "height") -> dict[str, Any]:
    """A fainter stripe through the T that the pointer is on, in whichever chart."""
    mark = {"type": "rect", "color": GREY, "opacity": 0.13, "cornerRadius": 6, "tooltip": None}
    return {
        "data": {"name": "sizes"},
        "transform": [{"filter": POINTED_AT}],
        "mark": {**mark, "width": {"expr": "min(column, 120)"}, "height": {"expr": height}},
        "encoding": {"x": {"value": {"expr": CENTRE}}, "y": {"value": {"expr": f"({height}) / 2"}}},
    }


def size_labels(y: str) -> dict[str, Any]:
    """The label of each column. y: an expression in pixels."""
    mark = {"type": "text", "color": GREY, "fontSize": 11, "baseline": "middle", "tooltip": None}
    mark["fontWeight"] = {"expr": "datum.place == data('meta')[0].selected ? 'bold' : 'normal'"}
    return {
        "data": {"name": "sizes"},
        "mark": mark,
        "encoding": {
            "x": {"value": {"expr": CENTRE}},
            "y": {"value": {"expr": y}},
            "text": {"field": "label", "type": "nominal"},
            "opacity": {"condition": {"test": LABELLED, "value": 1}, "value": 0},
        },
    }


def baseline_rules(y: dict[str, Any]) -> list[dict[str, Any]]:
    """Dotted rules at the baselines, named at their left ends, below, where no line of a sweep runs."""
    return [
        {
            "data": {"name": "baselines"},
            "mark": {"type": "rule", "color": GREY, "tooltip": None, "strokeDash": [2, 3]},
            "encoding": {"y": {**y, "field": "loss"}},
        },
        {
            "data": {"name": "baselines"},
            "mark": {
                "type": "text",
                "color": GREY,
                "tooltip": None,
                "fontSize": 10,
                "align": "left",
                "dy": {"expr": "curve - scale('y', datum.under) < 18 ? -8 : 10"},  # above, where there is no room below
                "limit": {"expr": "width / 3"},
            },
            "encoding": {
                "x": {"value": 3},
                "y": {**y, "field": "under"},
                "text": {"field": "label", "type": "nominal"},
            },
        },
    ]


@cache
def _over_sizes(kinds: tuple[Kind, ...], linked: bool) -> dict[str, Any]:
    x, rows = x_of_places(), len(kinds)
    y = {
        "field": "shown",
        "type": "quantitative",
        "title": None,
        "scale": {
            "type": "log",
            "nice": False,
            "domain": {"expr": "[data('meta')[0].low, data('meta')[0].top]"},
            "range": [{"expr": "curve"}, HEAD],
        },
        "axis": {
            "labelExpr": f"datum.value <= {FLOOR} ? '≤ ' + {FLOOR} : format(datum.value, '~r')",
            "values": [10.0**k for k in range(-3, 7)],
            "gridOpacity": 0.5,
            "domain": False,
            "ticks": False,
            "labelFontSize": 11,
            "labelOverlap": True,
            "minExtent": 44,
            "maxExtent": 44,
        },
    }
    params = [
        *pointed_in(linked),
        *COLUMNS,
        {"name": "cell", "expr": f"max(2, min(column - 3, ({ROOM * rows:g} * height - {LABELS}) / {rows} - 3))"},
        {"name": "curve", "expr": f"height - {LABELS} - {rows} * (cell + 3)"},
    ]
    color = _by_set(SET_COLOURS)
    shape, dash = _by_set(SET_SHAPES), _by_set({name: dashes or [1, 0] for name, dashes in SET_DASHES.items()})
    middle = f"curve + {LABELS} + (datum.row + 0.5) * (cell + 3)"
    drawn = {
        "x": {"value": {"expr": f"{CENTRE} + datum.u / {FINE} * cell / 2"}},
        "y": {"value": {"expr": f"{middle} - datum.v / {FINE} * cell / 2"}},
    }
    low, top = "data('meta')[0].low", "data('meta')[0].top"
    # Where a loss lies, in pixels.
    log = f"{HEAD} + (curve - {HEAD}) * log({top} / max({{0}}, {low})) / log({top} / {low})"
    quiet = {"color": GREY, "tooltip": None}
    half = "(3.4 * length(datum.label) + 5)"  # of the label of the peak, in pixels
    peak_left, peak_right = f"(datum.left + 0.5) * column + {half}", f"(datum.right + 0.5) * column - {half}"
    on_column, on_point = f"datum.row == {ON_COLUMN}", f"datum.row == {ON_POINT}"
    layers = [
        selected_column(),
        pointed_column(),
        {
            "data": {"name": "floor"},
            "mark": {"type": "line", "color": VERMILLION, "strokeWidth": 8, "opacity": 0.25, "tooltip": None},
            "encoding": {"x": x, "y": y},
        },
        {
            "data": {"name": "floor"},
            "transform": [{"filter": "datum.last"}],
            "mark": {
                "type": "text",
                "color": VERMILLION,
                "align": {"expr": "datum.place > count / 2 ? 'right' : 'left'"},
                "dx": {"expr": "datum.place > count / 2 ? 0 : 7"},
                "dy": {"expr": "datum.place > count / 2 ? 14 : 0"},
                "baseline": "middle",
                "fontSize": 10,
                "tooltip": None,
                "text": {"expr": "width < 420 ? 'rank floor' : 'rank floor of the train loss'"},
            },
            "encoding": {"x": x, "y": y},
        },
        {
            "data": {"name": "regimes"},
            "transform": [{"filter": "datum.start > -0.5"}],
            "mark": {"type": "rule", **quiet, "opacity": 0.6},
            "encoding": {
                "x": x_of_places("start"),
                "y": {"value": 0},
                "y2": {"value": {"expr": "curve"}},
            },
        },
        {
            "data": {"name": "regimes"},
            "transform": _fitted_names(),
            "mark": {
                "type": "text",
                **quiet,
                "baseline": "middle",
                "fontSize": {"expr": "datum.font"},
                "limit": {"expr": "datum.room"},
            },
            "encoding": {
                "x": {"value": {"expr": "datum.at"}},
                "y": {"value": -9},
                "text": {"field": "name", "type": "nominal"},
            },
        },
        *baseline_rules(y),
        {
            "data": {"name": "mean"},
            "mark": {"type": "area", "opacity": 0.12, "tooltip": None},
            "encoding": {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}, "color": color},
        },
        {
            "data": {"name": "points"},
            "mark": {"type": "line", "opacity": 0.3, "strokeWidth": 1, "tooltip": None},
            "encoding": {
                "x": x,
                "y": y,
                "color": color,
                "strokeDash": dash,
                "detail": {"field": "seed", "type": "nominal"},
            },
        },
        {
            "data": {"name": "mean"},
            "mark": {"type": "line", "strokeWidth": 2.5, "tooltip": None},
            "encoding": {"x": x, "y": y, "color": color, "strokeDash": dash},
        },
        {
            "data": {"name": "points"},
            "mark": {"type": "point", "filled": True, "opacity": 0.85, "tooltip": None},
            "encoding": {
                "x": x,
                "y": y,
                "color": color,
                "shape": shape,
                "size": {"value": {"expr": "clamp(column, 14, 40)"}},
            },
        },
        {
            "data": {"name": "peak"},
            "mark": {
                "type": "text",
                "color": GREEN,
                "fontSize": 12,
                "fontWeight": "bold",
                "tooltip": None,
                "align": "center",
                "baseline": "middle",
            },
            "encoding": {
                "x": {"value": {"expr": f"clamp({CENTRE}, {peak_left}, {peak_right})"}},
                "y": {"value": {"expr": f"max(6, {log.format('datum.above')} - 12)"}},
                "text": {"field": "label", "type": "nominal"},
            },
        },
        {
            "data": {"name": "meta"},
            "mark": {"type": "rule", "color": GREY, "opacity": 0.6},
            "encoding": {"y": {"value": {"expr": "curve"}}},
        },
        size_labels(f"curve + {LABELS} / 2"),
        *(
            {
                "data": {"name": "sizes"},
                "mark": {
                    "type": "rect",
                    "filled": False,
                    "color": GREY,
                    "cornerRadius": 3,
                    "strokeWidth": 1,
                    "strokeDash": {"expr": "datum.trained ? [1, 0] : [2, 3]"},
                    "tooltip": None,
                    "width": {"expr": "cell"},
                    "height": {"expr": "cell"},
                },
                "encoding": {
                    "x": {"value": {"expr": CENTRE}},
                    "y": {"value": {"expr": middle.replace("datum.row", str(row))}},
                    "opacity": {"value": 0.4},
                },
            }
            for row in range(rows)
        ),
        *(_small_vectors(row, kind, drawn) for row, kind in enumerate(kinds)),
        *(
            {
                "data": {"name": "meta"},
                "mark": {
                    "type": "text",
                    "color": colour,
                    "fontSize": 10,
                    "align": "right",
                    "baseline": "middle",
                    "tooltip": None,
                    "lineBreak": "|",
                },
                "encoding": {
                    "x": {"value": -4},
                    "y": {
                        "value": {
                            "expr": middle.replace("datum.row", str(row))
                            + (" + (cell < 28 ? 2 : -6)" if row == 1 else " - (cell < 28 ? 3 : 0)" if not row else "")
                        }
                    },
                    "text": {"value": {"expr": name}},
                },
            }
            for row, (name, colour) in enumerate((SHORT[kind.name], kind.colour) for kind in kinds)
        ),
        *_set_names(),
        {
            "data": {"name": "targets"},
            **targets("n_samples", "seed", linked=linked, nearest=False),
            "mark": {
                "type": "rect",
                "opacity": 0,
                "width": {"expr": f"{on_column} ? column : {on_point} ? min(column, {AIM}) : cell"},
                "height": {"expr": f"{on_column} ? height : {on_point} ? {AIM} : cell"},
            },
            "encoding": {
                "x": {"value": {"expr": CENTRE}},
                "y": {
                    "value": {"expr": f"{on_column} ? height / 2 : {on_point} ? {log.format('datum.shown')} : {middle}"}
                },
                "tooltip": {"field": "told", "type": "nominal"},
            },
        },
    ]
    title = {"expr": "width < 400 ? data('meta')[0].small : data('meta')[0].title"}
    return {
        "$schema": SCHEMA,
        "title": {"text": title, "anchor": "start", "frame": "group", "fontSize": 13, "offset": -11},
        "params": params,
        "layer": [*unseen("meta"), *layers],
        **LIVELY,
    }


def _small_vectors(row: int, kind: Kind, drawn: dict[str, Any]) -> dict[str, Any]:
    """One row of pictures: the path of the rays, or dots and grey crosses."""
    of_row: dict[str, Any] = {"data": {"name": "vectors"}, "transform": [{"filter": f"datum.row == {row}"}]}
    if kind.rays:
        width = {"expr": "clamp(cell / 60, 0.5, 1)"}
        mark = {"type": "line", "color": kind.colour, "strokeWidth": width, "strokeJoin": "round", "opacity": 0.7}
        detail = {"field": "place", "type": "nominal"}
        order = {"field": "order", "type": "quantitative"}
        return {**of_row, "mark": {**mark, "tooltip": None}, "encoding": {**drawn, "detail": detail, "order": order}}
    return {
        **of_row,
        "mark": {"type": "point", "filled": True, "opacity": 0.8, "tooltip": None},
        "encoding": {
            **drawn,
            "color": {"condition": {"test": "datum.seen", "value": kind.colour}, "value": GREY},
            "shape": {"condition": {"test": "datum.seen", "value": "circle"}, "value": "cross"},
            "size": {"value": {"expr": "clamp(cell / 5, 3, 14)"}},
        },
    }


def _fitted_names() -> list[dict[str, Any]]:
    """Where the name of each regime stands, how large, and where it is cut.

    A name that is wider than its regime reaches into the room that its neighbours' names leave, and gets smaller.
    """
    letter = 5.4  # pixels
    spare = f"max(0, (datum.{{0}}_width * column - {letter} * datum.{{0}}_letters) / 2 - 6)"
    return [
        {"calculate": f"{letter} * length(datum.name)", "as": "wanted"},
        {"calculate": f"(datum.start + 0.5) * column - {spare.format('left')}", "as": "from"},
        {"calculate": f"(datum.end + 0.5) * column + {spare.format('right')}", "as": "to"},
        {"calculate": "datum.to - datum.from", "as": "room"},
        {"calculate": "clamp(11 * datum.room / datum.wanted, 9, 11)", "as": "font"},
        {"calculate": "min(datum.wanted * datum.font / 11, datum.room) / 2", "as": "half"},
        {
            "calculate": "clamp((datum.start + datum.end + 1) / 2 * column, datum.from + datum.half, "
            "datum.to - datum.half)",
            "as": "at",
        },
    ]


def _by_set(values: Mapping[str, Any]) -> dict[str, Any]:
    scale = {"domain": list(values), "range": list(values.values())}
    return {"field": "set", "type": "nominal", "scale": scale, "legend": None}


def _set_names() -> list[dict[str, Any]]:
    """The names of both lines with a piece of each, at the right of the title, where nothing can print over them."""
    layers: list[dict[str, Any]] = []
    for name, left in (("test", 112), ("train", 54)):
        at = {"y": {"value": -29}, "x": {"value": {"expr": f"width - {left}"}}}
        rule = {"type": "rule", "color": SET_COLOURS[name], "strokeWidth": 2, "strokeDash": SET_DASHES[name]}
        ends = {**at, "x2": {"value": {"expr": f"width - {left - 18}"}}}
        point = {"type": "point", "filled": True, "color": SET_COLOURS[name], "shape": SET_SHAPES[name], "opacity": 1}
        middle = {**at, "x": {"value": {"expr": f"width - {left - 9}"}}}
        text = {"type": "text", "color": SET_COLOURS[name], "align": "left", "fontSize": 12, "fontWeight": "bold"}
        after = {**at, "x": {"value": {"expr": f"width - {left - 23}"}}, "text": {"value": name}}
        for mark, encoding in ((rule, ends), ({**point, "size": 42}, middle), ({**text, "baseline": "middle"}, after)):
            layers.append({"data": {"name": "meta"}, "mark": {**mark, "tooltip": None}, "encoding": encoding})
    return layers
