"""How many features come back out of a bottleneck."""

from toyviz import studies
from toyviz.ui import stage

stage.page(studies.page("limits"))
