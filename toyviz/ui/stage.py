"""How any view is drawn: what moves on one screen, what one reads below it.

At the left of the stage are the view's own figures, beside them the inside of the network that one looks at, under both
the clock. The same elements stand in the same places whether a network is trained, in training or waiting, so that
charts fill in and nothing jumps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import streamlit as st

from toyviz import charts, comparison, runtime, tables
from toyviz.experiment import Experiment
from toyviz.result import Result
from toyviz.ui import blocks, choose, clock, compare, line, look_for, presenter, readings, runner, style
from toyviz.ui.asked import Asked, asked_of
from toyviz.ui.downloads import take_with_you
from toyviz.ui.frame import wide, with_data
from toyviz.ui.inside import behind
from toyviz.ui.pictures import sources
from toyviz.ui.readings import NOTHING_READ, Readings
from toyviz.ui.runner import Progress
from toyviz.ui.verdicts import claim
from toyviz.ui.visit import Visit, visit
from toyviz.view import Block, Figure, Number, Page, Table, Text, View, ids

LOOK = 0.3  # seconds between two looks at a training
LOOK_AT_MANY = 1.0  # at more networks than MANY on their way: each look is drawn on the cores that train them
MANY = 8
LOOKS = 12  # a second of all visitors together: with many of them each looks less often
NEWS = 4.0  # seconds after which what stands below the stage is told anew, and at least so many looks:
LOOKS_TO_NEWS = 8
CROWDED = 1.5  # times as many visitors as there were: then a page asks anew how often to look


def page(page: Page) -> None:
    """A page: its title, the menu of its views, and the view that is open."""
    here = visit(page)
    with st.container(key="page"):
        head = st.container(horizontal=True, vertical_alignment="center", height=40, border=False, key="head")
        view = choose.open_address(page, here)
        st.html(style.of(view, pinned=here.pinned is not None, presents=here.presents))
        with head:
            st.title(page.title, anchor=False, width="content")
            choose.view_menu(page, here)
            presenter.draw(page, view, here)
        choose.controls(page, view, here, st.sidebar)
        asked = asked_of(page, view, here)
        progress = runner.wanted(asked.whole, here)
        own = runner.look(asked.plan, here) if asked.beside else progress
        with head:
            look_for.draw(blocks.shown(page, view, asked.choice, own.plan, own.sweep))
        visitors = runtime.visitors()
        looks = seconds_between_looks(len(progress.live), visitors)
        st.fragment(_stage, run_every=looks)(asked, progress, visitors)
        st.fragment(_below, run_every=max(NEWS, LOOKS_TO_NEWS * looks) if looks else None)(asked)


def seconds_between_looks(live: int, visitors: int) -> float | None:
    """How often a page looks at so many networks on their way, where there are so many visitors; None: not again."""
    if not live:
        return None
    return max(LOOK_AT_MANY if live > MANY else LOOK, visitors / LOOKS)


def _stage(asked: Asked, before: Progress, visitors: int) -> None:
    """All that moves, and what it is moved by. before, visitors: how it was, and how many were here, a page run ago."""
    page, view, visit = asked.page, asked.view, asked.visit
    if visit.touched:
        st.rerun()  # a widget in here was: the choice and its plan are others now
    now = runner.look(asked.whole, visit)
    if bool(before.live) != bool(now.live):
        runner.learn_speed(before.sweep, now.sweep)
        st.rerun()  # once more as a whole, and then with or without polling
    crowd = max(runtime.visitors(), LOOKS * LOOK) / max(visitors, LOOKS * LOOK)
    if now.live and not 1 / CROWDED <= crowd <= CROWDED:
        st.rerun()  # once more as a whole, and then with fewer looks, or more
    top = st.container(horizontal=True, vertical_alignment="center", height=40, border=False, key="line")
    stage = st.container(height=600, border=False, key="stage")
    player = clock.mount(st.container(height=72, border=False, key="clock")) if view.opens else None
    sides = _sides(asked, now)
    with top:
        line.draw(f"{page.title}: {view.title}", now, visit, sides[-1].watched)
        with st.container(horizontal=True, width="content", key="opens", gap="small"):
            choose.opens(page, view, visit)
            if not visit.presents:  # a room sees the stage: there is no width for more
                compare.pinning(view, visit)
                address = choose.link(page, view, visit)
                clock.copy_link(st.container(width=90, height=34, border=False), address)
    with stage:
        drawn = _two_stages(sides) if len(sides) > 1 else _one_stage(sides[0])
    if player:
        with player, st.container(width="content", key="follow"):
            if len(sides) == 1:
                _follow(page, visit)
        told = [each.readings for each in sides]
        clock.draw(
            player,
            told[-1],
            told[0] if len(told) > 1 else None,
            step=visit.step,
            live=bool(now.live) and not all(each.results[0].finished for each in sides),
            held=visit.held,
            on_held=lambda held: setattr(visit, "held", held),
        )
    with st.container(key="said"):  # a chart on the stage would be built anew if its own description changed
        st.markdown(" ".join(figure.chart.alt for figure in drawn))


class Side(NamedTuple):
    """One of the stages, as far as its networks are trained."""

    asked: Asked
    watched: Sequence[Experiment]  # the networks that one looks at
    results: Sequence[Result]  # of these
    own: Sequence[Figure]
    inside: Sequence[Figure]
    readings: Readings  # beside the clock

    @property
    def prefix(self) -> str:
        """What the keys of its parts begin with: those of B are those of the one stage."""
        return "" if self.asked.letter == "B" else "a-"


def _sides(asked: Asked, now: Progress) -> list[Side]:
    """What is on the stage: one side, or A and B, on one clock and on shared scales."""
    visit, both = asked.visit, [each for each in (asked.beside, asked) if each]
    looks = [runner.look(each.plan, visit) for each in both] if asked.beside else [now]
    watched = [runner.watched(look, visit) if len(both) == 1 else look.plan.opened for look in looks]
    results = [
        [runner.result(each, look, newest_only=not visit.held) for each in experiments]
        for look, experiments in zip(looks, watched, strict=True)
    ]
    told = [
        readings.told(each[0], look.statuses.get(each[0].experiment.key), asked.view.numbers) if each else NOTHING_READ
        for look, each in zip(looks, results, strict=True)
    ]
    if asked.beside and all(results):
        steps = comparison.clock_steps(results[0][0], results[1][0])
        results = [[comparison.on_clock(each, steps) for each in side] for side in results]
        told = [readings.on_clock(each, steps) for each in told]
    sides = []
    for each, look, seen, side, read in zip(both, looks, watched, results, told, strict=True):
        plan = look.plan if len(both) == 1 else comparison.Widened(look.plan, asked.whole)
        shown = blocks.shown(each.page, each.view, each.choice, plan, look.sweep)
        own = _staged(own_rows(each.view, len(both) > 1), shown)
        said = blocks.inside(each.page, each.view, each.choice, tuple(side))
        inside = [block for block in said if isinstance(block, Figure)]
        sides.append(Side(each, seen, side, own, inside, read))
    if not asked.beside:
        return sides
    a, b = sides
    both_own = compare.on_shared_scales(a.own, b.own, visit.subtracts)
    both_inside = compare.on_shared_scales(a.inside, b.inside)
    parts = zip(sides, both_own, both_inside, strict=True)
    return [side._replace(own=own, inside=inside) for side, own, inside in parts]


def _one_stage(side: Side) -> list[Figure]:
    """The view's own figures, and beside them the inside of the network that one looks at. Returns what is drawn."""
    view = side.asked.view
    with st.container(horizontal=True, height="stretch", wrap=False, gap="medium"):
        if view.stage:
            with st.container(height="stretch", width="stretch", key="own"):
                _rows(view.stage, side.own, side)
        if side.inside:
            with st.container(height="stretch", width="stretch", key="inside"):
                _rows(inside_rows(view, side.inside), side.inside, side)
    return [*side.own, *side.inside]


