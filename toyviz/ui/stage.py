"""How any view is drawn: what moves on one screen, what one reads below it.

At the left of the stage are the view's own figures, beside them the inside of the network that one looks at, under both
the clock. The same elements stand in the same places whether a network is trained, in training or waiting, so that
charts fill in and nothing jumps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import streamlit as st

from toyviz import cost, metrics, runtime, tables
from toyviz.experiment import Experiment
from toyviz.queue import Status
from toyviz.result import Result
from toyviz.ui import choose, clock, runner
from toyviz.ui.downloads import take_with_you
from toyviz.ui.frame import many, sentence, wide
from toyviz.ui.inside import behind
from toyviz.ui.runner import Progress
from toyviz.ui.verdicts import claim
from toyviz.ui.visit import Visit, visit
from toyviz.view import Block, Choice, Figure, Number, Page, Plan, Table, Text, View, ids

POLL = 0.5  # seconds between two looks at a training
LONG = 80  # letters from which a status may not fit in its line, and is told whole beside it
FEW_VISITORS = 8  # can look so often; with more of them each looks less often
NEWS = 4.0  # seconds after which what stands below the stage is told anew
NUMBERS = {  # of a frame: what is told, how
    "train_loss": ("train loss", ".3g"),
    "train_accuracy": ("accuracy", ".0%"),
    "test_loss": ("test loss", ".3g"),
    "test_accuracy": ("accuracy", ".1%"),
    "big_features": ("big features", ".0f"),
}
STYLE = """<style>
.stMainBlockContainer {max-width: none; padding: 3rem 1.25rem 1rem}
.stMainBlockContainer > .stVerticalBlock, .st-key-page, .st-key-page .stVerticalBlock {gap: .25rem}
[data-testid=stHeader], .stAppHeader {height: 3rem; min-height: 3rem}
[data-testid=stStatusWidget] {display: none}
.st-key-head h1 {font-size: 1.25rem; padding: 0; white-space: nowrap}
.st-key-head, .st-key-line {flex-wrap: nowrap; overflow: hidden}
.st-key-head p, .st-key-line p {white-space: nowrap; overflow: hidden; text-overflow: ellipsis; margin: 0}
.st-key-head [data-testid=stMarkdownContainer], .st-key-line [data-testid=stMarkdownContainer] {margin: 0}
.st-key-status, .st-key-status .stMarkdown {min-width: 0}
.st-key-line p {font-size: .875rem}
.st-key-line [data-testid=stButton] button {min-height: 1.75rem; padding: 0 .6rem}
.st-key-line [data-baseweb=select] > div {min-height: 1.9rem; height: 1.9rem; font-size: .875rem}
.st-key-opens {align-items: center}
.st-key-line button p {font-size: .8125rem}
[data-testid=stSidebarContent] .stVerticalBlock {gap: .4rem}
[data-testid=stSidebarContent] [data-testid=stButtonGroup] button {padding: 0 .5rem; min-height: 1.6rem}
[data-testid=stLayoutWrapper]:has(> .st-key-stage) {flex: 0 0 max(380px, calc(100dvh - 228px)) !important}
.st-key-stage, .st-key-stage [data-testid=stHorizontalBlock] {overflow: hidden !important}
.st-key-stage .stVerticalBlock {gap: .25rem}
#clock {width: 100%; margin: 0; accent-color: var(--st-primary-color, #0B6E99)}
@media (min-width: 48.01rem) {
  [data-testid=stLayoutWrapper]:has(> .st-key-own) {flex: var(--own, 1) 1 0 !important; min-width: 0}
  [data-testid=stLayoutWrapper]:has(> .st-key-inside) {flex: var(--inside, 1) 1 0 !important; min-width: 0}
}
@media (max-width: 48rem) {  /* a phone: what moves stands one under another, and the clock stays at the lower edge */
  .stMainBlockContainer {padding: 3rem .75rem 5rem}
  [data-testid=stLayoutWrapper]:has(> .st-key-head), [data-testid=stLayoutWrapper]:has(> .st-key-line) {
    height: auto !important; flex: 0 0 auto !important}
  .st-key-head, .st-key-line {flex-wrap: wrap; height: auto !important; overflow: visible; row-gap: .25rem}
  .st-key-head [data-testid=stButtonGroup] > [role=radiogroup] {flex-wrap: nowrap; overflow-x: auto; max-width: 92vw}
  .st-key-line p {white-space: normal}
  .st-key-opens {flex-wrap: wrap}
  [data-testid=stLayoutWrapper]:has(> .st-key-stage) {flex: 0 0 auto !important; height: auto !important}
  .st-key-stage {height: auto !important; overflow: visible !important}
  .st-key-stage > div > [data-testid=stHorizontalBlock] {flex-direction: column !important;
    overflow: visible !important}
  [data-testid=stLayoutWrapper]:has(> .st-key-own) {
    flex: 0 0 calc(max(2, var(--figures, 2)) * 215px) !important; width: 100% !important}
  .st-key-own [class*=st-key-row-] {flex-direction: column !important}
  .st-key-own [class*=st-key-row-] > [data-testid=stLayoutWrapper] {flex: 1 1 0 !important; min-height: 0}
  [data-testid=stLayoutWrapper]:has(> .st-key-inside) {flex: 0 0 400px !important; width: 100% !important}
  [data-testid=stLayoutWrapper]:has(> .st-key-player), [data-testid=stLayoutWrapper]:has(> .st-key-clock) {
    height: auto !important; flex: 0 0 auto !important}
  .st-key-player, .st-key-clock {height: auto !important}
  .st-key-follow {display: none}
  [data-testid=stLayoutWrapper]:has(> .st-key-clock) {position: sticky; bottom: 0; z-index: 10;
    backdrop-filter: blur(16px)}
}
.st-key-said {position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%)}
</style>"""


def page(page: Page) -> None:
    """A page: its title, the menu of its views, and the view that is open."""
    st.html(STYLE)
    here = visit(page)
    with st.container(key="page"):
        head = st.container(horizontal=True, vertical_alignment="center", height=40, border=False, key="head")
        view = choose.open_address(page, here)
        with head:
            st.title(page.title, anchor=False, width="content")
            choose.view_menu(page, here)
        choose.controls(page, view, here, st.sidebar)
        shares = f"--own: {view.width}; --inside: {1 - view.width:.3g}; --figures: {len(ids(view.stage))}"
        st.html(f"<style>:root {{{shares}}} {_heights(view)}</style>")
        choice, plan = _planned(view, here)
        progress = runner.wanted(plan, here)
        asked = Asked(page, view, choice, plan, here)
        live, many_here = bool(progress.live), max(1.0, runtime.visitors() / FEW_VISITORS)
        st.fragment(_stage, run_every=POLL * many_here if live else None)(asked, progress)
        st.fragment(_below, run_every=NEWS * many_here if live else None)(asked)


def _heights(view: View) -> str:
    """The style of figures that are higher than the others of their side."""
    of = "[data-testid=stLayoutWrapper]:has(> .st-key-at-{})"
    return " ".join(f"{of.format(id)} {{flex-basis: {times:.0%} !important}}" for id, times in view.taller.items())


class Asked(NamedTuple):
    """What is asked on a page, by whom."""

    page: Page
    view: View
    choice: Choice
    plan: Plan
    visit: Visit


def _planned(view: View, visit: Visit) -> tuple[Choice, Plan]:
    """The choice and its plan; where there is none, the nearest choice that has one is taken, and why is said."""
    choice = visit.choice(view)
    try:
        plan = _plan(view, choice)
    except ValueError as error:
        shown, plan, told = _possible(view, choice, visit.sound)
        sentence = f"{error}; shown: {told}"
        if sentence not in visit.sentences:
            visit.sentences = (*visit.sentences, sentence)
        if dict(shown) == dict(choice):  # not even the defaults may be trained here
            return shown, plan
        visit.take(view, shown)
        visit.touched = True
        st.rerun()  # widgets and address have what was not possible
    visit.sound = choice
    return choice, plan


def _plan(view: View, choice: Choice) -> Plan:
    """The plan. Raises ValueError where there is none, and where more is opened than may be trained here."""
    plan = view.plan(choice)
    for each in plan.opened:
        cost.refuse(each)
    return plan


def _possible(view: View, choice: Choice, before: Choice | None) -> tuple[Choice, Plan, str]:
    """A choice that has a plan, and what it is: that of before, or this one with one control at its default, or all."""
    alone = [
        (choice.with_(**{each.id: each.default}), f"{each.id}={each.write(each.default)}")
        for each in view.every_control
    ]
    known = before is not None and set(before) == set(choice)
    for shown, told in [*([(before, "the settings before")] if known and before else []), *reversed(alone)]:
        try:
            return shown, _plan(view, shown), told
        except ValueError:
            continue
    return view.default(), view.plan(view.default()), "the defaults"


def _stage(asked: Asked, before: Progress) -> None:
    """All that moves, and what it is moved by."""
    page, view, choice, plan, visit = asked
    if visit.touched:
        st.rerun()  # a widget in here was: the choice and its plan are others now
    now = runner.look(plan, visit)
    plan = now.plan
    if bool(before.live) != bool(now.live):
        runner.learn_speed(before.sweep, now.sweep)
        st.rerun()  # once more as a whole, and then with or without polling
    line = st.container(horizontal=True, vertical_alignment="center", height=40, border=False, key="line")
    stage = st.container(height=600, border=False, key="stage")
    player = clock.mount(st.container(height=72, border=False, key="clock")) if view.opens else None
    watched = runner.watched(now, visit)
    results = [runner.result(each, now, newest_only=not visit.held) for each in watched]
    with line:
        _line(now, visit, watched)
        with st.container(horizontal=True, width="content", key="opens", gap="small"):
            choose.opens(page, view, visit)
            clock.copy_link(st.container(width=90, height=34, border=False), page.write(view, choice))
    own = _staged(view, view.show(choice, now.plan, now.sweep))
    inside = [block for block in view.inside(choice, *results) if isinstance(block, Figure)]
    with stage, st.container(horizontal=True, height="stretch", wrap=False, gap="medium"):
        if view.stage:
            with st.container(height="stretch", width="stretch", key="own"):
                _rows(view.stage, own, asked)
        if inside:
            with st.container(height="stretch", width="stretch", key="inside"):
                _rows(inside_rows(view, inside), inside, asked)
    if player:
        first = results[0]
        with player, st.container(width="content", key="follow"):
            _follow(page, visit)
        clock.draw(
            player,
            *_told(first, now.statuses.get(first.experiment.key), view.numbers),
            first.experiment.steps,
            step=visit.step,
            live=not first.finished and bool(now.live),
            held=visit.held,
            on_held=lambda held: setattr(visit, "held", held),
        )
    with st.container(key="said"):  # a chart on the stage would be built anew if its own description changed
        st.markdown(" ".join(figure.chart.alt for figure in [*own, *inside]))


def _staged(view: View, blocks: Iterable[Block]) -> list[Figure]:
    """The view's own figures on the stage; what comes after the last of them is not worked out."""
    found: dict[str, Figure] = {}
    wanted = ids(view.stage)
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


