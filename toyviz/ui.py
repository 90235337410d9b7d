"""What the pages share of Streamlit: their frame, their controls, and the training that a visitor watches."""

from __future__ import annotations

import math
import shlex
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import streamlit as st

from toyviz import claims, runtime, settings
from toyviz.charts import Figure
from toyviz.claims import published as publishing
from toyviz.experiment import Experiment
from toyviz.result import Result

POLL = 0.5  # seconds between two looks at a training
AT_ONCE = 120.0  # seconds of expected training up to which it starts without being asked
NEWS = 2.5  # seconds after which new results are worth drawing the whole page again
LIVE = ("queued", "running")
STYLE = """<style>
.stMainBlockContainer {max-width: 76rem}
@media (min-width: 48rem) {.stMainBlockContainer {padding-left: 3rem; padding-right: 3rem}}
</style>"""


# -- the frame ---------------------------------------------------------------------------------------------------------


def title(name: str, question: str) -> None:
    """The head of a page: its name and the question that it answers."""
    st.title(name, anchor=False)
    st.markdown(f"##### {question}")


def notes(look_for: str, not_shown: str) -> None:
    """Two short texts side by side: what to look for, and what the page does not show."""
    left, right = st.columns(2, gap="large")
    left.markdown(f"**What to look for**\n\n{look_for}")
    right.markdown(f"**What this does not show**\n\n{not_shown}")


def draw(figure: Figure, key: str, *, pick: Callable[[dict[str, Any]], None] | None = None, where: Any = None) -> None:
    """Draw a figure. pick gets the fields of the point that the visitor clicks, before the whole page runs again."""
    where = where or st
    spec = {**figure.spec, "datasets": dict(figure.data)}
    options: dict[str, Any] = {"width": "content" if figure.square else "stretch", "alt": figure.alt}
    if pick:

        def clicked() -> None:
            rows = st.session_state[key]["selection"].get("pick") or []
            if rows:
                pick(rows[0])
            st.rerun()

        options["on_select"] = clicked
    where.vega_lite_chart(spec=spec, key=key, **options)


def frame() -> None:
    """What every page has around it."""
    st.logo("docs/icon.png", size="large")
    st.html(STYLE)


def wide() -> Any:
    """A container for figures of a fixed width: on a narrow screen it scrolls sideways by itself."""
    return st.container(horizontal=True, wrap=False)


# -- controls ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Control:
    """A knob: what it says, and the few values it can take. Its name is its key, and its parameter in the address."""

    label: str
    choices: tuple[Any, ...]
    help: str
    kind: str = "slider"  # slider, pills (several values), choice (one of few), list (one of many), toggle
    text: Callable[[Any], str] = str


def _number(value: float) -> str:
    return f"{value:,g}" if abs(value) >= 1e-3 or value == 0 else f"{value:g}"


