"""The three fish over the number of neurons, against what is possible: rank floors, and chance."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from toyviz import charts, tables
from toyviz.control import Choice
from toyviz.studies import shared_controls as shared
from toyviz.studies.fish import cell
from toyviz.studies.fish import controls as c
from toyviz.studies.shared_texts import notes
from toyviz.sweep import Sweep
from toyviz.view import Block, Figure, Plan, Text, View

PICK = {"n_hidden": "H", "line": "fish", "seed": "seed"}


def show(choice: Choice, plan: Plan, sweep: Sweep) -> Iterator[Block]:
    """The error over the variance and the accuracy over H, at the opened F and B, each against what is possible."""
    here = sweep.among(seed=shared.seeds_of(choice)).at(n_features=choice.F, n_embed=choice.B)
    table = tables.fish(here).rename(columns={"task": "line"})
    sizes = plan.values("n_hidden")
    for id, column, y_title, against, name, how in (
        ("error", "share", "Error over the variance", "floor_share", "rank floor", {"low": 0.0, "high": 1.0}),
        ("accuracy", "accuracy", "Accuracy", "chance", "chance", {"share": True}),
    ):
        held = table.groupby(["line", "n_hidden"], as_index=False)[against].mean().rename(columns={against: "value"})
        chart = charts.lines_over(
            table[["line", "n_hidden", "seed"]].assign(value=table[column]),
            "n_hidden",
            f"hidden size H (F = {choice.F}, B = {choice.B})",
            c.NAMES,
            sizes,
            y_title,
            selected=choice.H,
            colours=charts.FISH_COLOURS,
            against=held,
            against_name=name,
            **how,
        )
        yield Figure(id, chart, PICK)
    yield Text("against", _against(tables.fish(sweep)))
    if len(plan.values("n_features")) > 1:
        yield Figure("by_features", _by_features(choice, plan, sweep), {"n_hidden": "H", "line": "F", "seed": "seed"})
    yield from notes(
        "- **Big fish**: as many neurons as features, H = F, is about where nearly all of them come back.\n"
        "- **Small fish**: its floor is 0 from H = B on, and it comes near to it.\n"
        "- **Re-projector**: its floor is 0 from H = B on too, but it does not come near to it: its error falls as "
        "slowly as the big fish's.",
        "- Accuracies that can be compared as they are: the three have different chances, and different floors.\n"
        "- What lies between two hidden sizes: lines only guide the eye.",
    )


def _by_features(choice: Choice, plan: Plan, sweep: Sweep) -> charts.Chart:
    """The accuracy of the opened fish over H, a line for each of the first few F."""
    many = plan.values("n_features")[: len(charts.LINE_COLOURS)]
    here = sweep.among(seed=shared.seeds_of(choice)).at(task=choice.fish, n_embed=choice.B)
    table = tables.fish(here).rename(columns={"n_features": "line", "accuracy": "value"})
    return charts.lines_over(
        table[["line", "n_hidden", "seed", "value"]],
        "n_hidden",
        f"hidden size H ({c.NAMES[choice.fish]}, B = {choice.B})",
        {F: f"F = {F}" for F in many},
        plan.values("n_hidden"),
        "Accuracy",
        selected=choice.H,
        share=True,
        height=260,
    )


def _against(table: pd.DataFrame) -> str:
    """How far all networks are from the floor, in words."""
    text = (
        "Dashed above: the rank floor, $\\frac1T \\sum_{k>H} \\sigma_k^2(Y - \\bar Y)$ over the variance. The output "
        "is linear in $H$ numbers, so no network of this shape gets below it. The big fish's does not depend on $B$. "
    )
    above = (table["share"] - table["floor_share"]).dropna()
    if len(above):
        below = int((above < 0).sum())
        big = above[table["task"] == "big_fish"]
        text += (
            f"Of the {len(above)} networks here {below or 'none'} {'are' if below > 1 else 'is'} below its floor; they "
            f"lie {above.min():.2g} to {above.max():.2g} of the variance above it"
            + (f", the big fish {big.min():.2g} to {big.max():.2g}" if len(big) else "")
            + ". "
        )
    return f"{text}Dashed below: chance, 1/F for the big fish, 1/B for the other two."


VIEW = View(
    id="over_h",
    title="Against what is possible",
    place=2,
    controls=(*c.CONTROLS, *c.MORE),
    opens=c.OPENS,
    plan=c.plan,
    show=show,
    inside=cell.inside,
    stage=("error", "accuracy"),
    inside_stage=cell.STAGE,
    width=0.5,
    numbers=("train_loss", "test_loss"),
    named=c.named,
    claims=("big_fish_needs_a_neuron_a_feature", "small_fish_is_not_perfect"),
)
