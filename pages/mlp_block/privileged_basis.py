"""When single neurons come to stand for single features."""

from toyviz import studies
from toyviz.ui import stage

stage.page(studies.page("privileged_basis"))
