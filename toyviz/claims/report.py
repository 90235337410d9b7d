"""From claims to verdicts: their evidence, trained once however many of them share it, and judged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from toyviz.claims.claim import Claim, Verdict, judge
from toyviz.experiment import Experiment
from toyviz.result import Result

Train = Callable[[Claim, list[Experiment]], Iterable[Result | str]]  # str: the sentence that says why there is none


def evidence(claim: Claim, size: str, seeds: int) -> list[Experiment]:
    """Every experiment of this claim over seeds 0 ... seeds - 1, each once."""
    experiments = (experiment for seed in range(seeds) for experiment in claim.evidence(size, seed))
    return list({experiment.key: experiment for experiment in experiments}.values())


def verdicts(
    claims: Sequence[tuple[Claim, str]], seeds: int, train: Train
) -> Iterator[tuple[Claim, str, Verdict | str]]:
    """The verdict on each (claim, size), in their order, or the sentence that says why there is none.

    train(claim, experiments) gives their results, in any order. A result is held without its history, and no longer
    than a claim to come needs it.
    """
    wanted = [evidence(claim, size, seeds) for claim, size in claims]
    uses = Counter(experiment.key for experiments in wanted for experiment in experiments)
    held: dict[str, Result] = {}
    for (claim, size), experiments in zip(claims, wanted, strict=True):
        problem = None
        missing = [experiment for experiment in experiments if experiment.key not in held]
        for outcome in train(claim, missing) if missing else ():
            if isinstance(outcome, str):
                problem = problem or outcome
            else:
                held[outcome.experiment.key] = _without_history(outcome)
        verdict = None if problem else judge(claim, [held[experiment.key] for experiment in experiments])
        problem = problem or "its evidence is not enough for its check"
        yield claim, size, verdict or f"{claim.id} has no verdict: {problem}"
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
