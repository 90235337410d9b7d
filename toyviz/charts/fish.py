"""The shapes of networks, drawn: the parts of a transformer that are taken out, and the three fish."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import altair as alt
import pandas as pd

from toyviz.charts.figure import GREEN, GREY, VERMILLION, Figure, compiled, named

BLUE = "#0A84C6"
# Each part of a transformer that is taken out: its colour, what is written beside it, where it stands (pixels from the
# top), and the widths of its layers from input to output.
PARTS = {
    "final layer": (VERMILLION, "logits = W2 W1 x + b", 40, (46, 10, 60)),
    "MLP block": (GREEN, "W2 ReLU(W1 x + b1) + b2", 115, (46, 22, 46)),
    "residual stream": (BLUE, "ReLU(Wᵀ W x + b)", 190, (60, 10, 60)),
}
WIDTH, HEIGHT = 350, 280  # of the picture of the transformer, in pixels


def components() -> Figure:
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
    return Figure(_components(), data, said, square=True)


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
