"""What a view is: one question, what it is asked with, what it needs, what it answers. No Streamlit, no training."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

import pandas as pd

from toyviz import control
from toyviz.charts import Chart
from toyviz.control import Alias, Choice, Control
from toyviz.experiment import FIELD_NAMES, Experiment, sweep
from toyviz.result import FRAME_METRICS, Result
from toyviz.sweep import Sweep

VERSION = "2"  # of the addresses that are written now; those of the first had no version
EXPORTED = ("figure", "as", "theme", "width", "height", "scale", "take")  # what the address of an export says beside
RESERVED = {"view", "step", "v", "present", *EXPORTED, *dir(Choice)}  # no control has one of these as its id
PINNED = "a."  # before the names of what is chosen for A, which stands beside what else the address says
SYMBOLS = {  # of fields of the record, as the pages write them
    "n_samples": "T",
    "n_hidden": "m",
    "n_features": "n",
    "n_embed": "B",
    "density": "1 − S",
}
OF_FISH = {"n_features": "F", "n_hidden": "H"}  # where a projection lies between features and network
NOTHING: Mapping[str, Any] = MappingProxyType({})


class Figure(NamedTuple):
    """A chart; pick names the control that each field of a clicked mark sets, and sets what a click on any sets too."""

    id: str
    chart: Chart
    pick: Mapping[str, str] = NOTHING  # field -> control
    sets: Mapping[str, str] = NOTHING  # control -> name of its value


class Text(NamedTuple):
    """Markdown, with formulas between dollar signs.

    marks: what each item of its list speaks of, as charts name what is pointed at: a feature ",7,", a network "T=500",
    or nothing "". Pointing at the item marks that on the stage.
    """

    id: str
    markdown: str
    marks: tuple[str, ...] = ()


class Number(NamedTuple):
    """One value in words."""

    id: str
    label: str
    value: str


class Table(NamedTuple):
    """Rows and columns."""

    id: str
    frame: pd.DataFrame


Block = Figure | Text | Number | Table


@dataclass(frozen=True)
class Plan:
    """The networks that a view wants, each once, in the order in which it wants them; the opened ones come first.

    opened: those that are looked into: one, or the few that are compared. rivals: for each of these the networks of
    which the best is looked into in its place, once all of them are trained; () where it was asked for itself. rank:
    what the best has the lowest of; where it is None the test loss, or the train loss where there is no test set.
    """

    experiments: tuple[Experiment, ...]
    opened: tuple[Experiment, ...]
    rivals: tuple[tuple[Experiment, ...], ...]
    rank: Callable[[Result], float] | None

    def __init__(
        self,
        experiments: Iterable[Experiment],
        opened: Sequence[Experiment],
        rivals: Sequence[Sequence[Experiment]] = (),
        rank: Callable[[Result], float] | None = None,
    ) -> None:
        object.__setattr__(self, "rank", rank)
        object.__setattr__(self, "opened", tuple(opened))
        object.__setattr__(self, "rivals", tuple(map(tuple, rivals)))
        object.__setattr__(self, "experiments", tuple(dict.fromkeys([*opened, *experiments])))

    def settled(self, known: Callable[[Experiment], Result | None]) -> Plan:
        """The same with the best of its rivals in the place of each opened one, as far as that is known.

        known: what gives the result of an experiment, None where it is not trained.
        """
        if not self.rivals:
            return self
        found = [Sweep([r for each in group if (r := known(each))], group) for group in self.rivals]
        best = [self._best(group) if group.finished else None for group in found]
        opened = [new.experiment if new else old for new, old in zip(best, self.opened, strict=True)]
        return Plan(self.experiments, opened, self.rivals, self.rank)

    def with_(self, **fields: Any) -> Plan:
        """The same networks with some fields of each changed. Raises ValueError where that cannot be."""
        every = [each.with_(**fields) for each in self.experiments]
        rivals = [[each.with_(**fields) for each in group] for group in self.rivals]
        return Plan(every, [each.with_(**fields) for each in self.opened], rivals, self.rank)

    def _best(self, group: Sweep) -> Result | None:
        if self.rank is not None:
            return min(group, key=self.rank, default=None)
        return group.best() or group.best("train_loss")

    def values(self, field: str) -> list[Any]:
        """The values that a field has in these networks, each once, ascending; None is none of them."""
        return sorted({value for each in self.experiments if (value := getattr(each, field)) is not None})

    def which(self, experiment: Experiment) -> str:
        """What tells one of these networks from the others, in words: "T = 500, seed 1"."""
        varied = [name for name in FIELD_NAMES if len({getattr(each, name) for each in self.experiments}) > 1]
        if "sparsity" in varied:
            varied[varied.index("sparsity")] = "density"
        symbols = SYMBOLS | (OF_FISH if experiment.task_row.embedded else {})
        values = ((symbols.get(name, name.replace("_", " ")), getattr(experiment, name)) for name in varied)
        return ", ".join(_with_value(symbol, value) for symbol, value in values if value is not None)

    @classmethod
    def over(cls, base: Experiment, fields: Mapping[str, Iterable[Any]], **opened: Any) -> Plan:
        """A sweep of the base over some fields, and one network of it opened: those nearest to it come first.

        opened: field -> the value that is looked into; a network that is not in the sweep is added, and it alone. A
        seed of None is the best of the seeds.
        """
        values = {name: sorted(set(each)) for name, each in fields.items()}
        every = sweep(base, **values)
        if opened.get("seed", 0) is None:
            at = {name: value for name, value in opened.items() if name != "seed"}
            rivals = [base.with_(**at, seed=seed) for seed in values["seed"]]
            every = [*rivals, *every]
            opened = at | {"seed": rivals[0].seed}
        else:
            rivals = []
        every.sort(key=lambda each: sum(getattr(each, name) != value for name, value in opened.items()))
        return cls(every, [base.with_(**opened)], [rivals] if rivals else ())

    @classmethod
    def beside(cls, plans: Sequence[Plan]) -> Plan:
        """The networks of several plans, whose opened ones are compared: what each wants first comes first."""
        rows = zip_longest(*(plan.experiments for plan in plans))
        every = [each for row in rows for each in row if each]
        opened = [each for plan in plans for each in plan.opened]
        rivals = [group for plan in plans for group in plan.rivals or [()] * len(plan.opened)]
        return cls(every, opened, rivals if any(rivals) else ())


def _nothing(choice: Choice, *opened: Any) -> Iterator[Block]:
    """The inside of a view that opens no network."""
    yield from ()


def ids(rows: Iterable[str | tuple[str, ...]]) -> list[str]:
    """The ids of a layout, row by row."""
    return [id for row in rows for id in ((row,) if isinstance(row, str) else row)]


def _with_value(symbol: str, value: Any) -> str:
    """ "T = 1,000", "seed 1", "big fish"."""
    if isinstance(value, str):
        return value.replace("_", " ")
    return f"{symbol} {value:,.6g}" if len(symbol) > 1 and " " not in symbol else f"{symbol} = {value:,.6g}"


class PostFigure(NamedTuple):
    """A figure of the post that a view shows: its title, the block that is it, and the choice at which it is it."""

    title: str
    block: str
    experiments: tuple[str, ...]  # the named experiments that it is about
    choice: Mapping[str, Any] = NOTHING  # control -> value, where that is not the default


@dataclass(frozen=True, eq=False)
class View:
    """One question, as three pure functions and what they need.

    plan: which networks a choice wants; raises ValueError, with a sentence, where there can be none. show: what all
    that are trained so far say; the figures that it names in stage stand where everything moves, the others below.
    inside: what the opened networks say over their whole history, which is not finished while they train. A view that
    opens nothing has no inside, and so no clock.
    """

    id: str
    title: str
    place: int  # among the views of its page
    controls: tuple[Control, ...]  # at the side
    opens: tuple[Control, ...]  # what is looked into
    plan: Callable[[Choice], Plan]
    show: Callable[[Choice, Plan, Sweep], Iterator[Block]]
    stage: tuple[str | tuple[str, ...], ...]  # its own figures there, from the top; a tuple is side by side
    named: Callable[[Choice], str]  # the named experiment that its networks are variations of
    inside: Callable[..., Iterator[Block]] = _nothing  # (choice, *opened: Result)
    inside_stage: tuple[str | tuple[str, ...], ...] = ()  # likewise; where left out, planes side by side on top
    width: float = 0.5  # the share of the stage that its own figures take; the inside has the rest
    heights: Mapping[str, float] = field(default_factory=dict)  # figure on the stage -> its height; others have 1
    numbers: tuple[str, ...] = FRAME_METRICS[:4]  # what is told beside the clock of the network one looks at
    claims: tuple[str, ...] = ()
    figures: Mapping[str, PostFigure] = field(default_factory=dict)  # number in the post -> where it stands here
    shipped: tuple[Mapping[str, Any], ...] = ()  # choices beside the default whose networks come with the project
    first_name: str = ""  # what addresses without a version called it
    also_called: tuple[str, ...] = ()  # other views of then that this one has taken in
    aliases: Mapping[str, Alias] = field(default_factory=dict)  # parameter of such an address -> what it is now
    first_defaults: Mapping[str, str] = field(default_factory=dict)  # control -> what they mean by leaving it out
    # Opened control -> the swept one that had its value; after a "-" one whose largest value came first.
    first_among: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse ids that would hide one another, in the address or in a choice."""
        ids = [each.id for each in self.every_control]
        bad = next((id for id in ids if ids.count(id) > 1 or id in RESERVED or "." in id), None)
        if bad:
            raise ValueError(f"no control of view {self.id!r} may be called {bad!r}: something else is, beside it")

    @property
    def every_control(self) -> tuple[Control, ...]:
        """All that stands in the address."""
        return (*self.controls, *self.opens)

    def default(self, **changes: Any) -> Choice:
        """What is chosen at first, with some values changed."""
        return Choice({each.id: each.default for each in self.every_control}).with_(**changes)

    def shipped_experiments(self) -> list[Experiment]:
        """The networks that come with the project, each once: those of the default and of the shipped choices."""
        return list(dict.fromkeys(each for plan in self.shipped_plans() for each in plan.experiments))

    def shipped_plans(self) -> list[Plan]:
        """The plans of the default and of the shipped choices."""
        return [self.plan(self.default(**changes)) for changes in (NOTHING, *self.shipped)]


