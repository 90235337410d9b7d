"""Claims of the MLP block: the privileged basis, double descent, the fish."""

from __future__ import annotations

from toyviz.claims.claim import Claim

CLAIMS: tuple[Claim, ...] = ()
