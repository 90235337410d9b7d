"""How a page of views is laid out: the rules of the stage, of two stages, and of a stage before a room."""

from __future__ import annotations

from toyviz.view import View, ids

STAGE = """
.stMainBlockContainer {max-width: none; padding: 3rem 1.25rem 1rem}
.stMainBlockContainer > .stVerticalBlock, .st-key-page, .st-key-page .stVerticalBlock {gap: .25rem}
[data-testid=stHeader], .stAppHeader {height: 3rem; min-height: 3rem}
[data-testid=stStatusWidget] {display: none}
.st-key-page [data-stale=true] {opacity: 1 !important}
[data-testid=stMain]:focus-visible {outline: none}
.st-key-head h1 {font-size: 1.25rem; padding: 0; white-space: nowrap}
.st-key-head, .st-key-line {flex-wrap: nowrap; overflow: hidden}
.st-key-head button {padding: 0 .55rem; min-height: 2rem}
.st-key-head button p {font-size: .8125rem}
.st-key-head > [data-testid=stElementContainer]:has([data-testid=stButtonGroup]) {min-width: 0; flex: 0 1 auto}
.st-key-head [data-testid=stButtonGroup] > [role=radiogroup] {flex-wrap: nowrap; overflow-x: auto;
  scrollbar-width: thin}
.st-key-head [data-testid=stButtonGroup] button {flex: 0 0 auto}
.st-key-opens > .stElementContainer:has(.stSelectbox) {min-width: 3.5rem; flex-shrink: 1}
.st-key-line [data-testid=stLayoutWrapper]:has(> .st-key-opens) {min-width: 0; flex-shrink: 1}
@media (min-width: 48.01rem) {.st-key-opens {flex-wrap: nowrap}}
@media (min-width: 48.01rem) and (max-width: 85rem) {
  .st-key-line [data-testid=stButton] :is([data-testid=stIconMaterial], span:has(> [data-testid=stIconMaterial])) {
    display: none}
  .st-key-line [data-testid=stButton] button {padding: 0 .4rem}
  .st-key-line [data-testid=stButton] button p {font-size: .75rem}
  .st-key-line, .st-key-opens {gap: .35rem}
}
.st-key-head p, .st-key-line p {white-space: nowrap; overflow: hidden; text-overflow: ellipsis; margin: 0}
.st-key-head [data-testid=stMarkdownContainer], .st-key-line [data-testid=stMarkdownContainer] {margin: 0}
.st-key-status, .st-key-status .stMarkdown {min-width: 0}
.st-key-line p {font-size: .875rem}
.st-key-line [data-testid=stButton] button {min-height: 1.75rem; padding: 0 .6rem}
.st-key-opens .react-aria-ComboBox > [role=group] {min-height: 1.9rem; height: 1.9rem}
.st-key-opens input {font-size: .875rem; padding: 0 .25rem 0 .5rem; text-overflow: ellipsis}
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
[data-testid=stPopoverBody]:has([class*=st-key-look-]) {max-width: 22rem !important; min-width: 0}
[data-testid=stPopoverBody]:has([class*=st-key-look-]) :is(p, li) {font-size: .875rem}
@media (min-width: 48.01rem) {  /* beside what it speaks of: over the controls, else at the right */
  [data-testid=stPopoverBody]:has([class*=st-key-look-]) {transform: none !important; left: auto !important;
    right: .5rem !important; top: 6rem !important}
  body:has([data-testid=stSidebar][data-collapsed=false]) [data-testid=stPopoverBody]:has([class*=st-key-look-]) {
    left: .25rem !important; right: auto !important; width: 18.25rem}
}
.st-key-said {position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%)}
"""
COMPARED = """
.st-key-sides {min-height: 0}
:is(.st-key-heading, .st-key-a-heading) p {font-size: .8125rem; white-space: nowrap; overflow: hidden;
  text-overflow: ellipsis; margin: 0}
:is(.st-key-heading, .st-key-a-heading) .stMarkdown {min-width: 0}
:is(.st-key-heading, .st-key-a-heading) [data-testid=stMarkdownContainer] {margin: 0}
:is(.st-key-heading, .st-key-a-heading) button {min-height: 1.375rem; height: 1.375rem; padding: 0 .5rem}
.st-key-heading, .st-key-a-heading {flex-wrap: nowrap}
.st-key-heading, .st-key-a-heading, .st-key-curves {overflow: hidden}
[data-testid=stLayoutWrapper]:has(> .st-key-follow) {display: none}
[data-testid=stLayoutWrapper]:has(> :is(.st-key-own, .st-key-a-own)) {flex: 1 1 0 !important; min-height: 0;
  width: 100% !important}
[data-testid=stLayoutWrapper]:has(> :is(.st-key-inside, .st-key-a-inside)) {flex: 1 1 0 !important; min-height: 0;
  width: 100% !important}
@media (min-width: 48.01rem) {  /* the first of the inside may be several matrices */
  :is(.st-key-inside, .st-key-a-inside) [class*=st-key-row-] > :first-child {flex-grow: 1.6}
}
@media (max-width: 48rem) {
  .st-key-sides {flex-direction: column !important; overflow: visible !important}
  [data-testid=stLayoutWrapper]:has(> :is(.st-key-side, .st-key-a-side)) {
    flex: 0 0 calc(max(2, var(--figures, 2)) * 215px + 280px) !important; width: 100% !important}
  .st-key-a-own [class*=st-key-row-] {flex-direction: column !important}
  .st-key-a-own [class*=st-key-row-] > [data-testid=stLayoutWrapper] {flex: 1 1 0 !important; min-height: 0}
  [data-testid=stLayoutWrapper]:has(> .st-key-curves) {flex: 0 0 180px !important}
}
"""
# Before a room the page is a slide of 800 x 450 pixels or a little more, enlarged to the screen: --zoom is set by the
# presenter, and lengths of the screen are divided by it, since they are enlarged too. A chart measures its room on the
# screen, so it is told of a room that is smaller, and its canvas alone is enlarged.
PRESENTED = """
[data-testid=stHeader], [data-testid=stSidebar], [data-testid=stElementToolbar], .st-key-below,
  .st-key-whole-status, .st-key-head h1, .st-key-head [data-testid=stButtonGroup], .st-key-look-for,
  .st-key-look-for-pointer,
  [data-testid=stLayoutWrapper]:has(> .st-key-follow) {
  display: none !important}
.stMainBlockContainer {padding: 0 !important}
.st-key-page {zoom: var(--zoom, 1); padding: .25rem .75rem 0}
[data-testid=stLayoutWrapper]:has(> .st-key-head) {position: absolute; top: .25rem; right: .5rem; z-index: 10;
  height: 2rem !important; width: auto !important}
.st-key-head {gap: 0}
.st-key-line {padding-right: 2.25rem}
.st-key-opens {gap: .25rem}
.st-key-presented p {font-size: 1.125rem !important}
.st-key-line p, .st-key-line button p {font-size: .875rem !important}
.st-key-stage .stVegaLiteChart {zoom: calc(1 / var(--zoom, 1)); width: calc(100% / var(--zoom, 1)) !important;
  height: calc(100% / var(--zoom, 1)) !important; overflow: visible !important}
.st-key-stage .stVegaLiteChart > :is(canvas, svg.marks) {zoom: var(--zoom, 1)}
#vg-tooltip-element {font-size: calc(11.5px * var(--zoom, 1)) !important}
@media (min-width: 48.01rem) {
  [data-testid=stMain] {overflow: hidden}
  [data-testid=stLayoutWrapper]:has(> .st-key-stage) {flex: 0 0 calc(100dvh / var(--zoom, 1) - 118px) !important}
}
"""


def of(view: View, *, pinned: bool, presents: bool) -> str:
    """The rules for a view, as an element of its page; whether A is pinned, and whether it is shown to a room."""
    shares = f"--own: {view.width}; --inside: {1 - view.width:.3g}; --figures: {len(ids(view.stage))}"
    high = "[data-testid=stLayoutWrapper]:has(> .st-key-at-{}) {{flex-basis: {:.0%} !important}}"
    heights = " ".join(high.format(id, height) for id, height in view.heights.items())
    of_state = f"{COMPARED if pinned else ''}{PRESENTED if presents else ''}"
    return f"<style>{STAGE}:root {{{shares}}} {heights} {of_state}</style>"
