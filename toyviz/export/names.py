"""What an exported file is called: the page, what of it, and what tells this choice from others."""

from __future__ import annotations

import hashlib
import re
from typing import Any

from toyviz.control import Control
from toyviz.export.asked import Asked
from toyviz.view import SYMBOLS

LONGEST = 120  # letters of a name without its ending
FIELDS = {"n_features": "n", "n_hidden": "m", "n_embed": "B", "sparsity": "S"}  # told where all networks share one
OPENED = ("n_samples", "seed")  # told of a network, beside these


def file_name(asked: Asked, what: str, suffix: str, network: bool = False) -> str:
    """ "double-descent_loss_n1000-m2-S0.99.svg". network: whether it is of the opened network, and so tells its T."""
    parts = [asked.page.id, what, "-".join(_differences(asked, network))]
    name = "_".join(_written(part) for part in parts if part)
    if len(name) > LONGEST:
        digest = hashlib.sha256(name.encode()).hexdigest()[:8]
        name = f"{name[: LONGEST - 9]}-{digest}"
    return f"{name}.{suffix}"


def _differences(asked: Asked, network: bool) -> list[str]:
    """What tells what is shown from the rest: "n1000", "m2", "S0.99", then all that is not as usual."""
    view, choice, plan = asked.opened.view, asked.opened.choice, asked.plan
    told, fields = [], set()
    for field in (*FIELDS, *(OPENED if network and plan.opened else ())):
        values = {getattr(each, field) for each in (plan.opened[:1] if network else plan.experiments)}
        if len(values) == 1 and (value := next(iter(values))) is not None and (field, value) != ("sparsity", 0.0):
            told.append(f"{FIELDS.get(field) or SYMBOLS.get(field) or field}{_short(value)}")
            fields.add(field)
    for each in view.every_control:
        if choice[each.id] != each.default and (each.field or each.id) not in fields:
            told.append(f"{each.id}-{_value(each, choice[each.id])}")
    if network:
        return told
    step = asked.opened.step
    return [*told, *([f"step{step}"] if step is not None else []), *(["dark"] if asked.theme == "dark" else [])]


def _value(control: Control, value: Any) -> str:
    """A value as a name can hold it; of many the first, the last and how many."""
    if control.several and len(value) > 3:
        return f"{control.name(value[0])}to{control.name(value[-1])}x{len(value)}"
    return control.write(value)


def _short(value: Any) -> str:
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def _written(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9.+-]+", "-", text.replace("_", "-").replace(",", "+")).strip("-.")
