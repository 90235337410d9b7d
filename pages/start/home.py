"""What this is, a picture that moves, and three ways in."""

import streamlit as st

from toyviz import claims, studies, tables, theory, ui
from toyviz.claims import published
from toyviz.course import course
from toyviz.figures import figures
from toyviz.studies import network

DESCENT = studies.page("double_descent")
OVER_T = DESCENT.view("over_t")


@st.cache_resource(show_spinner=False)
def kept():
    """The picture, once it was made: the networks behind it never change."""
    return {}


def moving():
    """Two planes with one network a frame, as T grows, and what is told of each; None while one is not trained."""
    choice = OVER_T.default()
    wanted = OVER_T.plan(choice).experiments
    results = ui.stored(wanted)
    if len(results) < len(wanted):
        return None
    table = tables.runs(results)
    zero = theory.held_out_baselines(wanted[0].with_(n_samples=1))["zero"]
    found = tables.descent(table, zero, wanted[0].n_hidden, choice.n_samples, range(choice.seeds))
    first = sorted((r for r in results if r.experiment.seed == 0), key=lambda r: r.experiment.n_samples)
    texts = [told(result, found.regimes) for result in first]
    return network.growing(first), texts


def told(result, regimes):
    """What is told of one frame: its T, the regime that it lies in, and its test loss."""
    T = result.experiment.n_samples
    here = [name for low, high, name in regimes[["low", "high", "name"]].values if low <= T <= high and name]
    return f"T = {T:,} samples: {', '.join([*here, ''])}test loss {result.metrics['test_loss']:.3g}"


def way(title, text, page, words, icon, **address):
    """One of the ways in."""
    with st.container(border=True, key=f"way-{page}"):
        st.markdown(f"**:material/{icon}: {title}.** {text}")
        ui.link(f"pages/{page}.py", label=words, query_params=address or None)


ui.title("toyviz", "Networks so small that you can see what they store, trained while you watch.")
left, right = st.columns([4, 5], gap="large")
with left:
    st.markdown(
        "A language model reads a narrow stream of numbers, computes in layers beside it, and ends in a choice among "
        "many words. A post by Marius Hobbhahn takes these parts out, shrinks each to a toy, and looks at its weights: "
        "what does it memorise, and when does it begin to generalise? Here you train these toys yourself, at the "
        "post's own size, in seconds."
    )
    way(
        "A course",
        f"The whole story in {len(course().steps)} steps, each with a picture.",
        "start/course",
        "Begin with step 1",
        "school",
    )
    way(
        "The post",
        f"All {len(figures())} figures in their order, and what became of each claim.",
        "start/the_post",
        "Figure by figure",
        "article",
    )
    way(
        "A question of your own",
        "Choose the network, the data and the training; watch it; compare; take it with you.",
        "bottleneck/double_descent",
        "Double descent, as an instrument",
        "science",
    )
with right:
    if "moving" not in kept() and (made := moving()):
        kept()["moving"] = made
    if picture := kept().get("moving"):
        ui.opening.mount()
        st.markdown("**A bottleneck with two hidden values, as its training set grows**")
        with st.container(horizontal=True, height=330, border=False, wrap=False, key="moving"):
            for figure in picture[0]:
                with st.container(height="stretch", width="stretch"):
                    ui.draw(figure.chart, key=figure.id, fill=True)
        ui.opening.draw(picture[1])
        st.caption(
            "Left: what each feature writes, a column of W1. Right: where the training samples end up. Few samples are "
            "stored as corners of a polygon; from many the network learns a few features, and is worst in between."
        )
rows = published.of_the_post(published.published())
counts = published.counts(rows.values())
st.markdown(
    f"**{len(rows)} checks** stand for the {len(claims.TESTABLE)} claims of the post that can be tested: "
    f"{counts['holds']} hold with every recipe, {counts['depends']} with some, {counts['partly']} hold in part, "
    f"{counts['fails']} do not. Move a control, and what it "
    "asks for is trained; what was trained once is kept. Click a point to look into its network; drag the clock to see "
    "it at any step. The address holds all settings. Every network can be trained again from the command line."
)
ui.link("pages/claims/claims.py", label="The claims, one by one")
ui.sources()
