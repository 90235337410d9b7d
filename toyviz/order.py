"""In which order the networks of a sweep are trained, so that its picture is there early and then gets finer."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterable

from toyviz import cost
from toyviz.experiment import FIELD_NAMES, Experiment

SEEDS = ("seed", "data_seed")  # more of them make a picture no finer, only surer
WORTH = 4  # times as long may take what comes a turn earlier


def coarse_to_fine(experiments: Iterable[Experiment]) -> list[Experiment]:
    """The same experiments, those first that a coarse picture of them needs, and of these the quick ones.

    Turns: of every field in which they differ, the ends and the middle have the first, the middles between these the
    second, and so on; of seeds each by itself the first two, the next two the third, the next four the fourth. What has
    a turn more comes as if it took WORTH times as long, so that a costly corner keeps nobody from all that is quick.
    """
    every = list(experiments)
    varied = {name: {getattr(each, name) for each in every} for name in FIELD_NAMES}
    turns = {
        name: _seed_turns(values) if name in SEEDS else _turns(values)
        for name, values in varied.items()
        if len(values) > 1 and all(isinstance(value, int | float) for value in values - {None})
    }

    def rank(experiment: Experiment) -> tuple[float, str]:
        seed, place = (
            max(
                (turns[name].get(getattr(experiment, name), 0) for name in turns if (name in SEEDS) == seeds), default=0
            )
            for seeds in (True, False)
        )
        return WORTH ** (seed + place) * cost.expected(experiment).seconds, experiment.key

    return sorted(every, key=rank)


def _seed_turns(values: Collection[float | None]) -> dict[float, int]:
    """0, 1, 2, 2, 3, 3, 3, 3, ... of the values in ascending order."""
    return {value: index.bit_length() for index, value in enumerate(_ascending(values))}


def _turns(values: Collection[float | None]) -> dict[float, int]:
    """0 for the ends and the middle of the values in ascending order, 1 for the middles between these, and so on."""
    ascending = _ascending(values)
    last = len(ascending) - 1
    turns = {0: 0, last: 0}
    for turn in range(math.ceil(math.log2(max(last, 2)))):
        known = sorted(turns)
        turns |= {(a + b) // 2: turn for a, b in itertools.pairwise(known) if b - a > 1}
    return {ascending[index]: turn for index, turn in turns.items()}


def _ascending(values: Collection[float | None]) -> list[float]:
    return sorted(value for value in values if value is not None)
