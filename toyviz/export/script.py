"""A script, or a notebook, that trains what is seen once more: it needs toyviz and nothing else."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from toyviz.citation import CITATION
from toyviz.experiment import FIELD_NAMES, Experiment, sweep

IMPORTS = "import json\n\nfrom toyviz.experiment import Experiment{}\nfrom toyviz.train import train\n\n"


def script(experiments: Sequence[Experiment], caption: str, link: str) -> str:
    """Python that trains one network, or a sweep, and ends with a line of JSON with train_loss and test_loss.

    Of a sweep these are the means over its networks; "networks" has those of each.
    """
    setup, training, told = _parts(experiments)
    about = "\n".join(["# " + line for line in (caption, link, CITATION)])
    return f"{about}\n{setup}\n\n{training}\n{told}\n"


def notebook(experiments: Sequence[Experiment], caption: str, link: str) -> str:
    """The same as a Jupyter notebook, with a plot of the loss; plain JSON, nbformat 4."""
    setup, training, told = _parts(experiments)
    shown = "results[0]" if len(experiments) > 1 else "result"
    plot = (
        "import altair as alt\nimport pandas as pd\n\n"
        f'curve = pd.DataFrame({{"step": {shown}.loss_steps, "loss": {shown}.losses}})\n'
        'alt.Chart(curve).mark_line().encode(alt.X("step").scale(type="log"), alt.Y("loss").scale(type="log"))'
    )
    cells = [
        _cell("markdown", f"# {caption}\n\n{link}\n\n{CITATION}", 0),
        *(_cell("code", text, k) for k, text in enumerate((setup, training, plot, told), 1)),
    ]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    whole = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"


def _cell(kind: str, text: str, number: int) -> dict[str, Any]:
    cell = {"cell_type": kind, "id": f"cell-{number}", "metadata": {}, "source": text.splitlines(keepends=True)}
    return cell | ({"execution_count": None, "outputs": []} if kind == "code" else {})


def _parts(experiments: Sequence[Experiment]) -> tuple[str, str, str]:
    """Imports and settings; the training; the last line."""
    if len(experiments) == 1:
        setup = IMPORTS.format("") + _call(experiments[0])
        told = 'print(json.dumps({name: result.metrics[name] for name in ("train_loss", "test_loss")}))'
        return setup, "result = train(EXPERIMENT)", told
    setup, several = _sweep(experiments)
    lines = [
        'rows = [{name: each.metrics[name] for name in ("train_loss", "test_loss")} for each in results]',
        "means = {}",
        'for name in ("train_loss", "test_loss"):',
        "    known = [row[name] for row in rows if row[name] is not None]",
        "    means[name] = sum(known) / len(known) if known else None",
        'print(json.dumps(means | {"networks": rows}))',
    ]
    return setup, f"results = [train(each) for each in {several}]", "\n".join(lines)


def _call(experiment: Experiment, name: str = "EXPERIMENT") -> str:
    """The record, of what differs from the defaults."""
    changed = [
        f"    {field.name}={_value(getattr(experiment, field.name))},"
        for field in fields(experiment)
        if getattr(experiment, field.name) != field.default
    ]
    return "\n".join([f"{name} = Experiment(  # all else is as usual: see toyviz/experiment.py", *changed, ")"])


def _sweep(experiments: Sequence[Experiment]) -> tuple[str, str]:
    """The settings of a sweep: a base and the values of its fields; where it is no grid, what each network changes."""
    base = experiments[0]
    varied = [name for name in FIELD_NAMES if len({getattr(each, name) for each in experiments}) > 1]
    values = {name: list(dict.fromkeys(getattr(each, name) for each in experiments)) for name in varied}
    try:
        grid = sweep(base, len(experiments), **values)
    except ValueError:
        grid = []
    called = _call(base, "BASE")
    if len(grid) == len(experiments) and set(grid) == set(experiments):
        over = ", ".join(f"{name}=[{', '.join(map(_value, each))}]" for name, each in values.items())
        return IMPORTS.format(", sweep") + called, f"sweep(BASE, {over})"
    changes = [
        {name: getattr(each, name) for name in varied if getattr(each, name) != getattr(base, name)}
        for each in experiments
    ]
    listed = "\n".join(
        f"    {{{', '.join(f'{_value(n)}: {_value(v)}' for n, v in each.items())}}}," for each in changes
    )
    return f"{IMPORTS.format('')}{called}\nCHANGES = [\n{listed}\n]", "[BASE.with_(**changes) for changes in CHANGES]"


def _value(value: Any) -> str:
    """A value as code, with the quotes that Python's formatters like."""
    return json.dumps(value) if isinstance(value, str) else repr(value)
