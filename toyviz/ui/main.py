"""The script that runs for every page: its configuration, the menu, and what every page has around it."""

from typing import Any

import streamlit as st

from toyviz import menu, ui

st.set_page_config(page_title="toyviz", page_icon=ui.ICON, layout="wide", initial_sidebar_state="auto")


def page_of(entry):
    """What the menu opens for one of its lines."""
    if not entry.address:
        shown = str(menu.FOLDER.parent / entry.path)
        return st.Page(shown, title=entry.title, icon=f":material/{entry.icon}:", default=entry.name == "home")

    def elsewhere():
        st.switch_page(str(menu.FOLDER.parent / entry.path), query_params=dict(entry.address))

    return st.Page(elsewhere, title=entry.title, icon=f":material/{entry.icon}:", url_path=entry.name)


sections: dict[str, list[Any]] = {}
for each in menu.entries():
    sections.setdefault(menu.SECTIONS[each.section], []).append(page_of(each))
page = st.navigation(sections, position="top")
st.set_page_config(page_title=f"{page.title} · toyviz")
ui.frame()
page.run()
