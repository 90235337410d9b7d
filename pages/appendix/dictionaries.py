"""How networks of a few neurons store one-hots, and how well that can be read off their weights."""

import numpy as np
import pandas as pd
import streamlit as st

from toyviz import charts, metrics, probe, settings, tables, theory, ui
from toyviz.claims.appendix import CLUSTERED, which_relu
from toyviz.experiment import sweep
from toyviz.model import forward

TABS = {
    "squared": "Squared error",
    "entropy": "Cross-entropy",
    "decay": "Weight decay",
    "antipodal": "Opposite inputs",
    "plane": "Two neurons",
    "cosines": "Cosines",
    "sizes": "Size against size",
}
DECAYS = (0.0, 0.01, 0.1, 1.0)

ui.title("Dictionaries", "How do a few neurons store a list, and can it be read off the weights?")
st.markdown(
    "The simplest thing to memorise is a list: $n$ inputs, each a one-hot $e_i$, and for each its own output. The "
    "network is $h = \\mathrm{ReLU}(W_1 x + b_1),$ then $W_2 h + b_2.$ For a one-hot, $h_i = \\mathrm{ReLU}(W_1[:,i] + "
    "b_1)$ exactly: column $i$ of $W_1$ is the entry under which input $i$ is stored, and row $i$ of $W_2$ is what "
    "finds it again."
)
tab = ui.choice("tab", "Experiment", TABS, "squared", format_func=TABS.get, label_visibility="collapsed")


def knob(name, default):
    """A control of this tab alone: its default, and what was chosen, are none of another tab's."""
    return ui.control(name, default, key=f"{tab}_{name}")


def watch(experiment, job):
    left, right = st.columns([1, 2], gap="large", vertical_alignment="center")
    panels = [("W1ᵀ", job.frame["W1"].T), ("W2", job.frame["W2"] if "W2" in job.frame else job.frame["W1"].T)]
    ui.draw(charts.old_matrices(panels), key="live-matrices", where=left)
    what = f"{experiment.n_features} inputs, {experiment.n_hidden} neurons, seed {experiment.seed}"
    right.markdown(f"**In training:** {what}. {ui.step(job)}")
    ui.draw(charts.training_curve(*job.losses), key="live-curve", where=right)


def trained(wanted):
    """The results of these experiments, trained while the visitor watches."""
    return ui.trained(sorted(wanted, key=lambda e: e.seed), lambda results: None, watch)


def best(results):
    """The network with the lowest training loss."""
    return min(results, key=lambda result: result.metrics["train_loss"])


def off_diagonal(vectors):
    """The cosine similarity of each pair of rows, once."""
    return metrics.cosines(vectors)[np.triu_indices(len(vectors), 1)]


def flow(result, frame=None):
    """What flows through a network, for each of its training inputs, at a frame of its training."""
    parameters = result.complete() if frame is None else result.frame(frame)
    return parameters, forward(result.experiment.arch_row, parameters, probe.seen_samples(result).inputs)


def floor(experiment):
    """The lowest squared error that any network of this width without an output ReLU can have on its one-hots."""
    return theory.rank_floor(np.eye(experiment.n_features), experiment.n_hidden)


def chosen(results, key="look"):
    """The network that the visitor looks into: the best seed, unless another is picked."""
    seeds = sorted({result.experiment.seed for result in results})
    seed = ui.shown(key, "Seed", seeds, best(results).experiment.seed)
    return next(result for result in results if result.experiment.seed == seed)


# -- squared error -----------------------------------------------------------------------------------------------------


