"""What one should look for, beside the stage: pointing at a line of it marks on the stage what it speaks of."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import streamlit as st

from toyviz.view import Block, Text

# The popover's content comes into the page when it is opened, so the document listens. Messages: none.
JS = """
export default function ({ data }) {
  const point = (text) => {
    const pointed = document.querySelector('#pointed')
    if (!pointed || pointed.value === text) return
    pointed.value = text
    pointed.dispatchEvent(new Event('input'))
  }
  const lineAt = (event) => event.target.closest?.('[class*=st-key-look-]')
  const over = (event) => {
    const line = lineAt(event), number = line && /st-key-look-(\\d+)/.exec(line.className)
    if (number) point(data.marks[number[1]] ?? '')
  }
  const out = (event) => { if (lineAt(event)) point('') }
  document.addEventListener('pointerover', over)
  document.addEventListener('pointerout', out)
  return () => { document.removeEventListener('pointerover', over); document.removeEventListener('pointerout', out) }
}
"""
POINTER = st.components.v2.component("look_for", html="<span hidden></span>", js=JS)
ITEM = re.compile(r"^- ", re.MULTILINE)


def draw(blocks: Iterable[Block]) -> None:
    """A button that opens what to look for, a line at a time, and what is not shown; nothing where neither is told."""
    texts = {block.id: block for block in blocks if isinstance(block, Text)}
    look_for, not_shown = texts.get("look_for"), texts.get("not_shown")
    if look_for is None:
        return
    with st.popover("Look for", key="look-for"):
        _lines(look_for)
        if any(look_for.marks):
            st.caption("Point at a line with ◎: it marks what it speaks of on the stage.")
        if not_shown:
            st.markdown(not_shown.markdown)
    POINTER(key="look-for-pointer", data={"marks": list(look_for.marks)}, height=1)


def _lines(text: Text) -> None:
    heading, *items = ITEM.split(text.markdown)
    st.markdown(heading)
    for number, item in enumerate(items):
        sign = "◎ " if number < len(text.marks) and text.marks[number] else ""
        with st.container(key=f"look-{number}"):
            st.markdown(f"{number + 1}. {sign}{item.strip()}")


def is_told_there(block: Any) -> bool:
    """Whether a block stands in what the button opens, and so need not stand below the stage too."""
    return isinstance(block, Text) and block.id in ("look_for", "not_shown")
