"""The clock of a page: a range that charts bind to in the browser, and what stands around it.

The range is plain HTML, since a chart finds what it binds to only if that is in the page before it: it must come to the
page before the charts do, wherever it stands. All that follows from moving it happens in the browser.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from toyviz.ui.readings import Readings

RANGE = """<input id="clock" type="range" min="0" max="39" value="39" aria-label="Step of the training">
<input id="pointed" type="text" value="" hidden><input id="own-scale" type="text" value="" hidden>"""
HTML = """<div class="player" role="group" aria-label="Clock">
<button type="button" class="back" title="One frame back (left arrow)" aria-label="One frame back">‹</button>
<button type="button" class="play" title="Play (space)" aria-label="Play">▶</button>
<button type="button" class="on" title="One frame on (right arrow)" aria-label="One frame on">›</button>
<select class="speed" title="Speed" aria-label="Speed"><option value="0.5">½×</option>
<option value="1" selected>1×</option><option value="2">2×</option><option value="4">4×</option></select>
<label title="Draw each frame on its own scale, instead of one for the whole history"><input class="own"
type="checkbox"> own scale</label>
<output aria-live="off"
title="Test loss and accuracy: on 1,000 samples along the way, on 10,000 at the end"></output></div>"""
CSS = """.player {display: flex; gap: .35rem; align-items: center; white-space: nowrap; font-size: .8125rem;
  height: 2rem; color: var(--st-text-color); overflow: hidden}
.player button, .player select {height: 1.75rem; border: 1px solid var(--st-border-color); border-radius: .5rem;
  background: var(--st-secondary-background-color); color: var(--st-text-color); cursor: pointer; line-height: 1;
  font: inherit}
