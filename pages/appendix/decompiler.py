"""A network's lookup table, read off its weights, replayed without them, and where that stops working."""

import numpy as np
import pandas as pd
import streamlit as st

from toyviz import charts, decompiler, settings, tables, ui
from toyviz.experiment import sweep

NEURONS = (2, 3, 4, 6, 8, 10, 16, 32)
NOISES = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5)
AT_ONCE = (1, 2, 3, 4, 6)
LINES = {"network": "table = network", "truth": "table = truth", "accuracy": "network = truth"}

ui.title("Decompiler", "Can a memorising network be replaced by the table that is read off its weights?")
st.markdown(
    "The post ends its look at dictionaries with a wish: to read off any network what it has memorised. For the "
    "simplest ones this can be done. Run each stored input once, write down which neurons it switches on and what "
    "comes out, and throw the network away. To answer a new input, find the stored inputs in it, switch on their "
    "neurons, and take the entry whose neurons fit best. **Fidelity** is the share of inputs to which the table "
    "answers as the network does."
)

task = ui.control("task", "classify_hard")
n = ui.control("one_hots", 20)
seeds = ui.control("seeds", 4)
levels = ui.control("levels", 2)
active = ui.control("active", 1)
noise = ui.control("noise", 0.0)
counts_from = ui.control("counts_from", 1.0)
name = "dictionary_cross_entropy" if task == "classify_hard" else "dictionary"
base = settings.EXPERIMENTS[name].paper.with_(n_features=n)
m = ui.shown("m", "Neurons m", NEURONS, 10)


@st.cache_data(show_spinner=False, max_entries=4096)
def measured(key, levels, active, noise, counts_from, _result):
    """Fidelity of one network's table; kept, since each click asks for all of them."""
    table = decompiler.read(_result.experiment, _result.parameters, levels)
    tried = decompiler.trials(_result.experiment, active, noise)
    return decompiler.fidelity(_result, table, tried, counts_from)._asdict()


def rows(results, over):
    """Fidelity of each of these networks over m, or over another thing that makes the setting harder."""
    found = []
    for result in results:
        e = result.experiment
        settings_ = {
            "n_hidden": [(e.n_hidden, active, noise)],
            "noise": [(value, active, value) for value in NOISES],
            "active": [(value, value, noise) for value in AT_ONCE if value <= n],
        }[over]
        for x, at_once, sigma in settings_:
            shares = measured(e.key, levels, at_once, sigma, counts_from, result)
            found += [{"x": x, "y": shares[k], "line": line, "seed": e.seed} for k, line in LINES.items()]
    return pd.DataFrame(found)


def chart(results, over, title, x_title, logarithmic=False):
    frame = rows(results, over)
    return charts.lines(frame, title, x_title, "share", list(LINES.values()), logarithmic_x=logarithmic, share=True)


def show(results):
    ui.draw(chart(results, "n_hidden", "Fidelity over neurons", "neurons m", True), key="over-m")
    st.caption(f"With {active} at once, noise {noise:g}, and {levels} levels a neuron.")


def watch(experiment, job):
    left, right = st.columns([1, 2], gap="large", vertical_alignment="center")
    ui.draw(charts.old_matrices([("W1ᵀ", job.frame["W1"].T), ("W2", job.frame["W2"])]), key="live-matrices", where=left)
    right.markdown(f"**In training:** {experiment.n_hidden} neurons, seed {experiment.seed}. {ui.step(job)}")
    ui.draw(charts.training_curve(*job.losses), key="live-curve", where=right)


def entries(table, truth):
    """The table as a reader wants it: one line for each stored input."""
    top = table.levels - 1
    apart = np.abs(table.codes[:, None] - table.codes[None]).sum(axis=2) + 10**6 * np.eye(len(table.codes), dtype=int)
    return pd.DataFrame(
        {
            "input": np.arange(len(table.codes)),
            "neurons": [
                " ".join(f"{k}" if level == top else f"{k}:{level}/{top}" for k, level in enumerate(code) if level)
                for code in table.codes
            ],
            "output": table.outputs,
            "right": table.outputs == truth,
            "margin of the output": table.output_margins,
            "margin of the neurons": table.hidden_margins,
            "levels from the next entry": apart.min(axis=1),
        }
    )


wanted = sorted(sweep(base, n_hidden=NEURONS, seed=range(seeds)), key=lambda e: (e.n_hidden != m, e.seed))
results = ui.trained(wanted, show, watch)
here = sorted((r for r in results if r.experiment.n_hidden == m), key=lambda r: r.experiment.seed)
if here:
    left, right = st.columns(2, gap="medium")
    ui.draw(chart(here, "noise", f"Over noise (m = {m})", "standard deviation"), key="over-noise", where=left)
    title = f"Over mixed inputs (m = {m})"
    ui.draw(chart(here, "active", title, "inputs at once"), key="over-active", where=right)
    st.caption(
        "Lines are means over seeds, dots are seeds. One input of a mixture has strength 1, and it is the right "
        "answer; the others have a uniform strength below. 1,000 mixtures, the same for every network. With one input "
        "and no noise, each stored input is tried once."
    )
ui.notes(
    "- **With enough neurons** on and off is all there is to know: the table answers as the network on every stored "
    "input, though it holds no number but the margins.\n"
    "- **With few neurons** many inputs switch on the same ones, and two levels cannot tell them apart. Read more "
    "levels, and the table comes back: what was a word becomes a measurement.\n"
    "- **Mixtures.** The table that looks up the strongest input alone fits best. Let all inputs add up what they "
    "switch on, and the table answers wrongly where the network does not: strengths matter, and levels do not have "
    "them.",
    "- How to find the stored inputs of a network whose training set is unknown: here they are given.\n"
    "- That the network works like the table inside. The fidelity says that it answers alike, on inputs of "
    "this kind.",
)
if here:
    st.subheader(f"The table of a network with {m} neurons", anchor=False)
    seed = ui.shown("look", "Seed", [r.experiment.seed for r in here], here[0].experiment.seed)
    result = next(r for r in here if r.experiment.seed == seed)
    table = decompiler.read(result.experiment, result.parameters, levels)
    tried = decompiler.trials(result.experiment)
    different = len({tuple(code) for code in table.codes.tolist()})
    st.markdown(
        f"{different} different patterns for {len(table.keys)} inputs. "
        f"On the stored inputs the table answers as the network in **"
        f"{decompiler.fidelity(result, table, tried).network:.0%}** of the cases."
    )
    st.dataframe(
        entries(table, tried.truth),
        hide_index=True,
        column_config={
            "neurons": st.column_config.TextColumn("neurons that are on", width="large"),
            "right": st.column_config.CheckboxColumn("right"),
            "margin of the output": st.column_config.NumberColumn(format="%.2f", help="Largest output minus the next."),
            "margin of the neurons": st.column_config.NumberColumn(
                format="%.2f", help="How far its most doubtful neuron is from being read otherwise, in levels."
            ),
            "levels from the next entry": st.column_config.NumberColumn(
                help="How many levels its pattern differs from the most similar one. 0: they cannot be told apart."
            ),
        },
    )
    for claim in ("simple_networks_are_readable", "reading_needs_neurons"):
        ui.claim(claim, results)
    ui.behind(name, result, tables.runs(results))
