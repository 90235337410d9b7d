"""How a bottleneck stores more features than it has dimensions."""

from toyviz import studies
from toyviz.ui import stage

stage.page(studies.page("superposition"))