def squared():
    n = knob("one_hots", 20)
    m = knob("neurons", 10)
    weight_decay = knob("weight_decay", 0.1)
    bias_init, bias_offset = ui.BIASES[knob("bias", "0")]
    base = settings.EXPERIMENTS["dictionary"].quick.with_(
        n_features=n, n_hidden=m, weight_decay=weight_decay, bias_init=bias_init, bias_offset=bias_offset
    )
    results = trained(sweep(base, seed=range(knob("seeds", 8))))
    if not results:
        return
    top, lowest = best(results), floor(base)
    above = sum(result.metrics["train_loss"] > 1.02 * lowest + 1e-4 for result in results)
    st.markdown(
        f"$n$ one-hots cannot come out of $m$ neurons without error: $W_2 h + b_2$ spans $m$ dimensions, the targets "
        f"$n - 1$. No network of this kind gets below $(n - 1 - m)/n^2 = {lowest / n:.4f}$ on average over the "
        f"outputs. The best of {len(results)} seeds has **{top.metrics['train_loss'] / n:.4f}**, "
        f"{100 * (top.metrics['train_loss'] / max(lowest, 1e-9) - 1):.2f} % above it; {above} of the others end higher."
        if lowest > 0
        else f"With $m \\geq n - 1$ neurons nothing has to be lost. The best of {len(results)} seeds has a mean "
        f"squared error of **{top.metrics['train_loss'] / n:.2g}**."
    )
    result = chosen(results)

    def look(frame):
        parameters, found = flow(result, frame)
        panels = [
            ("W1ᵀ", parameters["W1"].T),
            ("W1ᵀ + b1", found.hidden_pre),
            ("h, after ReLU", found.hidden),
            ("W2", parameters["W2"]),
            ("output", found.output),
        ]
        with ui.wide():
            ui.draw(charts.old_matrices(panels, "input or output", "neuron or output"), key="weights")
        st.caption(
            "A row is an input, or for W2 an output. W1ᵀ + b1 is the stored entry: hardly any is below 0, so the ReLU "
            "has next to nothing to do, and each row of h has its own pattern. The rows of W2 look for these patterns: "
            "the output is largest on the diagonal, though everywhere else something is left over."
        )
        st.subheader("What the two biases do", anchor=False)
        left, right = st.columns(2, gap="large")
        without = found.hidden @ parameters["W2"].T
        low = found.hidden_pre.min(axis=0)
        with left:
            both = [("W1ᵀ, without b1", parameters["W1"].T), ("with b1", found.hidden_pre)]
            with ui.wide():
                ui.draw(charts.old_matrices(both, "input", "neuron"), key="b1-roles")
            ui.draw(charts.old_bars({"b1": parameters["b1"]}, "b1, one for each neuron", "neuron"), key="b1")
            st.caption(
                f"b1 lifts. {np.mean(parameters['W1'] < 0):.0%} of the entries of W1 are negative; with b1 "
                f"{np.mean(found.hidden_pre < -0.02):.0%} are. Each neuron is raised just so far that its lowest input "
                f"stays on: the lowest entries lie between {low.min():.2f} and {low.max():.2f}."
            )
        with right:
            both = [("output without b2", without), ("with b2", found.output)]
            with ui.wide():
                ui.draw(charts.old_matrices(both, "input", "output"), key="b2-roles")
            others = [r for r in results if r.experiment.seed != result.experiment.seed][:1]
            shown = {f"seed {r.experiment.seed}": r.b2 for r in others}
            shown = {f"seed {result.experiment.seed}": parameters["b2"], **shown}
            ui.draw(charts.old_bars(shown, "b2, one for each output", "output"), key="b2")
            st.caption(
                f"b2 levels. Without it the outputs differ by {without.mean(axis=0).std():.3f} in their mean, with it "
                f"by {found.output.mean(axis=0).std():.1g}. Its pattern has no meaning of its own: another seed of the "
                "weights needs another one."
            )

    ui.replay(result, look)
    ui.notes(
        "- **The dictionary.** Each input switches on its own mix of neurons; nothing else of the input is kept.\n"
        "- **b1** is what makes ten half-used ReLUs a linear layer: it lifts every entry barely above 0.\n"
        "- **Another start.** Set the initial bias to uniform, as PyTorch does: most networks lose a neuron to the "
        "ReLU, and each costs $1/n^2$ of the loss.",
        "- That the code is the only one: every seed finds another.\n"
        "- What happens with inputs that are no one-hots: see the decompiler.",
    )
    for name in ("one_hots_are_a_dictionary", "first_bias_lifts", "second_bias_levels"):
        ui.claim(name, results)
    ui.behind("dictionary", result, tables.runs(results))


