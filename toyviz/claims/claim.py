"""A claim of the post as a check: what it says, what is trained for it and how, and how its verdict comes about."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from toyviz.experiment import Experiment
from toyviz.result import Result
from toyviz.settings import NOTEBOOK_STARTS

VERDICTS = ("holds", "partly", "fails")  # under one recipe
OVERALL = ("holds", "depends", "partly", "fails")  # over all recipes that can apply
WORDS = {"holds": "holds", "partly": "holds in part", "fails": "fails"}
FIRST_SEED, SEEDS = 100, 4  # at least so many decide, from 100 on: thresholds were set on seeds below 52


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
    """One testable claim. evidence(recipe, seed) lists the experiments of one seed.

    check(results) looks at the results of one seed, of a group of seeds where starts says how many, or of all seeds at
    once where across_seeds is set, in any order and among others that it does not need. It returns None if what it
    needs is not among them. It looks at weights, losses and data drawn again, never at frames: the evidence comes
    without its history.
    """

    id: str
    statement: str  # in our words, one sentence
    post_claims: tuple[int, ...]  # the numbers of the post's claims that it stands for; none: a finding of our own
    page: str  # the page that shows it: its file under pages/, without folder and ending
    evidence: Callable[[str, int], list[Experiment]]
    check: Callable[[Sequence[Result]], Finding | None]
    recipes: tuple[str, ...] = ("quick", "paper")  # those that can apply to it, of settings.RECIPES
    post_says: str = ""  # what the post's sentences say, hedges included, in our words
    changed: str = ""  # how the check was changed so that it asks for that, and why
    own: bool = False  # holds by construction or is a finding of ours: not counted among the post's
    across_seeds: bool = False
    starts: int = 1  # of so many seeds in a row the check takes the best network, and they have one vote together
    view: str = ""  # of a page of views: which of them shows it
    choice: Mapping[str, Any] = field(default_factory=dict)  # there: control -> value, what its evidence does not say
    address: Mapping[str, str] = field(default_factory=dict)  # elsewhere: parameters that open its view, their values
    note: str = ""  # why it does not hold, or how far it does: shown beside the published verdict

    def networks(self, recipe: str, seed: int) -> list[Experiment]:
        """Every experiment behind the vote of one seed: its evidence, and of the notebook's recipe so many starts of
        each on the training set of this seed, from seed x NOTEBOOK_STARTS on.

        Raises ValueError for a recipe that does not apply.
        """
        if recipe not in self.recipes:
            raise ValueError(f"recipe must be one of {', '.join(self.recipes)} for {self.id}; got {recipe!r}")
        once = self.evidence(recipe, seed)
        if recipe != "notebook":
            return once
        starts = range(seed * NOTEBOOK_STARTS, (seed + 1) * NOTEBOOK_STARTS)
        return [_started(each, start, seed) for start in starts for each in once]


def _started(experiment: Experiment, start: int, seed: int) -> Experiment:
    """This experiment from another start, on the training set of the seed where that has any randomness."""
    return experiment.with_(seed=start, data_seed=seed if experiment.draws_data else None)


def best_of_starts(results: Iterable[Result]) -> list[Result]:
    """Of each experiment the start with the lowest train loss; test loss where there is no training set."""
    best: dict[Experiment, Result] = {}
    for result in results:
        e = result.experiment
        alike = e.with_(seed=e.seed // NOTEBOOK_STARTS, data_seed=None)
        if alike not in best or _kept_by(result) < _kept_by(best[alike]):
            best[alike] = result
    return list(best.values())


def _kept_by(result: Result) -> float:
    loss = result.metrics["train_loss"]
    return metric(result, "test_loss") if loss is None else float(loss)


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


def overall(verdicts: Iterable[str]) -> str:
    """One of OVERALL for the verdicts under all recipes: holds if all do; fails if none holds or partly holds; depends
    if at least one holds, on the recipe; else partly. Raises ValueError without any."""
    verdicts = list(verdicts)
    if not verdicts:
        raise ValueError("verdicts must have at least one; got none")
    if set(verdicts) == {"holds"}:
        return "holds"
    if set(verdicts) == {"fails"}:
        return "fails"
    return "depends" if "holds" in verdicts else "partly"


def judge(claim: Claim, results: Iterable[Result], recipe: str = "") -> Verdict | None:
    """The verdict over all seeds among these results: that of more than half of them, or of the groups of
    claim.starts, else partly; across seeds, that of the one finding. None without any.

    recipe "notebook": the best of each group of its starts is looked at, and they have one vote together.
    """
    results, starts = list(results), claim.starts
    seeds = len({result.experiment.seed for result in results})
    if recipe == "notebook":
        results, starts = best_of_starts(results), NOTEBOOK_STARTS
    if claim.across_seeds:
        finding = claim.check([_of_its_group(result) for result in results] if recipe == "notebook" else results)
        if finding is None:
            return None
        return Verdict(finding.verdict, finding.measured, seeds, {finding.verdict: 1}, 1, _missed([finding]))
    groups: dict[int, list[Result]] = {}
    for result in results:
        groups.setdefault(result.experiment.seed // starts, []).append(result)
    seen, seeds = {}, 0
    for group in sorted(groups):
        if finding := claim.check(groups[group]):
            if recipe == "notebook":
                seen[f"seed {group}"] = finding
                seeds += starts
                continue
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


def _of_its_group(result: Result) -> Result:
    """The best start as if its seed were that of its group, for checks that compare seeds: these do not look at how
    it started, and its training set is the same."""
    e = result.experiment
    return replace(result, experiment=e.with_(seed=e.seed // NOTEBOOK_STARTS, data_seed=None))


def _missed(findings: Sequence[Finding]) -> dict[str, int]:
    """The parts that were not so, each with the number of findings where it was not."""
    parts = dict.fromkeys(part for finding in findings for part in finding.parts)
    failed = {part: sum(not finding.parts.get(part, True) for finding in findings) for part in parts}
    return {part: count for part, count in failed.items() if count}


def _list(parts: Iterable[str]) -> str:
    return "; ".join(parts)
