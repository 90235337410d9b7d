"""The post from its first bottleneck to its last footnote, a step at a time, with a picture of trained networks."""

import streamlit as st

from toyviz import ui
from toyviz.course import course

lesson = course()
numbers = [str(number) for number in range(1, len(lesson.steps) + 1)]


def go(by):
    """To the step before this, or the one after it."""
    st.session_state["at"] = numbers[numbers.index(st.session_state["at"]) + by]


ui.title("Course", f"{lesson.title}: what is memorised, what is learned, and can one see it?")
if st.query_params.get("at") in numbers:
    st.session_state.setdefault("at", st.query_params["at"])
ways, right = st.columns([1, 3], gap="large")
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
with right:
    st.caption(step.chapter)
    st.subheader(step.title, anchor=False)
    st.markdown(step.text)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button("Back", icon=":material/arrow_back:", on_click=go, args=(-1,), disabled=at == numbers[0])
        st.button("Next", icon=":material/arrow_forward:", on_click=go, args=(1,), disabled=at == numbers[-1])
        ui.open_place(step.leads_to, step.place)
    chart = ui.picture(step.place)
    if chart:
        ui.draw(chart, key=f"step-{at}", where=ui.wide() if chart.square else None)
    else:
        st.caption("Its networks are not trained here yet: open the view, and they are.")
with st.expander("What this is about"):
    st.markdown(lesson.text)