INIT_NAMES = {
    "xavier_normal": "Xavier, normal",
    "xavier_uniform": "Xavier, uniform",
    "linear_uniform": "nn.Linear, uniform",
    "linear_normal": "nn.Linear, normal",
}
BIASES = settings.BIAS_STARTS  # one choice for bias_init and bias_offset
BIAS_NAMES = {
    "zeros": "0",
    "normal": "normal, N(0, 1)",
    "uniform": "uniform, ±1/√m",
    "minus": "−1",
    "plus": "+1",
}
LABEL_NAMES = {"classify_hard": "Hard", "classify_soft": "Soft"}
NETWORK_NAMES = {
    "unembed": "W1, W2 and b2",
    "unembed_tied": "tied: W2 = W1ᵀ",
    "unembed_no_bias": "no bias",
}
OPTIMIZER_NAMES = {"adamw": "AdamW", "sgd": "SGD"}
LIST_NETWORK_NAMES = {
    "mlp": "ReLU in the middle (the post's)",
    "unembed": "no ReLU",
    "mlp_relu_output": "ReLU in the middle and on the output",
    "relu_output": "ReLU on the output (the bottleneck)",
}
COUNTS_NAMES = {1.0: "the strongest alone", 0.5: "those at least half as strong", 0.0: "all"}
TASK_NAMES = {"autoencode": "squared error", "classify_hard": "cross-entropy"}
TO_STORE_NAMES = {"sparse": "50 sparse samples", "one_hot": "one-hots"}
STARTS = {  # one choice for init, bias_init and bias_offset
    "xavier_normal": ("xavier_normal", "zeros", 0.0),
    "xavier_uniform": ("xavier_uniform", "zeros", 0.0),
    "xavier_lifted": ("xavier_normal", "zeros", 0.1),
    "linear_uniform": ("linear_uniform", "linear_uniform", 0.0),
    "linear_normal": ("linear_normal", "linear_normal", 0.0),
}
START_NAMES = {
    "own": "as usual for this network",
    **{name: INIT_NAMES[init] for name, (init, _, _) in STARTS.items()},
    "xavier_lifted": "Xavier, normal; biases at 0.1",
}
BLOCK_NAMES = {
    "relu_output": "bottleneck, one matrix",
    "relu_output_untied": "bottleneck, W1 and W2",
    "mlp": "MLP, as the post writes it",
    "mlp_relu_output": "MLP, ReLU on the output",
}
CONTROLS: dict[str, Control] = {
    "recipe": Control(
        "Recipe",
        ("quick", "paper"),
        "How long and how gently each network is trained. Quick: fewer and larger steps, about a second a network. "
        "Paper: the many small steps of the original; it starts when you ask for it.",
        kind="choice",
    ),
    "n_samples": Control(
        "Training samples T",
        (*settings.SAMPLE_SIZES, 5000),
        "The sizes of the training set. Each is a network of its own, trained on T fixed samples.",
        kind="pills",
        text=lambda T: f"{T:,}",
    ),
    "density": Control(
        "Densities 1 − S",
        settings.DENSITIES,
        "The chance that a feature is active in a sample. Each density is a network of its own.",
        kind="pills",
        text=_number,
    ),
    "sparsity": Control(
        "Sparsity S",
        (0.9, 0.95, 0.98, 0.99, 0.995, 0.998),
        "The chance that a feature is zero in a sample.",
        text=_number,
    ),
    "n_features": Control(
        "Features n", (100, 200, 500, 1000, 2000), "The length of every sample x.", text=lambda n: f"{n:,}"
    ),
    "n_hidden": Control(
        "Hidden width m", (2, 3, 4, 8, 16), "The width of the bottleneck. Other than 2, the geometry is a projection."
    ),
    "importance_decay": Control(
        "Importance decay",
        (0.5, 0.6, 0.7, 0.8, 0.9, 1.0),
        "Feature $i$ weighs decay$^i$ in the loss. At 1 all features weigh the same.",
        text=_number,
    ),
    "seeds": Control(
        "Seeds",
        (1, 2, 4, 8),
        "How many networks for each setting, each with its own start and its own training samples.",
        kind="choice",
    ),
    "block": Control(
        "Network",
        tuple(BLOCK_NAMES),
        "The bottleneck uses one matrix twice. The MLP block has a ReLU in the middle and two biases; as the post "
        "writes it, its output is linear.",
        kind="list",
        text=BLOCK_NAMES.__getitem__,
    ),
    "start": Control(
        "Initial weights",
        tuple(START_NAMES),
        "How the weights are drawn before the first step. With Xavier the biases start at 0, with nn.Linear as there.",
        kind="list",
        text=START_NAMES.__getitem__,
    ),
    "map_samples": Control(
        "Training samples T",
        (*settings.SAMPLE_SIZES, 5000),
        "The columns of the maps. Each cell is a network of its own.",
        kind="pills",
        text=lambda T: f"{T:,}",
    ),
    "widths": Control(
        "Hidden sizes m",
        (2, 3, 4, 6, 8, 12, 16, 32),
        "The rows of the maps. Wide networks with many samples take a minute each.",
        kind="pills",
    ),
    "map_seeds": Control(
        "Seeds a cell", (1, 2, 4), "How many networks each cell of the maps is the mean of.", kind="choice"
    ),
    "starts": Control(
        "Random starts",
        (8, 32, 100),
        "How many networks for each density, each from its own start. Shown is the one with the lowest loss.",
        kind="choice",
    ),
    "weight_decay": Control(
        "Weight decay",
        (0.0, 0.001, 0.01, 0.1, 1.0),
        "AdamW shrinks every weight by learning rate × decay at each step.",
        text=_number,
    ),
    "init": Control(
        "Initial weights",
        tuple(INIT_NAMES),
        "How W1 is drawn before the first step. The biases start at 0.",
        kind="list",
        text=INIT_NAMES.__getitem__,
    ),
    "bias": Control(
        "Initial bias",
        tuple(BIAS_NAMES),
        "How b2 starts. The post warns that results look quite different when it does not start at 0.",
        kind="list",
        text=BIAS_NAMES.__getitem__,
    ),
    "labels": Control(
        "Labels",
        tuple(LABEL_NAMES),
        "Hard: the largest feature is the one correct class. Soft: every active feature counts, by its value.",
        kind="choice",
        text=LABEL_NAMES.__getitem__,
    ),
    "network": Control(
        "Network",
        tuple(NETWORK_NAMES),
        "Two matrices and an output bias; one matrix used twice; or no bias.",
        kind="list",
        text=NETWORK_NAMES.__getitem__,
    ),
    "optimizer": Control(
        "Optimiser",
        tuple(OPTIMIZER_NAMES),
        "SGD has momentum 0.9, a learning rate of its own, and no weight decay.",
        kind="choice",
        text=OPTIMIZER_NAMES.__getitem__,
    ),
    "one_hots": Control("Inputs n", (5, 10, 20, 40, 64), "How many one-hots are stored, each of length n."),
    "neurons": Control("Neurons m", (2, 3, 4, 6, 8, 10, 16, 32), "How many neurons, or hidden values, there are."),
    "lr": Control(
        "Learning rate",
        (1e-3, 3e-3, 1e-2, 3e-2, 0.1, 1.0),
        "How large a step is; the post does not say.",
        text=_number,
    ),
    "list_network": Control(
        "Network",
        tuple(LIST_NETWORK_NAMES),
        "Where the network for the squared error has a ReLU. The one for the cross-entropy stays the same.",
        kind="list",
        text=LIST_NETWORK_NAMES.__getitem__,
    ),
    "levels": Control(
        "Levels of a neuron",
        (2, 3, 5, 9),
        "How finely the activations are read: 2 is off or on.",
        kind="choice",
    ),
    "active": Control("Active inputs", (1, 2, 3, 4, 6), "How many inputs lie on top of each other.", kind="choice"),
    "noise": Control(
        "Noise",
        (0.0, 0.05, 0.1, 0.2, 0.3, 0.5),
        "The standard deviation of what is added to every number of the input.",
        text=_number,
    ),
    "counts_from": Control(
        "Inputs that count",
        tuple(COUNTS_NAMES),
        "Which of the stored inputs in a mixture the table looks up: all of them add up what they switch on.",
        kind="list",
        text=COUNTS_NAMES.__getitem__,
    ),
    "task": Control(
        "Loss",
        tuple(TASK_NAMES),
        "Give back the input with a small squared error, or name its largest feature with cross-entropy.",
        kind="choice",
        text=TASK_NAMES.__getitem__,
    ),
    "to_store": Control(
        "Training set",
        tuple(TO_STORE_NAMES),
        "What is memorised. Of one-hots, training points, k-means centres and one-hots are the same but for their "
        "order.",
        kind="choice",
        text=TO_STORE_NAMES.__getitem__,
    ),
    "normalize": Control(
        "Samples of unit length", (True, False), "Divide every sample by its length, |x| = 1.", kind="toggle"
    ),
}


