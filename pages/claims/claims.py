"""What the post claims, and what came out: the published verdicts."""

from pathlib import Path

import streamlit as st

from toyviz import claims, ui
from toyviz.claims import published

ui.title("Claims", "What does the post claim, and does it come out?")
rows = published.published()
covered = {number for id in rows for number in claims.CLAIMS[id].post_claims} & claims.TESTABLE
st.markdown(
    f"Each claim that can be tested is a check on trained networks. {len(rows)} checks stand for {len(covered)} of the "
    f"{len(claims.TESTABLE)} testable claims of the post. A verdict is that of more than half of the seeds; the "
    "thresholds were set on other seeds than these. The same checks run on every page, on what you train there."
)

counts = published.counts(rows.values())
for column, (verdict, count) in zip(st.columns(3), counts.items(), strict=True):
    column.metric({"holds": "hold", "partly": "hold partly", "fails": "fail"}[verdict], count, border=True)

with st.container(horizontal=True, vertical_alignment="bottom", gap="large"):
    chosen = st.pills(
        "Verdict", claims.VERDICTS, selection_mode="multi", default=None, key="verdict", bind="query-params"
    )
    sections = st.pills(
        "Section", list(claims.SECTIONS), selection_mode="multi", default=None, key="section", bind="query-params"
    )
    words = st.text_input("Words or number of the post's claim", key="words", bind="query-params", max_chars=80)

pages = {path.stem: path.as_posix() for path in Path("pages").glob("*/*.py")}


def fits(row, section):
    """Whether the visitor asked for this claim."""
    text = f"{row['id']} {row['statement']} {row['measured']}".lower()
    wanted = words.lower().split()
    return (
        (not chosen or row["verdict"] in chosen)
        and (not sections or section in sections)
        and all(int(word) in row["post_claims"] if word.isdigit() else word in text for word in wanted)
    )


found = 0
for section, members in claims.SECTIONS.items():
    there = [rows[claim.id] for claim in members if claim.id in rows and fits(rows[claim.id], section)]
    found += len(there)
    if there:
        votes = ", ".join(f"{count} {verdict}" for verdict, count in published.counts(there).items() if count)
        st.subheader(section, anchor=False, help=votes)
        for row in there:
            ui.published_claim(row, pages[claims.CLAIMS[row["id"]].page])
if not rows:
    st.markdown("Nothing is published yet: `python -m toyviz claims --publish` trains the evidence and writes it down.")
elif not found:
    st.markdown("No claim fits all of these. Take away a word or a choice.")