.player button {flex: 0 0 1.75rem; padding: 0}
.player .play {flex-basis: 2.5rem}
.player label {display: flex; gap: .25rem; align-items: center; cursor: pointer}
.player output {font-variant-numeric: tabular-nums; margin-left: .5rem; overflow: hidden; text-overflow: ellipsis}
.player output b {font-weight: 600}
.player output div {line-height: 1.15; overflow: hidden; text-overflow: ellipsis}
.player output span {opacity: .7}
@media (max-width: 48rem) {
  .player {flex-wrap: wrap; height: auto}
  .player output {flex: 1 0 100%; margin: 0; white-space: normal}
}"""
JS = """
const HISTORY_MS = 4000  // a whole history at speed 1
const LAST = 39
export default function (component) {
  let off, waiting
  const begin = () => {  // the range is another element of the page, and may come a moment later
    if (document.querySelector('#clock')) off = start(component)
    else waiting = setTimeout(begin, 20)
  }
  begin()
  return () => { clearTimeout(waiting); off?.() }
}
function start({ data, parentElement, setTriggerValue }) {
  const clock = document.querySelector('#clock'), own = document.querySelector('#own-scale')
  const part = (name) => parentElement.querySelector(name)
  const words = part('output'), playing = part('.play'), speed = part('.speed'), scale = part('.own')
  const steps = data.steps, last = steps.length - 1
  const frameAt = (position) => Math.round(position * last / LAST)
  const now = () => frameAt(+clock.value)
  const say = () => {
    const at = now()
    const told = ({ steps, numbers, total }) => [
      `<b>step ${steps[at].toLocaleString('en')}</b> of ${total.toLocaleString('en')}`,
      ...numbers.map(([name, values]) => `<span>${name}</span> ${values[at]}`)].join(' &nbsp; ')
    words.innerHTML = data.beside
      ? `<div><b>A</b> ${told(data.beside)}</div><div><b>B</b> ${told(data)}</div>` : told(data)
  }
  const go = (position) => {
    clock.value = position
    clock.dispatchEvent(new Event('input'))
  }
  const positionOf = (step) => {  // of the frame nearest to a step
    let best = 0
    steps.forEach((each, k) => { if (Math.abs(each - step) < Math.abs(steps[best] - step)) best = k })
    return last ? Math.round(best * LAST / last) : LAST
  }
  const atEnd = () => +clock.value >= LAST

  // A new history, or another network: who was at the end stays there, who was elsewhere stays at the step.
  // Who has gone back before the history was here stays where the handle is.
  if (clock._step === undefined && data.step !== null) go(positionOf(data.step))
  else if (clock._step != null && !atEnd() && last) go(positionOf(clock._step))
  const note = () => { clock._step = last ? steps[now()] : atEnd() ? steps[0] : null }
  if (last || clock._step === undefined) note()

  // The step goes into the address when the clock is let go, without a message and without an entry to go back to.
  const write = () => {
    const address = new URL(location.href)
    if (atEnd()) address.searchParams.delete('step')
    else address.searchParams.set('step', steps[now()])
    if (address.href !== location.href) history.replaceState(history.state, '', address)
    if (data.live && data.held && atEnd()) setTriggerValue('held', 'no')
  }
  clearTimeout(clock._writing)
  const later = () => { clearTimeout(clock._writing); clock._writing = setTimeout(write, 400) }
  const stop = () => { clearInterval(clock._timer); clock._timer = null; look(); write() }
  const look = () => {
    playing.textContent = clock._timer ? '❚❚' : '▶'
    playing.setAttribute('aria-label', clock._timer ? 'Pause' : 'Play')
    scale.checked = own.value !== ''
    if (clock._speed) speed.value = clock._speed
  }
  const play = () => {
    if (clock._timer) return stop()
    if (atEnd()) go(0)
    clock._timer = setInterval(() => {
      if (atEnd()) return stop()
      go(+clock.value + 1)
    }, HISTORY_MS / LAST / speed.value)
    look()
  }
  const step = (by) => {
    if (clock._timer) stop()
    const position = last ? Math.round((now() + by) * LAST / last) : LAST
    go(Math.max(0, Math.min(LAST, position)))
    later()
  }
  playing.onclick = play
  part('.back').onclick = () => step(-1)
  part('.on').onclick = () => step(1)
  speed.onchange = () => { clock._speed = speed.value; if (clock._timer) { stop(); play() } }
  scale.onchange = () => { own.value = scale.checked ? '1' : ''; own.dispatchEvent(new Event('input')) }
  look()
  say()

  const KEYS = { ' ': play, ArrowLeft: () => step(-1), ArrowRight: () => step(1),
    Home: () => { go(0); later() }, End: () => { go(LAST); later() } }
  const others = 'input:not(#clock), textarea, select, button, a[href], [contenteditable=true], [role=slider], ' +
    '[role=combobox], [role=listbox], [role=radio], [role=tab], [role=dialog], [role=menuitem]'
  const pressed = (event) => {
    const target = event.composedPath()[0]
    if (event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return
    if (!KEYS[event.key] || target.closest?.(others)) return
    event.preventDefault()
    KEYS[event.key]()
  }
  let asked = data.held
  const moved = () => {
    say()
    note()
    if (!clock._timer) later()
    if (data.live && !asked && !atEnd()) { asked = true; setTriggerValue('held', 'yes') }
  }
  clock._off?.()  // what listened with the data before
  clock.addEventListener('input', moved)
  document.addEventListener('keydown', pressed)
  clock._off = () => { clock.removeEventListener('input', moved); document.removeEventListener('keydown', pressed) }
  return clock._off
}
"""
LINK_HTML = (
    '<button type="button" class="link" title="The complete address of what is on the screen">Copy link</button>'
)
LINK_CSS = """.link {height: 1.75rem; border: 1px solid var(--st-border-color); border-radius: .5rem; font: inherit;
  font-size: .8125rem; background: var(--st-secondary-background-color); color: var(--st-text-color); cursor: pointer;
  white-space: nowrap; width: 5.5rem; margin-top: .2rem}"""
LINK_JS = """
export default function ({ data, parentElement }) {
  const button = parentElement.querySelector('button')
  button.onclick = async () => {
    const link = new URL(location.href), step = link.searchParams.get('step')
    link.search = new URLSearchParams(data.address)
    if (step) link.searchParams.set('step', step)
    try {
      await navigator.clipboard.writeText(link.href)
    } catch {
      const area = document.createElement('textarea')
      area.value = link.href
      document.body.append(area)
      area.select()
      document.execCommand('copy')
      area.remove()
    }
    window.copied = link.href
    button.textContent = 'Copied'
    setTimeout(() => { button.textContent = 'Copy link' }, 1500)
  }
}
"""
PLAYER = st.components.v2.component("player", html=HTML, css=CSS, js=JS)
LINK = st.components.v2.component("copy_link", html=LINK_HTML, css=LINK_CSS, js=LINK_JS)


def mount(where: Any) -> Any:
    """Put the range into the page, and return where the rest goes: call it before any chart is drawn."""
    with where:
        player = st.container(
            horizontal=True, vertical_alignment="center", wrap=False, height=36, border=False, key="player"
        )
        st.html(RANGE)
    return player


def draw(
    where: Any,
    told: Readings,
    beside: Readings | None = None,
    *,
    step: int | None = None,
    live: bool = False,
    held: bool = False,
    on_held: Callable[[bool], None] = lambda held: None,
) -> None:
    """The buttons, and what is told of the frame of now.

    beside: what is told of A, at the same frames, where the other is B. step: where to begin. live: whether the history
    still grows. held: whether all of it is here, since one has gone back in it; on_held hears when that changes.
    """
    data = {
        **told._asdict(),
        "beside": beside._asdict() if beside else None,
        "step": step,
        "live": live,
        "held": held,
    }

    def changed() -> None:
        on_held(st.session_state["clock-player"].held == "yes")

    with where:
        PLAYER(key="clock-player", data=data, on_held_change=changed)


def copy_link(where: Any, address: Mapping[str, str]) -> None:
    """A button that copies the complete address of what is on the screen."""
    with where:
        LINK(key="copy-link", data={"address": dict(address)}, height=32)