class Opened(NamedTuple):
    """What an address opens."""

    view: View
    choice: Choice
    step: int | None  # of the training that is looked at; None for its end
    not_understood: tuple[str, ...]  # a sentence each
    pinned: Choice | None = None  # A, beside which the choice is B
    present: bool = False  # whether it is shown to a room


@dataclass(frozen=True)
class Page:
    """A title, a question, and the views that answer it, in their order."""

    id: str
    title: str
    question: str
    icon: str  # its name among Material's symbols
    place: int  # among the pages of its section of the menu
    views: tuple[View, ...]
    first_parameter: str = "view"  # what an address without a version called the view

    def view(self, id: str) -> View:
        """The view with this id. Raises ValueError where there is none."""
        for view in self.views:
            if view.id == id:
                return view
        raise ValueError(
            f"view={control.quotable(id)} is not possible: one of {', '.join(view.id for view in self.views)}"
        )

    def read(self, address: Mapping[str, str | Sequence[str]]) -> Opened:
        """What an address opens, whatever it says; a repeated parameter counts as a list.

        One that names no version is read as it was meant: with the names and the defaults of the first addresses.
        """
        every = {name: text if isinstance(text, str) else ",".join(text) for name, text in address.items()}
        beside = {name.removeprefix(PINNED): text for name, text in every.items() if name.startswith(PINNED)}
        given = {name: text for name, text in every.items() if not name.startswith(PINNED)}
        present, version, step, sentences = given.pop("present", None), given.pop("v", None), None, []
        is_first = version is None and bool(given)
        if present not in (None, "1"):
            sentences.append(f"present={control.quotable(present)} is not possible: 1; shown: as usual")
        if version not in (None, VERSION):
            sentences.append(f"v={control.quotable(version)} is not possible: {VERSION}; read as {VERSION}")
        try:
            view = self._view_of(given, old=version is None)
        except ValueError as error:
            view = self.views[0]
            sentences.append(f"{error}; shown: {view.id}")
        if "step" in given:
            text = given.pop("step")
            if text.isascii() and text.isdigit() and len(text) < 10:
                step = int(text)
            else:
                sentences.append(
                    f"step={control.quotable(text)} is not possible: a whole number from 0; shown: the end"
                )
        start: Mapping[str, str] = NOTHING
        if is_first:
            given, start = _now(given, view.aliases), view.first_defaults
        choice, not_understood = control.read(
            view.every_control, given, lambda each: each.read(start[each.id]) if each.id in start else each.default
        )
        if start:
            choice = choice.with_(**_first_of(view, given, choice))
        pinned, sentences = None, [*sentences, *not_understood]
        if beside:
            pinned, not_understood = control.read(view.every_control, beside, lambda each: choice[each.id])
            sentences += [f"of A, {each}" for each in not_understood]
        return Opened(view, choice, step, tuple(sentences), pinned, present == "1")

    def write(
        self,
        view: View,
        choice: Choice,
        step: int | None = None,
        pinned: Choice | None = None,
        present: bool = False,
    ) -> dict[str, str]:
        """The complete address: also what stands at its default, so that a link keeps its meaning.

        pinned: A, of which stands there what differs from the choice, or all of it where nothing does.
        """
        address = {"view": view.id, **{each.id: each.write(choice[each.id]) for each in view.every_control}}
        if pinned is not None:
            differ = [each for each in view.every_control if pinned[each.id] != choice[each.id]]
            written = {f"{PINNED}{each.id}": each.write(pinned[each.id]) for each in differ or view.every_control}
            address |= written
        more = {"step": str(step)} if step is not None else {}
        return address | more | ({"present": "1"} if present else {}) | {"v": VERSION}

    def _view_of(self, given: dict[str, str], old: bool) -> View:
        """The view that an address names, taken out of it; the first one where it names none."""
        name = given.pop("view", "")
        if old and self.first_parameter in given:
            called = given.pop(self.first_parameter)
            of_then = {old: view.id for view in self.views for old in (view.first_name, *view.also_called)}
            name = name or of_then.get(called, called)
        return self.view(name) if name else self.views[0]


