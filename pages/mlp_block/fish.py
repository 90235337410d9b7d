"""What an MLP block gives back of features that it sees through a random projection."""

from toyviz import studies
from toyviz.ui import stage

stage.page(studies.page("fish"))
