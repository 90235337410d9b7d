"""The shapes of networks, drawn: the parts of a transformer that are taken out, and the three fish."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from toyviz.charts.chart import (
    GREEN,
    GREY,
    VERMILLION,
    Chart,
    compiled,
    named,
    selected_rule,
    stretched,
)

BLUE = "#0A84C6"
# Each part of a transformer that is taken out: its colour, what is written beside it, where it stands (pixels from the
# top), and the widths of its layers from input to output.
PARTS = {
    "final layer": (VERMILLION, "logits = W2 W1 x + b", 40, (46, 10, 60)),
    "MLP block": (GREEN, "W2 ReLU(W1 x + b1) + b2", 115, (46, 22, 46)),
    "residual stream": (BLUE, "ReLU(Wᵀ W x + b)", 190, (60, 10, 60)),
}
WIDTH, HEIGHT = 350, 280  # of the picture of the transformer, in pixels


def components() -> Chart:
    """A transformer, and the three parts of it that are trained alone: the residual stream as a bottleneck, an MLP
    block, the final layer. Beside each its formula, and its layers from input (below) to output (above)."""
    frames = [_funnel(widths, 160, place, 44).assign(part=name) for name, (_, _, place, widths) in PARTS.items()]
    boxes = pd.DataFrame(
        [
            ("unembedding", 14, 94, 25, 55, "final layer"),
            ("MLP", 50, 94, 100, 130, "MLP block"),
            ("attention", 50, 94, 160, 190, ""),
            ("embedding", 14, 94, 235, 265, ""),
            ("", 26, 34, 55, 235, "residual stream"),
        ],
        columns=["text", "left", "right", "top", "bottom", "part"],
    )
    places = [(name, formula, place) for name, (_, formula, place, _) in PARTS.items()]
    data = {
        "boxes": boxes,
        "layers": pd.concat(frames, ignore_index=True),
        "names": pd.DataFrame(places, columns=["part", "formula", "y"]),
        # What leaves the stream for a block, and comes back to it.
        "branches": pd.DataFrame({"x": [30, 50] * 2, "y": [115, 115, 175, 175], "branch": [0, 0, 1, 1]}),
    }
    said = "A transformer: the residual stream runs from the embedding to the unembedding, past attention and MLP. "
    said += "Taken out of it are the stream as a bottleneck, an MLP block and the final layer."
    return Chart(_components(), data, said, square=True)


def _funnel(widths: Sequence[float], x: float, y: float, height: float) -> pd.DataFrame:
    """The outline of a network about (x, y): the left and the right end of each of its layers, the last one on top."""
    levels = [y + height / 2 - height * k / (len(widths) - 1) for k in range(len(widths))]
    return pd.DataFrame({"y": levels, "left": [x - w / 2 for w in widths], "right": [x + w / 2 for w in widths]})


@cache
def _components() -> dict[str, Any]:
    across, down = alt.Scale(domain=[0, WIDTH], nice=False), alt.Scale(domain=[HEIGHT, 0], nice=False)

    def x(field: str) -> alt.X:
        return alt.X(f"{field}:Q", axis=None, scale=across)

    def y(field: str) -> alt.Y:
        return alt.Y(f"{field}:Q", axis=None, scale=down)

    colors = [color for color, _, _, _ in PARTS.values()]
    color = alt.Color("part:N", legend=None, scale=alt.Scale(domain=[*PARTS, ""], range=[*colors, GREY]))
    boxes, names = alt.Chart(named("boxes")), alt.Chart(named("names"))
    layers = [
        alt.Chart(named("branches")).mark_line(color=GREY, tooltip=None).encode(x=x("x"), y=y("y"), detail="branch:N"),
        boxes.mark_rect(cornerRadius=4, tooltip=None).encode(
            x=x("left"), x2="right:Q", y=y("top"), y2="bottom:Q", color=color
        ),
        boxes.transform_calculate(x="(datum.left + datum.right) / 2", y="(datum.top + datum.bottom) / 2")
        .mark_text(color="#fff", fontSize=10, tooltip=None)
        .encode(x=x("x"), y=y("y"), text="text:N"),
        alt.Chart(named("layers"))
        .mark_area(orient="horizontal", opacity=0.8, tooltip=None)
        .encode(y=y("y"), x=x("left"), x2="right:Q", color=color),
        names.mark_text(align="left", dy=-9, fontSize=13, fontWeight="bold", tooltip=None).encode(
            x=alt.X(datum=205, axis=None, scale=across), y=y("y"), text="part:N", color=color
        ),
        names.mark_text(align="left", dy=9, fontSize=11, color=GREY, tooltip=None).encode(
            x=alt.X(datum=205, axis=None, scale=across), y=y("y"), text="formula:N"
        ),
    ]
    title = "Three parts of a transformer, each taken out"
    return compiled(alt.layer(*layers).properties(width=WIDTH, height=HEIGHT, title=title))


FISH = {  # the three fish: what each is called, and what it has to say about its input x' = x E
    "big_fish": ("big fish", "the features x"),
    "small_fish": ("small fish", "its input x'"),
    "reproject": ("re-projector", "x'' = x E'"),
}
NAMES = [name for name, _ in FISH.values()]
MATRIX_COLORS = {"trained": BLUE, "random and fixed": GREY}
PANEL, LEVEL, BAR = 170, 62, 8  # width of a drawing, pixels from a layer to the next, thickness of a layer


def fish_shapes(n_features: int, n_embed: int, n_hidden: int) -> Chart:
    """The layers of the three fish from the features (below) to the output (above), their widths to scale, and between
    them the matrices: E is random and stays fixed, W1 and W2 are trained."""
    scale = PANEL / max(n_features, n_embed, n_hidden)
    parts = []
    for place, (task, (name, target)) in enumerate(FISH.items()):
        outputs = n_features if task == "big_fish" else n_embed
        layers = [
            (f"features x, F = {n_features}", n_features),
            (f"input x' = x E, B = {n_embed}", n_embed),
            (f"hidden h, H = {n_hidden}", n_hidden),
            (f"{outputs} outputs, for {target}", outputs),
        ]
        halves = [max(width * scale, 2) / 2 for _, width in layers]
        levels = [20 + LEVEL * (len(layers) - 1 - k) for k in range(len(layers))]
        for (text, _), half, y in zip(layers, halves, levels, strict=True):
            ends = {"left": PANEL / 2 - half, "right": PANEL / 2 + half, "bottom": y + BAR}
            parts.append({"fish": name, "place": place, "part": text, "kind": "layer", "y": y, **ends})
        for k, (matrix, kind) in enumerate((("E", "random and fixed"), ("W1, b1", "trained"), ("W2, b2", "trained"))):
            for half, y in ((halves[k], levels[k] - 18), (halves[k + 1], levels[k + 1] + BAR + 2)):
                ends = {"left": PANEL / 2 - half, "right": PANEL / 2 + half, "bottom": y}
                parts.append({"fish": name, "place": place, "part": matrix, "kind": kind, "y": y, **ends})
    said = (
        f"The three fish: {n_features} features, a fixed random projection to {n_embed} numbers, {n_hidden} neurons, "
    )
    said += f"and {n_features} outputs of the big fish, {n_embed} of the small fish and of the re-projector."
    return Chart(_fish_shapes(), {"parts": pd.DataFrame(parts)}, said, square=True)


def over_hidden_size(
    rows: pd.DataFrame, dashed: pd.DataFrame, title: str, y_title: str, dashes: str, selected: int, share: bool = False
) -> Chart:
    """A number of the three fish over hidden size, and dashed what it is held against; share: y goes from 0 to 1.

    rows, dashed: columns fish (one of NAMES), n_hidden, value. dashes says what the dashed lines are. Clicking a point
    picks its fish and n_hidden.
    """
    dashed = dashed.assign(marked=dashed["n_hidden"].isin(rows["n_hidden"]))  # a mark at every size would be a band
    data = {"rows": rows, "dashed": dashed, "selected": pd.DataFrame({"n_hidden": [selected]})}
    ends = [
        f"{name} {part['value'].iloc[0]:.2g} to {part['value'].iloc[-1]:.2g}" for name, part in rows.groupby("fish")
    ]
    spec = _over_hidden_size(title, y_title, dashes, share)
    return Chart(spec, data, f"{title}, from few to many neurons: {', '.join(ends)}. Dashed: {dashes}.")


def recovery(lead: np.ndarray, selected: int) -> Chart:
    """How far the correct output of each feature is ahead of all others when it goes in alone, the best feature first.

    lead: (n,), the correct output minus the largest other; below 0 the feature is lost. Clicking a bar picks its
    feature.
    """
    order = np.argsort(-lead, kind="stable")
    rows = pd.DataFrame({"rank": np.arange(1, len(lead) + 1), "feature": order, "lead": lead[order].astype(float)})
    rows["back"] = np.where(rows["lead"] > 0, "comes back", "is lost")
    said = f"{(lead > 0).sum()} of {len(lead)} features come back when they go in alone."
    return Chart(_recovery(len(lead)), {"features": rows, "selected": rows[rows["feature"] == selected]}, said)


def response(output: np.ndarray, target: np.ndarray, title: str) -> Chart:
    """What a network says, as bars, and what it should say, as ticks where that is not 0. Both (n_outputs,)."""
    place = np.arange(len(output))
    rows = pd.DataFrame({"output": place, "value": output.astype(float), "target": target.astype(float)})
    said = f"{title}: largest at {output.argmax()}, the target at {target.argmax()}."
    return Chart(_response(title, len(output)), {"outputs": rows}, said)


@cache
def _fish_shapes() -> dict[str, Any]:
    across = alt.Scale(domain=[0, PANEL], nice=False)
    height = 20 + 3 * LEVEL + 2 * BAR
    down = alt.Scale(domain=[height, 0], nice=False)
    color = alt.Color(
        "kind:N",
        title=None,
        scale=alt.Scale(domain=list(MATRIX_COLORS), range=list(MATRIX_COLORS.values())),
        legend=alt.Legend(orient="bottom"),
    )
    x, x2 = alt.X("left:Q", axis=None, scale=across), alt.X2("right:Q")
    y = alt.Y("y:Q", axis=None, scale=down)
    bars = alt.Chart().transform_filter("datum.kind == 'layer'")
    layers = alt.layer(
        alt.Chart()
        .transform_filter("datum.kind != 'layer'")
        .mark_area(orient="horizontal", opacity=0.35, tooltip=None)
        .encode(y=y, x=x, x2=x2, color=color, detail="part:N"),
        bars.mark_rect(fill=VERMILLION, tooltip=None).encode(x=x, x2=x2, y=y, y2="bottom:Q"),
        bars.mark_text(color=GREY, fontSize=11, dy=-8, tooltip=None).encode(
            x=alt.X(datum=PANEL / 2, axis=None, scale=across), y=y, text="part:N"
        ),
        data=named("parts"),
    ).properties(width=PANEL, height=height)
    order = alt.EncodingSortField("place", op="min", order="ascending")
    header = alt.Header(labelFontSize=13, labelFontWeight="bold", labelPadding=4)
    return compiled(layers.facet(column=alt.Column("fish:N", title=None, sort=order, header=header), spacing=26))


@cache
def _over_hidden_size(title: str, y_title: str, dashes: str, share: bool) -> dict[str, Any]:
    x = alt.X(
        "n_hidden:Q",
        title="hidden size H",
        scale=alt.Scale(type="log", nice=False, padding=10),
        axis=alt.Axis(grid=False, values=[4, 8, 16, 32, 64, 128, 256, 512]),
    )
    scale = alt.Scale(domain=[0, 1.02], nice=False) if share else alt.Scale(zero=True)
    y = alt.Y("value:Q", title=y_title, scale=scale, axis=alt.Axis(gridOpacity=0.5, tickCount=5))
    color = alt.Color(
        "fish:N",
        title=None,
        scale=alt.Scale(domain=NAMES, range=[BLUE, VERMILLION, GREEN]),
        legend=alt.Legend(orient="top"),
    )
    shape = alt.Shape("fish:N", title=None, scale=alt.Scale(domain=NAMES))
    tooltip = ["fish:N", alt.Tooltip("n_hidden:Q", title="hidden size H"), alt.Tooltip("value:Q", format=".4~g")]
    pick = alt.selection_point(name="pick", fields=["fish", "n_hidden"], toggle=False, empty=False, nearest=True)
    rows, dashed = alt.Chart(named("rows")), alt.Chart(named("dashed"))
    layers = alt.layer(
        selected_rule(x),
        dashed.mark_line(strokeWidth=1.5, strokeDash=[4, 3]).encode(
            x=x, y=y, color=color, order="n_hidden:Q", tooltip=[alt.Tooltip("value:Q", title=dashes, format=".4~g")]
        ),
        dashed.transform_filter("datum.marked")
        .mark_point(size=30, opacity=0.8, tooltip=None)
        .encode(x=x, y=y, color=color, shape=shape),
        rows.mark_line(strokeWidth=2, opacity=0.4, tooltip=None).encode(x=x, y=y, color=color, order="n_hidden:Q"),
        rows.mark_point(filled=True, size=60, opacity=1, cursor="pointer")
        .encode(x=x, y=y, color=color, shape=shape, tooltip=tooltip)
        .add_params(pick),
    )
    return stretched(layers, title, 240)


@cache
def _recovery(count: int) -> dict[str, Any]:
    scale, axis = alt.Scale(domain=[0.5, count + 0.5], nice=False), alt.Axis(grid=False)
    x = alt.X("rank:Q", title="features, the best first", scale=scale, axis=axis)
    y = alt.Y("lead:Q", title="lead of the correct output", axis=alt.Axis(gridOpacity=0.5, tickCount=5))
    color = alt.Color(
        "back:N",
        title="the feature",
        scale=alt.Scale(domain=["comes back", "is lost"], range=[BLUE, VERMILLION]),
        legend=alt.Legend(orient="top"),
    )
    tooltip = ["feature:Q", alt.Tooltip("lead:Q", title="ahead by", format=".3f"), alt.Tooltip("back:N", title=" ")]
    pick = alt.selection_point(name="pick", fields=["feature"], toggle=False, empty=False)
    bars = alt.Chart(named("features")).transform_calculate(left="datum.rank - 0.5", right="datum.rank + 0.5")
    layers = alt.layer(
        selected_rule(x),
        bars.mark_rect(cursor="pointer")
        .encode(
            x=alt.X("left:Q", title="features, the best first"),
            x2="right:Q",
            y=y,
            y2=alt.datum(0),
            color=color,
            tooltip=tooltip,
        )
        .add_params(pick),
    )
    return stretched(layers, "How surely each feature comes back", 200)


@cache
def _response(title: str, count: int) -> dict[str, Any]:
    x = alt.X("output:Q", title="output", scale=alt.Scale(domain=[-1, count], nice=False), axis=alt.Axis(grid=False))
    y = alt.Y("value:Q", title="value", axis=alt.Axis(gridOpacity=0.5, tickCount=5))
    size = max(1.0, min(8.0, 500 / count))
    outputs = alt.Chart(named("outputs"))
    tooltip = [
        alt.Tooltip("output:Q"),
        alt.Tooltip("value:Q", title="network", format=".3f"),
        alt.Tooltip("target:Q", format=".3f"),
    ]
    layers = alt.layer(
        outputs.mark_bar(color=BLUE, size=size).encode(x=x, y=y, tooltip=tooltip),
        outputs.transform_filter("datum.target != 0")
        .mark_tick(color=VERMILLION, thickness=2, size=size + 4)
        .encode(x=x, y=alt.Y("target:Q", title="value"), tooltip=tooltip),
    )
    return stretched(layers, title, 200)
