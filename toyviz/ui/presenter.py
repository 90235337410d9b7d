"""Before a room: the stage alone, as large as the screen, moved by keys."""

from __future__ import annotations

import streamlit as st

from toyviz.ui.visit import Visit
from toyviz.view import Page, View

SLIDE = (800, 450)  # pixels of the page that are enlarged to the screen
LEAST = 11.3  # of a text in a chart: 18 pixels on a screen of 1280 x 720
HTML = '<button type="button" class="present" aria-label="Present"></button>'
CSS = """.present {height: 1.75rem; border: 1px solid var(--st-border-color); border-radius: .5rem; font: inherit;
  font-size: .8125rem; background: var(--st-secondary-background-color); color: var(--st-text-color); cursor: pointer;
  white-space: nowrap; padding: 0 .6rem; margin-top: .2rem}
.present.on {opacity: .5; padding: 0 .45rem}"""
# Charts ask the window how fine the screen is, and where they are: both are told for the enlarged page, so that they
# are drawn sharply, and what the pointer is on is what one sees below it.
JS = """
const real = Object.getOwnPropertyDescriptor(window, 'devicePixelRatio')
const fine = () => real?.get ? real.get.call(window) : real?.value ?? 1
let off
export default function ({ data, parentElement, setTriggerValue }) {
  off?.()
  const button = parentElement.querySelector('button'), root = document.documentElement
  button.textContent = data.on ? '✕' : 'Present'
  button.title = data.on ? 'Back to the page (p or Escape)' : 'The stage alone, for a room (p)'
  button.setAttribute('aria-label', data.on ? 'Leave' : 'Present')
  button.classList.toggle('on', data.on)
  const toggle = () => setTriggerValue('present', data.on ? 'no' : 'yes')
  button.onclick = () => { button.blur(); toggle() }
  const enlarge = () => {
    const zoom = data.on ? Math.max(1, Math.min(innerWidth / data.slide[0], innerHeight / data.slide[1])) : 1
    root.style.setProperty('--zoom', zoom)
    if (data.on) Object.defineProperty(window, 'devicePixelRatio', { configurable: true, get: () => fine() * zoom })
    else if (real) Object.defineProperty(window, 'devicePixelRatio', real)
  }
  enlarge()

  const others = 'input:not(#clock), textarea, select, [contenteditable=true], [role=combobox], [role=listbox], ' +
    '[role=dialog], [role=menuitem]'
  const turn = (by) => () => setTriggerValue('turn', by)
  const keys = { p: toggle }
  const presenting = { Escape: toggle, n: turn('on'), PageDown: turn('on'), b: turn('back'), PageUp: turn('back') }
  const pressed = (event) => {
    const act = keys[event.key] ?? (data.on ? presenting[event.key] : undefined)
    if (!act || event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return
    if (event.repeat || event.composedPath()[0].closest?.(others)) return
    event.preventDefault()
    act()
  }
  const point = (event) => {
    const canvas = event.target
    if (!data.on || canvas?.nodeName !== 'CANVAS') return
    delete canvas.getBoundingClientRect
    const box = canvas.getBoundingClientRect(), zoom = box.width / canvas.offsetWidth
    const at = (where, start) => where - (where - start) / zoom
    const left = at(event.clientX, box.left), top = at(event.clientY, box.top)
    canvas.getBoundingClientRect = () => new DOMRect(left, top, canvas.offsetWidth, canvas.offsetHeight)
  }
  const moves = ['pointerdown', 'pointermove', 'pointerup', 'pointerover', 'mousedown', 'mousemove', 'mouseup',
    'mouseover', 'click']
  window.addEventListener('resize', enlarge)
  document.addEventListener('keydown', pressed)
  moves.forEach((name) => window.addEventListener(name, point, true))
  off = () => {
    window.removeEventListener('resize', enlarge)
    document.removeEventListener('keydown', pressed)
    moves.forEach((name) => window.removeEventListener(name, point, true))
  }
  return () => {
    off()
    root.style.setProperty('--zoom', 1)
    if (real) Object.defineProperty(window, 'devicePixelRatio', real)
  }
}
"""
PRESENTER = st.components.v2.component("presenter", html=HTML, css=CSS, js=JS)


def draw(page: Page, view: View, visit: Visit) -> None:
    """A button that shows the stage to a room, and back, and the keys: p, Escape, and n or b for another view."""
    key = "presenter"

    def presented() -> None:
        visit.presents, visit.touched = st.session_state[key].present == "yes", True

    def turned() -> None:
        by = 1 if st.session_state[key].turn == "on" else -1
        at = [each.id for each in page.views].index(view.id) + by
        if 0 <= at < len(page.views):
            visit.view, visit.sentences, visit.touched = page.views[at].id, (), True

    with st.container(width="content", height=34, border=False, key="present"):
        data = {"on": visit.presents, "slide": list(SLIDE)}
        PRESENTER(key=key, data=data, on_present_change=presented, on_turn_change=turned, height=32)