def control(
    name: str, default: Any, choices: Sequence[Any] | None = None, where: Any = None, key: str | None = None
) -> Any:
    """The value that the visitor chose for a row of CONTROLS; it lives in the address under its name, or under key.

    A key of its own is for a tab whose default differs from that of another tab.
    """
    row, where = CONTROLS[name], where or st.sidebar
    options = list(choices or row.choices)
    shared: dict[str, Any] = {"key": key or name, "help": row.help, "bind": "query-params"}
    if row.kind == "toggle":
        return where.toggle(row.label, value=default, **shared)
    shared["format_func"] = row.text
    if row.kind == "pills":
        chosen = where.pills(row.label, options, selection_mode="multi", default=list(default), **shared)
        return sorted(chosen, key=options.index)
    if row.kind == "choice":
        return where.segmented_control(row.label, options, default=default, required=True, **shared)
    if row.kind == "list":
        return where.selectbox(row.label, options, index=options.index(default), **shared)
    return where.select_slider(row.label, options, value=default, **shared)


def shown(name: str, label: str, options: Iterable[Any], default: Any, where: Any = None) -> Any:
    """Which of some networks the visitor looks into; also set by clicking its point. None where there are none."""
    options = list(options)
    if not options:
        return None
    return (where or st).pills(
        label,
        options,
        default=default if default in options else options[0],
        required=True,
        format_func=_number,
        key=name,
        bind="query-params",
    )


