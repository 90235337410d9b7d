"""How a bottleneck stores more features than it has dimensions."""

import numpy as np
import pandas as pd
import streamlit as st

from toyviz import charts, metrics, settings, tables, theory, ui
from toyviz.experiment import sparsity_of, sweep

DENSITIES, LINEAR, STARTS, DIMENSIONS, PHASES = VIEWS = [  # also in the address
    "Density by density",
    "Without the ReLU",
    "Another start",
    "Dimensions per feature",
    "Phases",
]
CLOSE = 0.05  # D* this close to a plateau is on it

ui.title("Superposition", "How does a bottleneck store more features than it has dimensions?")
view = ui.choice("superposition", "View", VIEWS, DENSITIES, label_visibility="collapsed")
recipe = ui.control("recipe", "quick")


def named(name, **changes):
    """A named experiment at the size that the visitor chose."""
    setting = settings.EXPERIMENTS[name]
    return setting.at(recipe).with_(**changes)


def sparsities(densities):
    return list(map(sparsity_of, densities))


def by_density(results, densities):
    """The results of each density."""
    groups = {d: [r for r in results if r.experiment.density == d] for d in densities}
    return {d: group for d, group in groups.items() if group}


def best_of_each(results, densities):
    """The best seed of each density, by test loss on one common set of samples."""
    return {d: tables.best_of(group) for d, group in by_density(results, densities).items()}


def label(density):
    return f"1 − S = {density:g}"


def watch(experiment, job):
    left, right = st.columns([1, 2], gap="large", vertical_alignment="center")
    if experiment.n_features <= 40:
        bias = job.frame.get("b2", np.zeros(experiment.n_features))
        ui.draw(charts.overlaps([("", job.frame["W1"], bias)], large=True), key="live-overlaps", where=left)
    right.markdown(f"**In training:** density {experiment.density:.3g}, seed {experiment.seed}. {ui.step(job)}")
    ui.draw(charts.training_curve(*job.losses), key="live-curve", where=right)


def shared_controls(seeds):
    """The controls of the views that look at twenty features: densities, seeds and the base of their experiments."""
    densities = ui.control("density", settings.DENSITIES)
    return (
        densities,
        ui.control("seeds", seeds),
        {
            "n_features": ui.control("n_features", 20, choices=(5, 10, 20, 40, 80)),
            "n_hidden": ui.control("n_hidden", 5, choices=(2, 3, 5, 10)),
            "importance_decay": ui.control("importance_decay", 0.7),
        },
    )


# -- density by density ------------------------------------------------------------------------------------------------


