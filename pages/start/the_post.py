"""The post, figure by figure: a picture of each, what it shows, its view here, and the claims about it."""

import streamlit as st

from toyviz import ui
from toyviz.figures import sections

ACROSS = 3  # figures in a row

ui.title("The post", "What does each figure show, and what became of it here?")
ui.sources()
every = sections()
section = st.segmented_control(
    "Section", list(every), default=next(iter(every)), key="section", bind="query-params", required=True,
    label_visibility="collapsed",
)  # fmt: skip
entries = every[section or next(iter(every))]
for first in range(0, len(entries), ACROSS):
    for column, entry in zip(st.columns(ACROSS, gap="small"), entries[first : first + ACROSS], strict=False):
        with column:
            ui.post_figure(entry)