# -- cross-entropy -----------------------------------------------------------------------------------------------------


def entropy_panels(result, frame=None):
    parameters, found = flow(result, frame)
    return [
        ("W1ᵀ + b1", found.hidden_pre),
        ("h, after ReLU", found.hidden),
        ("W2", parameters["W2"]),
        ("logits", found.output),
        ("cosines of h", metrics.cosines(found.hidden)),
    ]


def measured(result):
    """The numbers that the post speaks of."""
    _, found = flow(result)
    cosine = off_diagonal(found.hidden).mean()
    return (
        f"accuracy {result.metrics['train_accuracy']:.0%}, loss {result.metrics['train_loss']:.2g}, mean of W2 "
        f"{result.W2.mean():.3f}, largest activation {found.hidden.max():.2f}, mean cosine {cosine:.2f}"
    )


def margins(logits):
    """The correct logit minus the largest other one, for each input."""
    others = logits - np.where(np.eye(len(logits)), np.inf, 0)
    return np.diag(logits) - others.max(axis=1)


def lifted():
    """How the biases of the networks with cross-entropy start, as the visitor chose."""
    bias_init, bias_offset = ui.LIFTS[knob("lift", "as nn.Linear")]
    return {"bias_init": bias_init, "bias_offset": bias_offset}


def entropy():
    base = settings.EXPERIMENTS["dictionary_cross_entropy"].paper.with_(
        n_features=knob("one_hots", 20), n_hidden=knob("neurons", 10), optimizer=knob("optimizer", "adamw"), **lifted()
    )
    if base.optimizer == "sgd":
        base = base.with_(weight_decay=0.0, lr=0.1)
    else:
        base = base.with_(weight_decay=knob("weight_decay", 0.01), lr=knob("lr", 1e-3))
    results = trained(sweep(base, steps=(1000, 3000), seed=range(knob("seeds", 4))))
    if not results:
        return
    late = [r for r in results if r.experiment.steps == 3000] or results
    seed = chosen(late).experiment.seed
    here = sorted((r for r in results if r.experiment.seed == seed), key=lambda r: r.experiment.steps)
    for result in here:
        st.markdown(f"**After {result.experiment.steps:,} epochs:** {measured(result)}.")
        with ui.wide():
            panels = entropy_panels(result)
            ui.draw(
                charts.old_matrices(panels, "input or class", "neuron or class"), key=f"at-{result.experiment.steps}"
            )
    st.caption(
        "The same network after 1,000 and after 3,000 epochs; each matrix has its own scale. With cross-entropy "
        "nothing tells the network to stop: a right answer can always be given with more confidence, so activations "
        f"and weights go on growing. {np.mean(here[-1].W2 < 0):.0%} of W2 is orange (negative) in the end: each step "
        "pushes one class up and all others down."
    )
    result = here[-1]
    parameters, found = flow(result)
    st.subheader("What the two biases do", anchor=False)
    without = found.hidden @ parameters["W2"].T
    left, right = st.columns(2, gap="large")
    with left:
        both = [("W1ᵀ, without b1", parameters["W1"].T), ("with b1", found.hidden_pre)]
        with ui.wide():
            ui.draw(charts.old_matrices(both, "input", "neuron"), key="ce-b1")
        st.caption(
            f"b1 lifts here too: {np.mean(found.hidden_pre > 0):.0%} of the entries are above 0, "
            f"{np.mean(parameters['W1'] > 0):.0%} without it."
        )
    with right:
        shown = {"without b2": margins(without), "with b2": margins(found.output)}
        ui.draw(charts.old_bars(shown, "How far the correct logit is ahead", "input"), key="ce-b2")
        st.caption(
            f"What b2 adds: the smallest lead is {margins(without).min():.2f} without it and "
            f"{margins(found.output).min():.2f} with it."
        )
    ui.notes(
        "- **Readable.** Each input has its own mix of active neurons, and its class looks for just these.\n"
        "- **Growth** from 1,000 to 3,000 epochs: the pattern stays, the scale grows.\n"
        "- **SGD** as the control: it keeps the sum of each column of W2 exactly as it was at the start, since the "
        "pushes on all classes cancel; only AdamW drives W2 down.",
        "- Cosines near 1. The post sees hidden vectors that all point the same way at 3,000 epochs. From the usual "
        "start they do not; choose an initial bias of 10, and they nearly do.\n"
        "- The post's learning rate, which it does not state.",
    )
    for name in ("entropy_is_a_dictionary", "entropy_grows", "entropy_cosines", "entropy_biases"):
        ui.claim(name, results)
    ui.behind("dictionary_cross_entropy", result, tables.runs(results))


