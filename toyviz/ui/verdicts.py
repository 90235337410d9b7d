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
    "depends": ":blue-badge[:material/alt_route: depends]",
    "partly": ":orange-badge[:material/contrast: partly]",
    "fails": ":red-badge[:material/cancel: fails]",
}


def claim(id: str, results: Sequence[Result], choice: Choice | None = None) -> None:
    """A claim of the post with its verdict on what the visitor trained, and the published ones by recipe.

    Where its evidence is not there: what is published under the chosen recipe, if the choice is that at which it was
    judged, else nothing.
    """
    keys = "".join(sorted(result.experiment.key for result in results))
    verdict = _judged(id, hashlib.sha256(keys.encode()).hexdigest(), results)
    official, found = publishing.published().get(id), claims.CLAIMS[id]
    recipe = str(choice.get("recipe", "")) if choice else ""
    if verdict is None and not (official and choice and _is_evidence(id, choice)):
        return
    with st.container(border=True, key=f"claim-{id}", gap="xsmall"):
        if verdict:
            _claim_lines(found, verdict.verdict, f"{sentence(verdict.measured)} {verdict.in_words(found.starts)}")
            if official:
                st.caption(f":material/menu_book: published: {by_recipe(official)}.")
        elif official:
            said = recipe if recipe in official["recipes"] else next(iter(official["recipes"]))
            _claim_lines(found, official["recipes"][said]["verdict"], publishing.told(official, said))
            st.caption(
                f":material/menu_book: published: {by_recipe(official)}. Told here is {said}; its evidence is not "
                "trained yet."
            )


def by_recipe(row: Mapping[str, Any]) -> str:
    """The verdict over all recipes, and that under each: "depends (quick holds, paper fails)"."""
    each = ", ".join(f"{recipe} {found['verdict']}" for recipe, found in row["recipes"].items())
    return f"{row['verdict']} ({each})"


def _is_evidence(id: str, choice: Choice) -> bool:
    """Whether this is a choice at which a claim was judged, under any recipe, whatever network of it is opened."""
    judged = _evidence(id, str(choice.get("recipe", "")))
    return judged is not None and all(choice.get(name) == value for name, value in judged.items())


@st.cache_resource(show_spinner=False)
def _evidence(id: str, recipe: str) -> Mapping[str, Any] | None:
    """What the controls of its view say where a claim was judged under a recipe; None if that does not apply."""
    found = claims.CLAIMS[id]
    if recipe and recipe not in found.recipes:
        return None
    _, view, judged = studies.evidence(found, recipe)
    return {each.id: judged[each.id] for each in view.controls}


def published_claim(row: Mapping[str, Any], page: str) -> None:
    """A published claim: its verdict, that under the recipe which is switched to, why, and the way to its view."""
    found = claims.CLAIMS[row["id"]]
    with st.container(border=True, key=f"claim-{row['id']}", gap="xsmall"):
        st.markdown(f"{VERDICT_MARKS[row['verdict']]} **{found.statement}**{_source(found)}")
        if found.post_says:
            st.caption(f"The post: {found.post_says}".replace("$", "\\$"))
        recipe = _switched(row)
        under = row["recipes"][recipe]
        st.markdown(f"{VERDICT_MARKS[under['verdict']]} with the recipe **{recipe}**, over {under['seeds']} seeds")
        st.caption(sentence(publishing.told(row, recipe)).replace("$", "\\$"))
        if found.note:
            st.markdown(f":material/lightbulb: {found.note}")
        if found.changed:
            st.caption(f":material/edit_note: {found.changed}".replace("$", "\\$"))
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(f"`{row['id']}`", width="content")
            if studies.shows(found, recipe):
                link(page, width="content", query_params=address(found, recipe) or None)
            else:
                st.caption(
                    "No control asks for these networks: "
                    f"`python -m toyviz claims {row['id']} --recipe {recipe}` trains them."
                )


def _switched(row: Mapping[str, Any]) -> str:
    """The recipe whose verdict is looked at: a button for each, with its verdict's mark."""
    recipes = list(row["recipes"])
    marks = {recipe: VERDICT_MARKS[row["recipes"][recipe]["verdict"]] for recipe in recipes}
    chosen = st.segmented_control(
        "Recipe",
        recipes,
        default=recipes[0],
        required=True,
        format_func=lambda recipe: f"{_icon(marks[recipe])} {recipe}",
        key=f"recipe-{row['id']}",
        label_visibility="collapsed",
    )
    return str(chosen or recipes[0])


def _icon(mark: str) -> str:
    """The icon of a mark alone: ":material/cancel:"."""
    return mark[mark.index(":material/") :].split(" ")[0]


def address(found: claims.Claim, recipe: str = "") -> dict[str, str]:
    """The parameters that open a claim where it was judged, under its first recipe or this one."""
    if not found.view:
        return dict(found.address)
    page, view, choice = studies.evidence(found, recipe)
    return page.write(view, choice)


def _source(found: claims.Claim) -> str:
    """Which claims of the post it stands for."""
    if found.own:
        return " :gray[Our own finding.]"
    many = "s" if len(found.post_claims) > 1 else ""
    return f" :gray[Claim{many} {publishing.numbers(found)} of the post.]" if found.post_claims else ""


def _claim_lines(found: claims.Claim, verdict: str, measured: str) -> None:
    st.markdown(f"{VERDICT_MARKS[verdict]} **{found.statement}**{_source(found)}")
    st.caption(sentence(measured).replace("$", "\\$"))


@st.cache_resource(show_spinner=False, max_entries=1024)
def _judged(id: str, keys: str, _results: Sequence[Result]) -> claims.Verdict | None:
    """The verdict, kept by what was judged: a check draws data again, and each click would wait for it."""
    return claims.judge(claims.CLAIMS[id], _results)
