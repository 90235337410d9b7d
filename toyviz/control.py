"""What a visitor can choose, and how that stands in an address. No Streamlit."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from toyviz.experiment import RANGES

MOST_VALUES = 64  # that one control with several values takes
MOST_UNKNOWN = 8  # names in an address that are told one by one


@dataclasses.dataclass(frozen=True)
class Control:
    """A knob: an id that never changes, what it says, its few good values by their names in an address, its default.

    values: name -> value; an old link depends on these names. bounds: for numbers, the range, both ends included, in
    which any other value is taken too. several: the value is a tuple, ascending, without duplicates. more: it stands
    under "More settings". field: of the experiment, whose values these are. labels: name -> what the visitor reads,
    where that is something else. when: id of another
    control -> the values beside which this one means something.
    """

    id: str
    label: str
    values: Mapping[str, Any]
    default: Any
    help: str = ""
    bounds: tuple[float, float] | None = None
    several: bool = False
    more: bool = False
    field: str = ""
    labels: Mapping[str, str] = dataclasses.field(default_factory=dict)
    when: Mapping[str, tuple[Any, ...]] = dataclasses.field(default_factory=dict)

    def read(self, text: str) -> Any:
        """The value that a text names, in an address or typed. Raises ValueError with a sentence where it is none."""
        if not self.several:
            return self._one(text.strip())
        parts = [part.strip() for part in text.replace(";", ",").split(",") if part.strip()]
        if not parts:
            raise ValueError(f"{self.id} needs at least one value: {self.allowed}")
        values = {self._one(part) for part in parts}
        if len(values) > MOST_VALUES:
            raise ValueError(f"{self.id} takes at most {MOST_VALUES} values; got {len(values)}")
        return tuple(sorted(values)) if self.is_number else tuple(v for v in self.values.values() if v in values)

    def write(self, value: Any) -> str:
        """The name of a value, or of several with a comma between them: read(write(value)) == value."""
        return ",".join(map(self.name, value)) if self.several else self.name(value)

    def name(self, value: Any) -> str:
        """The name of one value."""
        known = (name for name, each in self.values.items() if each == value and type(each) is type(value))
        short = f"{value:.12g}" if isinstance(value, float) else str(value)
        return next(known, short if not isinstance(value, float) or float(short) == value else repr(value))

    def text(self, value: Any) -> str:
        """What the visitor reads for one value."""
        return self.labels.get(self.name(value), self.name(value))

    @property
    def is_number(self) -> bool:
        """Whether any value within the bounds is taken."""
        return self.bounds is not None

    @property
    def allowed(self) -> str:
        """What is allowed, in words: "1 to 4096", "one of quick, paper, plain"."""
        if self.bounds is None:
            return f"one of {', '.join(self.values)}"
        names = [name for name, value in self.values.items() if value is None or isinstance(value, str)]
        low, high = self.bounds
        return " or ".join([f"{low:.12g} to {high:.12g}", *names])

    @property
    def is_whole(self) -> bool:
        """Whether it takes whole numbers alone."""
        return all(value is None or isinstance(value, int) for value in self.values.values())

    def _one(self, name: str) -> Any:
        if name in self.values:
            return self.values[name]
        if self.bounds is None:
            raise ValueError(f"{self.id}={quotable(name)} is not possible: {self.allowed}")
        try:
            value = float(name)
        except ValueError:
            raise ValueError(f"{self.id}={quotable(name)} is not a number: {self.allowed}") from None
        low, high = self.bounds
        if not low <= value <= high:
            raise ValueError(f"{self.id}={quotable(name)} is not possible: {self.allowed}")
        if self.is_whole and value != math.floor(value):
            raise ValueError(f"{self.id}={quotable(name)} is not a whole number: {self.allowed}")
        return int(value) if self.is_whole else value


def numbers(
    id: str, label: str, values: Sequence[float], default: Any, field: str = "", own: str = "", **more: Any
) -> Control:
    """A control whose values are numbers, named as they are written: 1000, not 1,000.

    field: of the experiment, whose range is taken unless bounds are given; the id where it is left out. own: a name for
    None, which stands before the numbers.
    """
    more.setdefault("bounds", RANGES.get(field or id))
    named: dict[str, Any] = {own: None} if own else {}
    return Control(id, label, named | {f"{value:.12g}": value for value in values}, default, field=field or id, **more)


@dataclasses.dataclass(frozen=True)
class Alias:
    """What an old address called a control: the id that it has now, and the names that its values had then.

    The id is empty for what has no bearing on what is seen any more: it is passed over without a word.
    """

    id: str
    names: Mapping[str, str] = dataclasses.field(default_factory=dict)  # old name of a value -> its name now


class Choice(Mapping[str, Any]):
    """What the visitor chose: an immutable mapping from control ids to values, which are attributes too."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = MappingProxyType(dict(values))

    def __getitem__(self, id: str) -> Any:
        return self._values[id]

    def __getattr__(self, id: str) -> Any:
        try:
            return self.__dict__["_values"][id]
        except KeyError:
            raise AttributeError(f"no control is called {id!r}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __or__(self, other: Mapping[str, Any]) -> Choice:
        """This choice with other values beside it, which need not be of its controls."""
        return Choice({**self._values, **other})

    def with_(self, **changes: Any) -> Choice:
        """This choice with some values changed. Raises ValueError for a control that is not there."""
        unknown = [id for id in changes if id not in self._values]
        if unknown:
            raise ValueError(f"no control is called {unknown[0]!r}; there are {', '.join(self._values)}")
        return Choice({**self._values, **changes})


def read(
    controls: Sequence[Control], address: Mapping[str, str], start: Callable[[Control], Any] | None = None
) -> tuple[Choice, tuple[str, ...]]:
    """The choice that an address names, and a sentence for each thing in it that was not understood.

    What the address leaves out, and what is not understood, is at start(control), or at its default.
    """
    values, sentences = {}, []
    for control in controls:
        value = control.default if start is None else start(control)
        if control.id in address:
            try:
                value = control.read(address[control.id])
            except ValueError as error:
                sentences.append(f"{error}; shown: {control.write(value)}")
        values[control.id] = value
    unknown = [quotable(name) for name in address if name not in values]
    sentences += [f"nothing here is called {name}" for name in unknown[:MOST_UNKNOWN]]
    if len(unknown) > MOST_UNKNOWN:
        sentences.append(f"nor are {len(unknown) - MOST_UNKNOWN} other names known here")
    return Choice(values), tuple(sentences)


def quotable(text: str) -> str:
    """A text of somebody else's as a sentence can hold it."""
    shown = "".join(each if each.isprintable() else "?" for each in text[:40])
    return shown + ("..." if len(text) > 40 else "")
