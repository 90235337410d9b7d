"""The post from its first bottleneck to its last footnote, a step at a time, with a picture of trained networks."""

import streamlit as st

from toyviz import ui
from toyviz.course import course

PICTURE = 500  # pixels of its height

lesson = course()
numbers = [str(number) for number in range(1, len(lesson.steps) + 1)]


def go(by):
    """To the step before this, or the one after it."""
    st.session_state["at"] = numbers[numbers.index(st.session_state["at"]) + by]


ui.title("Course", f"{lesson.title}: what is memorised, what is learned, and can one see it?")
if st.query_params.get("at") in numbers:
    st.session_state.setdefault("at", st.query_params["at"])
ways, words, right = st.columns([4, 6, 13], gap="medium")
with ways:
    at = st.radio(
        "Step",
        numbers,
        format_func=lambda number: f"{number}. {lesson.steps[int(number) - 1].title}",
        key="at",
        label_visibility="collapsed",
    )
st.query_params["at"] = at
step = lesson.steps[int(at) - 1]
with words:
    st.caption(step.chapter)
    st.subheader(step.title, anchor=False)
    st.markdown(step.text)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button("Back", icon=":material/arrow_back:", on_click=go, args=(-1,), disabled=at == numbers[0])
        st.button("Next", icon=":material/arrow_forward:", on_click=go, args=(1,), disabled=at == numbers[-1])
    ui.open_place(step.leads_to, step.place)
with right:
    chart = ui.picture(step.place)
    if chart:
        with st.container(height=PICTURE, border=False, key="picture"):
            ui.draw(chart, key=f"step-{at}", fill=True)
    else:
        st.caption("Its networks are not trained here yet: open the view, and they are.")
with st.expander("What this is about"):
    st.markdown(lesson.text)
