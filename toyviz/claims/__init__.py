"""The post's claims as checks, a file a section. NumPy only: the page runs the same check as pytest and the table."""

from toyviz.claims import appendix, bottleneck, final_layer, fish, limits, mlp_block
from toyviz.claims.claim import FIRST_SEED, OVERALL, SEEDS, VERDICTS, Claim, Finding, Verdict, judge, overall

SECTIONS: dict[str, tuple[Claim, ...]] = {
    "Bottleneck": bottleneck.CLAIMS + limits.CLAIMS,
    "MLP block": mlp_block.CLAIMS + fish.CLAIMS,
    "Final layer": final_layer.CLAIMS,
    "Appendix": appendix.CLAIMS,
}
CLAIMS: dict[str, Claim] = {claim.id: claim for claims in SECTIONS.values() for claim in claims}

FORMER = {  # ids that links still name: one remark of a comment was three claims
    "starting_as_one_hots_entropy": "starting_as_dictionary",
    "starting_as_one_hots_squared": "starting_as_dictionary",
}

# The post's claims in its order are 1 ... 77. These tell a story, give an outlook or repeat others: nothing to test.
NARRATIVE = frozenset({2, 8, 21, 22, 30, 40, 50, 52, 53, 54, 55, 56, 71})
TESTABLE = frozenset(range(1, 78)) - NARRATIVE

__all__ = [
    "CLAIMS",
    "FIRST_SEED",
    "FORMER",
    "NARRATIVE",
    "OVERALL",
    "SECTIONS",
    "SEEDS",
    "TESTABLE",
    "VERDICTS",
    "Claim",
    "Finding",
    "Verdict",
    "judge",
    "overall",
]
