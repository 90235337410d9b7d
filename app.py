"""The entry: page configuration, navigation in sections, and what every page has around it."""

import streamlit as st

from toyviz import ui

st.set_page_config(page_title="toyviz", page_icon=ui.ICON, layout="wide", initial_sidebar_state="auto")

PAGES = {
    "": [st.Page("pages/start/home.py", title="Start", icon=":material/home:", default=True)],
    "Bottleneck": [
        st.Page("pages/bottleneck/superposition.py", title="Superposition", icon=":material/stacks:"),
        st.Page("pages/bottleneck/double_descent.py", title="Double descent", icon=":material/show_chart:"),
    ],
}

page = st.navigation(PAGES, position="top")
st.set_page_config(page_title=f"{page.title} · toyviz")
ui.frame()
page.run()