def _rows(rows: Iterable[str | tuple[str, ...]], figures: Sequence[Figure], asked: Asked) -> None:
    """Figures in rows of one height; what is not there yet, or not for this choice, leaves no gap."""
    at = {figure.id: figure for figure in figures}
    for row in rows:
        here = [at[id] for id in ([row] if isinstance(row, str) else row) if id in at]
        if len(here) == 1:
            _figures(here, asked)
        elif here:
            key = f"row-{here[0].id}"
            with st.container(horizontal=True, height="stretch", wrap=False, gap="small", key=key):
                _figures(here, asked)


def _below(asked: Asked) -> None:
    """What stands below the stage: what one reads, and the figures that do not move."""
    page, view, choice, plan, visit = asked
    if visit.touched:
        st.rerun()
    now = runner.look(plan, visit)
    results = [runner.result(each, now, newest_only=False) for each in now.plan.opened]
    with st.container(key="below"):
        take_with_you(page, view, choice, plan)
        st.markdown(f"##### {page.question}")
        inside = list(view.inside(choice, *results))
        figures = [block for block in inside if isinstance(block, Figure)]
        staged = {*ids(view.stage), *ids(inside_rows(view, figures))}
        for block in [*inside, *view.show(choice, now.plan, now.sweep)]:
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


