"""What is cited on everything that is taken along; CITATION.cff at the root says the same in its own format."""

from __future__ import annotations

POST = "Marius Hobbhahn, More findings on Memorization and double descent, 2023"
PAPERS = (
    "Elhage et al., Toy Models of Superposition, 2022",
    "Henighan et al., Superposition, Memorization, and Double Descent, 2023",
)
CITATION = f"Made with toyviz. The experiment is from: {POST}. It builds on: {'; '.join(PAPERS)}."
