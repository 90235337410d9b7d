"""What a sweep over the size of the training set shows: each T has a column, evenly spaced, and below it its pictures.

The pictures are drawn in the same chart as the curve, in pixels, so that each stands exactly below its T in any room.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from toyviz.charts.chart import BLUE, GREEN, GREY, VERMILLION, Chart, filled, records, stacked
from toyviz.charts.clock import kin_of, pointed_in, targets
from toyviz.charts.columns import (
    CENTRE,
    COLUMNS,
    LABELS,
    baseline_rules,
    close_rules,
    columns_of,
    labelled,
    pointed_column,
    selected_column,
    size_labels,
    x_of_places,
)
from toyviz.charts.geometry import CLASSES, FEATURES, SAMPLES, limit
from toyviz.charts.layers import (
    META,
    Kind,
    between,
    by,
    calculated,
    computed,
    grey,
    heading,
    layer,
    mark,
    meta,
    nominal,
    quantity,
    specification,
)
from toyviz.charts.loss import FLOOR, SETS, best_of, means_of, points_of

DRAWN = 120  # vectors in a small picture, at most
FINE = 127  # of the whole numbers that they are sent as: half a pixel
TOP = 10.0  # of the axis of the loss, unless a loss is higher
NEAR = 2  # columns on each side of the peak that its label may reach over
ON_COLUMN, ON_POINT = -2, -1  # where a target is that is in neither row of pictures, 0 or 1
AIM = 14  # pixels: how far across a point can be clicked
BELOW = 2.5  # times a rule over what is closely below it
LEAST_CELL = 28  # pixels: where columns are narrower, not every one has its pictures
POINT_COLUMNS = ["place", "n_samples", "seed", "set", "loss", "shown"]
BORDERED = ("start", "end", "name", "left_width", "left_letters", "right_width", "right_letters")
OF_SEEDS = ("mean of the seeds", "best of the seeds by train loss")  # what the line is, by whether it is the best
SET_COLOURS, SET_SHAPES, SET_DASHES = (GREEN, VERMILLION), ("circle", "square"), ([1, 0], [5, 3])

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
    linked: bool = False,
    kinds: Sequence[Kind] = COLUMNS_AND_HIDDEN,
    what: str = "Loss",
    best: bool = False,
) -> Chart:
    """Train and test loss over T, a column a T, and below each T its network: columns of W1, hidden vectors.

    runs: columns n_samples, seed, train_loss, test_loss. baselines: loss by name, drawn as rules. regimes: columns low,
    high (in T), name; none while the sweep is unfinished. sizes: every T of the sweep, trained or not. pictures: by T,
    each on its own scale; a T without one has an empty frame. peak: the T of the highest mean test loss, and that loss.
    floor: T -> the least train loss there can be. linked: whether the page has a clock, so that pointing at a T marks
    it in every chart. kinds: the rows of pictures, from the top, with rays or as dots; of dots those that the training
    has not seen are grey crosses. what: what the loss is called. best: whether the line is that of the seed with the
    lowest train loss at each T, for both losses, and not the mean of the seeds. A click on a point picks its n_samples
    and seed, elsewhere in a column its n_samples alone.
    """
    sizes = sorted({*sizes})
    place = dict(zip(sizes, range(len(sizes)), strict=True))
    pictures = {T: picture for T, picture in (pictures or {}).items() if T in place}
    points = _placed(points_of(runs), place)
    mean = _placed((best_of if best else means_of)(points), place)
    data = {
        "meta": meta(
            title=f"{what} over T, {OF_SEEDS[best]}",
            small=f"{what} over T, {OF_SEEDS[best].split()[0]}",
            low=FLOOR,
            top=max([TOP, *(1.4 * points["shown"])]),
            **columns_of(sizes, selected),
        ),
        "sizes": filled(labelled("n_samples", sizes).assign(trained=[T in pictures for T in sizes])),
        "points": filled(points),
        "mean": filled(mean),
        "baselines": filled(_free(close_rules(baselines), points, len(sizes))),
        "regimes": filled(bordered := _bordered(regimes, sizes)),
        "floor": filled(_floor(floor or {}, place)),
        "peak": filled(_peak(peak, place, points, bordered)),
        "vectors": filled(_small(pictures, place, kinds)),
        "targets": filled(_targets(points, pictures, sizes, [kind.name for kind in kinds])),
    }
    return Chart(_over_sizes(tuple(kinds), linked), data, _said(mean, peak, what, OF_SEEDS[best]))


def borders(T: np.ndarray, sizes: Sequence[int]) -> np.ndarray:
    """Where values of T lie among evenly spaced columns, logarithmic between two; at an end: the end of the axis."""
    at = np.interp(np.log(np.maximum(T, 1e-9)), np.log(sizes), np.arange(len(sizes)))
    return np.where(sizes[0] >= T, -0.5, np.where(sizes[-1] <= T, len(sizes) - 0.5, at))


def _placed(rows: pd.DataFrame, place: Mapping[int, int]) -> pd.DataFrame:
    """The rows of the sweep, each with the place of its column."""
    rows = rows[rows["n_samples"].isin(place)]
    return rows.assign(place=rows["n_samples"].map(place).astype(int))


def _free(rules: pd.DataFrame, points: pd.DataFrame, count: int) -> pd.DataFrame:
    """The same, each name under what is drawn closely below its rule in the columns that it stands over."""
    first = points.loc[points["place"] + 1 <= count / 3, "shown"]  # a name takes a third of the width at most
    under = [min([loss, *first[(first < loss) & (first > loss / BELOW)]]) for loss in rules["loss"]]
    return rules.assign(under=under)


def _bordered(regimes: pd.DataFrame, sizes: Sequence[int]) -> pd.DataFrame:
    """Regimes with the places where they begin and end, and how wide and how long in letters their neighbours are."""
    if regimes.empty or not sizes:
        return records([], *BORDERED)
    low, high = (borders(regimes[end].to_numpy(float), sizes) for end in ("low", "high"))
    found = pd.DataFrame({"start": low, "end": high, "name": regimes["name"].to_numpy()})
    width, letters = found["end"] - found["start"], found["name"].str.len()
    for side, step in (("left", 1), ("right", -1)):
        found[f"{side}_width"] = width.shift(step, fill_value=0)
        found[f"{side}_letters"] = letters.shift(step, fill_value=0)
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
                chosen = np.argsort(-np.hypot(*vectors.T), kind="stable")[:DRAWN]
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
    for at, T, seed, name, loss, shown in points[POINT_COLUMNS].itertuples(index=False):
        told = f"T = {T:,}, seed {seed}: {name} loss {loss:.4g}"
        rows.append({"place": at, "n_samples": T, "seed": seed, "shown": shown, "row": ON_POINT, "told": told})
    found = records(rows, "place", "n_samples", "seed", "shown", "row", "told").astype(
        {"shown": float, "seed": "Int64"}
    )
    return found.assign(kin=[kin_of("n_samples", T) for T in found["n_samples"]])


def _said(mean: pd.DataFrame, peak: tuple[int, float] | None, what: str, of_seeds: str) -> str:
    test = mean[mean["set"] == "test"]
    if not len(test):
        return f"Train and test {what.lower()} over the size of the training set; nothing is trained yet."
    first, last = test.iloc[0], test.iloc[-1]
    rises = f" rises to a peak of {peak[1]:.3g} at T = {peak[0]:,}, and" if peak else ""
    return (
        f"Test {what.lower()} over the size of the training set, {of_seeds}: it is {first['loss']:.3g} at "
        f"T = {first['n_samples']:,},"
        f"{rises} is {last['loss']:.3g} at T = {last['n_samples']:,}."
    )


# Pixels. A cell is as wide as its column, but all rows of cells take no more than a share of the height.
ROOM = 0.19  # of the height, at most, for each row of pictures, labels included
HEAD = 15  # above the axis, for the name of the peak
# Where columns are too narrow every second has pictures, or every third, ..., counted from the last one, where features
# are; that of the selected value always.
PICTURED = (
    f"datum.place == {META}.selected || "
    f"(({META}.count - 1 - datum.place) % stride == 0 && abs(datum.place - {META}.selected) >= stride)"
)
ROW_MIDDLE = f"curve + {LABELS} + ({{}} + 0.5) * (cell + 3)"  # of the pictures of a row
# Where a loss lies.
LOSS_AT = f"{HEAD} + (curve - {HEAD}) * log({META}.top / max({{}}, {META}.low)) / log({META}.top / {META}.low)"


@cache
def _over_sizes(kinds: tuple[Kind, ...], linked: bool) -> dict[str, Any]:
    y, rows = _loss_axis(), len(kinds)
    params = [
        *pointed_in(linked),
        *COLUMNS,
        {"name": "stride", "expr": f"ceil({LEAST_CELL} / column)"},
        {
            "name": "cell",
            "expr": f"max(2, min(stride * column - 3, ({ROOM * rows:g} * height - {LABELS}) / {rows} - 3))",
        },
        {"name": "curve", "expr": f"height - {LABELS} - {rows} * (cell + 3)"},
    ]
    layers = [
        selected_column(),
        pointed_column(),
        *_floor_line(y),
        *_regimes(),
        *baseline_rules(y),
        *_losses(y),
        _peak_name(),
        *size_labels(),
        *(_cells(row) for row in range(rows)),
        *(_small_vectors(row, kind) for row, kind in enumerate(kinds)),
        *(_row_name(row, kind) for row, kind in enumerate(kinds)),
        *_set_names(),
        _target(linked),
    ]
    return specification(layers, heading(-11, narrow=400), params)


def _loss_axis() -> dict[str, Any]:
    axis = {
        "labelExpr": f"datum.value <= {FLOOR} ? '≤ ' + {FLOOR} : format(datum.value, '~r')",
        "values": [10.0**k for k in range(-3, 7)],
        "gridOpacity": 0.5,
        "domain": False,
        "ticks": False,
        "labelFontSize": 11,
        "labelOverlap": True,
        "minExtent": 44,
        "maxExtent": 44,
    }
    scale = between(high=f"{META}.top", type="log", range=[{"expr": "curve"}, HEAD])
    return quantity("shown", title=None, scale=scale, axis=axis)


def _floor_line(y: dict[str, Any]) -> list[dict[str, Any]]:
    """The least train loss there can be, with its name at the largest size."""
    right = "datum.place > count / 2"
    sides = {"align": f"{right} ? 'right' : 'left'", "dx": f"{right} ? 0 : 7", "dy": f"{right} ? 14 : 0"}
    sides["text"] = "width < 420 ? 'rank floor' : 'rank floor of the train loss'"
    name = {"baseline": "middle", "fontSize": 10, **{side: {"expr": value} for side, value in sides.items()}}
    at = {"x": x_of_places(), "y": y}
    return [
        layer("floor", mark("line", color=VERMILLION, strokeWidth=8, opacity=0.25), **at),
        layer("floor", mark("text", color=VERMILLION, **name), "datum.last", **at),
    ]


def _regimes() -> list[dict[str, Any]]:
    """A line at each border between two regimes, and their names above.

    A name that is wider than its regime reaches into the room that its neighbours' names leave, and gets smaller.
    """
    letter = 5.4  # pixels
    spare = f"max(0, (datum.{{0}}_width * column - {letter} * datum.{{0}}_letters) / 2 - 6)"
    fitted = {
        "wanted": f"{letter} * length(datum.name)",
        "from": f"(datum.start + 0.5) * column - {spare.format('left')}",
        "to": f"(datum.end + 0.5) * column + {spare.format('right')}",
        "room": "datum.to - datum.from",
        "font": "clamp(11 * datum.room / datum.wanted, 9, 11)",
        "half": "min(datum.wanted * datum.font / 11, datum.room) / 2",
        "at": "clamp((datum.start + datum.end + 1) / 2 * column, datum.from + datum.half, datum.to - datum.half)",
    }
    name = grey("text", baseline="middle", fontSize={"expr": "datum.font"}, limit={"expr": "datum.room"})
    border = {"x": x_of_places("start"), **computed(y=0, y2="curve")}
    return [
        layer("regimes", grey("rule", opacity=0.6), "datum.start > -0.5", **border),
        layer("regimes", name, *calculated(**fitted), **computed(x="datum.at", y=-9), text=nominal("name")),
    ]


def _losses(y: dict[str, Any]) -> list[dict[str, Any]]:
    """Of each set the range of all seeds, a faint line a seed, their mean, and their points."""
    x, color, dash = x_of_places(), by("set", SETS, SET_COLOURS), by("set", SETS, SET_DASHES)
    spread = {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}}
    size = computed(size="clamp(column, 14, 40)")
    line = {"x": x, "y": y, "color": color, "strokeDash": dash}
    return [
        layer("mean", mark("area", opacity=0.12), **spread, color=color),
        layer("points", mark("line", opacity=0.3, strokeWidth=1), **line, detail=nominal("seed")),
        layer("mean", mark("line", strokeWidth=2.5), **line),
        layer("points", mark("point", filled=True, opacity=0.85), x=x, y=y, color=color,
              shape=by("set", SETS, SET_SHAPES), **size),
    ]  # fmt: skip


def _peak_name() -> dict[str, Any]:
    half = "(3.4 * length(datum.label) + 5)"  # of its width
    left, right = f"(datum.left + 0.5) * column + {half}", f"(datum.right + 0.5) * column - {half}"
    at = computed(x=f"clamp({CENTRE}, {left}, {right})", y=f"max(6, {LOSS_AT.format('datum.above')} - 12)")
    text = mark("text", color=GREEN, fontSize=12, fontWeight="bold", align="center", baseline="middle")
    return layer("peak", text, **at, text=nominal("label"))


def _cells(row: int) -> dict[str, Any]:
    """The outlines of one row of pictures, dashed where there is none yet."""
    sides = {name: {"expr": "cell"} for name in ("width", "height")}
    dashes = {"expr": "datum.trained ? [1, 0] : [2, 3]"}
    outline = grey("rect", filled=False, cornerRadius=3, strokeWidth=1, strokeDash=dashes, **sides)
    return layer("sizes", outline, PICTURED, **computed(x=CENTRE, y=ROW_MIDDLE.format(row), opacity=0.4))


def _small_vectors(row: int, kind: Kind) -> dict[str, Any]:
    """One row of pictures: the path of the rays, or dots and grey crosses."""
    x, y = f"{CENTRE} + datum.u / {FINE} * cell / 2", f"{ROW_MIDDLE.format('datum.row')} - datum.v / {FINE} * cell / 2"
    of_row, at = f"datum.row == {row} && ({PICTURED})", computed(x=x, y=y)
    if kind.rays:
        width = {"expr": "clamp(cell / 60, 0.5, 1)"}
        line = mark("line", color=kind.colour, strokeWidth=width, strokeJoin="round", opacity=0.7)
        return layer("vectors", line, of_row, **at, detail=nominal("place"), order=quantity("order"))
    size = computed(size="clamp(cell / 5, 3, 14)")
    return layer("vectors", mark("point", filled=True, opacity=0.8), of_row, **at, **seen_or_cross(kind), **size)


def seen_or_cross(kind: Kind) -> dict[str, Any]:
    """Colour and shape of vectors of a kind: those that the training has not seen are grey crosses."""
    return {
        "color": {"condition": {"test": "datum.seen", "value": kind.colour}, "value": GREY},
        "shape": {"condition": {"test": "datum.seen", "value": kind.shape}, "value": "cross"},
    }


def _row_name(row: int, kind: Kind) -> dict[str, Any]:
    """What one row of pictures shows, at its left."""
    lifted = (" - (cell < 28 ? 3 : 0)", " + (cell < 28 ? 2 : -6)")[row : row + 1]
    text = mark("text", color=kind.colour, fontSize=10, align="right", baseline="middle", lineBreak="|")
    beside = "-4 - max(0, (cell - column) / 2)"  # the first picture reaches beyond its column
    return layer(
        "meta", text, **computed(x=beside, y="".join([ROW_MIDDLE.format(row), *lifted]), text=SHORT[kind.name])
    )


def _set_names() -> list[dict[str, Any]]:
    """The names of both lines with a piece of each, at the right of the title, where nothing can print over them."""
    layers: list[dict[str, Any]] = []
    for name, left, color, shape, dash in zip(SETS, (112, 54), SET_COLOURS, SET_SHAPES, SET_DASHES, strict=True):
        x, x2, middle, after = (f"width - {left - gap}" for gap in (0, 18, 9, 23))
        text = mark("text", color=color, align="left", fontSize=12, fontWeight="bold", baseline="middle")
        layers += [
            layer("meta", mark("rule", color=color, strokeWidth=2, strokeDash=dash), **computed(x=x, x2=x2, y=-29)),
            layer("meta", mark("point", filled=True, color=color, shape=shape, opacity=1, size=42),
                  **computed(x=middle, y=-29)),
            layer("meta", text, **computed(x=after, y=-29), text={"value": name}),
        ]  # fmt: skip
    return layers


def _target(linked: bool) -> dict[str, Any]:
    """What can be pointed at and clicked: columns, pictures, points."""
    column, point = f"datum.row == {ON_COLUMN}", f"datum.row == {ON_POINT}"
    width = {"expr": f"{column} ? column : {point} ? min(column, {AIM}) : ({PICTURED}) ? cell : 0"}
    height = {"expr": f"{column} ? height : {point} ? {AIM} : ({PICTURED}) ? cell : 0"}
    y = f"{column} ? height / 2 : {point} ? {LOSS_AT.format('datum.shown')} : {ROW_MIDDLE.format('datum.row')}"
    picks = targets("n_samples", "seed", linked=linked, nearest=False)
    area = mark("rect", opacity=0, width=width, height=height)
    return layer("targets", area, picks=picks, **computed(x=CENTRE, y=y), tooltip=nominal("told"))