def scrubber(name: str, result: Result) -> int | None:
    """The frame of the training that the visitor looks at; None: the end."""
    steps = [int(step) for step in result.frame_steps]
    last = len(steps) - 1
    if last < 1:
        return None
    index = st.select_slider(
        "Step of the training", range(last + 1), value=last, format_func=lambda k: f"{steps[k]:,}", key=name
    )
    return None if index == last else index


# -- results -----------------------------------------------------------------------------------------------------------


def stored(experiments: Iterable[Experiment]) -> list[Result]:
    """Those of the experiments whose results are there already; nothing is trained."""
    found = (runtime.store().get(experiment) for experiment in experiments)
    return [result for result in found if result]


# -- training that a visitor watches -----------------------------------------------------------------------------------


class Progress(NamedTuple):
    """Where the training of some experiments stands."""

    done: list[Result]
    missing: list[Experiment]  # not in the store
    jobs: dict[str, Any]  # key -> status of the missing that have one
    cancelled: bool  # this visitor has cancelled what is missing

    @property
    def live(self) -> list[Any]:
        return [job for job in self.jobs.values() if job.state in LIVE]

    @property
    def running(self) -> list[tuple[Experiment, Any]]:
        every = ((experiment, self.jobs.get(experiment.key)) for experiment in self.missing)
        return [(experiment, job) for experiment, job in every if job and job.state == "running"]

    @property
    def failed(self) -> list[tuple[Experiment, Any]]:
        every = ((experiment, self.jobs.get(experiment.key)) for experiment in self.missing)
        return [(experiment, job) for experiment, job in every if job and job.state == "failed"]


def trained(
    experiments: Sequence[Experiment],
    show: Callable[[list[Result]], None],
    watch: Callable[[Experiment, Any], None],
    at_once: bool = True,
) -> list[Result]:
    """The results of these experiments as far as they are there; what is missing is trained while the visitor watches.

    Training starts by itself if at_once and it should take less than AT_ONCE seconds, else at a button that tells how
    long. show(results) draws what is done, and is called again while more is coming; watch(experiment, job) draws a
    network in training. Experiments should come in the order in which they are wanted.
    """
    progress = _look(experiments)
    _drop_unwanted(experiments)
    stopped = progress.cancelled or progress.failed or not at_once
    if progress.missing and not stopped and expected_seconds(progress.missing, progress.done) <= AT_ONCE:
        progress = _start(experiments, progress.missing)
    live, began = bool(progress.live), time.monotonic()

    def view() -> None:
        now = _look(experiments)
        news = len(now.done) > len(progress.done) and time.monotonic() - began > NEWS
        if live and (news or not now.live):
            st.rerun()
        _status(experiments, now)
        if now.done:
            show(now.done)
        elif now.live:
            st.skeleton(height=420)
        if now.live:
            _watch(now, watch)

    st.fragment(view, run_every=POLL if live else None)()
    return progress.done