def _two_stages(sides: Sequence[Side]) -> list[Figure]:
    """A beside B, each with its own figures above its inside; under both the curves of both. Returns what is drawn."""
    curves = compare.curves(sides[0].inside, sides[1].inside)
    over = {each.id for each in curves}
    if sides[0].asked.visit.presents:
        curves = []  # there is no height for them
    asked_a, asked_b = (each.asked for each in sides)
    others = comparison.other_differences(asked_b.view, asked_a.choice, asked_b.choice)
    heads = compare.headings(sides[0].watched, sides[1].watched, others)
    with st.container(horizontal=True, height="stretch", wrap=False, gap="medium", key="sides"):
        places = [st.container(height="stretch", width="stretch", key=f"{side.prefix}side") for side in sides]
        for side, head, place in zip(sides, heads, places, strict=True):
            with place:  # both before any figure: what the sides are is told together with the line above them
                _heading(side, head, sides)
        for side, place in zip(sides, places, strict=True):
            with place:
                _side(side, [each for each in side.inside if each.id not in over])
    if curves:
        with st.container(height=124, border=False, key="curves", horizontal=True, wrap=False):
            _figures(curves, sides[-1])
    return [*curves, *(each for side in sides for each in (*side.own, *side.inside) if each.id not in over)]


def _heading(side: Side, head: str, sides: Sequence[Side]) -> None:
    """What tells a side from the other, and what is done with it."""
    asked, key = side.asked, f"{side.prefix}heading"
    with st.container(horizontal=True, vertical_alignment="center", height=26, border=False, gap="small", key=key):
        with st.container(width="stretch"):
            st.markdown(head)
        if asked.letter == "A":
            compare.pinned(asked.visit)
        elif asked.visit.subtracts or compare.are_maps(sides[0].own, sides[1].own):
            compare.subtraction(asked.page.id, asked.visit)