def density_by_density():
    st.markdown(
        "A network squeezes $n$ features through $m$ hidden values and gives them back: "
        "$x' = \\mathrm{ReLU}(W_1^\\top W_1 x + b_2)$. It is trained on endless fresh samples, and feature $i$ weighs "
        "decay$^i$ in the loss, so feature 0 matters most. Only the density changes from left to right: the chance $1 "
        "- S$ that a feature is active."
    )
    densities, seeds, sizes = shared_controls(4)
    n_hidden = sizes["n_hidden"]
    bias_init, bias_offset = settings.BIAS_STARTS[ui.control("bias", "0")]
    base = named("superposition", **sizes, bias_init=bias_init, bias_offset=bias_offset)
    overview, row, inside = st.container(), st.container(), st.container()
    with inside:
        if densities:
            st.subheader("Inside one network", anchor=False)
        density = ui.shown("look", "Density 1 − S", densities, 0.1)

    def show(results):
        best = {result.experiment.key for result in best_of_each(results, densities).values()}
        table = tables.runs(results)
        table["best"] = table["key"].isin(best)
        left, right = st.columns(2, gap="medium")
        pick = lambda point: ui.remember(look=point["density"])  # noqa: E731
        ui.draw(
            charts.summary(table, "represented", densities, n_hidden, density), key="represented", pick=pick, where=left
        )
        ui.draw(
            charts.summary(table.dropna(subset="superposition"), "superposition", densities, None, density),
            key="shared",
            pick=pick,
            where=right,
        )
        st.caption(
            f"A feature is represented if its column of W1 is longer than {metrics.REPRESENTED}. Its superposition is "
            "$\\sum_{j \\ne i} (\\hat w_i \\cdot w_j)^2$, with $\\hat w_i$ its column at unit length: 0 where it has "
            "its direction to itself, 1 in a pair of opposite columns of length 1. Ticks: the other seeds."
        )

    def look_inside(result, frame):
        now = result.frame(frame)
        columns = now["W1"].T
        left, right = st.columns(2, gap="medium")
        ui.draw(
            charts.overlaps([("W1ᵀ W1 and b2", now["W1"], now["b2"])], large=True), key="overlaps", where=ui.wide(left)
        )
        bars = [("length", metrics.norms(columns), metrics.superposition(columns))]
        ui.draw(charts.norm_bars(bars, n_hidden, large=True), key="bars", where=ui.wide(left))
        figure = charts.training_curve(result.loss_steps, result.losses, int(result.frame_steps[frame]))
        ui.draw(figure, key="curve", where=right)
        if n_hidden == 2:
            figure = charts.closeup(columns, charts.FEATURES, metrics.norms(columns), metrics.dimensionality(columns))
            ui.draw(figure, key="columns", where=right)

    with overview:
        wanted = sorted(sweep(base, seed=range(seeds), sparsity=sparsities(densities)), key=lambda e: e.seed)
        results = ui.trained(wanted, show, watch, at_once=recipe == "quick")
        ui.notes(
            "- **Dense** (left): the $m$ most important features get a direction each, and the rest is given up. Its "
            "bias is the mean of the feature, a guess.\n"
            "- **Sparser**: the least important of these give way first and pair up: two features point in opposite "
            "directions (orange cells), since they are seldom active at once.\n"
            "- **Sparse** (right): many features share every direction, the bars turn yellow, and the bias turns "
            "negative to cut off what the others leak.",
            "- The one solution: another seed finds another arrangement. Shown is the best of the seeds, by the loss "
            "on 10,000 samples that are the same for all of them.\n"
            "- Another start: with a bias that does not start at 0, results look quite different. See the view "
            "“Another start”.\n"
            "- Colours of features that are hardly there: they are faded, since a tiny column has no meaningful "
            "direction.",
        )
    best = best_of_each(results, densities)
    if not best:
        return
    with row:
        st.subheader("Density by density", anchor=False)
        with ui.wide():
            overlaps = [(label(d), result.W1, result.b2) for d, result in best.items()]
            ui.draw(charts.overlaps(overlaps), key="all-overlaps")
            bars = [
                (label(d), metrics.norms(result.W1.T), metrics.superposition(result.W1.T)) for d, result in best.items()
            ]
            ui.draw(charts.norm_bars(bars, n_hidden), key="all-bars")
            if n_hidden == 2:
                planes = [(label(d), {charts.FEATURES: result.W1.T}) for d, result in best.items()]
                ui.draw(charts.panels(planes, common_scale=True), key="all-columns")
        st.caption(
            "Above: the overlap of every two features, W1ᵀ W1, and at the right the bias b2. Below: the length of "
            "each feature's column of W1; its colour is the superposition, as above. The dashed line stands after "
            "feature m."
        )
    if density in best:
        with inside:
            ui.replay(best[density], lambda frame: look_inside(best[density], frame))
            losses = sorted(r.metrics["test_loss"] for r in by_density(results, [density])[density])
            others = f"; the others have {', '.join(f'{loss:.4g}' for loss in losses[1:])}" if len(losses) > 1 else ""
            st.caption(
                f"Seed {best[density].experiment.seed}: test loss {losses[0]:.4g}, the best of {len(losses)}{others}."
            )
    for each in ("dense_keeps_the_most_important", "sparser_stores_more", "least_important_share_first"):
        ui.claim(each, results)
    if density in best:
        ui.behind("superposition", best[density], tables.runs(results))