def expected_seconds(experiments: Iterable[Experiment], done: Sequence[Result] = ()) -> float:
    """About how long training these takes on two workers, scaled by how long the ones that are done took."""
    ratios = [
        float(result.provenance["seconds"]) / max(_cost(result.experiment), 1e-3)
        for result in done
        if result.provenance.get("seconds")
    ]
    return sum(map(_cost, experiments)) * (float(np.median(ratios)) if ratios else 1.0) / 2


def _cost(experiment: Experiment) -> float:
    """Seconds of training on one core, roughly: each step costs a little, and each cell of its batch a little more."""
    rows, a_cell = experiment.training_size or experiment.batch_size, 2e-9 if experiment.fresh else 6e-10
    return experiment.steps * (2e-5 + rows * experiment.n_features * a_cell * (1 + experiment.n_hidden / 8))


def _look(experiments: Sequence[Experiment]) -> Progress:
    store, jobs = runtime.store(), runtime.jobs()
    done, missing, statuses = [], [], {}
    for experiment in experiments:
        status = jobs.status(experiment)
        result = None if status and status.state in LIVE else store.get(experiment)
        if result:
            done.append(result)
            continue
        missing.append(experiment)
        if status:
            statuses[experiment.key] = status
    jobs.touch(missing, runtime.visitor())
    stopped = st.session_state.get("cancelled", frozenset())
    return Progress(done, missing, statuses, any(experiment.key in stopped for experiment in missing))


def _start(experiments: Sequence[Experiment], missing: Sequence[Experiment], again: bool = False) -> Progress:
    """Ask for what is missing, and say so if it is refused."""
    st.session_state["cancelled"] = frozenset()
    try:
        runtime.jobs().submit(list(missing), runtime.visitor(), again=again)
        st.session_state["refused"] = None
    except RuntimeError as busy:  # jobs.Busy: the queue is full
        st.session_state["refused"] = str(busy)
    st.session_state["wanted"] = list(experiments)
    return _look(experiments)


def _drop_unwanted(experiments: Sequence[Experiment]) -> None:
    """Cancel what this visitor started for settings that are no longer on the page."""
    keys = {experiment.key for experiment in experiments}
    dropped = [e for e in st.session_state.get("wanted", []) if e.key not in keys]
    if dropped:
        runtime.jobs().cancel(dropped, runtime.visitor())
        st.session_state["wanted"] = []


def _cancel(missing: Sequence[Experiment]) -> None:
    runtime.jobs().cancel(list(missing), runtime.visitor())
    st.session_state["cancelled"] = frozenset(experiment.key for experiment in missing)


