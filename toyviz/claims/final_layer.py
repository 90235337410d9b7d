"""Claims of the final layer: the toy unembedding."""

from __future__ import annotations

from toyviz.claims.claim import Claim

CLAIMS: tuple[Claim, ...] = ()