def _figures(figures: Sequence[Figure], asked: Asked) -> None:
    for figure in figures:
        with st.container(height="stretch", width="stretch", key=f"at-{figure.id}"):
            _figure(figure, asked, staged=True)


def _figure(block: Figure, asked: Asked, staged: bool = False) -> None:
    """A figure: on the stage as large as its room, else in its own size, with its description."""
    spec = {**block.chart.spec, "datasets": dict(block.chart.data)}
    if staged:
        spec = {name: value for name, value in spec.items() if name not in ("width", "height")}
        spec["autosize"] = {"type": "fit", "contains": "padding"}
        options: dict[str, Any] = {"width": "stretch", "height": "stretch"}
    else:
        options = {"width": "content" if block.chart.square else "stretch", "alt": block.chart.alt}
    if block.pick:
        options |= {"on_select": lambda: _clicked(block, asked.view, asked.visit), "selection_mode": "pick"}
    st.vega_lite_chart(spec=spec, key=f"figure-{block.id}", **options)


def _clicked(block: Figure, view: View, visit: Visit) -> None:
    """Set the controls that a click on this figure sets, and run the whole page."""
    rows = st.session_state[f"figure-{block.id}"]["selection"].get("pick") or []
    if rows:
        values = {control: rows[0][name] for name, control in block.pick.items() if rows[0].get(name) is not None}
        choose.pick(view, visit, values | dict(block.sets))