# -- without the ReLU --------------------------------------------------------------------------------------------------


def without_relu():
    st.markdown(
        "Is it the ReLU? The control is the same network without one: $x' = W_1^\\top W_1 x + b_2$. Whatever the "
        "density, its best is to keep the $m$ most important features whole and give up the rest, since it cannot "
        "cut off what one feature leaks into another: $W_1^\\top W_1$ is 1 on the first $m$ places of its diagonal, "
        "and 0 elsewhere."
    )
    densities, seeds, sizes = shared_controls(4)
    m, n = sizes["n_hidden"], sizes["n_features"]
    bases = {"With the ReLU": named("superposition", **sizes), "Without": named("superposition_linear", **sizes)}
    wanted = [e for base in bases.values() for e in sweep(base, seed=range(seeds), sparsity=sparsities(densities))]
    results = ui.trained(wanted, lambda results: None, watch, at_once=recipe == "quick")
    best = {
        kind: best_of_each([r for r in results if r.experiment.arch == base.arch], densities)
        for kind, base in bases.items()
    }
    if not any(best.values()):
        return
    with ui.wide(), st.container(width="content"):
        for kind, networks in best.items():
            if networks:
                st.markdown(f"**{kind}**")
                panels = [(label(d), result.W1, result.b2) for d, result in networks.items()]
                ui.draw(charts.overlaps(panels), key=f"overlaps-{kind}")
    kept = np.diag((np.arange(n) < m).astype(float))
    rows = []
    for d in densities:
        if all(d in networks for networks in best.values()):
            relu, linear = best["With the ReLU"][d], best["Without"][d]
            guess = np.where(np.arange(n) < m, 0, d / 2)
            rows.append(
                {
                    "density 1 − S": d,
                    "stored with the ReLU": tables.runs([relu])["represented"].iloc[0],
                    "stored without": tables.runs([linear])["represented"].iloc[0],
                    "overlaps off the closed form by at most": np.abs(linear.W1.T @ linear.W1 - kept).max(),
                    "biases off by at most": np.abs(linear.b2 - guess).max(),
                    "loss with the ReLU": relu.metrics["test_loss"],
                    "loss without": linear.metrics["test_loss"],
                }
            )
    if rows:
        st.dataframe(pd.DataFrame(rows).style.format("{:.3g}"), hide_index=True)
        worst = max(row["overlaps off the closed form by at most"] for row in rows)
        st.caption(
            f"The best of {seeds} seeds at each density. Stored: a column longer than {metrics.REPRESENTED}. Without "
            f"the ReLU every overlap is within {worst:.3f} of the closed form, and the bias of a feature that is given "
            "up is near its mean (1 − S)/2. The loss is the squared error weighted by importance, on 10,000 samples "
            "that are the same for all."
        )
    ui.notes(
        "- **Without** (below): the same picture at every density. $m$ features, no superposition.\n"
        "- **With** (above): from density 0.3 on more features than dimensions, in opposite pairs at first.\n"
        "- **The losses.** They are alike where features are dense, and part where the ReLU can use their sparsity.",
        "- That a linear network could not be made to overlap: it could, but at a cost, and training finds the "
        "better way.\n"
        "- Which $m$ directions: turning the hidden layer changes W1 and leaves W1ᵀ W1 as it is.",
    )
    first = next(iter(best["Without"].values()), None)
    if first:
        ui.behind("superposition_linear", first, tables.runs(results))


# -- another start -----------------------------------------------------------------------------------------------------