# -- weight decay ------------------------------------------------------------------------------------------------------


def decay():
    base = settings.EXPERIMENTS["dictionary_cross_entropy"].paper.with_(
        n_features=knob("one_hots", 20), n_hidden=knob("neurons", 10), lr=knob("lr", 1e-3)
    )
    results = trained(sweep(base, weight_decay=DECAYS, seed=range(knob("seeds", 4))))
    if not results:
        return
    seed = chosen(results).experiment.seed
    here = sorted((r for r in results if r.experiment.seed == seed), key=lambda r: r.experiment.weight_decay)
    for kind, title in ((0, "W1ᵀ + b1"), (2, "W2")):
        with ui.wide():
            panels = [(f"{title}, decay {r.experiment.weight_decay:g}", entropy_panels(r)[kind][1]) for r in here]
            ui.draw(charts.old_matrices(panels, "input or class", "neuron"), key=f"decay-{kind}")
    rows = []
    for result in results:
        hidden = flow(result)[1].hidden
        numbers = {
            "mean cosine of h": off_diagonal(hidden).mean(),
            "−mean of W2": -result.W2.mean(),
            "largest weight": max(np.abs(result.W1).max(), np.abs(result.W2).max()),
        }
        e = result.experiment
        rows += [{"x": e.weight_decay, "y": y, "line": line, "seed": e.seed} for line, y in numbers.items()]
    frame = pd.DataFrame(rows)
    order = list(dict.fromkeys(frame["line"]))
    title = "What weight decay does to the weights"
    figure = charts.lines(frame, title, "weight decay", "", order, rule=1.0, ticks=DECAYS)
    ui.draw(figure, key="decay-lines")
    st.caption(
        "Dashed: 1. AdamW takes lr × decay of each weight at every step and gives about lr back at most, so in the "
        "long run weights end near 1/decay or below: at a decay of 1 near 1. With less decay they are still growing "
        "when the training ends."
    )
    ui.notes(
        "- **Decay 1** pulls the largest weights down to about 1. W2 is less negative, and the entries are more "
        "alike in size: easier to read.\n- The dictionary is there at every decay.",
        "- That decay is what makes the vectors differ: their mean cosine moves little.",
    )
    ui.claim("weight_decay_counteracts", results)
    ui.behind("dictionary_cross_entropy", here[-1], tables.runs(results))


# -- antipodal inputs --------------------------------------------------------------------------------------------------


def antipodal():
    base = settings.EXPERIMENTS["dictionary_antipodal"].quick.with_(
        n_features=knob("one_hots", 10),
        n_hidden=knob("neurons", 10),
        weight_decay=knob("weight_decay", 1.0),
    )
    results = trained(sweep(base, seed=range(knob("seeds", 4))))
    if not results:
        return
    result = chosen(results)
    parameters, found = flow(result)
    plus, minus = found.hidden[0::2], found.hidden[1::2]
    shared = np.minimum(plus, minus).sum() / np.maximum(plus, minus).sum()
    panels = [
        ("W1ᵀ", parameters["W1"].T),
        ("h of +e", plus),
        ("h of −e", minus),
        ("on in both", np.minimum(plus, minus)),
        ("logits", found.output),
    ]
    with ui.wide():
        ui.draw(charts.old_matrices(panels, "input", "neuron or class"), key="antipodal")
    st.caption(
        f"Inputs come in pairs, +e and −e, each with a class of its own: {2 * base.n_features} classes from "
        f"{base.n_features} numbers. For the two inputs of a pair W1 x has opposite signs, so the neurons that one "
        f"switches on are off for the other. What is on in both is {shared:.1%} of what is on in either; what the "
        f"bias lifts is on in both. Accuracy {result.metrics['train_accuracy']:.0%}."
    )
    ui.notes(
        "- **Two halves.** Row by row, where h of +e is dark, h of −e is light.\n"
        "- **Less weight decay**: the bias grows, lifts both halves above 0, and they begin to overlap.",
        "- Which half is whose: a neuron can be on for any set of inputs that has no pair in it.",
    )
    ui.claim("antipodal_halves", results)
    ui.behind("dictionary_antipodal", result, tables.runs(results))


