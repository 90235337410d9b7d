"""Claims of the MLP block: big fish, small fish, re-projector."""

from __future__ import annotations

from toyviz.claims.claim import Claim

CLAIMS: tuple[Claim, ...] = ()
