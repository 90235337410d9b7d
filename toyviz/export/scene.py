"""What a view shows at a choice, as far as it is trained: its blocks, and how they are captioned."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol
from urllib.parse import urlencode

import numpy as np

from toyviz.charts.clock import position_of
from toyviz.control import Control, quotable
from toyviz.experiment import Experiment
from toyviz.export.asked import Asked
from toyviz.export.refused import Refused
from toyviz.result import Result
from toyviz.sweep import Sweep
from toyviz.view import Block, Choice, Figure, Opened, Page, Table, View, ids

WITHOUT_A = "this is B of a comparison, and A is not in this file"  # the link opens both


class Trained(Protocol):
    """A store, to read from."""

    def get(self, experiment: Experiment) -> Result | None:
        """The result, if it is there."""

    def whole(self, experiment: Experiment) -> Result | None:
        """The same, with as much of its history as there is."""


@dataclass(frozen=True)
class Scene:
    """A request with the networks that it needs."""

    asked: Asked
    sweep: Sweep  # what is trained of the plan
    opened: tuple[Result, ...]  # all that are opened, or none where one of them is not trained

    @classmethod
    def of(cls, asked: Asked, store: Trained) -> Scene:
        """The request with what is trained of it, the best of its rivals opened as on the stage."""
        plan = asked.plan.settled(store.get)
        there = Sweep([result for each in plan.experiments if (result := store.get(each))], plan.experiments)
        known = [store.whole(each) for each in plan.opened]
        return cls(replace(asked, plan=plan), there, tuple(each for each in known if each) if all(known) else ())

    @cached_property
    def blocks(self) -> list[Block]:
        """Everything that the view says: first its own figures on the stage, then the inside, then the rest."""
        view, choice = self.asked.opened.view, self.asked.opened.choice
        own = list(view.show(choice, self.asked.plan, self.sweep))
        inside = list(view.inside(choice, *self.opened)) if self.opened else []
        staged = ids(view.stage)
        first = [block for id in staged for block in own if block.id == id]
        return [*first, *inside, *(block for block in own if block.id not in staged)]

    @property
    def figures(self) -> list[Figure]:
        """Its figures, in the order of the blocks."""
        return [block for block in self.blocks if isinstance(block, Figure)]

    def block(self, id: str) -> Figure | Table:
        """The figure or table of this id. Raises Refused where there is none."""
        there = {block.id: block for block in reversed(self.blocks) if isinstance(block, Figure | Table)}
        if id in there:
            return there[id]
        why = "" if self.opened or not self.asked.plan.opened else "; what is inside its network is not trained yet"
        named = ", ".join(reversed(there))
        raise Refused(f"figure={quotable(id)} is not possible: one of {named}{why}", 404)

    @property
    def network(self) -> Result:
        """The network that is opened. Raises Refused where it is not trained."""
        if not self.opened:
            raise Refused(f"the opened network is not trained yet: {self.how_to_train}", 404)
        return self.opened[0]

    @property
    def frame(self) -> int | None:
        """The frame of the opened network that is nearest to the asked step; None for the newest."""
        step = self.asked.opened.step
        if step is None or not self.opened or not len(self.opened[0].frame_steps):
            return None
        return int(np.abs(self.opened[0].frame_steps - step).argmin())

    @property
    def position(self) -> int | None:
        """Where the clock stands then; None for its end."""
        return None if self.frame is None else position_of(self.frame, len(self.opened[0].frame_steps))

    @property
    def title(self) -> str:
        """ "Double descent · Over T"."""
        return f"{self.asked.page.title} · {self.asked.opened.view.title}"

    @property
    def words(self) -> str:
        """The choice in words, how much of it is trained, and that A of a comparison is left out."""
        view, choice = self.asked.opened.view, self.asked.opened.choice
        told = [
            f"{each.label}: {_said(each, choice[each.id])}"
            for each in view.every_control
            if choice[each.id] is not None
            and (not each.more or choice[each.id] != each.default)
            and all(choice.get(other) in values for other, values in each.when.items())
        ]
        missing = len(self.sweep.wanted) - len(self.sweep)
        part = [f"{len(self.sweep)} of {len(self.sweep.wanted)} networks trained"] if missing else []
        beside = [] if self.asked.opened.pinned is None else [WITHOUT_A]
        return "; ".join([*told, *part, *beside])

    @property
    def step(self) -> str:
        """Which step of the training is seen, in words; nothing for a view without a clock."""
        if not self.opened or not len(self.opened[0].frame_steps):
            return ""
        at = self.opened[0].frame_steps[-1 if self.frame is None else self.frame]
        return f"step {at:,} of {self.opened[0].experiment.steps:,}"

    @property
    def link(self) -> str:
        """The complete address of what is shown."""
        return self.asked.server + address_of(self.asked.page, self.asked.opened)

    @property
    def caption(self) -> str:
        """All of it in one line."""
        return ". ".join(part for part in (self.title, self.words, self.step) if part) + "."

    @property
    def swept_caption(self) -> str:
        """The same of all networks of the view, at no step of theirs."""
        return f"{self.title}. {self.words}."

    @property
    def network_caption(self) -> str:
        """The same of the opened network alone, which of several is the first."""
        opened = self.asked.plan.opened
        which, many = self.asked.plan.which(opened[0]), len(opened) > 1
        named = f"The first of the {len(opened)} opened networks" if many else "The network"
        told = f"{named}{', that' if many else ''} with {which}. " if which else f"{named}. " if many else ""
        return f"{self.title}. {told}{self.words}."

    @property
    def how_to_train(self) -> str:
        """What one can do about what is missing."""
        page, opened = self.asked.page, self.asked.opened
        address = f"{page.id}?{urlencode(page.write(opened.view, opened.choice))}"
        return f'open its page, or train it with python -m toyviz sweep --link "{address}"'


def address_of(page: Page, opened: Opened) -> str:
    """The complete address of what is opened, A of a comparison included: "/double_descent?view=over_t&...&v=2"."""
    return f"/{page.id}?{urlencode(page.write(opened.view, opened.choice, opened.step, opened.pinned))}"


def titled(view: View, choice: Choice, figure: Figure) -> str:
    """What a figure calls itself, in its data or in its specification; else as the post's figure that it is; its id."""
    meta = figure.chart.data.get("meta")
    if meta is not None and "title" in meta and len(meta) and meta["title"].iloc[0]:
        return str(meta["title"].iloc[0])
    title = figure.chart.spec.get("title")
    text = title.get("text") if isinstance(title, dict) else title
    if isinstance(text, str) and text:
        return text
    of_post = (
        each.title
        for each in view.figures.values()
        if each.block == figure.id and all(choice.get(id) == value for id, value in each.choice.items())
    )
    return next(of_post, figure.id.replace("_", " ").capitalize())


def _said(control: Control, value: object) -> str:
    values: Iterator[object] = iter(value) if control.several else iter((value,))  # type: ignore[call-overload]
    return ", ".join(map(control.text, values))