def another_start():
    st.markdown(
        "The bias $b_2$ starts at 0 in the views before. The post warns that with another start the results look "
        "significantly different. Here are five: 0, normal numbers $N(0, 1)$, uniform numbers within "
        "$\\pm 1/\\sqrt m$, $-1$ and $+1$, with everything else alike."
    )
    densities, seeds, sizes = shared_controls(4)
    base = named("superposition", **sizes)
    starts = settings.BIAS_STARTS
    wanted = [
        e
        for kind, offset in starts.values()
        for e in sweep(
            base.with_(bias_init=kind, bias_offset=offset), seed=range(seeds), sparsity=sparsities(densities)
        )
    ]
    density = ui.shown("look", "Density 1 − S", densities, 0.1)
    names = {values: name for name, values in starts.items()}

    def started(result):
        return names[result.experiment.bias_init, result.experiment.bias_offset]

    def show(results):
        table = tables.runs(results).assign(start=[started(result) for result in results])
        usual = table[table["start"] == "0"].groupby("density")["test_loss"].median()
        table["ratio"] = table["test_loss"] / table["density"].map(usual)
        left, right = st.columns(2, gap="medium")
        pick = lambda point: ui.remember(look=point["density"])  # noqa: E731
        figure = charts.by_start(table, "represented", list(starts), density)
        ui.draw(figure, key="by-start", pick=pick, where=left)
        figure = charts.by_start(table.dropna(subset="ratio"), "ratio", list(starts), density)
        ui.draw(figure, key="loss-by-start", pick=pick, where=right)

    results = ui.trained(wanted, show, watch, at_once=recipe == "quick")
    st.caption(f"Represented: a column of W1 longer than {metrics.REPRESENTED}.")
    groups = {name: [r for r in results if started(r) == name and label(density) == _label(r)] for name in starts}
    best = {f"b2 from {name}": tables.best_of(group) for name, group in groups.items() if group}
    if best:
        st.subheader(f"The best network of each start, {label(density)}", anchor=False)
        with ui.wide(), st.container(width="content"):
            ui.draw(charts.overlaps([(name, r.W1, r.b2) for name, r in best.items()]), key="overlaps-by-start")
            bars = [(name, metrics.norms(r.W1.T), metrics.superposition(r.W1.T)) for name, r in best.items()]
            ui.draw(charts.norm_bars(bars, sizes["n_hidden"]), key="bars-by-start")
        st.caption(
            "W1ᵀ W1 with b2 at the right, and below the length of each column, coloured by its superposition, "
            "$\\sum_{j \\ne i} (\\hat w_i \\cdot w_j)^2$. The best of the seeds by test loss."
        )
    ui.notes(
        "- **−1.** An output whose ReLU is off for every input gets no gradient: the feature is dead, and its bias "
        "stays near where it started. Fewer features are stored, the loss is many times higher.\n"
        "- **+1.** The ReLU does nothing at first, so the network starts as the linear one, and stores fewer features "
        "where they are sparse.\n"
        "- **Normal and uniform.** Some biases fall below 0 and are dead, others do not: seeds differ a lot.",
        "- That 0 is the best start: it is the usual one. At some densities another start finds a lower loss.\n"
        "- A longer training: most dead outputs stay dead, since no gradient reaches them.",
    )
    ui.claim("bias_start_matters", results)
    if best:
        ui.behind("superposition", next(iter(best.values())), tables.runs(results))


def _label(result):
    return label(result.experiment.density)


# -- dimensions per feature --------------------------------------------------------------------------------------------


