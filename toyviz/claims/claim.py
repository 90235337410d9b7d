"""A claim of the post as a check: what it says, what is trained for it, and how its verdict comes about."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from toyviz.experiment import Experiment
from toyviz.result import Result

VERDICTS = ("holds", "partly", "fails")
SIZES = ("quick", "post")
SEEDS = 4  # at least so many decide; thresholds were frozen on other seeds than these, 0 ... 3


class Finding(NamedTuple):
    """What one check saw."""

    parts: dict[str, bool]  # each thing that the claim says, in few words, and whether it was so
    measured: str  # the numbers behind them, in a short sentence without a full stop

    @property
    def verdict(self) -> str:
        """holds if every part is so, fails if none is, else partly."""
        return "holds" if all(self.parts.values()) else "partly" if any(self.parts.values()) else "fails"


@dataclass(frozen=True)
class Claim:
    """One testable claim. evidence(size, seed) lists the experiments of one seed; size is "quick" or "post".

    check(results) looks at the results of one seed, or of all seeds at once where across_seeds is set, in any order and
    among others that it does not need. It returns None if what it needs is not among them. It looks at weights, losses
    and data drawn again, never at frames: the evidence comes without its history.
    """

    id: str
    statement: str  # in our words, one sentence
    post_claims: tuple[int, ...]  # the numbers of the post's claims that it stands for
    page: str  # the page that shows it: its file under pages/, without folder and ending
    evidence: Callable[[str, int], list[Experiment]]
    check: Callable[[Sequence[Result]], Finding | None]
    across_seeds: bool = False
    published_size: str = "post"  # "quick" where the post's size takes too long
    view: tuple[str, str] | None = None  # the parameter of the address that opens its view of the page, and its value
    note: str = ""  # why it does not hold, or how far it does: shown beside the published verdict


class Verdict(NamedTuple):
    """What a claim came to."""

    verdict: str  # one of VERDICTS
    measured: str
    seeds: int


def judge(claim: Claim, results: Iterable[Result]) -> Verdict | None:
    """The verdict over all seeds among these results: that of more than half of them, else partly. None without any."""
    results = list(results)
    if claim.across_seeds:
        finding = claim.check(results)
        if finding is None:
            return None
        seeds = len({result.experiment.seed for result in results})
        return Verdict(finding.verdict, finding.measured + _missed({0: finding}), seeds)
    by_seed: dict[int, list[Result]] = {}
    for result in results:
        by_seed.setdefault(result.experiment.seed, []).append(result)
    findings = {seed: claim.check(by_seed[seed]) for seed in sorted(by_seed)}
    seen = {seed: finding for seed, finding in findings.items() if finding}
    if not seen:
        return None
    votes = [finding.verdict for finding in seen.values()]
    verdict = next((name for name in VERDICTS if votes.count(name) > len(votes) / 2), "partly")
    return Verdict(verdict, _told(seen, verdict), len(votes))


def _told(seen: dict[int, Finding], verdict: str) -> str:
    """The numbers of the first seed that voted like the verdict, how the seeds voted, and which parts ever failed."""
    votes = [finding.verdict for finding in seen.values()]
    seed, finding = next(((s, f) for s, f in seen.items() if f.verdict == verdict), next(iter(seen.items())))
    text = f"seed {seed}: {finding.measured}"
    if len(seen) > 1:
        text += f"; {verdict} in {votes.count(verdict)} of {len(votes)} seeds"
    return text + _missed(seen)


def _missed(seen: dict[int, Finding]) -> str:
    """The parts that were not so, each with the number of seeds where it was not."""
    parts = dict.fromkeys(part for finding in seen.values() for part in finding.parts)
    failed = {part: sum(not finding.parts.get(part, True) for finding in seen.values()) for part in parts}
    missed = [part + (f" ({count} of {len(seen)})" if len(seen) > 1 else "") for part, count in failed.items() if count]
    return f"; not so: {', '.join(missed)}" if missed else ""
