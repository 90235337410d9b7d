"""The published verdicts: the data behind them, and how CLAIMS.md and the README tell them."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from toyviz.claims import CLAIMS, OVERALL, SECTIONS, TESTABLE, overall
from toyviz.claims.claim import Claim, Verdict
from toyviz.settings import NOTEBOOK_STARTS, RECIPES

ROOT = Path(__file__).parents[2]
DATA = Path(__file__).with_name("published.json")
COLUMNS = ("id", "statement", "post_claims", "own", "verdict", "recipes")
BEGIN, END = "<!-- claims: written by python -m toyviz claims --publish -->", "<!-- end of claims -->"

Row = dict[str, Any]  # with COLUMNS as its keys


def row(claim: Claim, verdicts: Mapping[str, Mapping[str, Any]]) -> Row:
    """What is told of a claim. verdicts: recipe -> the fields of its Verdict."""
    found = {recipe: dict(verdicts[recipe]) for recipe in claim.recipes if recipe in verdicts}
    return {
        "id": claim.id,
        "statement": claim.statement,
        "post_claims": list(claim.post_claims),
        "own": claim.own,
        "verdict": overall(each["verdict"] for each in found.values()),
        "recipes": found,
    }


@cache
def published() -> dict[str, Row]:
    """The published rows by id, in the order of the claims: not to be changed. Empty where nothing is published."""
    rows = json.loads(DATA.read_text(encoding="utf-8")) if DATA.exists() else []
    return {row["id"]: row for row in rows}


def publish(rows: Iterable[Row], root: Path = ROOT) -> None:
    """Write these rows' verdicts over the published ones of the same claims and recipes, and CLAIMS.md and the README's
    summary anew.

    Verdicts of claims that are no more, or under recipes that no longer apply, are dropped, and what the others say is
    taken from the code.
    """
    data = root / DATA.relative_to(ROOT)
    before = json.loads(data.read_text(encoding="utf-8")) if data.exists() else []
    known: dict[str, dict[str, Any]] = {}
    for each in [*before, *rows]:
        known.setdefault(each["id"], {}).update(each["recipes"])
    kept = {id: row(claim, known[id]) for id, claim in CLAIMS.items() if set(known.get(id, ())) & set(claim.recipes)}
    data.write_text(json.dumps(list(kept.values()), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (root / "CLAIMS.md").write_text(markdown(kept), encoding="utf-8")
    readme = root / "README.md"
    text = readme.read_text(encoding="utf-8")
    block = re.compile(f"{re.escape(BEGIN)}.*{re.escape(END)}", re.DOTALL)
    readme.write_text(block.sub(lambda _: f"{BEGIN}\n{summary(kept)}\n{END}", text), encoding="utf-8")
    published.cache_clear()


def told(row: Mapping[str, Any], recipe: str) -> str:
    """The numbers of a row under a recipe, how its seeds voted, and what was not so."""
    verdict = Verdict(**row["recipes"][recipe])
    return " ".join(filter(None, [f"{verdict.measured}.", verdict.in_words(starts(row["id"], recipe))]))


def starts(id: str, recipe: str) -> int:
    """How many networks of each setting have one vote together."""
    return NOTEBOOK_STARTS if recipe == "notebook" else CLAIMS[id].starts


def counts(rows: Iterable[Row]) -> dict[str, int]:
    """How many of the rows hold, depend on the recipe, hold partly, and fail."""
    votes = Counter(row["verdict"] for row in rows)
    return {verdict: votes[verdict] for verdict in OVERALL}


def of_the_post(rows: Mapping[str, Row]) -> dict[str, Row]:
    """The rows that count among the post's claims."""
    return {id: each for id, each in rows.items() if not each["own"]}


