"""The post, figure by figure: a picture of each, what it shows, its view here, and the claims about it."""

import streamlit as st

from toyviz import ui
from toyviz.figures import sections

ui.title("The post", "What does each figure show, and what became of it here?")
ui.sources()
every = sections()
section = st.segmented_control(
    "Section", list(every), default=next(iter(every)), key="section", bind="query-params", required=True,
    label_visibility="collapsed",
)  # fmt: skip
for pair in zip(*[iter([*every[section or next(iter(every))], None])] * 2, strict=False):
    for column, figure in zip(st.columns(2, gap="medium"), pair, strict=True):
        if figure:
            with column:
                ui.post_figure(figure)
