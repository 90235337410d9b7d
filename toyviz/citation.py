"""Whose experiments these are: told on the pages, and on everything that is taken along.

CITATION.cff at the root says the same in its own format.
"""

from __future__ import annotations

from typing import NamedTuple


class Work(NamedTuple):
    """A post or a paper."""

    authors: str
    title: str
    year: int
    address: str

    @property
    def told(self) -> str:
        """Authors, title and year."""
        return f"{self.authors}, {self.title}, {self.year}"


POST = Work(
    "Marius Hobbhahn",
    "More findings on Memorization and double descent",
    2023,
    "https://www.lesswrong.com/posts/KzwB4ovzrZ8DYWgpw/more-findings-on-memorization-and-double-descent",
)
PAPERS = (
    Work(
        "Elhage et al.",
        "Toy Models of Superposition",
        2022,
        "https://transformer-circuits.pub/2022/toy_model/index.html",
    ),
    Work(
        "Henighan et al.",
        "Superposition, Memorization, and Double Descent",
        2023,
        "https://transformer-circuits.pub/2023/toy-double-descent/index.html",
    ),
)
THEORY = (  # of the squares in W1, which the post leaves open
    Work(
        "Fan et al.",
        "Implicit Bias of Spectral Descent and Muon on Multiclass Separable Data",
        2025,
        "https://arxiv.org/abs/2502.04664",
    ),
    Work(
        "Baek et al.",
        "Implicit Bias of Per-sample Adam on Separable Data: Departure from the Full-batch Regime",
        2025,
        "https://arxiv.org/abs/2510.26303",
    ),
)
CAPACITY = Work(
    "Morris et al.",
    "How much can language models memorize?",
    2025,
    "https://openreview.net/forum?id=NhU661EZ9C",
)  # what the view of bits takes its question from; the experiments do not build on it
CITATION = (
    f"Made with toyviz. The experiment is from: {POST.told}. It builds on: {'; '.join(each.told for each in PAPERS)}."
)
