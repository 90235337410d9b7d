"""How networks of a few neurons store one-hots, and how well that can be read off their weights."""

from toyviz import studies
from toyviz.ui import stage

stage.page(studies.page("dictionaries"))
