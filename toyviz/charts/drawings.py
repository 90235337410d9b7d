"""The shapes of networks, drawn: the parts of a transformer that are taken out, and the three fish."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import altair as alt
import pandas as pd

from toyviz.charts.chart import BLUE, GREEN, GREY, VERMILLION, Chart, compiled, named
from toyviz.charts.layers import computed, grey, heading, layer, mark, meta, nominal, specification

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
FISH_COLOURS = (BLUE, VERMILLION, GREEN)
MATRICES = (("E", False), ("W1, b1", True), ("W2, b2", True))  # between the layers, from below: is it trained?
APART, BAR = 26, 8  # pixels from a drawing to the next; thickness of a layer
# Bars and what lies between them, from the widest to the narrowest layer: x of a share, y of a layer and pixels.
CENTRE = "(datum.place * (wide + apart) + wide / 2)"
LAYER = "(18 + (3 - datum.layer) * step)"


def fish_shapes(n_features: int, n_embed: int, n_hidden: int) -> Chart:
    """The layers of the three fish from the features (below) to the output (above), their widths to scale, and between
    them the matrices: E is random and stays fixed, W1 and W2 are trained."""
    widest = max(n_features, n_embed, n_hidden)
    layers, parts, names = [], [], []
    for place, (task, (name, target)) in enumerate(FISH.items()):
        outputs = n_features if task == "big_fish" else n_embed
        told = (
            (n_features, f"F = {n_features}", f"features x, F = {n_features}"),
            (n_embed, f"B = {n_embed}", f"input x' = x E, B = {n_embed}"),
            (n_hidden, f"H = {n_hidden}", f"hidden h, H = {n_hidden}"),
            (outputs, f"{outputs} outputs", f"{outputs} outputs, for {target}"),
        )
        for k, (width, label, words) in enumerate(told):
            layers.append({"place": place, "layer": k, "share": width / widest, "label": label, "told": words})
        for k, (matrix, trained) in enumerate(MATRICES):
            for end in (k, k + 1):
                at = {"place": place, "layer": end, "share": told[end][0] / widest, "upper": end > k}
                parts.append({**at, "part": matrix, "which": 3 * place + k, "trained": trained})
        names.append({"place": place, "title": f"{name}: {target}"})
    said = (
        f"The three fish: {n_features} features, a fixed random projection to {n_embed} numbers, {n_hidden} neurons, "
        f"and {n_features} outputs of the big fish, {n_embed} of the small fish and of the re-projector."
    )
    data = {
        "layers": pd.DataFrame(layers),
        "parts": pd.DataFrame(parts),
        "names": pd.DataFrame(names),
        "meta": meta(title="The three fish"),
    }
    return Chart(_fish_shapes(), data, said)


@cache
def _fish_shapes() -> dict[str, Any]:
    params: list[dict[str, Any]] = [
        {"name": "apart", "value": APART},
        {"name": "wide", "expr": f"max(4, (width + apart) / {len(FISH)} - apart)"},
        {"name": "step", "expr": f"max(4, (height - 18 - {BAR}) / 3 - 3)"},
    ]
    half = "max(1, datum.share * wide / 2)"
    sides = {"x": f"{CENTRE} - {half}", "x2": f"{CENTRE} + {half}"}
    matrix = computed(**sides, y=f"{LAYER} + (datum.upper ? {BAR} : 0)") | {"detail": nominal("which")}
    bar = computed(**sides, y=LAYER, y2=f"{LAYER} + {BAR}")
    label = computed(x=CENTRE, y=f"{LAYER} - 7")
    name = {"text": "datum.part + (datum.trained ? '' : ', random and fixed')", "opacity": "step > 44 ? 1 : 0"}
    size, limit = {"expr": "clamp(wide / (0.58 * length(datum.title)), 8.5, 12)"}, {"expr": "wide + apart - 3"}
    title = grey("text", baseline="middle", fontSize=size, limit=limit, align="center")
    layers = [
        *(
            layer("parts", mark("area", orient="horizontal", color=colour, opacity=0.28), chosen, **matrix)
            for chosen, colour in (("!datum.trained", GREY), ("datum.trained", BLUE))
        ),
        layer("layers", mark("rect", color=VERMILLION, cornerRadius=2), **bar, tooltip=nominal("told")),
        layer("layers", grey("text", baseline="middle", fontSize=11, fontWeight="bold"), **label,
              text=nominal("label")),
        layer("parts", grey("text", baseline="middle", fontSize=10), "!datum.upper",
              **computed(x=CENTRE, y=f"{LAYER} - (step - {BAR}) / 2 - 2", **name)),
        layer("names", title, **computed(x=CENTRE, y="-8"), text=nominal("title")),
    ]  # fmt: skip
    return specification(layers, heading(6), params)