def _follow(page: Page, visit: Visit) -> None:
    """Whether one looks at whatever trains, or stays with what is opened."""
    key = f"{page.id} follows"
    st.session_state[key] = visit.follows

    def changed() -> None:
        visit.follows, visit.held = st.session_state[key], False

    st.toggle("follow", key=key, on_change=changed, help="While others train, look at them instead of the opened one.")


Told = list[tuple[str, list[str]]]  # what it is called, and a text for each frame


def _told(result: Result, status: Status | None, numbers: Sequence[str]) -> tuple[list[int], Told]:
    """The step of each frame, and what is told of it; of a network that is too large to have any, the newest loss."""
    if len(result.frame_steps):
        return [int(step) for step in result.frame_steps], _numbers(result, numbers)
    if status is None or status.loss is None:
        return [0], []
    word, form = NUMBERS["train_loss"]
    return [status.step], [(word, [format(status.loss, form)])]


def _numbers(result: Result, names: Sequence[str]) -> Told:
    """What is told of each frame: at the end that of the whole test set; a dash is what was not measured."""
    end: dict[str, float | None] = dict(result.metrics)
    if result.finished:
        end["big_features"] = float((metrics.dimensionality(result.W1.T) >= metrics.BIG).sum())
    told = []
    for name, (word, form) in ((name, how) for name, how in NUMBERS.items() if name in names):
        values, last = result.frame_metrics.get(name), end.get(name)
        if values is None and last is None:
            continue
        values = np.full(len(result.frame_steps), np.nan) if values is None else values.copy()
        if last is not None:
            values[-1] = last
        told.append((word, [format(value, form) if np.isfinite(value) else "–" for value in values]))
    return told


def _line(now: Progress, visit: Visit, watched: Sequence[Experiment]) -> None:
    """Where the training stands, or what is in the way, and the one thing to do about it."""
    icon, text, action = _state(now, visit, watched)
    if visit.sentences:
        icon, text = "link_off", f"{sentence('; '.join(visit.sentences), capital=False)} {text}"
    with st.container(width="stretch", key="status"):
        st.markdown(f":material/{icon}: {text}")
    if len(text) > LONG:
        with st.container(width=24, key="whole-status"):
            st.markdown("", help=text)
    with st.container(width="content", key="action"):
        if action:
            icon = f":material/{action.icon}:"
            st.button(action.label, icon=icon, key="act", on_click=action.do, help=action.help or None)


