"""A claim of the post as a check: what it says, what is trained for it, and how its verdict comes about."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from toyviz.experiment import Experiment
from toyviz.result import Result

VERDICTS = ("holds", "partly", "fails")
WORDS = {"holds": "holds", "partly": "holds in part", "fails": "fails"}
SIZES = ("quick", "paper")
SEEDS = 4  # at least so many decide; thresholds were frozen on other seeds than these, 0 ... 3


def metric(result: Result, name: str) -> float:
    """train_loss, test_loss, train_accuracy or test_accuracy of a network whose experiment has one.

    Raises ValueError where it has none, as fresh batches have no train loss and a list of one-hots no test loss: no
    verdict may rest on a 0 in its place.
    """
    value = result.metrics[name]
    if value is None:
        raise ValueError(f"metrics must have a {name} for this check; experiment {result.experiment.key} has none")
    return float(value)


def training_size(result: Result) -> int:
    """T of a network that is trained on a fixed set. Raises ValueError for fresh batches, which have none."""
    size = result.experiment.training_size
    if size is None:
        raise ValueError(f"n_samples must be a number for this check; experiment {result.experiment.key} has none")
    return size


class Finding(NamedTuple):
    """What one check saw.

    A part is decisive if the others say nothing of what the post says without it: a start that is as told is no half of
    a way that ends elsewhere. Where a claim names two things, each of them news, none is decisive, and one is a half.
    """

    parts: dict[str, bool]  # each thing that the claim says, in few words, and whether it was so
    measured: str  # the numbers behind them, in a short sentence without a full stop
    decisive: tuple[str, ...] = ()  # the parts that it cannot do without

    @property
    def verdict(self) -> str:
        """holds if every part is so, fails if none is or a decisive one is not, else partly."""
        if all(self.parts.values()):
            return "holds"
        return "partly" if any(self.parts.values()) and all(self.parts[name] for name in self.decisive) else "fails"


@dataclass(frozen=True)
class Claim:
    """One testable claim. evidence(size, seed) lists the experiments of one seed; size is "quick" or "paper".

    check(results) looks at the results of one seed, of a group of seeds where starts says how many, or of all seeds at
    once where across_seeds is set, in any order and among others that it does not need. It returns None if what it
    needs is not among them. It looks at weights, losses and data drawn again, never at frames: the evidence comes
    without its history.
    """

    id: str
    statement: str  # in our words, one sentence
    post_claims: tuple[int, ...]  # the numbers of the post's claims that it stands for
    page: str  # the page that shows it: its file under pages/, without folder and ending
    evidence: Callable[[str, int], list[Experiment]]
    check: Callable[[Sequence[Result]], Finding | None]
    across_seeds: bool = False
    starts: int = 1  # of so many seeds in a row the check takes the best network, and they have one vote together
    published_size: str = "paper"  # "quick" where the post's size takes too long
    view: str = ""  # of a page of views: which of them shows it
    choice: Mapping[str, Any] = field(default_factory=dict)  # there: control -> value, what its evidence does not say
    address: Mapping[str, str] = field(default_factory=dict)  # elsewhere: parameters that open its view, their values
    note: str = ""  # why it does not hold, or how far it does: shown beside the published verdict


class Verdict(NamedTuple):
    """What a claim came to, and how its seeds voted, or its groups of seeds, or all seeds at once as one."""

    verdict: str  # one of VERDICTS
    measured: str  # the numbers of the first that voted so
    seeds: int
    votes: Mapping[str, int]  # verdict -> how many voted so
    voters: int
    missed: Mapping[str, int]  # the parts that were not so, each with the number of voters where it was not

    def in_words(self, starts: int = 1) -> str:
        """How they voted, and what was not so, in sentences. starts: how many seeds have one vote together."""
        if self.voters == 1:
            return f"Not so: {_list(self.missed)}." if self.missed else ""
        who = "seeds" if starts == 1 else f"groups of {starts} seeds"
        said = [f"{WORDS[verdict]} in {self._count(count)} {who}" for verdict, count in self.votes.items()]
        parts = [f"Not so in {self._count(count)}: {part}." for part, count in self.missed.items()]
        return " ".join([f"It {', '.join(said)}.", *parts])

    def _count(self, count: int) -> str:
        return f"all {count}" if count == self.voters else f"{count} of {self.voters}"


def judge(claim: Claim, results: Iterable[Result]) -> Verdict | None:
    """The verdict over all seeds among these results: that of more than half of them, or of the groups of
    claim.starts, else partly; across seeds, that of the one finding. None without any."""
    results = list(results)
    if claim.across_seeds:
        finding = claim.check(results)
        if finding is None:
            return None
        seeds = len({result.experiment.seed for result in results})
        return Verdict(finding.verdict, finding.measured, seeds, {finding.verdict: 1}, 1, _missed([finding]))
    groups: dict[int, list[Result]] = {}
    for result in results:
        groups.setdefault(result.experiment.seed // claim.starts, []).append(result)
    seen, seeds = {}, 0
    for group in sorted(groups):
        if finding := claim.check(groups[group]):
            there = sorted({result.experiment.seed for result in groups[group]})
            seen[f"seed {there[0]}" if len(there) == 1 else f"seeds {there[0]} to {there[-1]}"] = finding
            seeds += len(there)
    if not seen:
        return None
    counts = Counter(finding.verdict for finding in seen.values())
    verdict = next((name for name in VERDICTS if counts[name] > len(seen) / 2), "partly")
    who, first = next(((who, f) for who, f in seen.items() if f.verdict == verdict), next(iter(seen.items())))
    votes = {name: counts[name] for name in VERDICTS if counts[name]}
    return Verdict(verdict, f"{who}: {first.measured}", seeds, votes, len(seen), _missed(list(seen.values())))


def _missed(findings: Sequence[Finding]) -> dict[str, int]:
    """The parts that were not so, each with the number of findings where it was not."""
    parts = dict.fromkeys(part for finding in findings for part in finding.parts)
    failed = {part: sum(not finding.parts.get(part, True) for finding in findings) for part in parts}
    return {part: count for part, count in failed.items() if count}


def _list(parts: Iterable[str]) -> str:
    return "; ".join(parts)
