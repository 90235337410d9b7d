"""The post's claims as the pages show them: the verdict on what the visitor trained, and the published one."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from toyviz import claims, studies
from toyviz.claims import published as publishing
from toyviz.control import Choice
from toyviz.result import Result
from toyviz.ui.frame import link, sentence

VERDICT_MARKS = {  # icon, colour and word of each verdict: the colour never stands alone
    "holds": ":green-badge[:material/check_circle: holds]",
    "partly": ":orange-badge[:material/contrast: partly]",
    "fails": ":red-badge[:material/cancel: fails]",
}


def claim(id: str, results: Sequence[Result], choice: Choice | None = None) -> None:
    """A claim of the post with its verdict on what the visitor trained.

    Where its evidence is not there: what is published, if the choice is that at which it was judged, else nothing.
    """
    keys = "".join(sorted(result.experiment.key for result in results))
    verdict = _judged(id, hashlib.sha256(keys.encode()).hexdigest(), results)
    if verdict is None:
        row = publishing.published().get(id) if choice and _is_evidence(id, choice) else None
        if row:
            with st.container(border=True, key=f"claim-{id}", gap="xsmall"):
                _claim_lines(claims.CLAIMS[id], row["verdict"], publishing.told(row))
                st.caption(
                    f":material/menu_book: published, over {row['seeds']} seeds at {publishing.SIZES[row['size']]}; "
                    "here its evidence is not trained yet."
                )
        return
    official = publishing.published().get(id)
    with st.container(border=True, key=f"claim-{id}", gap="xsmall"):
        found = claims.CLAIMS[id]
        _claim_lines(found, verdict.verdict, f"{sentence(verdict.measured)} {verdict.in_words(found.starts)}")
        if official and official["verdict"] != verdict.verdict:
            st.caption(
                f":material/menu_book: published: {official['verdict']} over {official['seeds']} seeds at "
                f"{publishing.SIZES[official['size']]}. Other settings, another size or fewer seeds can change it."
            )


def _is_evidence(id: str, choice: Choice) -> bool:
    """Whether this is the choice at which a claim was judged, whatever network of it is opened."""
    return all(choice.get(name) == value for name, value in _evidence(id).items())


@st.cache_resource(show_spinner=False)
def _evidence(id: str) -> Mapping[str, Any]:
    """What the controls of its view say where a claim was judged."""
    _, view, judged = studies.evidence(claims.CLAIMS[id])
    return {each.id: judged[each.id] for each in view.controls}


def published_claim(row: Mapping[str, Any], page: str) -> None:
    """A published verdict, why it is so or how far, and the way to the page that shows it."""
    found = claims.CLAIMS[row["id"]]
    with st.container(border=True, key=f"claim-{row['id']}", gap="xsmall"):
        _claim_lines(found, row["verdict"], publishing.told(row))
        if found.note:
            st.markdown(f":material/lightbulb: {found.note}")
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(f"`{row['id']}`: {row['seeds']} seeds at {publishing.SIZES[row['size']]}", width="content")
            link(page, width="content", query_params=address(found) or None)


def address(found: claims.Claim) -> dict[str, str]:
    """The parameters that open a claim where it was judged."""
    if not found.view:
        return dict(found.address)
    page, view, choice = studies.evidence(found)
    return page.write(view, choice)


def _claim_lines(found: claims.Claim, verdict: str, measured: str) -> None:
    many = "s" if len(found.post_claims) > 1 else ""
    source = f" :gray[Claim{many} {publishing.numbers(found)} of the post.]" if found.post_claims else ""
    st.markdown(f"{VERDICT_MARKS[verdict]} **{found.statement}**{source}")
    st.caption(sentence(measured).replace("$", "\\$"))


@st.cache_resource(show_spinner=False, max_entries=1024)
def _judged(id: str, keys: str, _results: Sequence[Result]) -> claims.Verdict | None:
    """The verdict, kept by what was judged: a check draws data again, and each click would wait for it."""
    return claims.judge(claims.CLAIMS[id], _results)
