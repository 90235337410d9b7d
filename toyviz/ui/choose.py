"""The controls of a view as widgets, and its address."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

import streamlit as st

from toyviz.control import Choice, Control
from toyviz.ui.visit import Visit
from toyviz.view import Page, View

LATE = 0.3  # seconds in which an address may come that is no more
OWN_VALUES = "or type: 3, 5, 350"
# A list takes what is typed for a continuation of what it shows: 0.97 over "0.9" for 7. Nothing typed begins like this.
APART = "\u200b"
NARROW = ("seeds", "first_seed", "n_hidden", "n_features")  # two of these stand beside each other


def open_address(page: Page, visit: Visit) -> View:
    """The view that is open: of the address where that is newer than the widgets, else of the widgets.

    Every widget marks the visit as touched: then the address is written, else it may be read. Comparing alone would
    take a click that comes before the address is written for a click on "back".
    """
    now = {name: st.query_params.get_all(name) for name in st.query_params}
    address = {name: ",".join(texts) for name, texts in now.items()}
    ids = {view.id for view in page.views}
    # The browser sends the address that it has: right after we wrote another, that may still be the one before.
    late = address == visit.before and time.monotonic() - visit.wrote_at < LATE
    is_ours = late or (visit.written is not None and _without_step(address) == _without_step(visit.written))
    if not visit.touched and not is_ours:
        opened = page.read(now)
        visit.take(opened.view, opened.choice)
        visit.step, visit.sentences, visit.presents = opened.step, opened.not_understood, opened.present
        visit.pinned = None
        if opened.pinned is not None:
            visit.pin(opened.view, opened.pinned)
            visit.touched = False
    if visit.view not in ids:
        visit.view = page.views[0].id
    view = page.view(visit.view)
    if visit.touched:
        step = address.get("step", "")  # the browser may have written another since
        is_step = step.isascii() and step.isdigit() and len(step) < 10  # as a page reads it
        written = link(page, view, visit, int(step) if is_step else None)
        st.query_params.from_dict(written)
        visit.before, visit.wrote_at = address, time.monotonic()
        visit.written, visit.touched = written, False
    elif not late:
        visit.written = address
    return view


def link(page: Page, view: View, visit: Visit, step: int | None = None) -> dict[str, str]:
    """The complete address of what is on the screen."""
    return page.write(view, visit.choice(view), step, visit.beside(view), visit.presents)


def view_menu(page: Page, visit: Visit) -> None:
    """One button a view."""
    key, titles = f"{page.id} view", {view.id: view.title for view in page.views}
    st.session_state[key] = visit.view

    def changed() -> None:
        visit.view = st.session_state[key] or visit.view
        visit.sentences, visit.touched = (), True

    st.segmented_control(
        "View", list(titles), format_func=titles.__getitem__, key=key, on_change=changed, label_visibility="collapsed",
        required=True,
    )  # fmt: skip


def controls(page: Page, view: View, visit: Visit, where: Any) -> None:
    """The view's controls, one under another, and under these the rarer ones and the way back to the defaults."""
    choice = visit.choice(view)
    offered = [each for each in view.controls if is_offered(each, choice)]
    with where:
        pair = None
        for each in (each for each in offered if not each.more):
            if each.id in NARROW and not each.several:
                if pair is None:
                    first, pair = st.columns(2, gap="small")
                    with first:
                        _widget(page, each, visit)
                else:
                    with pair:
                        _widget(page, each, visit)
                    pair = None
                continue
            _widget(page, each, visit)
        with st.container(horizontal=True, gap="small", key="resets"):
            st.button("Reset", icon=":material/restart_alt:", on_click=visit.reset, args=(view,), help="All defaults.")
            if {"seeds", "first_seed"} <= choice.keys():
                st.button(
                    "Other seeds", icon=":material/casino:", on_click=_other_seeds, args=(view, visit),
                    help="The same with seeds that come after these.",
                )  # fmt: skip
        with st.expander("More settings"):
            for each in (each for each in offered if each.more):
                _widget(page, each, visit)


