"""Whether a network memorises better that starts as a lookup table."""

import numpy as np
import pandas as pd
import streamlit as st

from toyviz import charts, data, metrics, settings, tables, ui
from toyviz.claims.appendix import MEMORISED, STARTS, steps_to_memorise
from toyviz.experiment import sweep

USUAL, *KEYS, TABLE = STARTS  # the random start; those with keys alone; that with values too

ui.title("Starting as a dictionary", "Does a network memorise better that is a lookup table from the start?")
st.markdown(
    "If the simplest memorising networks end as a dictionary, why not start them as one? In the comments of the post "
    "the author guesses that this trains badly. Here the rows of $W_1$, the keys, start as **training points**, as "
    "**k-means centres** of them, or as **one-hots**; the rest starts as always. A **lookup table** gets the values "
    "too: each column of $W_2$ is the target of the training point in the row of $W_1$. All are trained alike, and "
    "compared with the usual random start."
)

store = ui.control("to_store", "sparse")
task = ui.control("task", "autoencode")
default, choices = (25, (5, 10, 25, 50)) if store == "sparse" else (10, (5, 10, 20))
m = ui.control("neurons", default, choices=choices, key=f"{store}_neurons")
seeds = ui.control("seeds", 4)
more = st.sidebar.expander("More settings")
lr = ui.control("lr", 1e-3, where=more)
weight_decay = ui.control("weight_decay", 0.01, where=more)
base = settings.EXPERIMENTS["starting_as_dictionary"].quick
if store == "one_hot":
    base = base.with_(data="one_hot", n_features=20, n_samples=None, sparsity=0.0, normalize=False, steps=8_000)
if task == "classify_hard":
    base = base.with_(arch="mlp", task=task)
base = base.with_(n_hidden=m, lr=lr, weight_decay=weight_decay)


def curves(results):
    """The training loss over the steps, thinned to what a chart can show."""
    found = []
    for result in results:
        e = result.experiment
        for step, loss in zip(result.loss_steps[::6], result.losses[::6], strict=True):
            found.append({"x": int(step), "y": max(float(loss), 1e-8), "line": STARTS[e.init], "seed": e.seed})
    return pd.DataFrame(found)


def show(results):
    figure = charts.lines(
        curves(results), "Training loss over the steps, by start", "step", "training loss", list(STARTS.values()),
        logarithmic_x=True, logarithmic_y=True,
    )  # fmt: skip
    ui.draw(figure, key="curves")


def watch(experiment, job):
    st.markdown(f"**In training:** {STARTS[experiment.init]}, seed {experiment.seed}. {ui.step(job)}")
    ui.draw(charts.training_curve(*job.losses), key="live-curve")


def kept(result):
    """What remains of the keys: cosine of each row of W1 to its start, and to the training point nearest to it."""
    start, points = result.frame(0)["W1"], data.training_samples(result.experiment).inputs
    rows = metrics.unit(result.W1)
    return (rows * metrics.unit(start)).sum(axis=1).mean(), (rows @ metrics.unit(points).T).max(axis=1).mean()


def caught_up(result, usual):
    """The step at which the training loss first is within 5 % of where the usual start ends; None if it never is."""
    near = np.flatnonzero(result.losses <= 1.05 * usual[result.experiment.seed])
    return int(result.loss_steps[near[0]]) if len(near) else None


def reached_by(steps):
    """How many seeds got there, and after how many steps, as the median over these."""
    reached = [step for step in steps if step is not None]
    return f"{len(reached)} of {len(steps)}", int(np.median(reached)) if reached else None


def summary(results):
    usual = {r.experiment.seed: r.losses[-1] for r in results if r.experiment.init == USUAL}
    found = []
    for init, text in STARTS.items():
        part = [r for r in results if r.experiment.init == init]
        if not part:
            continue
        memorised, steps = reached_by([steps_to_memorise(r) for r in part])
        start, near = np.mean([kept(r) for r in part], axis=0)
        tests = [r.metrics["test_loss"] for r in part if r.metrics["test_loss"] is not None]
        row = {"start": text, "memorised": memorised, "steps": steps}
        if task == "autoencode":  # a cross-entropy never ends: it falls with every step
            compared = [caught_up(r, usual) for r in part if r.experiment.seed in usual]
            row["as low"], row["steps as low"] = reached_by(compared)
        row |= {
            "train loss": np.median([r.metrics["train_loss"] for r in part]),
            "train accuracy": np.mean([r.metrics["train_accuracy"] for r in part]),
            "test loss": np.median(tests) if tests else None,
            "rows near their start": start,
            "rows near a training point": near,
        }
        found.append(row)
    return pd.DataFrame(found).dropna(axis="columns", how="all")


