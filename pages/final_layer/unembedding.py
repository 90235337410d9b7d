"""How the last layer picks one of many classes from two numbers, and what shapes that takes."""

from toyviz import studies
from toyviz.ui import stage

stage.page(studies.page("unembedding"))