def _status(experiments: Sequence[Experiment], now: Progress) -> None:
    """One box that says where the training stands, and offers the one thing to do about it."""
    total, done = len(experiments), len(now.done)
    with st.container(border=True, horizontal=True, vertical_alignment="center", key="status"):
        if not total:
            st.markdown(":material/tune: **Nothing chosen.** Choose at least one value for each control.")
        elif now.live:
            _live_status(total, done, now)
        elif now.failed:
            _, job = now.failed[0]
            more = f" {len(now.failed) - 1} more failed too." if len(now.failed) > 1 else ""
            st.markdown(f":material/error: **Training failed.** {_sentence(job.error)}{more}")
            _button("Retry", ":material/refresh:", experiments, now)
        elif now.cancelled:
            st.markdown(f":material/cancel: **Cancelled.** {done} of {total} networks are done, and kept.")
            _button("Resume", ":material/play_arrow:", experiments, now)
        elif now.missing:
            what = "Nothing is trained for these settings yet." if not done else f"{done} of {total} networks are done."
            st.markdown(f":material/hourglass_empty: **Not trained yet.** {what}")
            left = len(now.missing)
            about = duration(expected_seconds(now.missing, now.done))
            networks = "1 network" if left == 1 else f"{left} networks"
            _button(f"Train {networks} (about {about})", ":material/play_arrow:", experiments, now)
        else:
            seconds = sum(float(result.provenance.get("seconds") or 0) for result in now.done)
            networks = "1 network" if total == 1 else f"{total} networks"
            st.markdown(
                f":material/check_circle: **{networks}.** Training took {duration(seconds)} of computing; the results "
                "are kept, and come back at once."
            )
    refused = st.session_state.get("refused")
    if refused and now.missing:
        st.warning(_sentence(refused), icon=":material/hourglass_disabled:")
    problem = runtime.store().problem
    if problem:
        st.caption(f":material/warning: {_sentence(problem)}")


def step(job: Any) -> str:
    """Where one training stands, in words."""
    left = "" if job.seconds_left is None else f", {duration(job.seconds_left)} left"
    loss = "" if job.loss is None else f", loss {job.loss:.3g}"
    return f"Step {job.step:,} of {job.steps:,}{loss}{left}."


def _live_status(total: int, done: int, now: Progress) -> None:
    steps = sum(job.step / job.steps for job in now.live if job.steps)
    waiting = [job.position for job in now.live if job.state == "queued" and job.position]
    left = expected_seconds(now.missing, now.done) * (1 - steps / max(len(now.missing), 1))
    text = f"Training: {done} of {total} networks done, about {duration(left)} left"
    if not now.running and waiting:
        text = f"Waiting: {min(waiting)} in the queue before this"
    st.progress(min(1.0, (done + steps) / total), text=text)
    if st.button("Cancel", icon=":material/stop:", key="cancel"):
        _cancel(now.missing)
        st.rerun()


def _watch(now: Progress, watch: Callable[[Experiment, Any], None]) -> None:
    """The network in training that the visitor is most likely to care for: the first that is wanted."""
    with st.container(key="live"):
        for experiment, job in now.running:
            if job.frame is not None:
                watch(experiment, job)
                return
        st.skeleton(height=310)


def _button(label: str, icon: str, experiments: Sequence[Experiment], now: Progress) -> None:
    if st.button(label, icon=icon, type="primary", key="train"):
        _start(experiments, now.missing, again=True)
        st.rerun()


def _sentence(text: Any) -> str:
    text = str(text or "The cause is not known.").strip()
    text = text[0].upper() + text[1:]
    return text if text[-1] in ".!?" else text + "."


def duration(seconds: float) -> str:
    """Seconds in words, rounded: "8 s", "3 min", "2 h"."""
    if seconds < 1:
        return "a second"
    if seconds < 100:
        digits = 10 ** max(math.floor(math.log10(seconds)) - 1, 0)
        return f"{max(round(seconds / digits) * digits, 1):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


# -- claims ------------------------------------------------------------------------------------------------------------

VERDICT_MARKS = {  # icon, colour and word of each verdict: the colour never stands alone
    "holds": ":green-badge[:material/check_circle: holds]",
    "partly": ":orange-badge[:material/contrast: partly]",
    "fails": ":red-badge[:material/cancel: fails]",
}


def claim(id: str, results: Sequence[Result]) -> None:
    """A claim of the post with its verdict on what the visitor trained; nothing where its evidence is not there."""
    verdict = _judged(id, tuple(sorted(result.experiment.key for result in results)), results)
    if verdict is None:
        return
    official = publishing.published().get(id)
    with st.container(border=True, key=f"claim-{id}", gap="xsmall"):
        _claim_lines(claims.CLAIMS[id], verdict.verdict, verdict.measured)
        if official and official["verdict"] != verdict.verdict:
            st.caption(
                f":material/menu_book: published: {official['verdict']} over {official['seeds']} seeds at "
                f"{publishing.SIZES[official['size']]}. Other settings, another size or fewer seeds can change it."
            )