class Action(NamedTuple):
    """The one thing to do about where the training stands."""

    label: str
    icon: str
    do: Callable[[], None]
    help: str = ""


def _state(now: Progress, visit: Visit, watched: Sequence[Experiment]) -> tuple[str, str, Action | None]:
    """An icon, a text, and what a button beside it does."""
    total, done, missing = len(now.plan.experiments), len(now.sweep), now.missing
    ask: Callable[[], None] = lambda: runner.ask(missing, now.plan, visit, again=True)  # noqa: E731
    short = [result for each in now.plan.opened if (result := now.sweep.get(each)) and result.shortened]
    whole: Callable[[], None] = lambda: runner.ask(now.plan.opened, now.plan, visit, again=True, anew=True)  # noqa: E731
    if now.live:
        stop = Action("Cancel", "stop", lambda: runner.cancel(missing, visit))
        return "model_training", _live_text(now, visit, watched), stop
    if visit.refused and (missing or short):
        retry = Action("Try again", "refresh", ask if missing else whole)
        return "hourglass_disabled", f"Not trained: {sentence(visit.refused, capital=False)}", retry
    if now.failed:
        error = now.statuses[now.failed[0].key].error
        more = f" {len(now.failed) - 1} more failed too." if len(now.failed) > 1 else ""
        return "error", f"**Training failed.** {sentence(error)}{more}", Action("Retry", "refresh", ask)
    if now.cancelled:
        text = f"**Cancelled.** {done} of {many(total, 'network')} done, and kept."
        return "cancel", text, Action("Resume", "play_arrow", ask)
    if missing:
        costs = [cost.expected(each) for each in missing]
        memory, disk = max(each.memory for each in costs), sum(each.disk for each in costs)
        room = f"It needs about {cost.size(memory)} of memory at a time, and {cost.size(disk)} on disk."
        text = f"**Not trained yet:** {len(missing)} of {many(total, 'network')}."
        train = Action(f"Train (about {cost.duration(now.seconds)})", "play_arrow", ask, room)
        return "hourglass_empty", text, train
    problem = runtime.store().problem
    if problem:
        return "warning", sentence(problem), None
    kept = f"{many(total, 'network')}, trained and kept."
    if not short:
        return "check_circle", kept, None
    about = "Train it again here, for all of its history: what is shipped holds a few frames of it."
    anew = Action("Whole history", "replay", whole, about)
    failed = now.statuses.get(short[0].experiment.key)
    if failed:
        return "error", f"**Training again failed.** {sentence(failed.error)}", anew
    return "check_circle", f"{kept} The opened one has {len(short[0].frame_steps)} frames.", anew


def _live_text(now: Progress, visit: Visit, watched: Sequence[Experiment]) -> str:
    total, done = len(now.plan.experiments), len(now.sweep)
    statuses = [now.statuses[each.key] for each in now.live]
    if all(status.state == "queued" for status in statuses):
        before = min(status.position or 1 for status in statuses) - 1
        return f"Waiting: {many(before, 'network')} before this." if before else "Waiting for a free worker."
    left = runner.seconds_left(now, visit)
    about = (
        "longer than expected" if left is None else f"about {cost.duration(left)} left" if left >= 1 else "nearly done"
    )
    text = f"**Training:** {done} of {many(total, 'network')}, {about}."
    status = now.statuses.get(watched[0].key) if watched else None
    return f"{text} {_seen(watched[0], now.plan, status)}" if status and status.state == "running" else text


def _seen(experiment: Experiment, plan: Plan, status: Status) -> str:
    """What of the network in training is on the screen."""
    if status.too_large:
        return "Too large to be shown while it trains: its loss alone."
    which = plan.which(experiment)
    return f"On the screen: {which}." if which else ""


def _markdown(block: Text) -> None:
    st.markdown(block.markdown)


def _number(block: Number) -> None:
    st.markdown(f"{block.label}: **{block.value}**")


def _table(block: Table) -> None:
    st.dataframe(block.frame, hide_index=True)


DRAW: dict[type, Callable[[Any], None]] = {Text: _markdown, Number: _number, Table: _table}