def summary(rows: Mapping[str, Row]) -> str:
    """The README's few lines: how many of the post's claims hold in each section, and which do not."""
    posts = of_the_post(rows)
    lines = ["| section | claims | hold | depend on the recipe | partly | fail |", "|---|---|---|---|---|---|"]
    for section, claims in SECTIONS.items():
        there = [posts[claim.id] for claim in claims if claim.id in posts]
        if there:
            lines.append(_cells(section, len(there), *counts(there).values()))
    lines.append(_cells("**all**", len(posts), *counts(posts.values()).values()))
    named = [
        f"{said}: {', '.join(f'`{id}`' for id, each in posts.items() if each['verdict'] == verdict)}."
        for verdict, said in (("depends", "It depends on the recipe"), ("partly", "In part"), ("fails", "Not so"))
        if any(each["verdict"] == verdict for each in posts.values())
    ]
    own = len(rows) - len(posts)
    counted = [f"{own} findings of our own are published apart."] if own else []
    return "\n".join([*lines, "", " ".join([*(named or ["Each of them holds."]), *counted])])


def markdown(rows: Mapping[str, Row]) -> str:
    """The whole of CLAIMS.md."""
    posts = of_the_post(rows)
    covered = {number for id in posts for number in CLAIMS[id].post_claims} & TESTABLE
    lines = [
        "# The post's claims, and what came out",
        "",
        "Each claim of the post that can be tested is a check in `toyviz/claims/`. Its evidence is trained by each "
        f"recipe that can apply to it. {rule(rows)} The thresholds were set on other seeds than these. The numbers "
        "of the post's claims count them in the order of the post. This page is written by `python -m toyviz claims "
        "--publish`; `python -m toyviz claims --grid` tells what that trains, and what it costs; the app runs the same "
        "checks on what a visitor trains.",
        "",
        f"{len(posts)} checks stand for {len(covered)} of the {len(TESTABLE)} testable claims.",
        "",
        summary(rows),
    ]
    for section, claims in SECTIONS.items():
        lines += _section(section, [posts[claim.id] for claim in claims if claim.id in posts])
    lines += _section("Our own findings", [each for each in rows.values() if each["own"]])
    return "\n".join(lines) + "\n"


def _section(title: str, rows: Sequence[Row]) -> list[str]:
    """A table of verdicts by recipe, and what was measured for each claim."""
    if not rows:
        return []
    lines = ["", f"## {title}", "", _cells("verdict", "claim", "in the post", *RECIPES)]
    lines.append(_cells(*["---"] * (3 + len(RECIPES))))
    for each in rows:
        found = each["recipes"]
        votes = [_votes(found[recipe]) if recipe in found else "" for recipe in RECIPES]
        lines.append(_cells(f"**{each['verdict']}**", f"`{each['id']}`", numbers(CLAIMS[each["id"]]), *votes))
    for each in rows:
        claim = CLAIMS[each["id"]]
        lines += ["", f"**`{claim.id}`** {_escaped(claim.statement)}", ""]
        lines += [f"- The post: {_escaped(claim.post_says)}"] * bool(claim.post_says)
        lines += [f"- The check: {_escaped(claim.changed)}"] * bool(claim.changed)
        lines += [
            f"- {recipe}, {found['seeds']} seeds: **{found['verdict']}**. {_escaped(told(each, recipe))}"
            for recipe, found in each["recipes"].items()
        ]
        lines += [f"- {claim.note}"] * bool(claim.note)
    return lines


def _votes(found: Mapping[str, Any]) -> str:
    """ "holds 3/4": how many voted as the verdict says; the verdict alone where all were judged at once."""
    agree = found["votes"].get(found["verdict"], 0)
    return f"{found['verdict']} {agree}/{found['voters']}" if found["voters"] > 1 else str(found["verdict"])


def rule(rows: Mapping[str, Row]) -> str:
    """How these verdicts come about, in a few sentences."""
    pooled = [f"`{id}`" for id in rows if CLAIMS[id].across_seeds]
    grouped = [f"`{id}`, {CLAIMS[id].starts}" for id in rows if CLAIMS[id].starts > 1]
    sentences = [
        "Under one recipe a claim holds if all its parts are so. It fails if none is, or if a part is not without "
        "which the others say nothing of the claim. Else it holds partly. The verdict is that of more than half of the "
        "seeds, or partly where none has so many. Over all recipes it holds if it holds under each, fails if it fails "
        "under each, and depends on the recipe if it holds under one at least; else it holds partly.",
        f"With the notebook's recipe the best of {NOTEBOOK_STARTS} starts on each training set has one vote.",
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
