"""The results of a plan, by cell and seed, as far as they are trained."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from toyviz.experiment import Experiment
from toyviz.result import Result


class Band(NamedTuple):
    """A metric over one field: its mean over the others, and the lowest and the highest."""

    x: np.ndarray  # (k,), ascending
    mean: np.ndarray  # (k,)
    low: np.ndarray  # (k,)
    high: np.ndarray  # (k,)


class Sweep:
    """Those of the wanted networks that are trained, in the order in which they are wanted."""

    def __init__(self, results: Iterable[Result], wanted: Sequence[Experiment]) -> None:
        self.results, self.wanted = tuple(results), tuple(wanted)

    def __iter__(self) -> Iterator[Result]:
        return iter(self.results)

    def __len__(self) -> int:
        return len(self.results)

    @property
    def finished(self) -> bool:
        """Whether every network is trained."""
        return len(self.results) == len(self.wanted)

    def among(self, **fields: Collection[Any]) -> Sweep:
        """The part whose fields have one of these values: sweep.among(seed=range(4))."""

        def here(experiment: Experiment) -> bool:
            return all(getattr(experiment, name) in values for name, values in fields.items())

        return Sweep([r for r in self if here(r.experiment)], [e for e in self.wanted if here(e)])

    def at(self, **fields: Any) -> Sweep:
        """The part with these values of the experiment's fields: sweep.at(n_samples=10, seed=0)."""

        return self.among(**{name: (value,) for name, value in fields.items()})

    def get(self, experiment: Experiment) -> Result | None:
        """The result of this experiment, if it is trained."""
        return next((result for result in self if result.experiment == experiment), None)

    def best(self, metric: str = "test_loss") -> Result | None:
        """The result with the lowest metric; None where none has it."""
        there = [result for result in self if result.metrics.get(metric) is not None]
        return min(there, key=lambda result: _value(result, metric), default=None)

    def mean(self, metric: str) -> float | None:
        """The mean of a metric over all that have it; None where none does."""
        values = [value for result in self if (value := result.metrics.get(metric)) is not None]
        return float(np.mean(values)) if values else None

    def band(self, metric: str, over: str) -> Band:
        """The metric over a field. What has no such metric, such as a train loss on fresh batches, is left out."""
        groups: dict[Any, list[float]] = {}
        for result in self:
            if (value := result.metrics.get(metric)) is not None:
                groups.setdefault(getattr(result.experiment, over), []).append(value)
        x = sorted(groups)
        return Band(np.array(x), *(np.array([f(groups[each]) for each in x]) for f in (np.mean, np.min, np.max)))


def _value(result: Result, metric: str) -> float:
    value = result.metrics[metric]
    assert value is not None
    return value
