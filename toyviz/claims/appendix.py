"""Claims of the appendix: dictionaries, and starting as one."""

from __future__ import annotations

from toyviz.claims.claim import Claim

CLAIMS: tuple[Claim, ...] = ()
