"""What the post claims, and what came out: the published verdicts in one table, and the one that is looked at."""

from pathlib import Path

import pandas as pd
import streamlit as st

from toyviz import charts, claims, settings, ui
from toyviz.claims import published

MARKS = {"holds": "✓ holds", "depends": "⇄ depends", "partly": "◐ partly", "fails": "✗ fails"}
COLOURS = {"holds": charts.GREEN, "depends": charts.BLUE, "partly": charts.AMBER, "fails": charts.VERMILLION}
HEIGHT = 600  # of the table, and of what stands beside it
OWN = "Our own findings"
WORDS = {"plain-early": "early"}  # at the head of a narrow column

rows = published.published()
pages = {path.stem: str(path) for path in Path(__file__).parents[1].glob("*/*.py")}
sections = {
    claim.id: OWN if claim.own else section for section, members in claims.SECTIONS.items() for claim in members
}


def line(row):
    """What the table says of a claim: a mark for each recipe that can apply."""
    marks = {name: MARKS[found["verdict"]][0] for name, found in row["recipes"].items()}
    return {
        "verdict": MARKS[row["verdict"]],
        "claim": row["statement"],
        **{name: marks.get(name, "") for name in settings.RECIPES},
        "in the post": published.numbers(claims.CLAIMS[row["id"]]),
    }


def coloured(mark):
    """The colour of a verdict's mark, with its word or without."""
    return next(
        (f"color: {COLOURS[verdict]}" for verdict, each in MARKS.items() if mark and mark in (each, each[0])), ""
    )


def fits(row, verdicts, chosen, words):
    """Whether the visitor asked for this claim."""
    said = " ".join(published.told(row, recipe) for recipe in row["recipes"])
    text = f"{row['id']} {row['statement']} {said}".lower()
    return (
        (not verdicts or row["verdict"] in verdicts)
        and (not chosen or sections[row["id"]] in chosen)
        and all(int(word) in row["post_claims"] if word.isdigit() else word in text for word in words.lower().split())
    )


def nothing(words):
    """Why no claim is shown."""
    told = [word for word in words.split() if word.isdigit() and int(word) in claims.NARRATIVE]
    if told:
        return f"Claim {told[0]} of the post tells a story, gives an outlook or repeats others: nothing can be tested."
    return "No claim fits all of these. Take away a word or a choice."


def looked_at(there, chosen):
    """The row that was clicked, else the one that the address names, else the first."""
    if chosen:
        st.query_params["claim"] = there[chosen[0]]["id"]
        return there[chosen[0]]
    named = st.query_params.get("claim")
    return next((row for row in there if row["id"] == claims.FORMER.get(named, named)), there[0])


ui.title("Claims", "What does the post claim, and does it come out?")
with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
    verdicts = st.pills(
        "Verdict", claims.OVERALL, selection_mode="multi", default=None, key="verdict", bind="query-params"
    )
    chosen = st.pills(
        "Section", [*claims.SECTIONS, OWN], selection_mode="multi", default=None, key="section", bind="query-params"
    )
    words = st.text_input(
        "Words, or a claim's number in the post (1 to 77)", key="words", bind="query-params", max_chars=80, width=300
    )
there = [rows[id] for id in sections if id in rows and fits(rows[id], verdicts, chosen, words)]
if not rows:
    st.markdown("Nothing is published yet: `python -m toyviz claims --publish` trains the evidence and writes it down.")
elif not there:
    st.markdown(nothing(words))
else:
    left, right = st.columns([21, 10], gap="medium")
    table = pd.DataFrame(map(line, there))
    event = left.dataframe(
        table.style.map(coloured, subset=["verdict", *settings.RECIPES]),
        hide_index=True,
        height=min(HEIGHT, 35 * (len(there) + 1) + 3),
        column_config={
            "verdict": {"width": 84},
            "claim": {"width": 310},
            **{
                name: st.column_config.TextColumn(WORDS.get(name, name), width=64, help=f"With the recipe {name}.")
                for name in settings.RECIPES
            },
            "in the post": {"width": 76},
        },
        on_select="rerun",
        selection_mode="single-row",
        key="table",
    )
    with right.container(height=HEIGHT, border=False, key="claim"):
        row = looked_at(there, event["selection"]["rows"])
        ui.published_claim(row, pages[claims.CLAIMS[row["id"]].page])
    counts = ", ".join(f"{count} {MARKS[verdict]}" for verdict, count in published.counts(there).items() if count)
    left.caption(f"{len(there)} claims: {counts}.")
posts = published.of_the_post(rows)
covered = {number for id in posts for number in claims.CLAIMS[id].post_claims} & claims.TESTABLE
with st.expander("How a verdict comes about", icon=":material/how_to_vote:"):
    st.markdown(
        f"Each claim that can be tested is a check on trained networks. {len(posts)} checks stand for {len(covered)} "
        f"of the {len(claims.TESTABLE)} testable claims of the post; {', '.join(map(str, sorted(claims.NARRATIVE)))} "
        "tell a story, give an outlook or repeat others. The same checks run on every page, on what you train there."
    )
    st.markdown(published.rule(rows))
