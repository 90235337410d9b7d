"""What views of several pages say in the same words."""

from __future__ import annotations

from collections.abc import Iterator

from toyviz.result import Result
from toyviz.view import Text

NONE_YET = "Nothing is trained yet."
NOT_YET = "Not trained to the end yet."
TOO_LARGE = "This network is too large to be shown while it trains: its loss alone."


def notes(look_for: str, not_shown: str, marks: tuple[str, ...] = ()) -> Iterator[Text]:
    """What to look for in a view, what each item of that speaks of, and what the view does not show."""
    yield Text("look_for", f"**What to look for**\n\n{look_for}", marks)
    yield Text("not_shown", f"**What this does not show**\n\n{not_shown}")


def shortened(result: Result) -> str:
    """How much of its history a network that comes with the project has, as a sentence to add; else nothing."""
    if not result.shortened:
        return ""
    return (
        f" Of its history {len(result.frame_steps)} frames are shipped, rounded between first and last: training it "
        "again here shows all of it."
    )
