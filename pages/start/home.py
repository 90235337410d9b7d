"""What the post found, and where to see it happen."""

import streamlit as st

from toyviz import charts, settings, tables, theory, ui
from toyviz.experiment import sweep

ui.title("toyviz", "Networks so small that you can see what they store, trained while you watch.")
st.markdown(
    "A language model reads and writes a narrow stream of numbers, computes in wide layers beside it, and ends in a "
    "choice among many words. In *More findings on memorization and double descent* (2023), Marius Hobbhahn takes "
    "these parts out, shrinks each one to a toy, and looks at its weights directly. This app trains the same toys, at "
    "the post's own size."
)


def superposition_picture():
    setting = settings.EXPERIMENTS["superposition"]
    results = ui.stored(sweep(setting.quick, sparsity=[settings.SPARSITIES[k] for k in (0, 2, 4)]))
    if results:
        pictures = [(f"1 − S = {r.experiment.feature_probability:g}", r.W1, r.b2) for r in results]
        ui.draw(charts.overlaps(pictures), key="home-overlaps", where=ui.wide())


def descent_picture():
    base = settings.EXPERIMENTS["double_descent"].quick
    results = ui.stored(sweep(base, seed=range(4), n_samples=settings.SAMPLE_SIZES))
    if results:
        baselines = theory.held_out_baselines(base.with_(n_samples=1))
        rules = {"output 0": baselines["zero"], "best constant output": baselines["constant"]}
        table = tables.runs(results)
        found = tables.descent(table, baselines["zero"], base.n_hidden)
        figure = charts.loss_over_samples(table, rules, found.regimes, settings.SAMPLE_SIZES, found.peak, height=250)
        ui.draw(figure, key="home-loss")


def geometry_picture():
    base = settings.EXPERIMENTS["double_descent"].quick
    results = ui.stored(sweep(base, n_samples=(5, 15, 200, 2000)))
    if results:
        vectors = [(r.experiment.n_samples, tables.vectors(r)) for r in results]
        pictures = [(f"T = {T:,}", {charts.FEATURES: v.features, charts.SAMPLES: v.samples}) for T, v in vectors]
        ui.draw(charts.panels(pictures), key="home-panels", where=ui.wide())


def finding(number, title, text, page, picture):
    with st.container(border=True):
        left, right = st.columns([5, 6], gap="large", vertical_alignment="center")
        left.subheader(f"{number}. {title}", anchor=False)
        left.markdown(text)
        left.page_link(page, icon=":material/arrow_forward:")
        with right:
            picture()


st.header("The bottleneck", anchor=False)
finding(
    1,
    "More features than dimensions",
    "Five hidden values have to carry twenty features. If all features are active all the time, the five most "
    "important ones are kept and the rest is lost. The more seldom they are active, the more of them share the space: "
    "first as opposite pairs, then in ever tighter arrangements. This is superposition.",
    "pages/bottleneck/superposition.py",
    superposition_picture,
)
finding(
    2,
    "Memorise, stumble, generalise",
    "Shown a few samples, the same kind of network stores each of them. Shown many, it learns features instead. In "
    "between it can do neither, and its loss on new samples rises before it falls for good: double descent. With a "
    "thousand features this happens at a tenth of the samples that ten thousand features take.",
    "pages/bottleneck/double_descent.py",
    descent_picture,
)
finding(
    3,
    "The change can be seen",
    "With two hidden values everything fits on paper. While the network memorises, its samples (red) sit on the "
    "corners of a polygon. When it generalises, a handful of features (blue) point from the centre like a star, and "
    "the samples fall in with them.",
    "pages/bottleneck/double_descent.py",
    geometry_picture,
)

st.header("What else the post found", anchor=False)
left, right = st.columns(2, gap="large")
left.markdown(
    "**In the layer between.** With a ReLU on the hidden layer its single neurons come to mean something: one feature "
    "each where all are active, several where they are rare. The simplest of these networks is a dictionary that can "
    "be read off its weights. A layer that reads from a crowded stream and writes back to it needs about as many "
    "neurons as there are features; how crowded the stream is matters less."
)
right.markdown(
    "**In the choice at the end.** Asked to name the strongest feature, a network shows double descent again, with its "
    "own geometry: the input weights fill a square, the hidden vectors a rose with four petals, the output weights a "
    "circle. Every sample is a vote between the corners of the square. The output can tell far more classes apart "
    "than it has dimensions."
)

st.header("How to use it", anchor=False)
st.markdown(
    "- Move a control, and the networks that it asks for are trained at once, in seconds. You see them form.\n"
    "- What was trained once is kept and comes back at once, also for the next visitor.\n"
    "- The address holds all settings: copy it, and others see the same.\n"
    "- Click a point of a curve to look inside that network, and drag its step to see it at any time of its training.\n"
    "- Every network can be trained again from the command line; the line is at the end of each page."
)
st.caption(
    "The models come from [Toy models of superposition](https://transformer-circuits.pub/2022/toy_model/index.html) "
    "(2022) and [Superposition, memorization, and double "
    "descent](https://transformer-circuits.pub/2023/toy-double-descent/index.html) (2023)."
)
