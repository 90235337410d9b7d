"""What the post claims, and what came out: the published verdicts."""

from pathlib import Path

import pandas as pd
import streamlit as st

from toyviz import claims, ui
from toyviz.claims import published

MARKS = {"holds": "✓", "partly": "◐", "fails": "✗"}

ui.title("Claims", "What does the post claim, and does it come out?")
rows = published.published()
covered = {number for id in rows for number in claims.CLAIMS[id].post_claims} & claims.TESTABLE
st.markdown(
    f"Each claim that can be tested is a check on trained networks. {len(rows)} checks stand for {len(covered)} of the "
    f"{len(claims.TESTABLE)} testable claims of the post. The thresholds were set on other seeds than these, or the "
    "claim says so. The same checks run on every page, on what you train there."
)
with st.expander("How a verdict comes about", icon=":material/how_to_vote:"):
    st.markdown(published.rule(rows))

counts = published.counts(rows.values())
with st.container(horizontal=True, gap="small"):
    for verdict, count in counts.items():
        st.metric({"holds": "hold", "partly": "hold partly", "fails": "fail"}[verdict], count, border=True, width=106)

with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
    chosen = st.pills(
        "Verdict", claims.VERDICTS, selection_mode="multi", default=None, key="verdict", bind="query-params"
    )
    sections = st.pills(
        "Section", list(claims.SECTIONS), selection_mode="multi", default=None, key="section", bind="query-params"
    )
    layout = ui.choice("layout", "Shown as", ["List", "Table", "By number"], "List")
words = st.text_input(
    "Words, or the number of a claim of the post (1 to 77)", key="words", bind="query-params", max_chars=80
)

pages = {path.stem: str(path) for path in Path(__file__).parents[1].glob("*/*.py")}


def fits(row, section):
    """Whether the visitor asked for this claim."""
    text = f"{row['id']} {row['statement']} {row['measured']}".lower()
    wanted = words.lower().split()
    return (
        (not chosen or row["verdict"] in chosen)
        and (not sections or section in sections)
        and all(int(word) in row["post_claims"] if word.isdigit() else word in text for word in wanted)
    )


def as_list(section, there):
    """The claims of a section, one under the other."""
    votes = ", ".join(f"{count} {verdict}" for verdict, count in published.counts(there).items() if count)
    st.subheader(section, anchor=False, help=votes)
    for row in there:
        ui.published_claim(row, pages[claims.CLAIMS[row["id"]].page])


def drawn(table, columns):
    """The rows, as high as they need to be and no higher than a screen."""
    height = min(600, 35 * (len(table) + 1) + 3)
    st.dataframe(pd.DataFrame(table), hide_index=True, height=height, column_config=columns)


def as_table(found):
    """All of them in one table, to sort and to take along."""
    table = [
        {
            "verdict": f"{MARKS[row['verdict']]} {row['verdict']}",
            "section": section,
            "claim": row["statement"],
            "in the post": published.numbers(claims.CLAIMS[row["id"]]),
            "measured": row["measured"],
            "seeds": row["seeds"],
            "size": row["size"],
            "id": row["id"],
        }
        for section, there in found.items()
        for row in there
    ]
    drawn(table, {"claim": {"width": 420}})


def by_number(found):
    """A row for each claim of the post and each check that stands for it, in the post's order."""
    checks = [row for there in found.values() for row in there]
    table = [
        {"in the post": number, "verdict": f"{MARKS[row['verdict']]} {row['verdict']}", "claim": row["statement"]}
        for number in sorted(claims.TESTABLE)
        for row in checks
        if number in row["post_claims"]
    ]
    drawn(table, {"in the post": {"width": 90}, "verdict": {"width": 90}, "claim": {"width": 640}})
    st.caption(
        f"Not in the table: {', '.join(map(str, sorted(claims.NARRATIVE)))}, which tell a story, give an outlook or "
        "repeat others, so that there is nothing to test."
    )


found = {
    section: [rows[claim.id] for claim in members if claim.id in rows and fits(rows[claim.id], section)]
    for section, members in claims.SECTIONS.items()
}
if not rows:
    st.markdown("Nothing is published yet: `python -m toyviz claims --publish` trains the evidence and writes it down.")
elif not any(found.values()):
    told = [word for word in words.split() if word.isdigit() and int(word) in claims.NARRATIVE]
    st.markdown(
        f"Claim {told[0]} of the post tells a story, gives an outlook or repeats others: there is nothing to test."
        if told
        else "No claim fits all of these. Take away a word or a choice."
    )
elif layout == "Table":
    as_table(found)
elif layout == "By number":
    by_number(found)
else:
    for section, there in found.items():
        if there:
            as_list(section, there)