def link(text: str) -> tuple[str, dict[str, list[str]]]:
    """The name of the page that a link leads to, and the parameters of the address there: "/double_descent?T=5".

    Raises ValueError with a sentence for what cannot be a link.
    """
    try:
        parts = urlsplit(text.strip())
        return unquote(parts.path).strip("/").split("/")[-1], parse_qs(parts.query, keep_blank_values=True)
    except ValueError as error:
        raise ValueError(f"{control.quotable(text)} is no address: {error}") from None


def _first_of(view: View, given: Mapping[str, str], choice: Choice) -> dict[str, Any]:
    """What a first address meant by leaving out what is opened, where the usual value is not among the swept ones."""
    found = {}
    for id, of in view.first_among.items():
        among = choice[of.removeprefix("-")]
        if id not in given and choice[id] not in among:
            found[id] = among[-1 if of.startswith("-") else 0]
    return found


def _now(given: Mapping[str, str], aliases: Mapping[str, Alias]) -> dict[str, str]:
    """An address with the names that its parameters and their values have now."""
    now = {}
    for name, text in given.items():
        alias = aliases.get(name, Alias(name))
        if not alias.id:
            continue
        whole = alias.names.get(text)  # an old name may hold a comma
        now[alias.id] = ",".join(alias.names.get(each, each) for each in text.split(",")) if whole is None else whole
    return now