def _side(side: Side, inside: Sequence[Figure]) -> None:
    """One of two stages: the view's own figures in one row, and the inside below."""
    if side.own:
        with st.container(height="stretch", width="stretch", key=f"{side.prefix}own"):
            _rows(compare.few_rows([each.id for each in side.own]), side.own, side)
    if inside:
        with st.container(height="stretch", width="stretch", key=f"{side.prefix}inside"):
            _rows(compare.few_rows(_in_order(side.asked.view, inside)), inside, side)


def _in_order(view: View, inside: Sequence[Figure]) -> list[str]:
    there = {each.id for each in inside}
    return [id for id in ids(inside_rows(view, inside)) if id in there]


def own_rows(view: View, beside: bool) -> tuple[str | tuple[str, ...], ...]:
    """How the view's own figures stand on the stage: beside another stage there is room for the first row alone."""
    return view.stage[:1] if beside else view.stage


def _staged(rows: Iterable[str | tuple[str, ...]], blocks: Iterable[Block]) -> list[Figure]:
    """The view's own figures in these rows; what comes after the last of them is not worked out."""
    found: dict[str, Figure] = {}
    wanted = ids(rows)
    for block in blocks:
        if isinstance(block, Figure) and block.id in wanted:
            found[block.id] = block
        if len(found) == len(wanted):
            break
    return [found[id] for id in wanted]


def inside_rows(view: View, inside: Sequence[Figure]) -> tuple[str | tuple[str, ...], ...]:
    """How the figures of the inside stand: as the view says, else planes side by side on top, and the others below."""
    if view.inside_stage:
        return view.inside_stage
    planes = tuple(figure.id for figure in inside if figure.chart.square)
    return (*([planes] if planes else []), *(figure.id for figure in inside if not figure.chart.square))


