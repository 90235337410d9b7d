"""Whether a simple law says how many features come back out of a bottleneck."""

from toyviz import studies
from toyviz.ui import stage

stage.page(studies.page("how_much_fits"))