def opens(page: Page, view: View, visit: Visit) -> None:
    """What is looked into, side by side, each with its label in its line."""
    choice = visit.choice(view)
    for each in (each for each in view.opens if is_offered(each, choice)):
        _widget(page, each, visit, small=True)


def pick(view: View, visit: Visit, values: dict[str, Any], of_a: bool = False) -> None:
    """Choose as the view's widgets do: what a click on a figure does. What is not possible is passed over.

    of_a: for A, which has no widgets.
    """
    for each in view.every_control:
        if each.id in values:
            try:
                value = values[each.id]
                visit.put(each, each.read(value if isinstance(value, str) else f"{value:.12g}"), of_a)
            except (ValueError, TypeError):
                continue
    visit.sentences, visit.touched = (), True


def is_offered(control: Control, choice: Choice) -> bool:
    """Whether a control means anything beside what is chosen for the others."""
    return all(choice[id] in allowed for id, allowed in control.when.items())


def _other_seeds(view: View, visit: Visit) -> None:
    of = {each.id: each for each in view.every_control}
    after = visit.value(of["first_seed"]) + visit.value(of["seeds"])
    visit.put(of["first_seed"], after)
    if "seed" in of:
        visit.put(of["seed"], of["seed"].default)
    visit.touched, visit.sentences = True, ()


def _without_step(address: Any) -> dict[str, str]:
    return {name: text for name, text in address.items() if name != "step"}


def _widget(page: Page, control: Control, visit: Visit, small: bool = False) -> None:
    """The widget of one control; its state is what the visit says, in the words of an address."""
    key, value = f"{page.id} {control.id}", visit.value(control)
    options = _options(control, value)

    def changed(key: str = key) -> None:
        said = st.session_state[key]
        visit.touched = True
        try:
            text = ",".join(said) if isinstance(said, list) else str(said if said is not None else "")
            visit.put(control, control.read(text))
            visit.sentences = ()
        except ValueError as error:
            visit.sentences = (f"{error}; shown: {control.write(visit.value(control))}",)

    shared: dict[str, Any] = {"help": control.help or None, "on_change": changed}
    if control.several:
        st.session_state[key] = [control.name(each) for each in value]
        st.pills(control.label, options, selection_mode="multi", key=key, **shared)
        typed = f"{key} typed"
        st.session_state[typed] = ", ".join(control.name(each) for each in value)
        st.text_input(
            control.label, key=typed, on_change=changed, args=(typed,), placeholder=OWN_VALUES,
            label_visibility="collapsed",
        )  # fmt: skip
        return
    st.session_state[key] = control.name(value)

    def text(name: str) -> str:
        said = control.labels.get(name, name)
        return f"{control.label} = {said}" if small else f"{APART if control.is_number else ''}{said}"

    if small:
        st.selectbox(
            control.label, options, key=key, format_func=text, label_visibility="collapsed",
            width=_width(map(text, options)), accept_new_options=control.is_number, on_change=changed,
        )  # fmt: skip
    elif not control.is_number and len(options) <= 3 and sum(len(text(name)) for name in options) < 24:
        st.segmented_control(control.label, options, key=key, format_func=text, required=True, **shared)
    else:
        st.selectbox(control.label, options, key=key, format_func=text, accept_new_options=control.is_number, **shared)


def _width(texts: Iterable[str]) -> int:
    """Pixels that a list takes beside others, so that the longest of these fits as far as there is room."""
    return max(90, min(150, 48 + 7 * max(map(len, texts))))


def _options(control: Control, value: Any) -> list[str]:
    """The names of the few good values, and of what is chosen now."""
    names = list(control.values)
    chosen = value if control.several else (value,)
    names += [name for each in chosen if (name := control.name(each)) not in names]
    return sorted(names, key=_size) if control.is_number else names


def _size(name: str) -> float:
    try:
        return float(name)
    except ValueError:
        return float("-inf")  # a word stands before the numbers
