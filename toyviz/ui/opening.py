"""The picture that moves by itself: a clock that goes through some networks and begins again."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

HTML = """<div class="opening"><button type="button" aria-label="Pause">❚❚</button>
<output aria-live="off"></output></div>"""
CSS = """.opening {display: flex; gap: .6rem; align-items: center; font-size: .95rem; color: var(--st-text-color)}
.opening button {height: 1.75rem; width: 2.5rem; border: 1px solid var(--st-border-color); border-radius: .5rem;
  background: var(--st-secondary-background-color); color: var(--st-text-color); cursor: pointer; font: inherit;
  line-height: 1; padding: 0}
.opening output {font-variant-numeric: tabular-nums}"""
JS = """
const EACH_MS = 1100, LAST = 39
export default function ({ data, parentElement }) {
  const words = parentElement.querySelector('output'), button = parentElement.querySelector('button')
  const still = matchMedia('(prefers-reduced-motion: reduce)').matches
  let at = 0, timer = null
  const show = () => {
    const clock = document.querySelector('#clock')
    words.textContent = data.texts[at]
    if (!clock) return
    clock.value = Math.round(at * LAST / Math.max(data.texts.length - 1, 1))
    clock.dispatchEvent(new Event('input'))
  }
  const look = () => {
    button.textContent = timer ? '❚❚' : '▶'
    button.setAttribute('aria-label', timer ? 'Pause' : 'Play')
  }
  const go = () => { timer = setInterval(() => { at = (at + 1) % data.texts.length; show() }, EACH_MS); look() }
  const stop = () => { clearInterval(timer); timer = null; look() }
  button.onclick = () => timer ? stop() : go()
  show()
  if (still) look(); else go()
  return stop
}
"""
OPENING = st.components.v2.component("opening", html=HTML, css=CSS, js=JS)
RANGE = """<input id="clock" type="range" min="0" max="39" value="0" hidden>
<input id="pointed" type="text" value="" hidden><input id="own-scale" type="text" value="" hidden>"""


def mount() -> None:
    """Put the clock into the page, unseen: call it before any chart is drawn."""
    st.html(RANGE)


def draw(texts: Sequence[str]) -> None:
    """Let the clock go through as many frames as there are texts, and tell the text of each."""
    OPENING(key="opening", data={"texts": list(texts)}, height=36)