def in_words(results):
    """Who memorises, and where the starts end, in a few sentences."""
    strict = f"a training loss below {MEMORISED:.0%} of a guess's"
    lowest = min(results, key=lambda r: r.metrics["train_loss"])
    done = [r for r in results if steps_to_memorise(r) is not None]
    if done:
        words = [f"{len(done)} of {len(results)} networks memorise their training set, with {strict}."]
    else:
        words = [
            f"**No network memorises** its training set in the strict sense, {strict}: the lowest loss is "
            f"{lowest.metrics['train_loss']:.2g} ({STARTS[lowest.experiment.init]})."
        ]
    ends = {
        name: np.median([r.metrics["train_loss"] for r in results if r.experiment.init in inits] or [np.nan])
        for name, inits in (("the usual start", [USUAL]), ("keys alone", KEYS), ("keys and values", [TABLE]))
    }
    ended = ", ".join(f"{loss:.2g} from {name}" for name, loss in ends.items() if np.isfinite(loss))
    return " ".join([*words, f"Median training loss at the end: {ended}."])


results = ui.trained(sorted(sweep(base, init=list(STARTS), seed=range(seeds)), key=lambda e: e.seed), show, watch)
if results:
    st.subheader("Start by start", anchor=False)
    st.markdown(in_words(results))
    st.dataframe(
        summary(results),
        hide_index=True,
        column_config={
            "memorised": st.column_config.TextColumn(
                help=f"Seeds whose training loss fell below {MEMORISED:.0%} of a guess's."
            ),
            "steps": st.column_config.NumberColumn("steps until then", help="Median over these seeds."),
            "as low": st.column_config.TextColumn(
                "as low as the usual start",
                help="Seeds whose training loss came within 5 % of where the usual start ends with the same seed, and "
                "so on the same training set.",
            ),
            "steps as low": st.column_config.NumberColumn("steps until so low", help="Median over these seeds."),
            "train loss": st.column_config.NumberColumn(format="%.2g", help="At the end; median over seeds."),
            "train accuracy": st.column_config.NumberColumn(format="percent"),
            "test loss": st.column_config.NumberColumn(
                format="%.3g", help="On 10,000 samples that no seed trains on; one-hots have none."
            ),
            "rows near their start": st.column_config.NumberColumn(
                "near their start", format="%.2f", help="Mean cosine of the rows of W1 to what they were at the start."
            ),
            "rows near a training point": st.column_config.NumberColumn(
                "near a training point",
                format="%.2f",
                help="Mean, over rows of W1, of the largest cosine to any training point.",
            ),
        },
    )
    st.caption(
        "A guess has a squared error of 1, or a cross-entropy of ln n. The last two columns say what remains of the "
        "dictionary: 1 is all of it."
    )
    first = min(r.experiment.seed for r in results)
    with ui.wide():
        ends = [(STARTS[r.experiment.init], r.W1) for r in results if r.experiment.seed == first]
        ui.draw(charts.old_matrices(ends, "neuron", "input"), key="ends")
    st.caption(f"W1 at the end, seed {first}; each on its own scale.")
ui.notes(
    "- **Keys alone** change little on sparse samples: the network is about as fast, and ends about where it would "
    "have ended anyway. On one-hots with the squared error it ends higher in most seeds.\n"
    "- **Keys and values** together, with the squared error: on sparse samples the training loss falls sooner and ends "
    "several times lower, the test loss is lower too, and most of the table is still there. On one-hots it ends lower "
    "too, but by less.\n"
    "- **Cross-entropy on one-hots** is the case for the guess: there the lookup table needs two to four times as "
    "many steps as a random start, since a value of 1 is a weak vote among large weights that must grow anyway.",
    "- A better optimum: with random starts and an output ReLU many outputs get stuck at 0. What the table "
    "avoids is mostly that.\n"
    "- Large networks, or data in which the samples are alike.",
)
for each in ("one_hots_entropy", "one_hots_squared", "sparse_samples"):
    ui.claim(f"starting_as_{each}", results)
if results:
    ui.behind("starting_as_dictionary", results[0], tables.runs(results))
