"""What can be taken along, a row a format: from what is trained of a view to the bytes of a file."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from toyviz import tables
from toyviz.citation import CITATION
from toyviz.export import asked as asking
from toyviz.export import network_files, pytorch_state, script, sheet, theme, vega
from toyviz.export.asked import MOST_PIXELS, Asked
from toyviz.export.names import file_name
from toyviz.export.png import with_text
from toyviz.export.pytorch_script import pytorch_script
from toyviz.export.refused import Refused
from toyviz.export.render import RENDERER
from toyviz.export.scene import Scene, Trained, titled
from toyviz.result import Result
from toyviz.view import EXPORTED, Figure, Table


class Exported(NamedTuple):
    """A file that is ready."""

    name: str
    media_type: str
    content: bytes


class Format(NamedTuple):
    """One way of taking something along."""

    suffix: str
    media_type: str
    of: str  # "view", "network" or "network or sweep"
    make: Callable[[Scene], bytes]
    about: str


def read(name: str, address: Any, server: str = "") -> Asked:
    """What an address asks for: see asked.read."""
    asked = asking.read(name, address, FORMATS, server)
    _refuse_meaningless(asked, [name for name in (*EXPORTED, "step") if name in address])
    return asked


def _refuse_meaningless(asked: Asked, given: Sequence[str]) -> None:
    """Raises Refused for an option that would change nothing of the file."""
    row, whole = FORMATS[asked.format], asked.figure is None
    for name in given:
        if asked.format not in MEANT.get(name, FORMATS):
            raise Refused(f"{name}= is not possible for {asked.format}, which is of a {row.of}: leave it out")
        if whole and (name in ("width", "height") or (name, asked.format) == ("step", "csv")):
            raise Refused(f"{name}= is not possible for {asked.format} without figure=: leave it out, or name a figure")


def export(asked: Asked, store: Trained) -> Exported:
    """The file that is asked for, from what is trained. Raises Refused, with a sentence, where there can be none."""
    row = FORMATS[asked.format]
    if row.of != "view" and asked.take == "network" and not asked.plan.opened:
        other = ", take=sweep is" if "sweep" in row.of else ""
        raise Refused(f"this view opens no network: as={asked.format} is not possible{other}")
    if row.of == "network" and asked.take == "sweep":
        raise Refused(f"take=sweep is not possible for {asked.format}, which is of one network")
    found = Scene.of(asked, store)
    if not len(found.sweep) and row.make not in UNTRAINED:
        raise Refused(f"nothing of this is trained yet: {found.how_to_train}", 404)
    content = row.make(found)
    what = asked.figure or asked.opened.view.id
    if row.of != "view":
        what = asked.format if asked.format not in ("npz", "safetensors", "torch", "json") else asked.take
    one = row.of != "view" and asked.take == "network"
    return Exported(file_name(found.asked, what, row.suffix, network=one), row.media_type, content)


def contents(asked: Asked, store: Trained) -> dict[str, Any]:
    """What there is to take along of a view, as JSON holds it: its figures and tables, and the formats."""
    found = Scene.of(asked, store)
    if not len(found.sweep):
        raise Refused(f"nothing of this is trained yet: {found.how_to_train}", 404)
    figures = [{"id": each.id, "title": titled(asked.opened.view, asked.opened.choice, each)} for each in found.figures]
    return {
        "title": found.title,
        "figures": figures,
        "tables": [block.id for block in found.blocks if isinstance(block, Table)],
        "network": bool(found.opened),
        "networks": len(found.sweep),
        "formats": {name: {"of": row.of, "about": row.about} for name, row in FORMATS.items()},
        "cite": CITATION,
    }


def _figure(found: Scene, format: str) -> Figure:
    block = found.block(found.asked.figure or "")
    if not isinstance(block, Figure):
        raise Refused(f"{block.id} is a table: as={format} is not possible, csv is")
    return block


def _which(found: Scene) -> str:
    return f"figure= must be one of {', '.join(each.id for each in found.figures)}"


def _svg(found: Scene) -> bytes:
    if found.asked.figure is None:
        return sheet.sheet(found).encode()
    return sheet.figure_svg(found, _figure(found, "svg")).encode()


def _png(found: Scene) -> bytes:
    if found.asked.figure is None:
        raise Refused(f"png is of one figure; a sheet is svg or pdf: {_which(found)}")
    svg = _svg(found).decode()
    width, height = sheet.size_of(svg)
    if width * height * found.asked.scale**2 > MOST_PIXELS:
        raise Refused(
            f"scale={found.asked.scale:g} is too large for {width:g} x {height:g}: at most {MOST_PIXELS:,} pixels",
            413,
        )
    about = {"Title": found.caption, "Source": found.link, "Comment": CITATION, "Software": "toyviz"}
    return with_text(RENDERER.png(svg, found.asked.scale), about)


def _pdf(found: Scene) -> bytes:
    only = None if found.asked.figure is None else _figure(found, "pdf")
    return RENDERER.pdf(sheet.sheet(found, only))


def _csv(found: Scene) -> bytes:
    if found.asked.figure is None:
        frame = tables.runs(found.sweep)
    else:
        block = found.block(found.asked.figure)
        frame = block.frame if isinstance(block, Table) else vega.table(block.chart, found.position)
    head = "".join(f"# {line}\n" for line in (found.caption, found.link, CITATION))
    text = frame.to_csv(index=False, lineterminator="\n")
    if "#" in text:  # in a text it must not begin a comment
        text = frame.to_csv(index=False, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    return (head + text).encode()


def _vega(found: Scene) -> bytes:
    if found.asked.figure is None:
        raise Refused(f"vega is of one figure: {_which(found)}")
    asked, chart = found.asked, _figure(found, "vega").chart
    about = {"caption": found.caption, "link": found.link}
    spec = vega.self_contained(chart, theme.theme(asked.theme), found.position, (asked.width, asked.height), about)
    return (json.dumps(spec, allow_nan=False, ensure_ascii=False) + "\n").encode()


def _runs(found: Scene) -> Sequence[Result]:
    """The opened network, or all that are trained."""
    return found.sweep.results if found.asked.take == "sweep" else (found.network,)


def _which_runs(found: Scene) -> str:
    """What these are, in words."""
    return found.swept_caption if found.asked.take == "sweep" else found.network_caption


def _scripted(write: Callable[..., str]) -> Callable[[Scene], bytes]:
    def make(found: Scene) -> bytes:
        if found.asked.take == "sweep":
            return write(found.asked.plan.experiments, found.swept_caption, found.link).encode()
        return write(found.asked.plan.opened[:1], found.network_caption, found.link).encode()

    return make


def _npz(found: Scene) -> bytes:
    return network_files.npz(_runs(found), found.link, _which_runs(found))


def _safetensors(found: Scene) -> bytes:
    return network_files.safetensors(_runs(found), found.link, _which_runs(found))


def _json(found: Scene) -> bytes:
    return network_files.experiments_json(_runs(found), found.link, _which_runs(found))


def _pytorch(found: Scene) -> bytes:
    return pytorch_script(found.asked.plan.opened[0], found.network_caption, found.link).encode()


def _module(found: Scene) -> bytes:
    name = file_name(found.asked, "network", FORMATS["torch"].suffix, network=True)
    return pytorch_state.module(found.network.experiment, name).encode()


FORMATS = {
    "svg": Format("svg", "image/svg+xml", "view", _svg, "a figure, or all of a view on one sheet"),
    "png": Format("png", "image/png", "view", _png, "a figure as pixels, at the scale that is asked"),
    "pdf": Format("pdf", "application/pdf", "view", _pdf, "a figure with its caption, or the sheet, on one page"),
    "csv": Format("csv", "text/csv", "view", _csv, "the numbers of a figure or table; without one those of all runs"),
    "vega": Format("vl.json", "application/json", "view", _vega, "a figure as Vega-Lite, with its data"),
    "npz": Format(
        "npz", "application/octet-stream", "network or sweep", _npz,
        "weights, history, loss curve and training samples for NumPy",
    ),
    "safetensors": Format(
        "safetensors", "application/octet-stream", "network or sweep",
        _safetensors, "the same as safetensors",
    ),
    "torch": Format(
        "pt", "application/octet-stream", "network", lambda found: pytorch_state.state_dict(found.network),
        "the weights as a state_dict of PyTorch",
    ),
    "module": Format("py", "text/x-python", "network", _module, "a short PyTorch module that loads them"),
    "json": Format(
        "json", "application/json", "network or sweep", _json,
        "the exact experiment, and what it came to",
    ),
    "script": Format(
        "py", "text/x-python", "network or sweep", _scripted(script.script), "Python that trains it again, with toyviz"
    ),
    "notebook": Format(
        "ipynb", "application/x-ipynb+json", "network or sweep", _scripted(script.notebook), "the same as a notebook"
    ),
    "pytorch": Format(
        "py", "text/x-python", "network",
        _pytorch,
        "the experiment in plain PyTorch, without toyviz",
    ),
}  # fmt: skip
DRAWN = ("svg", "png", "pdf", "vega")
MEANT = {  # option -> the formats that it changes
    "figure": (*DRAWN, "csv"), "step": (*DRAWN, "csv"), "theme": DRAWN, "width": DRAWN, "height": DRAWN,
    "scale": ("png",), "take": [name for name, row in FORMATS.items() if row.of != "view"],
}  # fmt: skip
UNTRAINED = {FORMATS[name].make for name in ("script", "notebook", "pytorch")}  # that need no result