# -- two neurons -------------------------------------------------------------------------------------------------------


def plane():
    base = settings.EXPERIMENTS["dictionary_64"].quick.with_(
        n_features=knob("one_hots", 64), weight_decay=knob("weight_decay", 0.01)
    )
    results = trained(sweep(base, seed=range(knob("seeds", 8))))
    if not results:
        return
    result = chosen(results)

    def look(frame):
        parameters, found = flow(result, frame)
        pictures = [
            ("columns of W1", parameters["W1"].T),
            ("W1 + b1", found.hidden_pre),
            ("h, after ReLU", found.hidden),
            ("rows of W2", parameters["W2"]),
        ]
        with ui.wide():
            ui.draw(charts.planes(pictures), key="plane")
        ui.draw(charts.old_matrices([("logits", found.output)], "input", "class"), key="plane-logits")
        angles = np.degrees(np.arctan2(found.hidden[:, 1], found.hidden[:, 0]))
        without = ((found.hidden @ parameters["W2"].T).argmax(axis=1) == np.arange(len(found.hidden))).mean()
        st.caption(
            f"{len(found.hidden)} inputs through two numbers. The columns of W1 point everywhere; b1 carries "
            f"{np.mean(found.hidden_pre > 0):.0%} of the entries above 0, and the hidden vectors span "
            f"{np.ptp(angles):.0f}°. Neighbours in angle differ in length, so that no two lie close. Any points that "
            f"differ can be told apart with $W_2[c] = 2h_c$ and $b_2[c] = -|h_c|^2$: the largest logit is the nearest "
            f"point. So b2 is what selects: without it {without:.0%} of the answers are right, with it "
            f"{(found.output.argmax(axis=1) == np.arange(len(found.hidden))).mean():.0%}."
        )

    ui.replay(result, look)
    ui.notes(
        "- **A fan, not a circle**: after the ReLU all vectors lie in one quarter of the plane.\n"
        "- **The training**: drag the step, and see the fan unfold.",
        "- That two neurons are enough for any list: 64 take 10,000 steps, and some seeds miss a few.",
    )
    ui.claim("two_neurons_hold_64", results)
    ui.behind("dictionary_64", result, tables.runs(results))


# -- cosines -----------------------------------------------------------------------------------------------------------