def published_claim(row: Mapping[str, Any], page: str) -> None:
    """A published verdict, why it does not hold where it does not, and the way to the page that shows it."""
    found = claims.CLAIMS[row["id"]]
    with st.container(border=True, key=f"claim-{row['id']}", gap="xsmall"):
        _claim_lines(found, row["verdict"], row["measured"])
        if row["verdict"] != "holds" and found.note:
            st.markdown(f":material/lightbulb: {found.note}")
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(f"`{row['id']}`: {row['seeds']} seeds at {publishing.SIZES[row['size']]}", width="content")
            query = dict([found.view]) if found.view else None
            st.page_link(page, icon=":material/arrow_forward:", width="content", query_params=query)


def _claim_lines(found: claims.Claim, verdict: str, measured: str) -> None:
    many = "s" if len(found.post_claims) > 1 else ""
    source = f" :gray[Claim{many} {publishing.numbers(found)} of the post.]" if found.post_claims else ""
    st.markdown(f"{VERDICT_MARKS[verdict]} **{found.statement}**{source}")
    st.caption(_sentence(measured).replace("$", "\\$"))


@st.cache_resource(show_spinner=False, max_entries=1024)
def _judged(id: str, keys: tuple[str, ...], _results: Sequence[Result]) -> claims.Verdict | None:
    """The verdict, kept by what was judged: a check draws data again, and each click would wait for it."""
    return claims.judge(claims.CLAIMS[id], _results)


# -- behind a result ---------------------------------------------------------------------------------------------------


def behind(name: str, result: Result, table: pd.DataFrame) -> None:
    """The exact experiment of one network, the command that repeats it, and the data of the whole page."""
    experiment = result.experiment
    with st.expander("The exact experiment, and its data", icon=":material/science:"):
        st.code(command(name, experiment), language="bash", wrap_lines=True)
        left, right = st.columns([2, 1], gap="large")
        values = {key: "none" if value is None else str(value) for key, value in asdict(experiment).items()}
        left.dataframe(pd.DataFrame({"field": values.keys(), "value": values.values()}), hide_index=True, height=320)
        about = result.provenance
        numbers = {key: value for key, value in result.metrics.items() if value is not None}
        lines = [
            f"key: `{experiment.key}`",
            f"engine: {about.get('engine')}, version {about.get('engine_version')}",
            f"training took {float(about.get('seconds') or 0):.2f} s",
            *(f"{key.replace('_', ' ')}: {value:.6g}" for key, value in numbers.items()),
            *([str(about["note"])] if about.get("note") else []),
        ]
        right.markdown("\n".join(f"- {line}" for line in lines))
        right.download_button(
            f"All {len(table)} runs as CSV",
            data=lambda: table.to_csv(index=False),
            file_name=f"{name}.csv",
            mime="text/csv",
            icon=":material/download:",
            on_click="ignore",
        )


def command(name: str, experiment: Experiment) -> str:
    """The line that trains this experiment again: the named one, and every field that differs from it."""
    base = settings.EXPERIMENTS[name].quick
    changed = [
        f"--set {field.name}={_as_text(getattr(experiment, field.name))}"
        for field in fields(experiment)
        if getattr(experiment, field.name) != getattr(base, field.name)
    ]
    return shlex.join(["python", "-m", "toyviz", "train", name, *" ".join(changed).split()])


def _as_text(value: Any) -> str:
    return "none" if value is None else str(value)


def remember(values: Mapping[str, Any]) -> None:
    """Put values into the session, for widgets with these keys to show in the next run."""
    for key, value in values.items():
        st.session_state[key] = value
