"""What can be asked: a folder a page, a file a view. A new file is found; there is no list to write it into."""

from __future__ import annotations

import importlib
import os
import pkgutil
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from toyviz.claims import FIRST_SEED, SEEDS, Claim
from toyviz.control import Choice, Control
from toyviz.experiment import Experiment
from toyviz.view import Page, View


def pages() -> dict[str, Page]:
    """Every page that is made of views, by its name."""
    return {name: page(name) for name, is_folder in _listed(__path__) if is_folder}


def page(name: str) -> Page:
    """The page of this folder: its TITLE, QUESTION, ICON and PLACE, and the VIEW of each file in it, by their place.

    Raises ValueError where two of the views have one id or one place.
    """
    folder = importlib.import_module(f"{__name__}.{name}")
    modules = [importlib.import_module(f"{folder.__name__}.{name}") for name, _ in _listed(folder.__path__)]
    views: list[View] = sorted((m.VIEW for m in modules if hasattr(m, "VIEW")), key=lambda view: view.place)
    for of in ("id", "place"):
        if len({getattr(view, of) for view in views}) < len(views):
            raise ValueError(f"two views of {name} have the same {of}: {', '.join(view.id for view in views)}")
    return Page(name, folder.TITLE, folder.QUESTION, folder.ICON, folder.PLACE, tuple(views), folder.FIRST_PARAMETER)


def _listed(folders: Iterable[str]) -> tuple[tuple[str, bool], ...]:
    """What can be imported from these folders, by its name, and whether it is a folder; read anew when one changes.

    A page asks for it dozens of times each time it runs: to read the folders would take a third of its time.
    """
    return _listing(tuple((each, os.stat(each).st_mtime_ns) for each in folders))


@lru_cache(maxsize=64)
def _listing(folders: tuple[tuple[str, int], ...]) -> tuple[tuple[str, bool], ...]:
    return tuple(sorted((each.name, each.ispkg) for each in pkgutil.iter_modules([path for path, _ in folders])))


def evidence(claim: Claim, recipe: str = "") -> tuple[Page, View, Choice]:
    """Where a claim was judged: the page, the view, and the choice whose networks are its published evidence under a
    recipe, its first where none is named. With the notebook's recipe one start of each.

    Raises ValueError where its page is not made of views, or the recipe does not apply.
    """
    recipe = recipe or claim.recipes[0]
    if recipe not in claim.recipes:
        raise ValueError(f"recipe must be one of {', '.join(claim.recipes)} for {claim.id}; got {recipe!r}")
    if claim.page not in pages():
        raise ValueError(f"page {claim.page!r} is not made of views")
    home = page(claim.page)
    view = home.view(claim.view)
    trained = claim.evidence(recipe, FIRST_SEED)
    choice = view.default()
    judged = {"recipe": recipe, "seeds": SEEDS} | {
        each.id: value for each in view.controls if (value := _asked_by(each, trained)) is not None
    }
    if "seeds" not in choice:  # it has one, which is opened
        judged["seed"] = FIRST_SEED
    if "recipe" not in choice:  # what a recipe would say, one by one
        judged |= {each.id: value for each in view.controls if (value := _told_by(each, trained)) is not None}
    choice = choice.with_(**{id: value for id, value in judged.items() if id in choice} | dict(claim.choice))
    swept = {each.field: each.id for each in view.controls if each.several and each.field}
    for each in view.opens:  # of what was trained, not one more
        among = choice[swept[each.field]] if each.field in swept else ()
        if among and choice[each.id] not in among and choice[each.id] is not None:
            choice = choice.with_(**{each.id: among[-1]})
    return home, view, choice


def shows(claim: Claim, recipe: str) -> bool:
    """Whether its view can be asked for the evidence of a claim under a recipe: a training that no control names can
    be had from the command line alone."""
    _, view, choice = evidence(claim, recipe)
    return set(claim.evidence(recipe, FIRST_SEED)) <= set(view.plan(choice).experiments)


def _told_by(control: Control, experiments: Sequence[Experiment]) -> Any:
    """The one value that all experiments have for a control which mostly leaves it to the named experiment; None where
    there is none, or they differ."""
    name = control.field or control.id
    values = {getattr(each, name) for each in experiments} if hasattr(experiments[0], name) else set()
    value = values.pop() if len(values) == 1 else None
    possible = control.is_number or value in control.values.values()
    return value if control.default is None and possible else None


def _asked_by(control: Control, experiments: Sequence[Experiment]) -> Any:
    """What a control would say for these experiments to be what it asks for; None where it cannot tell."""
    values = sorted({value for each in experiments if (value := getattr(each, control.field, None)) is not None})
    if not values:
        return None
    if control.several:
        return tuple(values)
    return values[0] if len(values) == 1 and control.default is not None else None
