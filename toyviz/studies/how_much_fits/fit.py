"""Laws for how many features come back, fitted to some cells of the maps of the limits, and judged on the others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from toyviz import charts, data, law, tables
from toyviz.control import Alias, Choice, Control, numbers
from toyviz.studies import shared_controls as shared
from toyviz.studies.limits import controls as limits
from toyviz.studies.limits import features
from toyviz.studies.limits.maps import Map, possible_cells
from toyviz.studies.shared_texts import notes
from toyviz.sweep import Sweep
from toyviz.view import Block, Figure, Plan, Table, Text, View

FEWEST = 20  # cells that a fit needs
SIDES = {"n_features": "features n", "n_hidden": "hidden size m", "density": "density 1 − S"}
LAWS = {  # the name of each law in an address
    "as_many": "as many as hidden values",
    "sensing": "compressed sensing",
    "density": "hidden values and density",
    "powers": "powers of all three",
    "powers_each": "powers, for each importance",
    "powers_soft": "powers, for each, soft ceiling",
}
KEPT = {
    "fifth": "a fifth of the cells",
    "n": "all of one n",
    "m": "all of one m",
    "density": "all of one density",
}
FITTED = "fitted"
NOT_HERE = ("relative", "beside", "n", "m", "seed")  # of what the views of the limits are asked
LAW = Control(
    "law",
    "Law",
    {id: id for id in LAWS},
    "powers_soft",
    help="Its prediction for each cell is drawn. A soft ceiling is n (1 − exp(−y / n)), a sharp one min(n, y).",
    labels=LAWS,
)
KEPT_FROM_FIT = Control(
    "kept",
    "Kept from the fit",
    {id: id for id in KEPT},
    "density",
    help="Cells that the fit does not see, all of one kind at a time.",
    labels=KEPT,
)
PART = numbers(
    "part",
    "Which of them",
    (0, 1, 2, 3, 4, 5),
    0,
    help="The fifths, or the values of n, m or density from the lowest, counted from 0.",
    bounds=(0, 63),
)
INTRODUCTION = (
    "The limits of reconstruction are maps. Could a formula replace them? Each of their cells is a network with $n$ "
    "features, $m$ hidden values and density $p = 1 - S$; measured is how many of the $n$ one-hots come back. A law is "
    "fitted to some of the cells, and judged on the others. Never more than $n$ can come back: a sharp ceiling is "
    "$\\min(n, y)$, a soft one $n\\,(1 - e^{-y/n})$. Cells with $m = n$ are left aside: there all come back."
)
FACTORS = (
    "By what factor a prediction is off on average, $\\exp\\langle|\\ln(\\text{measured}/\\text{predicted})|\\rangle$: "
    "1 is exact. CELLS cells. Fitted: on the cells it was fitted to. The others: on cells kept from the fit, all of a "
    "kind at a time. The nearest cell: what was measured at the nearest n, m and p of the same importance; on cells "
    "that it has seen that is themselves. Click a mark to draw its law."
)
GROUPS = (
    "Off by: each cell as predicted by a fit that has not seen it, a fifth of the cells being kept away at a time, as "
    "in the charts over n, m and density. There, above 1: more come back than predicted. From n to n: by what factor "
    "the number that comes back differs from one n to the next at the same m, where at most half come back; 1 where it "
    "does not depend on n."
)
LOOK_FOR = (
    "- **Hidden values first, density second.** The number that comes back grows with $m$, and with fewer active "
    "features.\n"
    "- **Decreasing importance is the regular case**: the most important features are stored, as many as there is "
    "room for. How many features there are matters little until there are too few: $n$ is a ceiling.\n"
    "- **Uniform and dense is the irregular one.** Where all weigh the same and all are active, nothing says which to "
    "store, and $n$ does matterIRREGULAR.\n"
    "- **A new density** is the hardest: sharing directions sets in at some density, and a power law cannot bend."
)
NOT_SHOWN = (
    "- That no law exists: these are six simple ones. One that knows the shapes in few dimensions, such as the "
    "pentagon at $m = 2$, would do better.\n"
    "- Extrapolation: nothing is tested beyond the grid, wider, longer or sparser.\n"
    "- How well features come back. A one-hot counts if its output is the largest, however far off."
)
COLUMNS = ["n_features", "n_hidden", "density", "decreasing", "recovered"]


def plan(choice: Choice) -> Plan:
    """A network for each n, m, sparsity, importance and seed: those of the maps of the limits. None is opened.

    Raises ValueError where there are not so many parts of the kind that is kept from the fit.
    """
    parts = _parts(choice)
    if choice.part >= parts:
        raise ValueError(f"part must be below {parts} where {KEPT[choice.kept]} are kept; got {choice.part}")
    maps = [
        Map("", features.base(choice, sparsity), decreasing, {})
        for sparsity in choice.sparsities
        for decreasing in limits.IMPORTANCE.values()
    ]
    cells = possible_cells(choice.sizes, choice.widths)
    if not cells:
        raise ValueError(f"widths must hold one of at most {choice.sizes[-1]}, the largest n; got {choice.widths[0]}")
    return Plan([each.network(n, m, seed) for seed in shared.seeds_of(choice) for n, m in cells for each in maps], [])


def _parts(choice: Choice) -> int:
    """How many parts there are of the kind that is kept from the fit."""
    narrow = [(n, m) for n, m in possible_cells(choice.sizes, choice.widths) if m < n]
    counts = {
        "fifth": 5,
        "n": len({n for n, _ in narrow}),
        "m": len({m for _, m in narrow}),
        "density": len(choice.sparsities),
    }
    return max(counts[choice.kept], 1)


def cells_of(sweep: Sweep) -> pd.DataFrame:
    """One row a cell with m < n: how many one-hots come back, the mean over its seeds."""
    rows = tables.limits(sweep)
    rows = rows[rows["n_hidden"] < rows["n_features"]].astype({"density": float})
    return rows.groupby(COLUMNS[:-1], as_index=False).agg(recovered=("recovered", "mean"))


def is_enough(cells: pd.DataFrame) -> bool:
    """Whether there are so many cells, of so many kinds, that every law can be fitted and judged."""
    return len(cells) >= FEWEST and all(cells[side].nunique() > 1 for side in law.SIDES)


def compared(cells: pd.DataFrame) -> pd.DataFrame:
    """By what factor each law and each baseline is off: on the cells it was fitted to, and on unseen ones."""
    return _compared(tuple(cells[COLUMNS].itertuples(index=False, name=None)))


@data.worked_out_once(maxsize=32)
def _compared(rows: tuple[tuple[Any, ...], ...]) -> pd.DataFrame:
    cells = pd.DataFrame(rows, columns=COLUMNS)
    measured = cells["recovered"].to_numpy(float)
    names = (*law.LAWS, *law.BASELINES)
    off = {FITTED: [law.factor(measured, law.predicted(name, cells, cells)) for name in names]}
    for kind in law.LEFT_OUT:
        off[kind] = [law.factor(measured, law.unseen(name, cells, kind)) for name in names]
    return pd.DataFrame(off, index=list(names))


class Fit(NamedTuple):
    """One law, fitted to all cells but a part of them."""

    law: law.Law
    coefficients: np.ndarray
    kept: str  # what the fit has not seen, in words
    cells: pd.DataFrame  # with what was measured and predicted, and whether it was kept from the fit

    def off(self, unseen: bool) -> float:
        """By what factor it is off, on the cells that the fit has not seen, or on the others."""
        part = self.cells[self.cells["unseen"] == unseen]
        return law.factor(part["measured"].to_numpy(float), part["predicted"].to_numpy(float))


def fitted(choice: Choice, cells: pd.DataFrame) -> Fit:
    """The chosen law on the chosen cells; of fewer parts than were chosen the last one is kept from it."""
    chosen, parts = law.LAWS[LAWS[choice.law]], list(law.folds(cells, KEPT[choice.kept]))
    value, out = parts[min(choice.part, len(parts) - 1)]
    coefficients = law.fit(chosen, cells[~out])
    kept = f"{value}" if choice.kept == "fifth" else f"{_symbol(choice.kept)} = {value:g}"
    return Fit(chosen, coefficients, kept, _against(cells, chosen.predict(cells, coefficients), out))


def _symbol(kept: str) -> str:
    return "1 − S" if kept == "density" else kept


def _against(cells: pd.DataFrame, predicted: np.ndarray, unseen: np.ndarray | bool) -> pd.DataFrame:
    """The cells as the charts take them."""
    return cells.assign(
        measured=cells["recovered"].clip(lower=law.LEAST),
        predicted=predicted,
        unseen=unseen,
        importance=np.where(cells["decreasing"].to_numpy(bool), *charts.IMPORTANCES),
    )


def show(choice: Choice, plan: Plan, sweep: Sweep) -> Iterator[Block]:
    """What a law predicts, by what factor all of them are off, and where the chosen one is."""
    cells = cells_of(sweep)
    if not is_enough(cells):
        yield from _figures(choice, plan, None, pd.DataFrame(columns=["name", "kind", "value", "law", "kept"]), cells)
        yield Text("too_few", f"A fit needs at least {FEWEST} cells with two values of n, m and S each.")
        yield Text("laws", INTRODUCTION)
        return
    found, fit = compared(cells), fitted(choice, cells)
    honest = _against(cells, law.unseen(LAWS[choice.law], cells, "a fifth of the cells"), True)
    yield from _figures(choice, plan, fit, _marks(found), honest)
    yield Text("verdict", f"**{law.verdict(found[list(law.LEFT_OUT)])}**")
    yield Text("laws", INTRODUCTION)
    yield Text("drawn", _drawn(choice, fit))
    yield Table("factors_table", found.round(3).rename_axis("law").reset_index())
    yield Text("factors_told", FACTORS.replace("CELLS", str(len(cells))))
    yield Text("where", "##### Where it is off")
    yield Table("groups", _groups(honest))
    yield Text("groups_told", GROUPS)
    yield Table("cells", honest[[*COLUMNS, "predicted"]].round({"predicted": 2}))
    yield from notes(LOOK_FOR.replace("IRREGULAR", _irregular(cells)), NOT_SHOWN)


def _figures(
    choice: Choice, plan: Plan, fit: Fit | None, marks: pd.DataFrame, honest: pd.DataFrame
) -> Iterator[Figure]:
    """The five on the stage, with what is there already."""
    none = honest[:0].assign(measured=0.0, predicted=0.0, unseen=False, importance="")
    name = LAWS[choice.law]
    title = f"{name[0].upper()}{name[1:]}" + (f"; kept from the fit: {_kept(choice, fit)}" if fit else "")
    sizes = plan.values("n_features")
    drawn = none if fit is None else fit.cells
    yield Figure("predictions", charts.predictions(drawn, title, most=float(sizes[-1])))
    factors = charts.factors(
        marks,
        (*law.LAWS, *law.BASELINES),
        (FITTED, *law.LEFT_OUT),
        "How far off each law is",
        {"another seed": law.MARK},
        selected=name,
    )
    yield Figure("factors", factors, {"law": "law", "kept": "kept"})
    values = {**{side: plan.values(side) for side in ("n_features", "n_hidden")}, "density": plan.values("density")}
    for side, words in SIDES.items():
        shown = none if fit is None else honest
        yield Figure(f"over_{side}", charts.residuals(shown, side, words, values[side]))


def _kept(choice: Choice, fit: Fit) -> str:
    return f"fifth {fit.kept}" if choice.kept == "fifth" else fit.kept


def _marks(found: pd.DataFrame) -> pd.DataFrame:
    """A row a law, or a baseline, and kind of cells; law and kept are what a click on it chooses."""
    ids = {name: id for id, name in LAWS.items()}
    kinds = {name: id for id, name in KEPT.items()}
    rows = [
        {"name": name, "kind": kind, "value": value, "law": ids.get(name), "kept": kinds.get(kind)}
        for kind, column in found.items()
        for name, value in column.items()
    ]
    return pd.DataFrame(rows)


def _drawn(choice: Choice, fit: Fit) -> str:
    """The formula that was found, and how far it is off, in words."""
    coefficients = _written(fit.law, fit.coefficients)
    return (
        f"{coefficients}; a {'soft' if fit.law.smooth else 'sharp'} ceiling at $n$. Off by a factor of "
        f"{fit.off(False):.2f} on the cells of the fit and a factor of {fit.off(True):.2f} on those kept from it "
        f"({_kept(choice, fit)}). A dot above the dashed line: more come back than predicted."
    )


def _written(chosen: law.Law, coefficients: np.ndarray) -> str:
    """The formula of a law with the numbers that were found, as LaTeX."""
    names = ("c", "a", "b", "d") if "n^b" in chosen.formula else ("c", "d")
    groups = ("decreasing", "uniform") if chosen.by_importance else ("",)
    lines = []
    for group, part in zip(groups, np.split(coefficients, len(groups)), strict=True):
        values = [np.exp(part[0]), *part[1:-1], -part[-1]] if len(part) > 1 else [np.exp(part[0])]
        shown = ",\\; ".join(f"{letter} = {value:.2f}" for letter, value in zip(names, values, strict=False))
        lines.append(f"$\\;{shown}$" + (f" for {group} importance" if group else ""))
    return f"$y = {chosen.formula}$ with " + " and ".join(lines)


def _groups(cells: pd.DataFrame) -> pd.DataFrame:
    """By what factor the chosen law is off for each importance and density, and how much n matters there."""
    rows = [
        {
            "importance": importance,
            "density 1 − S": f"{density:g}",
            "cells": len(part),
            "off by": round(law.factor(part["measured"].to_numpy(float), part["predicted"].to_numpy(float)), 2),
            "from n to n": _change_over_n(part),
        }
        for (importance, density), part in cells.groupby(["importance", "density"], sort=False)
    ]
    return pd.DataFrame(rows).sort_values(["importance", "density 1 − S"])


def _change_over_n(part: pd.DataFrame) -> float | None:
    """By what factor the number that comes back differs from one n to the next, where at most half come back."""
    steps = []
    for _, group in part.groupby("n_hidden"):
        row = group.sort_values("n_features")
        half = (row["measured"] <= row["n_features"] / 2).to_numpy()[:-1]
        steps.append(np.abs(np.diff(np.log(row["measured"])))[half])
    every = np.concatenate(steps)
    return round(float(np.exp(every.mean())), 2) if len(every) else None


def _irregular(cells: pd.DataFrame) -> str:
    """What comes back of dense features of uniform importance over n, at the m where it differs most, in words."""
    dense = cells[~cells["decreasing"].to_numpy(bool) & (cells["density"] == 1).to_numpy()]
    by_width = {m: part.set_index("n_features")["recovered"] for m, part in dense.groupby("n_hidden") if len(part) > 1}
    falls = {m: part for m, part in by_width.items() if (np.diff(part) < 0).any()}
    if not falls:
        return ""
    m = max(falls, key=lambda m: falls[m].max() / max(falls[m].min(), law.LEAST))
    back = ", ".join(f"{value:g}" for value in falls[m])
    return f": at $m = {m}$ come back {back} for $n$ = {', '.join(map(str, falls[m].index))}"


VIEW = View(
    id="fit",
    title="A law",
    place=1,
    controls=(
        LAW,
        KEPT_FROM_FIT,
        PART,
        limits.SPARSITIES,
        limits.SIZES,
        limits.WIDTHS,
        limits.SEEDS,
        shared.FIRST_SEED,
        shared.RECIPE,
        *limits.TRAINING,
    ),
    opens=(),
    plan=plan,
    show=show,
    stage=(("predictions", "factors"), tuple(f"over_{side}" for side in SIDES)),
    width=1.0,
    named=lambda choice: "limits",
    aliases={name: limits.ALIASES[name] for name in ("limit_sizes", "limit_widths", "map_seeds")}
    | {
        "law": Alias("law", {name: id for id, name in LAWS.items()}),
        "kept": Alias("kept", {name: id for id, name in KEPT.items()}),
    },
    first_defaults={id: text for id, text in limits.FIRST_DEFAULTS.items() if id not in NOT_HERE}
    | {"sparsities": "0,0.9,0.99", "law": "powers_soft", "kept": "density", "part": "0"},
)