def _rows(rows: Iterable[str | tuple[str, ...]], figures: Sequence[Figure], side: Side) -> None:
    """Figures in rows of one height; what is not there yet, or not for this choice, leaves no gap."""
    at = {figure.id: figure for figure in figures}
    for row in rows:
        here = [at[id] for id in ([row] if isinstance(row, str) else row) if id in at]
        if len(here) == 1:
            _figures(here, side)
        elif here:
            key = f"row-{side.prefix}{here[0].id}"
            with st.container(horizontal=True, height="stretch", wrap=False, gap="small", key=key):
                _figures(here, side)


def _below(asked: Asked) -> None:
    """What stands below the stage: what one reads, and the figures that do not move."""
    page, view, choice, plan, visit = asked[:5]
    if visit.touched:
        st.rerun()
    now = runner.look(plan, visit)
    results = [runner.result(each, now, newest_only=not visit.held) for each in now.plan.opened]
    with st.container(key="below"):
        if asked.beside:
            compare.told(view, (asked.beside.choice, choice), (asked.beside.plan, plan))
        take_with_you(page, view, choice, plan)
        st.markdown(f"##### {page.question}")
        inside = blocks.inside(page, view, choice, tuple(results))
        figures = [block for block in inside if isinstance(block, Figure)]
        staged = {*ids(own_rows(view, asked.beside is not None)), *ids(inside_rows(view, figures))}
        for block in [*inside, *blocks.shown(page, view, choice, now.plan, now.sweep)]:
            if look_for.is_told_there(block):
                continue
            if not isinstance(block, Figure):
                DRAW[type(block)](block)
            elif block.id not in staged:
                with wide() if block.chart.square else st.container():
                    _figure(block, asked)
        for id in view.claims:
            claim(id, now.sweep.results, choice)
        opened = now.sweep.get(now.plan.opened[0]) if plan.opened else None
        if opened:
            behind(view.named(choice), opened, tables.runs(now.sweep))
        sources(page, view)


def _figures(figures: Sequence[Figure], side: Side) -> None:
    for figure in figures:
        with st.container(height="stretch", width="stretch", key=f"at-{side.prefix}{figure.id}"):
            _figure(figure, side.asked, staged=True)


def _figure(block: Figure, asked: Asked, staged: bool = False) -> None:
    """A figure: on the stage as large as its room, else in its own size, with its description."""
    key = f"figure-{'' if asked.letter == 'B' else 'a-'}{block.id}"
    spec = with_data(block.chart)
    if staged:
        spec = {name: value for name, value in spec.items() if name not in ("width", "height")}
        spec["autosize"] = {"type": "fit", "contains": "padding"}
        options: dict[str, Any] = {"width": "stretch", "height": "stretch"}
        if asked.visit.presents:
            spec = charts.legible(spec, presenter.LEAST)
    else:
        options = {"width": "content" if block.chart.square else "stretch", "alt": block.chart.alt}
    if block.pick:
        options |= {"on_select": lambda: _clicked(block, asked, key), "selection_mode": "pick"}
    st.vega_lite_chart(spec=spec, key=key, **options)


def _clicked(block: Figure, asked: Asked, key: str) -> None:
    """Set the controls that a click on this figure sets, and run the whole page."""
    rows = st.session_state[key]["selection"].get("pick") or []
    if rows:
        values = {control: rows[0][name] for name, control in block.pick.items() if rows[0].get(name) is not None}
        choose.pick(asked.view, asked.visit, values | dict(block.sets), of_a=asked.letter == "A")


def _follow(page: Page, visit: Visit) -> None:
    """Whether one looks at whatever trains, or stays with what is opened."""
    key = f"{page.id} follows"
    st.session_state[key] = visit.follows

    def changed() -> None:
        visit.follows, visit.held = st.session_state[key], False

    st.toggle("follow", key=key, on_change=changed, help="While others train, look at them instead of the opened one.")


def _markdown(block: Text) -> None:
    st.markdown(block.markdown)


def _number(block: Number) -> None:
    st.markdown(f"{block.label}: **{block.value}**")


def _table(block: Table) -> None:
    st.dataframe(block.frame, hide_index=True)


DRAW: dict[type, Callable[[Any], None]] = {Text: _markdown, Number: _number, Table: _table}