def dimensions_per_feature():
    st.markdown(
        "How much of a dimension does a feature get? With $n = 200$ equally important features in $m = 20$ dimensions, "
        "$D^* = m / \\|W_1\\|_F^2$ is the number of dimensions for each feature that is stored. As features grow "
        "sparser it does not fall smoothly: it stays for a while where the features take a regular shape."
    )
    setting = settings.EXPERIMENTS["dimensions_per_feature"]
    seeds = ui.control("seeds", 1, key="dimensions_seeds")
    n_hidden = ui.control("n_hidden", 20, choices=(5, 10, 20, 30), key="dimensions_m")
    n_features = ui.control("n_features", 200, choices=(50, 100, 200, 400), key="dimensions_n")
    base = named("dimensions_per_feature", n_hidden=n_hidden, n_features=n_features)

    def shares(results):
        found = {}
        for result in results:
            density = result.experiment.density
            found.setdefault(density, []).append(n_hidden / float((result.W1.astype(float) ** 2).sum()))
        return {density: float(np.mean(values)) for density, values in sorted(found.items(), reverse=True)}

    def show(results):
        first = [r for r in results if r.experiment.seed == 0]
        features = {r.experiment.density: metrics.dimensionality(r.W1.T) for r in first}
        ui.draw(charts.dimensions_per_feature(shares(results), features, theory.PLATEAUS), key="dimensions")
        st.caption(
            "Line: $D^*$ at each density. Dots: the dimensionality of single features, $D_i = |w_i|^2 / \\sum_j (\\hat "
            "w_i \\cdot w_j)^2$, of seed 0. Dashed: what a feature has in a regular shape."
        )

    wanted = sorted(sweep(base, seed=range(seeds), sparsity=setting.over["sparsity"]), key=lambda e: e.seed)
    results = ui.trained(wanted, show, watch, at_once=recipe == "quick")
    if not results:
        return
    found = shares(results)
    near = {d: share for d, share in found.items() if abs(share - 1 / 2) < CLOSE}
    told = (
        f"At density 1, $D^*$ is {found[1.0]:.3f}; all dimensions are used, as by $m$ features: 1. "
        if 1.0 in found
        else ""
    )
    if near:
        off = np.mean([abs(share - 1 / 2) for share in near.values()])
        told += (
            f"From 1/(1 − S) = {1 / max(near):.2f} to {1 / min(near):.2f} it stays within {CLOSE} of 1/2, {off:.3f} "
            "off on average: opposite pairs, two features a dimension."
        )
    else:
        told += f"No density comes within {CLOSE} of 1/2, the share of an opposite pair."
    st.markdown(told)
    rows = []
    for shape, share in theory.PLATEAUS.items():
        nearest = min(found.values(), key=lambda value: abs(value - share))
        on_it = [density for density, value in found.items() if abs(value - share) < CLOSE]
        rows.append(
            {
                "shape": shape,
                "share": share,
                "nearest D*": nearest,
                "off by": abs(nearest - share),
                "near": len(on_it),
            }
        )
    st.dataframe(
        pd.DataFrame(rows).style.format("{:.3f}", subset=["share", "nearest D*", "off by"]),
        hide_index=True,
    )
    st.caption(
        f"Near: at how many densities $D^*$ is within {CLOSE} of the share. A line that falls from 1 passes every "
        "share: a plateau is where several densities stay close. Where none does, the line says nothing about the "
        "shape."
    )
    ui.notes(
        "- **Two plateaus** of the line: at 1, and longer at 1/2, where features come in opposite pairs, two to a "
        "dimension.\n"
        "- **The dots**, features one by one: on the plateau they lie at 1/2 or at 0, stored in a pair or given up. "
        "Just before it they gather at 2/3, in triangles.\n"
        "- **Far left**: the line is at 1, the dots are at $m/n$. Dense features that weigh the same can be mixed at "
        "will: the network stores $m$ mixtures, and no feature is alone.\n"
        "- **Far right**: more and more features, each with less of a dimension.",
        "- That every feature gets the same: $D^*$ is a mean over those that are stored.\n"
        "- Sharp plateaus of the lower shapes: in 20 dimensions, with this training, they blur into each other. The "
        "original has 30 dimensions and 400 features.",
    )
    ui.behind("dimensions_per_feature", results[0], tables.runs(results))


# -- phases ------------------------------------------------------------------------------------------------------------


