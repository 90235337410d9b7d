"""The script that runs for every page: its configuration, the menu, and what every page has around it."""

import streamlit as st

from toyviz import ui

st.set_page_config(page_title="toyviz", page_icon=ui.ICON, layout="wide", initial_sidebar_state="auto")

PAGES = {
    "": [st.Page("../../pages/start/home.py", title="Start", icon=":material/home:", default=True)],
    "Ways in": [
        st.Page("../../pages/start/course.py", title="Course", icon=":material/school:"),
        st.Page("../../pages/start/the_post.py", title="The post", icon=":material/article:"),
    ],
    "Bottleneck": [
        st.Page("../../pages/bottleneck/superposition.py", title="Superposition", icon=":material/stacks:"),
        st.Page("../../pages/bottleneck/double_descent.py", title="Double descent", icon=":material/show_chart:"),
        st.Page("../../pages/bottleneck/limits.py", title="Limits of reconstruction", icon=":material/grid_on:"),
        st.Page("../../pages/bottleneck/how_much_fits.py", title="How much fits", icon=":material/straighten:"),
    ],
    "MLP block": [
        st.Page(
            "../../pages/mlp_block/privileged_basis.py",
            title="Privileged basis",
            icon=":material/align_vertical_bottom:",
        ),
        st.Page(
            "../../pages/mlp_block/fish.py", title="Big fish, small fish, re-projector", icon=":material/set_meal:"
        ),
    ],
    "Final layer": [
        st.Page(
            "../../pages/final_layer/unembedding.py", title="Toy unembedding", icon=":material/format_list_numbered:"
        ),
    ],
    "Appendix": [
        st.Page("../../pages/appendix/dictionaries.py", title="Dictionaries", icon=":material/dictionary:"),
        st.Page("../../pages/appendix/decompiler.py", title="Decompiler", icon=":material/manage_search:"),
        st.Page(
            "../../pages/appendix/starting_as_dictionary.py", title="Starting as a dictionary", icon=":material/flag:"
        ),
    ],
    "Claims": [st.Page("../../pages/claims/claims.py", title="Claims", icon=":material/fact_check:")],
}

page = st.navigation(PAGES, position="top")
st.set_page_config(page_title=f"{page.title} · toyviz")
ui.frame()
page.run()