def cosines():
    seeds = range(knob("seeds", 1))
    setting = settings.EXPERIMENTS["dictionary_sizes"]
    mse = sweep(setting.quick, n_features=(16, 32, 64), n_hidden=(4, 8, 16, 32), seed=seeds)
    entropy = settings.EXPERIMENTS["dictionary_cross_entropy"].paper.with_(**lifted())
    ce = sweep(entropy, weight_decay=DECAYS, seed=seeds)
    results = trained(mse + ce)
    squares = [r for r in results if r.experiment.task_row.loss == "mse"]
    crosses = [r for r in results if r.experiment.task_row.loss != "mse"]

    def panels(results, row, column):
        groups = {}
        for r in results:
            groups.setdefault((row(r.experiment), column(r.experiment)), []).append(off_diagonal(flow(r)[1].hidden))
        return [(a, b, np.concatenate(values)) for (a, b), values in groups.items()]

    if squares:
        st.subheader("Squared error", anchor=False)
        ordered = sorted(squares, key=lambda r: (r.experiment.n_features, r.experiment.n_hidden))
        grid = panels(ordered, lambda e: f"n = {e.n_features}", lambda e: f"m = {e.n_hidden}")
        with ui.wide():
            ui.draw(charts.cosine_histograms(grid, "", ""), key="cosines-mse")
        spreads = pd.DataFrame(
            {"m": r.experiment.n_hidden, "spread": off_diagonal(flow(r)[1].hidden).std()} for r in squares
        )
        by_width = spreads.groupby("m")["spread"].agg(["min", "max"])
        few, many = (
            f"{by_width['min'][m]:.2f} to {by_width['max'][m]:.2f} at m = {m}"
            for m in (by_width.index.min(), by_width.index.max())
        )
        closest = spreads["spread"].min()
        mark = "is not reached" if closest >= CLUSTERED else "is reached"
        st.caption(
            "The cosine similarity of every two hidden vectors, as a histogram: from −1 (left) to 1 (right). With few "
            "neurons the cosines lie all over, since few dimensions leave no room for many vectors at equal angles; "
            f"with many they come closer together. Their standard deviation is {few} and {many}. The check speaks of a "
            f"cluster below {CLUSTERED:g}, which {mark} here: the least is {closest:.3f}."
        )
        ui.claim("cosines_cluster_or_spread", results)
    if crosses:
        st.subheader("Cross-entropy, over weight decay", anchor=False)
        ordered = sorted(crosses, key=lambda r: r.experiment.weight_decay)
        row = panels(ordered, lambda e: "n = 20, m = 10", lambda e: f"decay {e.weight_decay:g}")
        with ui.wide():
            ui.draw(charts.cosine_histograms(row, "", ""), key="cosines-ce")
        st.caption(
            "The post finds these cosines at 1 unless the weight decay is high. Here their mean is "
            + ", ".join(f"{values.mean():.2f} at {decay}" for _, decay, values in row)
            + ", from the start that was chosen. From the usual one, as nn.Linear, it stays far below 1, at every "
            "decay that was tried, with AdamW, Adam and SGD, batches of 1, 4 and 20, and rates from 0.001 to 1. Choose "
            "10 as the initial bias: biases that start far above 0 lift all vectors along one direction, and what the "
            "post describes is there, for a decay of 1 takes the lift away again. Over learning rates from 0.01 to "
            "0.001, at a decay of 0.01, the published search found means of 0.54 to 0.63 from biases at 1, 0.62 to "
            "0.86 from 3 and 0.89 to 0.97 from 10."
        )
        ui.claim("entropy_cosines_over_decay", results)
    if results:
        ui.behind("dictionary_sizes", best(squares or results), tables.runs(results))


# -- size against size -------------------------------------------------------------------------------------------------


