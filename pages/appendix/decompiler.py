"""A network's lookup table, read off its weights, replayed without them, and where that stops working."""

from toyviz import studies
from toyviz.ui import stage

stage.page(studies.page("decompiler"))
