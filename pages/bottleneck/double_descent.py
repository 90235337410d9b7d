"""When a network stops storing its samples and starts to learn features."""

from toyviz import studies
from toyviz.ui import stage

stage.page(studies.page("double_descent"))
