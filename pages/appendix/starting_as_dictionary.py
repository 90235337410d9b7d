"""Whether a network memorises better that starts as a lookup table."""

from toyviz import studies
from toyviz.ui import stage

stage.page(studies.page("starting_as_dictionary"))