def sizes():
    network = ui.control("list_network", "mlp")
    seeds = range(knob("seeds", 1))
    squared_error = settings.EXPERIMENTS["dictionary_sizes"]
    entropy = settings.EXPERIMENTS["dictionary_sizes_cross_entropy"]
    base = squared_error.quick.with_(arch=network, lr=1e-3 if network in ("mlp", "unembed") else 1e-2)
    few = which_relu(squared_error.quick.with_(n_features=64, n_hidden=4))
    wanted = [*sweep(base, seed=seeds, **squared_error.over), *sweep(entropy.quick, seed=seeds, **entropy.over), *few]
    every = trained(list({experiment.key: experiment for experiment in wanted}.values()))
    compared, results = [r for r in every if r.experiment in few], [r for r in every if r.experiment not in few[1:]]
    if network != "mlp":
        results = [r for r in every if r.experiment.arch == network or r.experiment.task_row.loss != "mse"]
    for loss, title in (("mse", "Squared error"), ("cross_entropy", "Cross-entropy")):
        part = [r for r in results if r.experiment.task_row.loss == loss]
        if not part:
            continue
        cells = size_cells(part)
        st.subheader(title, anchor=False)
        left, right = st.columns(2, gap="medium")
        name = "loss, mean over outputs" if loss == "mse" else "loss in nats"
        ui.draw(charts.size_map(cells, f"{title}: loss", name), key=f"{loss}-loss", where=left)
        accuracy = cells.assign(value=cells["accuracy"])
        figure = charts.size_map(accuracy, f"{title}: accuracy", "accuracy", logarithmic=False)
        ui.draw(figure, key=f"{loss}-accuracy", where=right)
        if loss == "mse" and network in ("mlp", "unembed"):
            low = cells[cells["floor"] > 0]
            worst = (low["value"] / low["floor"]).max() - 1 if len(low) else 0
            st.caption(
                f"Where $m < n - 1$ the loss is at least $(n - 1 - m)/n^2$. These networks are at most {worst:.1%} "
                "above it: they do as well as any network whose output is linear in h."
            )
        zeros = int((cells["value"] == 0).sum())
        if loss != "mse" and zeros:
            st.caption(
                f"White: a loss of exactly 0, in {zeros} of {len(cells)} networks. The correct class is so far ahead, "
                "by about 17 and more, that 32-bit numbers cannot tell its probability from 1; the logarithm of 0 "
                "cannot be drawn."
            )
    if len(compared) == len(few):
        st.subheader("Which ReLU is it?", anchor=False)
        ordered = sorted(compared, key=lambda r: few.index(r.experiment))
        st.dataframe(
            pd.DataFrame(
                {
                    "network": [ui.LIST_NETWORK_NAMES[r.experiment.arch] for r in ordered],
                    "loss, mean over outputs": [r.metrics["train_loss"] / 64 for r in ordered],
                    "accuracy": [r.metrics["train_accuracy"] for r in ordered],
                }
            ),
            hide_index=True,
            column_config={
                "loss, mean over outputs": st.column_config.NumberColumn(format="%.5f"),
                "accuracy": st.column_config.NumberColumn(format="percent"),
            },
        )
        st.caption(
            f"64 one-hots through 4 hidden values, squared error, seed 0. With an output that is linear in the hidden "
            f"values the loss cannot be below {theory.rank_floor(np.eye(64), 4) / 64:.5f}, whatever the ReLU before."
        )
    ui.notes(
        "- **Squared error** fails for few neurons and many inputs; **cross-entropy** hardly minds: two neurons hold "
        "64 classes.\n"
        "- **Which ReLU?** The post blames the ReLU in the middle. Choose the network without any ReLU: the same "
        "loss. Choose the bottleneck with a ReLU on its output: four hidden values hold 64. The ReLU that is missing "
        "is that on the output, which cuts off what a list in few dimensions must leave over.",
        "- The best that a network with an output ReLU could do: untied ones get stuck with outputs that are "
        "never on, and never learn again.",
    )
    ui.claim("squared_error_needs_neurons", results)
    ui.claim("middle_relu_is_the_limit", compared)
    ui.claim("entropy_needs_few_neurons", results)
    if results:
        part = [r for r in results if r.experiment.task_row.loss == "mse"] or results
        ui.behind("dictionary_sizes", part[0], tables.runs(results))


def size_cells(results):
    """The best seed of each cell, its loss as a mean over outputs for the squared error."""
    groups = {}
    for result in results:
        groups.setdefault((result.experiment.n_features, result.experiment.n_hidden), []).append(result)
    rows = []
    for (n, m), members in groups.items():
        top = best(members)
        per = n if top.experiment.task_row.loss == "mse" else 1
        lowest = floor(top.experiment) / per if per > 1 and not top.experiment.arch_row.output_relu else 0.0
        rows.append(
            {
                "n_hidden": m,
                "training_size": n,
                "value": top.metrics["train_loss"] / per,
                "accuracy": top.metrics["train_accuracy"],
                "floor": lowest,
                "seed": top.experiment.seed,
            }
        )
    return pd.DataFrame(rows)


{
    "squared": squared,
    "entropy": entropy,
    "decay": decay,
    "antipodal": antipodal,
    "plane": plane,
    "cosines": cosines,
    "sizes": sizes,
}[tab]()