def phases():
    st.markdown(
        "One feature more than there are dimensions. What becomes of the extra one? It is given up, or it shares a "
        "dimension with another in opposite directions, or it has one for itself, at the cost of another. Left: "
        "trained. Right: the solution that is cheapest on paper. Giving up feature $i$ costs $I_i\\,(p/3 - p^2/4)$, a "
        "pair costs $p^2 (I_i + I_j)/6$, with $p = 1 - S$."
    )
    setting = settings.EXPERIMENTS["phase_diagram"]
    text = lambda m: f"n = {m + 1}, m = {m}"  # noqa: E731
    m = ui.choice("phase_m", "Features and dimensions", (1, 2), 1, where=st.sidebar, format_func=text)
    seeds = ui.control("seeds", 4)
    base = named("phase_diagram", n_features=m + 1, n_hidden=m)
    decays = [round(decay ** (1 / m), 6) for decay in setting.over["importance_decay"]]
    wanted = sweep(base, seed=range(seeds), importance_decay=decays, sparsity=setting.over["sparsity"])
    chosen = st.session_state.get("cell")

    def show(results):
        cells = tables.phases(results)
        left, right = st.columns(2, gap="medium")
        pick = lambda cell: ui.remember(cell=(cell["importance"], cell["density"]))  # noqa: E731
        ui.draw(charts.phases(cells, "Trained", chosen), key="trained", pick=pick, where=left)
        on_paper = cells.assign(phase=cells["theory"], differs=False, loss=1.0)
        ui.draw(charts.phases(on_paper, "On paper", chosen), key="on-paper", pick=pick, where=right)

    results = ui.trained(sorted(wanted, key=lambda e: e.seed), show, watch, at_once=recipe == "quick")
    if not results:
        return
    cells = tables.phases(results)
    agree = 1 - cells["differs"].mean()
    st.markdown(
        f"Training and paper agree in {agree:.0%} of {len(cells)} cells; a cross marks the others. The expected loss "
        f"of the trained is {cells['loss'].min():.2f} to {cells['loss'].max():.2f} times that on paper, "
        f"{cells['loss'].median():.2f} in the median cell. Click a cell to look into it."
    )
    if chosen:
        here = cells[(cells["importance"] == chosen[0]) & (cells["density"] == chosen[1])]
        result = next((r for r in results if len(here) and r.experiment.key == here["key"].iloc[0]), None)
        if result:
            look_into_cell(result, chosen)
    ui.notes(
        "- **Three regions** that meet at sharp borders, where importance or density changes only a little: phases.\n"
        "- **Sparse** (above): a pair is cheap, since the two are seldom active at once.\n"
        "- **Dense** (below): the less important of two is given up; left of 1 that is the extra one.",
        "- The very best network: on paper every column has length 1 and no bias helps. Trained networks turn both to "
        "use, so their loss is a little lower, and where two weigh about the same pairs go on to higher densities.\n"
        "- Other importances: with three features the middle one weighs the square root of the extra one, since "
        "importance is a power of the number of the feature. The original gives the first two the same.",
    )
    ui.behind("phase_diagram", results[0], tables.runs(results))


def look_into_cell(result, cell):
    """The weights of one cell's best network, and what each solution would cost."""
    importance = result.experiment.importance_decay ** np.arange(result.experiment.n_features)
    density = result.experiment.density
    left, right = st.columns(2, gap="medium")
    left.markdown(f"**Importance {cell[0]:.3g}, density {density:.3g}**: the best of the seeds")
    columns = result.W1.T
    table = {
        "importance": importance,
        "length": metrics.norms(columns),
        "superposition": metrics.superposition(columns),
        "bias": result.b2,
    }
    left.dataframe(pd.DataFrame(table).style.format(precision=3), width="stretch")
    losses = theory.solutions(importance, density)
    names = [f"give up {s[0]}" if len(s) == 1 else f"{s[0]} and {s[1]} in a pair" for s in losses]
    right.markdown("**What each solution costs**")
    costs = pd.DataFrame({"solution": ["trained", *names], "loss": [tables.expected_loss(result), *losses.values()]})
    right.dataframe(costs.sort_values("loss").style.format(precision=6), hide_index=True, width="stretch")


{
    DENSITIES: density_by_density,
    LINEAR: without_relu,
    STARTS: another_start,
    DIMENSIONS: dimensions_per_feature,
    PHASES: phases,
}[view]()
