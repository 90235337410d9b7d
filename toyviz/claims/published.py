"""The published verdicts: the data behind them, and how CLAIMS.md and the README tell them."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from toyviz.claims import CLAIMS, SECTIONS, TESTABLE, VERDICTS
from toyviz.claims.claim import Claim, Verdict

ROOT = Path(__file__).parents[2]
DATA = Path(__file__).with_name("published.json")
COLUMNS = ("id", "statement", "post_claims", *Verdict._fields, "size")
SIZES = {"quick": "the quick size", "paper": "the post's size"}
GROWN = (  # evidence added after a look at the reported seeds
    *("descent_at_every_width", "starting_as_one_hots_entropy", "starting_as_one_hots_squared"),
)
BEGIN, END = "<!-- claims: written by python -m toyviz claims --publish -->", "<!-- end of claims -->"

Row = dict[str, Any]  # with COLUMNS as its keys


def row(claim: Claim, verdict: Verdict, size: str) -> Row:
    """What is told of a claim that was judged at this size."""
    return {
        "id": claim.id,
        "statement": claim.statement,
        "post_claims": list(claim.post_claims),
        **verdict._asdict(),
        "size": size,
    }


@cache
def published() -> dict[str, Row]:
    """The published rows by id, in the order of the claims: not to be changed. Empty where nothing is published."""
    rows = json.loads(DATA.read_text(encoding="utf-8")) if DATA.exists() else []
    return {row["id"]: row for row in rows}


def publish(rows: Iterable[Row], root: Path = ROOT) -> None:
    """Write these rows over the published ones of their ids, and CLAIMS.md and the README's summary anew.

    Rows of claims that are no more are dropped, and what the others say is taken from the code.
    """
    data = root / DATA.relative_to(ROOT)
    before = json.loads(data.read_text(encoding="utf-8")) if data.exists() else []
    known = {row["id"]: row for row in [*before, *rows]}
    said = {id: {"statement": claim.statement, "post_claims": list(claim.post_claims)} for id, claim in CLAIMS.items()}
    kept = {id: known[id] | said[id] for id in CLAIMS if id in known}
    data.write_text(json.dumps(list(kept.values()), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (root / "CLAIMS.md").write_text(markdown(kept), encoding="utf-8")
    readme = root / "README.md"
    text = readme.read_text(encoding="utf-8")
    block = re.compile(f"{re.escape(BEGIN)}.*{re.escape(END)}", re.DOTALL)
    readme.write_text(block.sub(lambda _: f"{BEGIN}\n{summary(kept)}\n{END}", text), encoding="utf-8")
    published.cache_clear()


def told(row: Mapping[str, Any]) -> str:
    """The numbers of a row, how its seeds voted, and what was not so."""
    verdict = Verdict(**{name: row[name] for name in Verdict._fields})
    return " ".join(filter(None, [f"{verdict.measured}.", verdict.in_words(CLAIMS[row["id"]].starts)]))


def counts(rows: Iterable[Row]) -> dict[str, int]:
    """How many of the rows hold, hold partly, and fail."""
    votes = Counter(row["verdict"] for row in rows)
    return {verdict: votes[verdict] for verdict in VERDICTS}


def summary(rows: Mapping[str, Row]) -> str:
    """The README's few lines: how many claims of each section hold, and which do not."""
    lines = ["| section | claims | hold | partly | fail |", "|---|---|---|---|---|"]
    for section, claims in SECTIONS.items():
        there = [rows[claim.id] for claim in claims if claim.id in rows]
        if there:
            lines.append(_cells(section, len(there), *counts(there).values()))
    lines.append(_cells("**all**", len(rows), *counts(rows.values()).values()))
    missed = [f"`{row['id']}` ({row['verdict']})" for row in rows.values() if row["verdict"] != "holds"]
    overall = f"Not all of it held: {', '.join(missed)}." if missed else "Each of them holds."
    return "\n".join([*lines, "", overall])


def markdown(rows: Mapping[str, Row]) -> str:
    """The whole of CLAIMS.md."""
    covered = {number for id in rows for number in CLAIMS[id].post_claims} & TESTABLE
    grown = [f"`{id}`" for id in GROWN if id in rows]
    seen = f", but the evidence of {_and(grown)} grew after a look at these" if grown else ""
    lines = [
        "# The post's claims, and what came out",
        "",
        "Each claim of the post that can be tested is a check in `toyviz/claims/`. Its evidence is trained, at the "
        f"size that its row names. {rule(rows)} The thresholds were set on other seeds than these{seen}. The numbers "
        "of the post's claims count them in the order of the post. This page is written by `python -m toyviz claims "
        "--publish`; the app runs the same checks on what a visitor trains.",
        "",
        f"{len(rows)} checks stand for {len(covered)} of the {len(TESTABLE)} testable claims.",
        "",
        summary(rows),
    ]
    for section, claims in SECTIONS.items():
        there = [claim for claim in claims if claim.id in rows]
        if not there:
            continue
        lines += ["", f"## {section}", ""]
        lines += ["| verdict | claim | in the post | measured | seeds, size |", "|---|---|---|---|---|"]
        for claim in there:
            row = rows[claim.id]
            lines.append(
                _cells(
                    f"**{row['verdict']}**",
                    f"`{claim.id}` {_escaped(claim.statement)}",
                    numbers(claim),
                    _escaped(told(row)),
                    f"{row['seeds']}, {row['size']}",
                )
            )
        for claim in there:
            if claim.note:
                lines += ["", f"- `{claim.id}`: {claim.note}"]
    return "\n".join(lines) + "\n"


def rule(rows: Mapping[str, Row]) -> str:
    """How these verdicts come about, in a few sentences."""
    pooled = [f"`{id}`" for id in rows if CLAIMS[id].across_seeds]
    grouped = [f"`{id}`, {CLAIMS[id].starts}" for id in rows if CLAIMS[id].starts > 1]
    sentences = [
        "A claim holds if all its parts are so. It fails if none is, or if a part is not without which the others say "
        "nothing of the claim. Else it holds partly. The verdict is that of more than half of the seeds, or partly "
        "where none has so many.",
        f"Where the best of several starts counts, each group of them has one vote ({'; '.join(grouped)})."
        * bool(grouped),
        f"All seeds are judged at once in {_and(pooled)}." * bool(pooled),
        "All numbers are of one processor: another one may round otherwise, and where training is chaotic its numbers "
        "are others, as those of another seed are.",
    ]
    return " ".join(filter(None, sentences))


def _and(words: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def numbers(claim: Claim) -> str:
    """The post's claims that it stands for: "3, 10"."""
    return ", ".join(map(str, claim.post_claims))


def _cells(*cells: object) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def _escaped(text: str) -> str:
    return re.sub(r"([|*_<>$])", r"\\\1", text)
