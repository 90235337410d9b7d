"""The post's claims as checks, a file a section. NumPy only: the page runs the same check as pytest and the table."""

from toyviz.claims import appendix, bottleneck, final_layer, mlp_block
from toyviz.claims.claim import SEEDS, VERDICTS, Claim, Finding, Verdict, judge

CLAIMS: dict[str, Claim] = {
    claim.id: claim for claim in (*bottleneck.CLAIMS, *mlp_block.CLAIMS, *final_layer.CLAIMS, *appendix.CLAIMS)
}

__all__ = ["CLAIMS", "SEEDS", "VERDICTS", "Claim", "Finding", "Verdict", "judge"]
