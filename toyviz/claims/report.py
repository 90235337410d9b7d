"""From claims to verdicts: their evidence, trained once however many of them share it, and judged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from toyviz import cost
from toyviz.claims.claim import Claim, Verdict, judge
from toyviz.experiment import Experiment
from toyviz.result import Result

Train = Callable[[Claim, list[Experiment]], Iterable[Result | str]]  # str: the sentence that says why there is none


def evidence(claim: Claim, recipe: str, seeds: Sequence[int]) -> list[Experiment]:
    """Every experiment behind the verdict of this claim under a recipe, over these seeds, each once."""
    experiments = (experiment for seed in seeds for experiment in claim.networks(recipe, seed))
    return list({experiment.key: experiment for experiment in experiments}.values())


class Asked(NamedTuple):
    """A line of the grid: a claim under a recipe, and what that takes before anything is stored."""

    claim: str
    recipe: str
    seeds: int  # that vote, alone or as groups
    networks: int
    hours: float  # of one core, for those that no line before it has


def grid(claims: Iterable[tuple[Claim, str]], seeds: Sequence[int]) -> list[Asked]:
    """What is to be trained for each (claim, recipe), in their order, and what it is expected to cost."""
    known: set[str] = set()
    lines = []
    for claim, recipe in claims:
        wanted = evidence(claim, recipe, seeds)
        seconds = sum(cost.expected(each).seconds for each in wanted if each.key not in known)
        known |= {each.key for each in wanted}
        lines.append(Asked(claim.id, recipe, len(seeds), len(wanted), seconds / 3600))
    return lines


def verdicts(
    claims: Sequence[tuple[Claim, str]], seeds: Sequence[int], train: Train
) -> Iterator[tuple[Claim, str, Verdict | str]]:
    """The verdict on each (claim, recipe), in their order, or the sentence that says why there is none.

    train(claim, experiments) gives their results, in any order. A result is held without its history, and no longer
    than a claim to come needs it.
    """
    wanted = [evidence(claim, recipe, seeds) for claim, recipe in claims]
    uses = Counter(experiment.key for experiments in wanted for experiment in experiments)
    held: dict[str, Result] = {}
    for (claim, recipe), experiments in zip(claims, wanted, strict=True):
        problem = None
        missing = [experiment for experiment in experiments if experiment.key not in held]
        for outcome in train(claim, missing) if missing else ():
            if isinstance(outcome, str):
                problem = problem or outcome
            else:
                held[outcome.experiment.key] = _without_history(outcome)
        verdict = None if problem else judge(claim, [held[experiment.key] for experiment in experiments], recipe)
        problem = problem or "its evidence is not enough for its check"
        yield claim, recipe, verdict or f"{claim.id} has no verdict under {recipe}: {problem}"
        for experiment in experiments:
            uses[experiment.key] -= 1
            if not uses[experiment.key]:
                held.pop(experiment.key, None)


def _without_history(result: Result) -> Result:
    return replace(
        result,
        frame_steps=result.frame_steps[-1:],
        frames={name: values[None] for name, values in result.parameters.items()},
        frame_metrics={name: values[-1:] for name, values in result.frame_metrics.items()},
    )
