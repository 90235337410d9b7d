"""Claims: how seeds vote, evidence that can be trained, checks that can fail, published rows in step with the code."""

import functools
import json
import re
import weakref
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import app_at

from toyviz import claims, data, metrics, probe, settings, studies
from toyviz.__main__ import main, pages
from toyviz.claims import (
    CLAIMS,
    FIRST_SEED,
    OVERALL,
    SECTIONS,
    SEEDS,
    TESTABLE,
    VERDICTS,
    Claim,
    Finding,
    bottleneck,
    judge,
    overall,
    report,
)
from toyviz.claims import published as publishing
from toyviz.claims.claim import Verdict, best_of_starts, metric, training_size
from toyviz.experiment import Experiment, sparsity_of, sweep
from toyviz.model import initial_parameters
from toyviz.result import Result
from toyviz.schedules import learning_rates
from toyviz.settings import EXPERIMENTS
from toyviz.store import GALLERY, Store
from toyviz.train import train
from toyviz.ui import verdicts

ROOT = Path(__file__).parents[1]
TINY = Experiment(n_features=4, n_hidden=2, steps=2, batch_size=4)


def trained(experiment, parameters=None, **metrics):
    """A result with these parameters and metrics, as if it had been trained."""
    parameters = initial_parameters(experiment) | (parameters or {})
    parameters = {name: np.asarray(values, np.float32) for name, values in parameters.items()}
    known = dict.fromkeys(("train_loss", "test_loss", "train_accuracy", "test_accuracy"), 0.5)
    steps = np.array([experiment.steps])
    frames = {name: values[None] for name, values in parameters.items()}
    return Result(experiment, parameters, steps, np.ones(1, np.float32), steps, frames, known | metrics)


@pytest.mark.parametrize("name", ["train_loss", "test_loss", "train_accuracy", "test_accuracy"])
def test_no_check_takes_a_metric_that_is_missing_for_zero(name):
    assert metric(trained(TINY, **{name: 0.0}), name) == 0
    with pytest.raises(ValueError, match=f"metrics must have a {name} .* {TINY.key} has none"):
        metric(trained(TINY, **{name: None}), name)


def test_the_size_of_a_training_set_is_asked_only_where_there_is_one():
    assert training_size(trained(TINY.with_(n_samples=7, batch_size=1024))) == 7
    with pytest.raises(ValueError, match="n_samples must be a number"):
        training_size(trained(TINY))


def claim(check, id="tiny", **changes):
    """A claim whose evidence is one tiny network a seed."""
    evidence = lambda recipe, seed: [TINY.with_(seed=seed, steps=2 if recipe == "quick" else 3)]  # noqa: E731
    return replace(Claim(id, "It is so.", (1,), "superposition", evidence, check), **changes)


def voting(*votes):
    """A claim on which seed k votes votes[k], and the results of all these seeds."""
    said = {"holds": {"a": True, "b": True}, "partly": {"a": True, "b": False}, "fails": {"a": False, "b": False}}

    def check(results):
        vote = votes[results[0].experiment.seed]
        return Finding(said[vote], "so much") if vote else None

    return claim(check), [trained(TINY.with_(seed=seed)) for seed in range(len(votes))]


# ---- how a verdict comes about


@pytest.mark.parametrize(
    ("votes", "verdict"),
    [
        (["holds"], "holds"),
        (["holds", "holds", "holds", "fails"], "holds"),
        (["holds", "holds", "fails", "fails"], "partly"),
        (["fails", "fails", "fails", "holds"], "fails"),
        (["partly", "partly", "partly", "holds"], "partly"),
        (["holds", "partly", "fails"], "partly"),
    ],
)
def test_the_verdict_is_that_of_more_than_half_of_the_seeds(votes, verdict):
    found = judge(*voting(*votes))
    assert found.verdict == verdict
    assert found.seeds == len(votes)


def test_a_seed_without_evidence_has_no_vote():
    found = judge(*voting("holds", None, "holds", None))
    assert (found.verdict, found.seeds) == ("holds", 2)
    assert judge(*voting(None, None)) is None
    assert judge(voting("holds")[0], []) is None


def test_a_verdict_names_the_seed_the_votes_and_the_parts_that_were_not_so():
    assert judge(*voting("holds")) == ("holds", "seed 0: so much", 1, {"holds": 1}, 1, {})
    found = judge(*voting("partly", "holds", "holds", "holds"))
    assert found == ("holds", "seed 1: so much", 4, {"holds": 3, "partly": 1}, 4, {"b": 1})
    assert found.in_words() == "It holds in 3 of 4 seeds, holds in part in 1 of 4 seeds. Not so in 1 of 4: b."
    found = judge(*voting("holds", "fails", "holds", "fails"))
    assert found == ("partly", "seed 0: so much", 4, {"holds": 2, "fails": 2}, 4, {"a": 2, "b": 2})
    assert (
        judge(*voting("fails", "fails")).in_words()
        == "It fails in all 2 seeds. Not so in all 2: a. Not so in all 2: b."
    )


def test_a_plurality_of_partly_is_no_majority_and_all_votes_are_told():
    found = judge(*voting("holds", "partly", "partly", "fails"))
    assert (found.measured, found.votes) == ("seed 1: so much", {"holds": 1, "partly": 2, "fails": 1})


@pytest.mark.parametrize(
    ("parts", "verdict"),
    [("ab", "holds"), ("a", "partly"), ("b", "fails"), ("", "fails")],
)
def test_without_a_decisive_part_the_others_do_not_count(parts, verdict):
    so = {part: part in parts for part in "ab"}
    assert Finding(so, "so much", decisive=("a",)).verdict == verdict
    assert Finding(so, "so much").verdict == {"b": "partly"}.get(parts, verdict)


def test_a_group_of_starts_has_one_vote():
    seen = []

    def check(results):
        seen.append(sorted(result.experiment.seed for result in results))
        return Finding({"a": len(seen) != 2}, f"so much of {len(results)}")

    found = judge(claim(check, starts=4), [trained(TINY.with_(seed=seed)) for seed in range(8, 20)])
    assert seen == [[8, 9, 10, 11], [12, 13, 14, 15], [16, 17, 18, 19]]
    assert found == ("holds", "seeds 8 to 11: so much of 4", 12, {"holds": 2, "fails": 1}, 3, {"a": 1})
    assert found.in_words(4).startswith("It holds in 2 of 3 groups of 4 seeds, fails in 1 of 3 groups of 4 seeds.")


def test_a_claim_across_seeds_sees_them_all_at_once():
    seen = []

    def check(results):
        seen.append(sorted(result.experiment.seed for result in results))
        return Finding({"a": True, "b": False}, "so much")

    found = judge(claim(check, across_seeds=True), [trained(TINY.with_(seed=seed)) for seed in range(3)])
    assert seen == [[0, 1, 2]]
    assert found == ("partly", "so much", 3, {"partly": 1}, 1, {"b": 1})


# ---- verdicts by recipe


@pytest.mark.parametrize(
    ("verdicts", "together"),
    [
        (["holds", "holds"], "holds"),
        (["fails"], "fails"),
        (["fails", "fails", "fails"], "fails"),
        (["holds", "fails"], "depends"),
        (["holds", "partly"], "depends"),
        (["partly", "partly"], "partly"),
        (["partly", "fails"], "partly"),
    ],
)
def test_the_verdict_over_recipes(verdicts, together):
    assert overall(verdicts) == together
    with pytest.raises(ValueError, match="at least one"):
        overall([])


def test_with_the_notebooks_recipe_four_starts_share_the_training_set_of_their_seed():
    fixed = Experiment(n_features=4, n_hidden=2, steps=2, n_samples=3)
    evidence = lambda recipe, seed: [fixed.with_(seed=seed), fixed.with_(seed=seed, n_samples=5)]  # noqa: E731
    asked = replace(claim(None, evidence=evidence), recipes=("quick", "notebook"))
    assert asked.networks("quick", 100) == evidence("quick", 100)
    networks = asked.networks("notebook", 100)
    assert sorted({each.seed for each in networks}) == [400, 401, 402, 403]
    assert {(each.data_seed, each.n_samples) for each in networks} == {(100, 3), (100, 5)}
    assert len({data.training_samples(each).X.tobytes() for each in networks if each.n_samples == 3}) == 1
    with pytest.raises(ValueError, match="recipe must be one of quick, notebook for tiny; got 'paper'"):
        asked.networks("paper", 100)


def test_with_the_notebooks_recipe_one_hots_have_no_seed_of_their_own():
    evidence = lambda recipe, seed: [Experiment(data="one_hot", n_features=4, seed=seed)]  # noqa: E731
    asked = replace(claim(None, evidence=evidence), recipes=("notebook",))
    assert [each.data_seed for each in asked.networks("notebook", 2)] == [None] * 4


def test_of_four_starts_the_best_by_train_loss_has_their_vote():
    fixed, seen = TINY.with_(n_samples=3, batch_size=1024), []

    def check(results):
        seen.append([(result.experiment.seed, result.metrics["train_loss"]) for result in results])
        return Finding({"a": True}, "so much")

    losses = {8: 0.4, 9: 0.1, 10: 0.3, 11: 0.2, 12: 0.7, 13: 0.8, 14: 0.6, 15: 0.9}
    results = [trained(fixed.with_(seed=seed, data_seed=seed // 4), train_loss=loss) for seed, loss in losses.items()]
    found = judge(claim(check), results, "notebook")
    assert seen == [[(9, 0.1)], [(14, 0.6)]]
    assert (found.voters, found.seeds, found.measured) == (2, 8, "seed 2: so much")
    seen.clear()
    assert judge(claim(check, across_seeds=True), results, "notebook").seeds == 8
    assert seen == [[(2, 0.1), (3, 0.6)]]


def test_the_best_of_starts_is_of_each_experiment_and_by_test_loss_where_nothing_else_is_known():
    one = [trained(TINY.with_(seed=seed), train_loss=None, test_loss=5.0 - seed) for seed in range(4)]
    two = [trained(TINY.with_(seed=seed, n_hidden=3), train_loss=1.0 + seed) for seed in range(4)]
    kept = [(each.experiment.n_hidden, each.experiment.seed) for each in best_of_starts([*one, *two])]
    assert kept == [(2, 3), (3, 0)]


# ---- what every claim must have


@pytest.mark.parametrize("id", CLAIMS)
def test_the_evidence_of_a_claim_can_be_trained_and_is_of_its_seed(id):
    assert set(CLAIMS[id].recipes) <= set(settings.RECIPES)
    for recipe in CLAIMS[id].recipes:
        for seed in (0, 3):
            evidence = CLAIMS[id].evidence(recipe, seed)
            assert evidence
            assert len({experiment.key for experiment in evidence}) == len(evidence)
            seeds = {experiment.seed for experiment in evidence}
            if CLAIMS[id].starts == 1:
                assert seeds == {seed}
            else:
                assert len(seeds) == CLAIMS[id].starts
                assert len({each // CLAIMS[id].starts for each in seeds}) == 1


@pytest.mark.parametrize("id", CLAIMS)
def test_a_check_without_evidence_says_nothing(id):
    assert CLAIMS[id].check([]) is None
    assert CLAIMS[id].check([trained(TINY)]) is None


def test_ids_are_unique_and_readable():
    every = [claim.id for members in SECTIONS.values() for claim in members]
    assert len(every) == len(set(every)) == len(CLAIMS)
    assert [id for id in every if not re.fullmatch(r"[a-z][a-z0-9_]{2,40}", id)] == []


def test_every_claim_is_one_sentence_of_known_numbers_on_a_page_that_exists():
    names = {page["name"] for page in pages()}
    for claim in CLAIMS.values():
        assert re.fullmatch(r"[A-Z0-9].*[^.]\.", claim.statement), claim.id
        assert set(claim.post_claims) <= TESTABLE, claim.id
        assert len(set(claim.post_claims)) == len(claim.post_claims), claim.id
        assert claim.page in names, claim.id
        assert claim.recipes, claim.id
        assert list(claim.recipes) == [name for name in settings.RECIPES if name in claim.recipes], claim.id
        assert claim.post_claims or claim.own, claim.id
        assert claim.post_says or not claim.post_claims, claim.id


@pytest.mark.parametrize("id", CLAIMS)
def test_no_two_recipes_of_a_claim_train_the_same_networks(id):
    trained_by = [{each.key for each in CLAIMS[id].evidence(recipe, 0)} for recipe in CLAIMS[id].recipes]
    for first in range(len(trained_by)):
        assert all(trained_by[first] != other for other in trained_by[first + 1 :])


def test_every_testable_claim_of_the_post_has_a_check():
    covered = {number for claim in CLAIMS.values() for number in claim.post_claims}
    assert sorted(TESTABLE - covered) == []


def test_no_check_looks_at_the_history():
    for path in (ROOT / "toyviz/claims").glob("*.py"):
        if path.name != "report.py":
            assert not re.search(r"\.frames?\b|frame_steps", path.read_text(encoding="utf-8")), path.name


# ---- evidence is trained once, and not held for longer than it is needed


def test_shared_evidence_is_trained_once_and_forgotten_after_its_last_claim():
    asked, alive = [], []

    def train_one(claim, experiments):
        asked.append((claim.id, [experiment.seed for experiment in experiments]))
        for experiment in experiments:
            result = trained(experiment)
            alive.append(weakref.ref(result.parameters["W1"]))
            yield result

    held = Finding({"a": True}, "so much")
    one, two = claim(lambda results: held), claim(lambda results: held, "same")
    other = claim(lambda results: held, "other", evidence=lambda size, seed: [TINY.with_(seed=seed + 10)])
    judged = report.verdicts([(one, "quick"), (two, "quick"), (other, "quick")], range(2), train_one)
    assert [next(judged)[0].id, next(judged)[0].id] == ["tiny", "same"]
    assert asked == [("tiny", [0, 1])]
    assert [array() is not None for array in alive] == [True, True]
    assert next(judged)[2].seeds == 2
    assert asked[1:] == [("other", [10, 11])]
    assert [array() is not None for array in alive[:2]] == [False, False]


def test_a_failed_training_is_told_and_the_other_claims_are_judged():
    def train_one(claim, experiments):
        for experiment in experiments:
            yield "the steps are too large" if claim.id == "tiny" else trained(experiment)

    held = Finding({"a": True}, "so much")
    one = claim(lambda results: held)
    two = claim(lambda results: held, "other", evidence=lambda size, seed: [TINY.with_(seed=seed + 10)])
    _, first = [verdict for _, _, verdict in report.verdicts([(one, "quick"), (two, "quick")], range(1), train_one)][
        ::-1
    ]
    assert first == "tiny has no verdict under quick: the steps are too large"


def test_a_check_sees_the_trained_weights_but_no_history():
    def check(results):
        (result,) = results
        assert result.frame_steps.tolist() == [TINY.steps]
        np.testing.assert_array_equal(result.frame(0)["W1"], result.W1)
        return Finding({"a": True}, "so much")

    ((_, _, verdict),) = report.verdicts(
        [(claim(check), "quick")], range(1), lambda claim, experiments: map(train, experiments)
    )
    assert verdict.verdict == "holds"


# ---- the command


@pytest.fixture
def two_claims(monkeypatch, tmp_path):
    """Two claims on tiny networks in place of all others, and a folder to publish in."""
    so = claim(lambda results: Finding({"a": True}, "1 of 1"), "so")
    not_so = claim(lambda results: Finding({"a": False}, "0 of 1"), "not_so", note="It never was.")
    for module in (claims, publishing):
        monkeypatch.setattr(module, "CLAIMS", {"so": so, "not_so": not_so})
        monkeypatch.setattr(module, "SECTIONS", {"Bottleneck": (so, not_so)})
    monkeypatch.setenv("TOYVIZ_CACHE", str(tmp_path / "cache"))
    (tmp_path / "toyviz/claims").mkdir(parents=True)
    (tmp_path / "README.md").write_text(
        f"before\n{publishing.BEGIN}\nstale\n{publishing.END}\nafter\n", encoding="utf-8"
    )
    monkeypatch.setattr(publishing, "publish", functools.partial(publishing.publish, root=tmp_path))
    monkeypatch.setattr(publishing, "DATA", tmp_path / "toyviz/claims/published.json")
    monkeypatch.setattr(publishing, "ROOT", tmp_path)
    publishing.published.cache_clear()
    yield tmp_path
    publishing.published.cache_clear()


def run(*words):
    try:
        return main(["claims", *words])
    except SystemExit as end:
        return end.code


def test_the_command_tells_verdicts_as_json_and_a_claim_that_fails_is_no_error(two_claims, capsys):
    assert run("--json", "--seeds", "2") == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["id"] for row in rows] == ["so", "not_so"]
    assert [row["verdict"] for row in rows] == ["holds", "fails"]
    assert rows[1] == {
        "id": "not_so",
        "statement": "It is so.",
        "post_claims": [1],
        "own": False,
        "verdict": "fails",
        "recipes": {
            "quick": {
                "verdict": "fails",
                "measured": "seed 100: 0 of 1",
                "seeds": 2,
                "votes": {"fails": 2},
                "voters": 2,
                "missed": {"a": 2},
            }
        },
    }


@pytest.mark.parametrize("option", ["--recipe", "--size"])
def test_the_command_takes_some_claims_a_recipe_and_seeds(two_claims, capsys, option):
    assert run("so", option, "paper", "--seeds", "1", "--first-seed", "7") == 0
    out = capsys.readouterr().out
    assert out == "holds  so                                1 seed, paper: seed 7: 1 of 1.\n"


def test_the_command_tells_what_publishing_would_train_and_trains_nothing(two_claims, capsys):
    assert run("--grid", "--json") == 0
    lines = json.loads(capsys.readouterr().out)
    assert [(line["claim"], line["recipe"], line["networks"]) for line in lines] == [
        *(("so", "quick", SEEDS), ("so", "paper", SEEDS), ("not_so", "quick", SEEDS), ("not_so", "paper", SEEDS))
    ]
    assert [line["hours"] > 0 for line in lines] == [True, True, False, False]  # the same networks cost once
    assert not (two_claims / "cache").exists()
    assert run("--grid") == 0
    assert capsys.readouterr().out.splitlines()[-1].split()[0] == "together"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["nothing"], "'nothing' is not a claim; the claims are so, not_so"),
        (["--seeds", "0"], "must be a whole number from 1"),
        (["--first-seed", "0", "--publish"], f"--first-seed must be at least {FIRST_SEED} to publish; got 0"),
        (["--seeds", "2", "--publish"], f"--seeds must be at least {SEEDS} to publish; got 2"),
        (["--recipe", "huge"], f"must be one of {', '.join(settings.RECIPES)}; got 'huge'"),
        (["--recipe", "notebook"], "--recipe must be one of quick, paper for so; got 'notebook'"),
        (["--first-seed=-1"], "must be a whole number from 0; got '-1'"),
        (["--publish", "--published"], "not allowed with"),
        (
            ["--first-seed", "2147483647", "--seeds", "2"],
            "--first-seed 2147483647 with --seeds 2 is not possible: seed",
        ),
        (["--grid", "--seeds", "9" * 30], f"networks of these claims over {'9' * 30} seeds must be"),
        (["--grid", "--seeds", "99999999"], "networks of these claims over 99999999 seeds must be at most"),
    ],
)
def test_the_command_refuses_bad_input_in_a_sentence(two_claims, capsys, words, sentence):
    assert run(*words) == 2
    told = capsys.readouterr().err
    assert sentence in told
    assert len(told.strip().splitlines()) == 1


def test_what_is_published_is_written_three_times_and_told_again(two_claims, capsys):
    assert run("--published", "--json") == 0
    assert json.loads(capsys.readouterr().out) == []
    assert run("--publish", "--json") == 0
    written = json.loads(capsys.readouterr().out)
    assert [(row["id"], *row["recipes"]) for row in written] == [
        *(("so", "quick"), ("so", "paper"), ("not_so", "quick"), ("not_so", "paper"))
    ]
    rows = json.loads((two_claims / "toyviz/claims/published.json").read_text(encoding="utf-8"))
    assert [row["recipes"] for row in rows] == [written[at]["recipes"] | written[at + 1]["recipes"] for at in (0, 2)]
    assert {found["seeds"] for row in rows for found in row["recipes"].values()} == {SEEDS}
    page, readme = ((two_claims / name).read_text(encoding="utf-8") for name in ("CLAIMS.md", "README.md"))
    assert "| **holds** | `so` | 1 | holds 4/4 | holds 4/4 |  |  |  |" in page
    assert "**`so`** It is so." in page
    assert "- quick, 4 seeds: **fails**. seed 100: 0 of 1." in page
    assert "- It never was." in page
    assert readme.startswith("before\n")
    assert readme.endswith("after\n")
    assert "stale" not in readme
    assert "| **all** | 2 | 1 | 0 | 0 | 1 |" in readme
    assert "Not so: `not_so`." in readme
    assert run("--published", "--json", "not_so") == 0
    assert json.loads(capsys.readouterr().out) == rows[1:]


def so_published(**verdicts):
    """A row of "so" as it is published: recipe = verdict."""
    found = {name: Verdict(verdict, "−1 of 1", 4, {verdict: 4}, 4, {})._asdict() for name, verdict in verdicts.items()}
    return publishing.row(claims.CLAIMS["so"], found)


def test_what_is_published_is_one_field_a_line_in_plain_letters(two_claims):
    publishing.publish([so_published(paper="holds")])
    lines = (two_claims / "toyviz/claims/published.json").read_text(encoding="utf-8").splitlines()
    assert '    "measured": "−1 of 1",' in lines


def test_a_verdict_that_depends_names_the_recipes(two_claims):
    row = so_published(quick="holds", paper="fails")
    assert row["verdict"] == "depends"
    assert verdicts.by_recipe(row) == "depends (quick holds, paper fails)"
    assert verdicts.by_recipe(so_published(quick="fails")) == "fails (quick fails)"
    assert "It depends on the recipe: `so`." in publishing.summary({"so": row})


def test_what_is_our_own_is_not_counted_among_the_posts_claims(two_claims, monkeypatch):
    own = replace(claims.CLAIMS["not_so"], own=True, post_claims=())
    monkeypatch.setitem(publishing.CLAIMS, "not_so", own)
    monkeypatch.setattr(publishing, "SECTIONS", {"Bottleneck": (claims.CLAIMS["so"], own)})
    rows = {"so": so_published(quick="holds"), "not_so": so_published(quick="fails") | {"id": "not_so", "own": True}}
    assert "| **all** | 1 | 1 | 0 | 0 | 0 |" in publishing.summary(rows)
    assert "1 findings of our own" in publishing.summary(rows)
    page = publishing.markdown(rows)
    assert "`not_so`" not in page.split("## Our own findings")[0]
    assert "**`not_so`**" in page.split("## Our own findings")[1]


def test_claims_that_are_not_published_yet_are_left_out(two_claims, monkeypatch):
    rows = {"so": so_published(paper="holds")}
    story = replace(claims.CLAIMS["so"], post_claims=(1, 2))
    pair = replace(claims.CLAIMS["not_so"], starts=2)
    monkeypatch.setattr(publishing, "CLAIMS", {"so": story, "not_so": pair})
    monkeypatch.setattr(publishing, "SECTIONS", {"Bottleneck": (story, pair), "Appendix": (pair,)})
    assert publishing.summary(rows).splitlines()[2:4] == [
        "| Bottleneck | 1 | 1 | 0 | 0 | 0 |",
        "| **all** | 1 | 1 | 0 | 0 | 0 |",
    ]
    page = publishing.markdown(rows)
    assert "1 checks stand for 1 of the 64 testable claims." in page  # claim 2 of the post tells a story
    assert "not_so" not in page
    assert "## Appendix" not in page
    every = rows | {"not_so": rows["so"] | {"id": "not_so"}}
    assert "`not_so`, 2" in publishing.rule(every)
    assert "`so`, 1" not in publishing.rule(every)


def test_publishing_one_recipe_of_one_claim_leaves_the_others(two_claims, capsys, monkeypatch):
    assert run("--publish") == 0
    turned = replace(claims.CLAIMS["so"], check=lambda results: Finding({"a": False}, "0 of 1"))
    monkeypatch.setitem(claims.CLAIMS, "so", turned)
    assert run("so", "--publish", "--recipe", "quick") == 0
    rows = json.loads((two_claims / "toyviz/claims/published.json").read_text(encoding="utf-8"))
    said = [{name: found["verdict"] for name, found in row["recipes"].items()} for row in rows]
    assert said == [{"quick": "fails", "paper": "holds"}, {"quick": "fails", "paper": "fails"}]
    assert [row["verdict"] for row in rows] == ["depends", "fails"]


def test_evidence_is_kept_in_the_store_with_a_short_history(two_claims, capsys):
    from toyviz.store import default_store

    assert run("so", "--seeds", "1") == 0
    assert "so: 1 of 1 trained" in capsys.readouterr().err
    assert run("so", "not_so", "--seeds", "1") == 0
    assert "trained" not in capsys.readouterr().err
    kept = default_store().get(TINY.with_(seed=FIRST_SEED))
    assert kept.provenance["note"].startswith("history of")
    np.testing.assert_array_equal(kept.W1, train(TINY.with_(seed=FIRST_SEED)).W1)


# ---- what is published


def test_every_claim_is_published_as_the_code_says_it():
    rows = publishing.published()
    assert list(rows) == list(CLAIMS)
    for id, row in rows.items():
        assert tuple(row) == publishing.COLUMNS
        assert row["statement"] == CLAIMS[id].statement
        assert row["post_claims"] == list(CLAIMS[id].post_claims)
        assert row["own"] == CLAIMS[id].own
        assert tuple(row["recipes"]) == CLAIMS[id].recipes
        assert row["verdict"] == overall(found["verdict"] for found in row["recipes"].values())
        for found in row["recipes"].values():
            assert tuple(found) == Verdict._fields
            assert found["verdict"] in VERDICTS
            assert found["seeds"] >= SEEDS
            assert found["measured"]
            numbers = [int(seed) for seed in re.findall(r"seeds? (\d+)", found["measured"])]
            assert all(number >= FIRST_SEED for number in numbers)


def test_whatever_does_not_hold_is_explained():
    missed = [id for id, row in publishing.published().items() if row["verdict"] != "holds"]
    assert [id for id in missed if not CLAIMS[id].note] == []


def test_claims_md_and_the_readme_say_what_is_published():
    rows = publishing.published()
    assert (ROOT / "CLAIMS.md").read_text(encoding="utf-8") == publishing.markdown(rows)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    block = readme.split(publishing.BEGIN)[1].split(publishing.END)[0]
    assert block.strip() == publishing.summary(rows)


def test_claims_md_names_every_claim_and_the_readmes_counts_add_up():
    page = (ROOT / "CLAIMS.md").read_text(encoding="utf-8")
    assert [id for id in CLAIMS if f"`{id}`" not in page] == []
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    total = re.search(r"^\| \*\*all\*\* \| (\d+) \| (\d+) \| (\d+) \| (\d+) \| (\d+) \|$", readme, re.MULTILINE)
    claims, *verdicts = map(int, total.groups())
    posts = [claim for claim in CLAIMS.values() if not claim.own]
    assert claims == len(posts) == sum(verdicts)
    votes = [row["verdict"] for row in publishing.published().values() if not row["own"]]
    assert verdicts == [votes.count(verdict) for verdict in OVERALL]


# ---- on the pages


def drawn(results, official=None):
    """What ui.claim draws for the claim about dense features, and the published row beside it."""
    from unittest.mock import patch

    from streamlit.testing.v1 import AppTest

    def page(results):
        from toyviz import ui

        ui.claim("dense_keeps_the_most_important", results)

    with patch.object(
        publishing, "published", lambda: {"dense_keeps_the_most_important": official} if official else {}
    ):
        app = AppTest.from_function(page, args=(results,), default_timeout=300).run()
    assert not app.exception
    return [each.value for each in app.markdown], [each.value for each in app.caption]


def test_a_page_says_a_verdict_with_an_icon_and_a_word_and_turns_when_it_breaks():
    holds, measured = drawn([at_density(1, np.eye(5), MEAN_OF_THE_OTHERS)])
    assert len(holds) == 1
    assert holds[0].startswith(":green-badge[:material/check_circle: holds] **When all features are dense")
    assert "Claims 1, 6 of the post" in holds[0]
    assert measured[0].startswith("Seed 0: lengths 1.00 to 1.00")
    other = at_density(1, pairs(5), MEAN_OF_THE_OTHERS)
    partly, _ = drawn([replace(other, experiment=other.experiment.with_(seed=1))])  # a verdict is kept by the key
    assert partly[0].startswith(":orange-badge[:material/contrast: partly]")


def test_a_page_says_nothing_without_evidence():
    assert drawn([]) == ([], [])
    assert drawn([at_density(0.1, np.eye(5))]) == ([], [])


def test_a_page_tells_the_published_verdicts_by_recipe():
    results = [at_density(1, np.eye(5), MEAN_OF_THE_OTHERS)]
    found = {"quick": {"verdict": "holds"}, "paper": {"verdict": "fails"}}
    _, told = drawn(results, {"verdict": "depends", "recipes": found})
    assert "published: depends (quick holds, paper fails)" in told[1]


def shown_claims(**address):
    """The table of the claims page, and what stands beside it."""
    app = app_at("pages/claims/claims.py", timeout=300, **address).run()
    assert not app.exception
    return app, (list(app.dataframe[0].value["claim"]) if app.dataframe else [])


def every_word(row):
    """What is told of a claim under all recipes."""
    return " ".join(publishing.told(row, recipe) for recipe in row["recipes"])


def test_the_claims_page_has_one_line_for_every_published_claim():
    _, lines = shown_claims()
    assert sorted(lines) == sorted(row["statement"] for row in publishing.published().values())


@pytest.mark.parametrize(
    ("address", "fits"),
    [
        (
            {"words": "polygon"},
            lambda row: "polygon" in f"{row['id']} {row['statement']} {every_word(row)}".lower(),
        ),
        ({"words": "13"}, lambda row: 13 in row["post_claims"]),
        ({"verdict": "fails"}, lambda row: row["verdict"] == "fails"),
        (
            {"section": "Final layer"},
            lambda row: row["id"] in {each.id for each in SECTIONS["Final layer"] if not each.own},
        ),
        ({"section": "Our own findings"}, lambda row: row["own"]),
    ],
)
def test_the_claims_page_shows_those_that_were_asked_for(address, fits):
    _, lines = shown_claims(**address)
    wanted = [row["statement"] for row in publishing.published().values() if fits(row)]
    assert 0 < len(wanted) < len(publishing.published())
    assert sorted(lines) == sorted(wanted)


def test_the_claims_page_says_why_it_shows_none():
    app, lines = shown_claims(words="no such words")
    assert lines == []
    assert any(each.value.startswith("No claim fits all of these") for each in app.markdown)
    app, lines = shown_claims(words="8")
    assert lines == []
    assert any(each.value.startswith("Claim 8 of the post tells a story") for each in app.markdown)


@pytest.mark.parametrize("id", ["schedule_matters", "untied_has_no_squares"])
def test_the_claim_that_an_address_names_is_told_with_its_numbers_why_and_its_evidence(id):
    app, _ = shown_claims(claim=id)
    said, row = [each.value for each in app.markdown], publishing.published()[id]
    assert any(row["statement"] in each and "-badge[" in each for each in said)
    assert any(CLAIMS[id].note in each for each in said) or not CLAIMS[id].note
    first = next(iter(row["recipes"].values()))
    assert any(first["measured"][1:] in each.value for each in app.caption)
    (link,) = app.get("page_link")
    assert CLAIMS[id].page in link.proto.page


@pytest.mark.parametrize("former", claims.FORMER)
def test_an_address_that_names_a_claim_by_its_former_id_opens_what_it_became(former):
    assert former not in CLAIMS
    app, _ = shown_claims(claim=former)
    assert any(CLAIMS[claims.FORMER[former]].statement in each.value for each in app.markdown)


def test_the_table_has_the_mark_of_every_recipe_and_switching_turns_the_verdict():
    id, row = next(
        (id, row) for id, row in publishing.published().items() if row["verdict"] == "depends" and not row["own"]
    )
    app, _ = shown_claims(claim=id)
    table = app.dataframe[0].value
    (line,) = table[table["claim"] == row["statement"]].to_dict("records")
    assert line["verdict"] == "⇄ depends"
    assert [name for name in settings.RECIPES if line[name]] == list(row["recipes"])
    marks = {"holds": "✓", "partly": "◐", "fails": "✗"}
    assert all(line[name] == marks[found["verdict"]] for name, found in row["recipes"].items())
    for recipe, found in row["recipes"].items():
        app.button_group(key=f"recipe-{id}").set_value(recipe).run()
        assert not app.exception
        assert any(found["measured"][1:] in each.value for each in app.caption)
        assert any(f" {found['verdict']}]" in each.value and f"**{recipe}**" in each.value for each in app.markdown)


@pytest.mark.parametrize(("id", "recipe"), [(id, recipe) for id, claim in CLAIMS.items() for recipe in claim.recipes])
def test_the_link_of_a_claim_leads_to_networks_that_its_check_can_judge(id, recipe, untrained):
    claim, store = CLAIMS[id], untrained()
    page, view, choice = studies.evidence(claim, recipe)
    opened = page.read(verdicts.address(claim, recipe))
    assert (opened.view, opened.not_understood, dict(opened.choice)) == (view, (), dict(choice))
    if not studies.shows(claim, recipe):
        return
    with np.errstate(invalid="ignore"):  # a bias that nobody has trained is 0 and correlates with nothing
        assert judge(claim, [store.get(each) for each in view.plan(choice).experiments]) is not None


# ---- the bottleneck's checks: networks that must hold, and counter-examples

SUPERPOSITION = EXPERIMENTS["superposition"].quick  # n = 20, m = 5
DESCENT = EXPERIMENTS["double_descent"].quick
UNTIED = EXPERIMENTS["double_descent_untied"].quick


def at_density(density, W1, b2=0.0, **metrics):
    W1 = np.asarray(W1, float)
    W1 = np.pad(W1, ((0, 5 - len(W1)), (0, 20 - W1.shape[1])))
    return trained(SUPERPOSITION.with_(sparsity=sparsity_of(density)), {"W1": W1, "b2": np.zeros(20) + b2}, **metrics)


def pairs(count):
    """Features 0 ... 2 count - 1 as count pairs in opposite directions."""
    return np.stack([sign * np.eye(5)[k] for k in range(count) for sign in (1, -1)], axis=1)


MEAN_OF_THE_OTHERS = np.where(np.arange(20) < 5, 0, 0.5)


def test_five_features_of_length_1_are_what_a_dense_bottleneck_keeps():
    check = bottleneck.dense_keeps_the_most_important
    assert check([at_density(1, np.eye(5), MEAN_OF_THE_OTHERS)]).verdict == "holds"
    paired = check([at_density(1, pairs(5), MEAN_OF_THE_OTHERS)])
    assert not paired.parts["the others are given up"]
    assert not paired.parts["none shares its direction"]
    assert not check([at_density(1, np.eye(5), 0.0)]).parts[
        "the biases are 0 for the stored and the mean for the others"
    ]
    last_five = np.roll(np.pad(np.eye(5), ((0, 0), (0, 15))), 15, axis=1)
    assert check([at_density(1, last_five, MEAN_OF_THE_OTHERS[::-1])]).verdict == "partly"


@pytest.mark.parametrize(
    ("part", "changed", "inside", "outside"),
    [
        ("the m most important are stored whole", "length", 0.91, 0.89),
        ("the m most important are stored whole", "length", 1.09, 1.11),
        ("the others are given up", "other", 0.14, 0.16),
        ("none shares its direction", "shared", 0.045, 0.055),
        ("the biases are 0 for the stored and the mean for the others", "bias", 0.045, 0.055),
        ("the biases are 0 for the stored and the mean for the others", "bias", -0.045, -0.055),
        ("the biases are 0 for the stored and the mean for the others", "mean", 0.455, 0.445),
        ("the biases are 0 for the stored and the mean for the others", "mean", 0.545, 0.555),
    ],
)
def test_each_part_of_the_dense_bottleneck_turns_at_its_own_threshold(part, changed, inside, outside):
    def found(value):
        W1, b2 = np.pad(np.eye(5), ((0, 0), (0, 15))), MEAN_OF_THE_OTHERS.copy()
        if changed == "length":
            W1[0, 0] = value
        elif changed == "other":
            W1[0, 12] = value
        elif changed == "shared":  # sin^2 of how far column 1 leans towards column 0
            W1[:2, 1] = np.sqrt(value), np.sqrt(1 - value)
        else:
            b2[{"bias": 2, "mean": 9}[changed]] = value
        return bottleneck.dense_keeps_the_most_important([at_density(1, W1, b2)]).parts[part]

    assert found(inside)
    assert not found(outside)


def test_evidence_down_to_a_density_of_three_hundredths_is_enough_and_four_stored_features_are():
    runs = [at_density(d, pairs(5)) for d in (1, 0.3, 0.1, 0.03)]
    assert bottleneck.sparser_stores_more(runs) is not None
    assert bottleneck.sparser_stores_more([*runs[:3], at_density(0.04, pairs(5))]) is None
    assert bottleneck.least_important_share_first([at_density(0.3, np.eye(5)[:, :4])]) is not None
    assert bottleneck.least_important_share_first([at_density(0.3, np.eye(5)[:, :3])]).verdict == "fails"


def test_more_features_at_lower_density_hold_and_fewer_fail():
    check = bottleneck.sparser_stores_more
    sparser = [at_density(1, np.eye(5)), *(at_density(d, pairs(5)) for d in (0.1, 0.03, 0.01))]
    assert check(sparser).verdict == "holds"
    assert check([at_density(d, np.eye(5)) for d in (1, 0.1, 0.03, 0.01)]).verdict == "fails"
    fewer = [at_density(1, pairs(5)), *(at_density(d, pairs(2)) for d in (0.1, 0.03, 0.01))]
    assert check(fewer).verdict == "fails"
    assert check(sparser[:3]) is None


def test_the_least_important_must_be_the_ones_that_share():
    check = bottleneck.least_important_share_first
    first = np.concatenate([np.eye(5)[:, :3], pairs(5)[:, 6:]], axis=1)  # 0, 1, 2 alone; 3 to 6 in pairs
    assert check([at_density(0.3, first)]).verdict == "holds"
    turned = check([at_density(0.3, first[:, ::-1])])
    assert not turned.parts["the most important feature is alone"]
    assert not turned.parts["the less important half shares more"]
    assert not check([at_density(0.3, np.eye(5))]).parts["they share in opposite pairs"]


def starts(represented, usual=(10, 10, 10, 10), loss=1.0):
    """Networks with so many features a seed, from a bias of -1 and from 0."""
    found = []
    for offset, counts, test_loss in ((-1.0, represented, loss), (0.0, usual, 1.0)):
        for seed, count in enumerate(counts):
            result = at_density(0.1, np.eye(5)[:, np.arange(count) % 5], test_loss=test_loss + seed / 100)
            found.append(replace(result, experiment=result.experiment.with_(seed=seed, bias_offset=offset)))
    return found


def test_another_start_of_the_bias_must_end_further_off_than_seeds_differ():
    check = bottleneck.bias_start_matters
    assert check(starts([6, 6, 7, 6])).verdict == "holds"
    assert check(starts([9, 10, 9, 9])).verdict == "fails"
    assert check(starts([6, 14, 6, 14])).verdict == "fails"
    assert check(starts([10, 10, 10, 10], loss=3.0)).verdict == "holds"
    assert check(starts([10, 10, 10, 10], loss=1.2)).verdict == "fails"
    assert check(starts([6, 6, 6, 6])[:4]) is None
    assert check(starts([8, 8, 8, 8])).verdict == "holds"  # two features, and half as much again of the loss, count
    assert check(starts([9, 9, 9, 9])).verdict == "fails"
    assert check(starts([10, 10, 10, 10], loss=1.6)).verdict == "holds"
    assert check(starts([10, 10, 10, 10], loss=1.45)).verdict == "fails"
    assert check(starts([10, 10, 10, 10], loss=0.65)).verdict == "holds"
    assert check(starts([10, 10, 10, 10], loss=0.68)).verdict == "fails"
    assert check(starts([6, 6, 6, 14])).verdict == "holds"  # three quarters of its seeds are enough
    assert check(starts([13, 13, 13, 13], usual=(9, 10, 10, 14))).verdict == "fails"
    other = at_density(0.03, np.eye(5))  # a density that nobody started at from 0
    other = replace(other, experiment=other.experiment.with_(bias_offset=-1.0))
    assert check([*starts([10, 10, 10, 10]), other]).verdict == "fails"
    told = check(starts([6, 6, 7, 6])).measured
    assert told == "start at −1: 6.2 instead of 10.0 features at density 0.1"
    assert check(starts([10, 10, 10, 10])).measured == "the same as from 0 at every density"


def polygon(T, radius=1.0):
    """A network of m = 2 that sends its T training samples to the corners of a regular polygon."""
    experiment = DESCENT.with_(n_samples=T)
    X = data.training_samples(experiment).X.astype(float)
    angles = 2 * np.pi * np.arange(T) / T
    corners = radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    result = trained(experiment, {"W1": (np.linalg.pinv(X) @ corners).T}, train_loss=1e-6, test_loss=1.0)
    np.testing.assert_allclose(probe.hidden_vectors(result), corners, atol=1e-5)
    return result


def with_features(T, count, **metrics):
    """A network of m = 2 with so many columns of length 1 evenly around, and nothing else."""
    angles = 2 * np.pi * np.arange(count) / max(count, 1)
    W1 = np.zeros((2, DESCENT.n_features))
    W1[:, :count] = [np.cos(angles), np.sin(angles)]
    return trained(DESCENT.with_(n_samples=T), {"W1": W1}, **metrics)


LOSSES = {15: 1.0, 30: 1.0, 50: 1.1, 100: 2.0, 200: 10.0, 500: 3.0, 1000: 0.991, 2000: 0.989}


def descent(losses=LOSSES, first=1000, count=5):
    """A sweep over T with these test losses, and features from T = first on."""
    few = [polygon(T) for T in (3, 5, 6)]
    return few + [
        with_features(T, count if first <= T else 0, test_loss=loss, train_loss=0.9) for T, loss in losses.items()
    ]


def test_a_bump_inside_is_double_descent_and_a_falling_curve_is_not():
    check = bottleneck.loss_peaks_and_ends_below_the_constant
    assert check(descent()).verdict == "holds"
    falling = {T: 1.2 - k / 10 for k, T in enumerate(LOSSES)}
    assert check(descent(falling)).verdict == "fails"
    assert check(descent(falling)).measured.startswith("test loss has no peak inside and ends at 0.5")
    rising = {T: 1 + k for k, T in enumerate(LOSSES)}
    assert check(descent(rising)).verdict == "fails"
    assert check(descent(LOSSES | {15: 90.0})).verdict == "holds"  # higher before: the peak is one of its own
    assert not check(descent(LOSSES | {2000: 0.999})).parts["the largest T beats the best constant output"]
    assert check(descent()[:6]) is None


HEIGHTS = {2: 1.0, 5: 1.1, 10: 2.0, 20: 10.0, 50: 3.0, 100: 0.99, 200: 0.98}  # over T times n / 100


def of_size(n_features, peak=20, first=100, seed=0, count=5):
    """A sweep over T of this size whose highest loss and first features are at this T times n / 100."""
    found = []
    for tenth, loss in (HEIGHTS | {peak: 20.0}).items():
        W1 = np.zeros((2, n_features))
        if first is not None and first <= tenth:
            angles = 2 * np.pi * np.arange(count) / count
            W1[:, :count] = [np.cos(angles), np.sin(angles)]
        sizes = {"n_features": n_features, "n_samples": tenth * n_features // 100}
        experiment = DESCENT.with_(**sizes, sparsity=1 - 10 / n_features, seed=seed)
        found.append(trained(experiment, {"W1": W1}, test_loss=loss))
    return found


def of_both(small, large):
    """Sweeps of both sizes, each seed with the (peak, first) of its place in these lists."""
    pairs_ = [(1000, small), (10_000, large)]
    return [r for n, each in pairs_ for k, (peak, first) in enumerate(each) for r in of_size(n, peak, first, seed=k)]


EARLIER, FEATURES_TOO = "the peak comes ten times earlier", "so do the features"


@pytest.mark.parametrize(
    ("small", "large", "said"),
    [
        ([(20, 100)] * 4, [(20, 100)] * 4, []),
        ([(20, 100)] * 4, [(20, 100)] * 3 + [(50, 200)], []),
        ([(20, 100)] * 4, [(100, 100)] * 4, [EARLIER]),  # more than 25 times in every seed
        ([(100, 100)] * 4, [(20, 100)] * 4, [EARLIER]),  # less than 4 times
        ([(20, 100)] * 4, [(20, 200)] * 4, [FEATURES_TOO]),
        ([(20, 100)] * 4, [(20, 200)] * 3 + [(20, 100)], []),  # so far apart seeds are too
        ([(20, 50)] * 4, [(20, 200)] * 3 + [(20, 50)], [FEATURES_TOO]),
        ([(20, 100)] * 4, [(20, None)] + [(20, 100)] * 3, []),
        ([(20, 100)] * 4, [(20, None)] * 2 + [(20, 100)] * 2, [FEATURES_TOO]),
        ([(2, 100)] * 4, [(2, 100)] * 4, [EARLIER]),  # the first of the list is no peak
    ],
)
def test_ten_times_earlier_is_a_ratio_of_two_sizes(small, large, said):
    assert denied(bottleneck.ten_times_earlier(of_both(small, large))) == said


def test_without_networks_of_both_sizes_nothing_is_said_of_ten_times():
    check = bottleneck.ten_times_earlier
    assert check(descent(first=500)) is None
    assert check(of_size(10_000)) is None
    seeds_apart = of_both([(20, 100)], []) + of_size(10_000, seed=7)
    assert check(seeds_apart) is None


def test_features_in_groups_are_no_evidence_for_claims_about_independent_ones():
    result = at_density(1, np.eye(5), MEAN_OF_THE_OTHERS)
    check = bottleneck.dense_keeps_the_most_important
    assert check([result]) is not None
    assert check([replace(result, experiment=result.experiment.with_(data="correlated"))]) is None


@pytest.mark.parametrize("top", [2.4, 2.8, 3.1])
def test_a_peak_between_two_sizes_is_the_vertex_of_a_parabola_in_logarithms(top):
    losses = {T: float(np.exp(5 - 0.7 * (np.log(T) - top) ** 2)) for T in (5, 10, 20, 30, 70)}
    assert bottleneck._refined_peak(losses) == pytest.approx(np.exp(top))
    assert bottleneck._refined_peak({T: float(T) for T in losses}) is None
    flat = bottleneck._refined_peak({5: 1.0, 10: 2.0, 20: 2.0, 70: 1.0})
    assert 10 <= flat <= 20
    assert bottleneck._refined_peak(dict.fromkeys((5, 10, 20), 1.0)) is None


def test_the_evidence_for_ten_times_earlier_is_of_both_sizes_on_the_same_grid():
    for recipe in CLAIMS["ten_times_earlier"].recipes:
        sizes = {1000: [], 10_000: []}
        for e in CLAIMS["ten_times_earlier"].evidence(recipe, 10):
            sizes[e.n_features].append(e.n_samples)
            assert e.density * e.n_features == pytest.approx(10)
        assert sizes[1000] == list(bottleneck.TENTHS)
        assert [T / 10 for T in sizes[10_000]] == sizes[1000][: len(sizes[10_000])]
        assert max(sizes[10_000]) >= 20_000


def test_a_polygon_that_gives_way_to_features_is_a_way_from_memorising_to_generalising():
    check = bottleneck.memorises_then_generalises
    assert check(descent()).verdict == "holds"
    assert not check(descent(first=200)).parts["T = 200 is neither memorised nor has features"]
    assert not check(descent(first=5000)).parts["many samples give features"]
    for train_loss, so in ((0.019, True), (0.025, False)):
        few = [replace(result, metrics=result.metrics | {"train_loss": train_loss}) for result in descent()[:3]]
        assert check([*few, *descent()[3:]]).parts["T = 3, 5 and 6 are memorised"] == so
    folded = [replace(result, parameters=result.parameters | {"W1": 0 * result.W1}) for result in descent()[:3]]
    assert not check([*folded, *descent()[3:]]).parts["their hidden vectors are the corners of a polygon"]


def test_dimensions_go_from_samples_to_five_features():
    check = bottleneck.dimensions_go_to_four_to_six_features
    assert check(descent()).verdict == "holds"
    assert not check(descent(count=9)).parts["in the end four to six features do"]
    assert not check(descent(first=200)).parts["in between nothing stands out"]


def test_corners_counts_the_corners_of_the_convex_hull():
    rng = np.random.default_rng(0)
    for count in (3, 4, 7, 12):
        angles = 2 * np.pi * np.arange(count) / count + 0.3
        circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
        inside = 0.3 * rng.uniform(-1, 1, (20, 2))
        assert metrics.hull_corners(rng.permutation(np.concatenate([circle, inside]))) == count


def stair_run(seed, losses, corners):
    """A network whose loss stays at each of these in turn, and that ends as a polygon of so many corners."""
    experiment = EXPERIMENTS["stairs"].quick.with_(seed=seed, steps=10_000)
    steps = np.unique(np.round(np.geomspace(1, 10_000, 200)).astype(int))
    parts = np.minimum((np.log(steps) / np.log(10_001) * (len(losses) + 1)).astype(int), len(losses))
    curve = np.array([9.0, *losses])[parts]
    angles = 2 * np.pi * np.arange(8) / corners
    W1 = np.stack([np.cos(angles), np.sin(angles)]) * (np.arange(8) < corners)
    weights = {"W1": W1, "b2": np.full(8, 1 / 8)}
    frames = {name: values[None] for name, values in weights.items()}
    return Result(experiment, weights, steps, curve, np.array([10_000]), frames, {})


def test_plateaus_are_polygons_or_they_are_not():
    check = bottleneck.plateaus_are_polygons
    pentagon, heptagon = 21 / 64, 7 / 64
    stairs = [stair_run(seed, (pentagon, heptagon), 7) for seed in range(4)]
    found = check(stairs)
    assert found.verdict == "holds"
    assert found.measured.startswith("8 of 8 plateaus are within 1% of a polygon's loss")
    assert "4 of 4 networks have two stairs" in found.measured
    assert check(stairs[:3]) is None
    elsewhere = [stair_run(seed, (0.30, 0.15), 7) for seed in range(4)]
    assert check(elsewhere).verdict == "fails"
    other = [stair_run(seed, (pentagon, heptagon), 5) for seed in range(4)]
    assert not check(other).parts["those that stay have as many corners"]
    once = [stair_run(seed, (heptagon,), 7) for seed in range(4)]
    assert not check(once).parts["half of the networks have two stairs or more"]


def test_seeds_agree_on_where_features_come_or_they_do_not():
    def seeds(*first):
        sweeps = [descent(first=T) for T in first]
        return [replace(r, experiment=r.experiment.with_(seed=k)) for k, runs in enumerate(sweeps) for r in runs]

    check = bottleneck.same_size_for_all_seeds
    assert check(seeds(1000, 1000, 1000, 2000)).verdict == "holds"
    assert check(seeds(50, 200, 1000, 5000)).verdict == "fails"  # that the loss peaks alike is no half of it
    assert check(seeds(1000, 1000)) is None


def schedules(constant, sizes=(10, 30, 100, 200, 500, 1000), seed=0, **usual):
    """At each T the usual network, and two at a constant rate."""
    found = []
    for T in sizes:
        result = with_features(T, 5, **usual)
        usual_ = result.experiment.with_(seed=seed)
        e = usual_.with_(schedule="constant", warmup=0)
        found.append(replace(result, experiment=usual_))
        found += [replace(constant(T), experiment=e.with_(lr=lr)) for lr in (e.lr, e.lr / 2)]
    return found


def test_a_schedule_matters_if_a_constant_rate_ends_elsewhere_at_any_size():
    check = bottleneck.schedule_matters
    assert check(schedules(lambda T: with_features(T, 0, test_loss=20.0), test_loss=0.99)).verdict == "holds"
    assert check(schedules(lambda T: with_features(T, 5, test_loss=1.2), test_loss=0.99)).verdict == "fails"
    for other in ({"test_loss": 20.0}, {"train_loss": 0.001}):
        at_500 = schedules(lambda T, other=other: with_features(T, 5, **(other if T == 500 else {})))
        assert check(at_500).verdict == "holds"
        at_30 = schedules(lambda T, other=other: with_features(T, 5, **(other if T == 30 else {})))
        assert check(at_30).verdict == "fails"
    assert check(schedules(lambda T: with_features(T, 0))[:2]) is None


def test_a_schedule_of_every_recipe_is_set_against_two_constant_rates():
    for id in ("schedule_matters", "schedule_memorises_better"):
        for recipe in CLAIMS[id].recipes:
            store = [trained(e) for e in CLAIMS[id].evidence(recipe, 10)]
            sizes = sorted({r.experiment.n_samples for r in store})
            rows = [bottleneck._by_schedule(store, T) for T in sizes]
            assert len(rows) == 3
            for row in rows:
                (usual,), (peak,), (travel,) = row.values()
                assert usual.experiment.schedule != "constant"
                assert peak.experiment.schedule == travel.experiment.schedule == "constant"
                assert peak.experiment.lr == usual.experiment.lr
                moved = learning_rates(usual.experiment).sum()
                assert learning_rates(travel.experiment).sum() == pytest.approx(moved, rel=0.03)


def test_the_better_fit_of_a_schedule_is_a_lower_train_loss():
    check = bottleneck.schedule_memorises_better
    assert check(schedules(lambda T: with_features(T, 0, train_loss=0.3), train_loss=0.2)).verdict == "holds"
    assert check(schedules(lambda T: with_features(T, 0, train_loss=0.1), train_loss=0.2)).verdict == "fails"


def untied(points, last=10.0):
    """A sweep whose columns of W1 lie on these points, (n, 2), and whose test loss ends here."""
    losses = {15: 1.0, 100: 5.0, 200: 20.0, 500: 100.0, 1000: 50.0, 2000: last}
    return [trained(UNTIED.with_(n_samples=T), {"W1": points.T}, test_loss=loss) for T, loss in losses.items()]


def test_a_circle_of_columns_is_a_ring_and_a_square_or_a_cloud_is_not():
    angles = np.linspace(0, 2 * np.pi, 1000, endpoint=False)
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    square = circle / np.abs(circle).max(axis=1, keepdims=True)
    cloud = np.random.default_rng(0).normal(size=(1000, 2))
    check, ring = bottleneck.untied_has_no_squares, "one of them is a ring"
    assert check(untied(circle)).verdict == "holds"
    assert check(untied(circle)).parts["W1 is no square"]
    assert not check(untied(square)).parts["W1 is no square"]
    assert not check(untied(square)).parts[ring]
    assert check(untied(cloud)).parts["W1 is no square"]
    assert not check(untied(cloud)).parts[ring]
    bunch = check(untied(0.1 * square + 5))  # along a diagonal
    assert bunch.parts["W1 is no square"]
    assert not bunch.parts[ring]
    for last, so in ((49.0, True), (51.0, False)):
        assert check(untied(circle, last=last)).parts["the test loss peaks inside"] == so


# each part at its own threshold


DECISIVE = {
    "at least 2m where they are sparse",
    "the less important half shares more",
    "a peak lies inside, above both sides",
    "features come at the same T, within a grid step",
    "T = 3, 5 and 6 are memorised",
    "many samples give features",
    "in the end four to six features do",
}


def denied(finding):
    """The parts that are not so; those that a verdict cannot do without are the ones it names as decisive."""
    assert set(finding.decisive) == DECISIVE & finding.parts.keys()
    return [part for part, so in finding.parts.items() if not so]


FEWER, DOUBLE = "sparser features, never fewer of them", "at least 2m where they are sparse"
MORE_SHARED = "no superposition where they are dense, much where they are sparse"


@pytest.mark.parametrize(
    ("counts", "shared", "said"),
    [
        ((5, 9, 10, 12), {}, []),
        ((6, 5, 10, 12), {6: 0.0}, []),  # one fewer
        ((7, 5, 10, 12), {7: 0.0}, [FEWER]),
        ((5, 9, 9, 12), {}, [DOUBLE]),
        ((5, 10, 11, 9), {9: 0.5}, [FEWER, DOUBLE]),
        ((5, 9, 10, 12), {5: 0.051}, [MORE_SHARED]),
        ((5, 9, 10, 12), {12: 0.29}, [MORE_SHARED]),
    ],
)
def test_what_sparser_features_do_turns_at_its_thresholds(counts, shared, said, monkeypatch):
    known = {5: 0.049, 12: 0.31} | shared

    def superposition(columns):
        stored = metrics.norms(columns) > 0.5
        return np.where(stored, known.get(stored.sum(), 0.2), 9.0)  # what is not stored does not count

    monkeypatch.setattr(metrics, "superposition", superposition)
    runs = [at_density(d, np.eye(5)[:, np.arange(k) % 5]) for d, k in zip((1, 0.3, 0.03, 0.01), counts, strict=True)]
    assert denied(bottleneck.sparser_stores_more(runs)) == said


@pytest.mark.parametrize(
    ("shared", "overlap", "said"),
    [
        ((0.14, 0.1, 0.1, 0.5, 0.5, 0.5), 0.81, []),
        ((0.16, 0.1, 0.1, 0.5, 0.5, 0.5), 0.81, ["the most important feature is alone"]),
        ((0.1, 0.1, 0.1, 0.9, 0.41, 0.41), 0.81, []),
        ((0.1, 0.1, 0.1, 0.9, 0.39, 0.41), 0.81, ["the two least important share"]),
        ((0.1, 0.1, 0.1, 0.9, 0.41, 0.39), 0.81, ["the two least important share"]),
        ((0.1, 0.1, 0.1, 0.38, 0.42, 0.42), 0.81, []),
        ((0.1, 0.1, 0.1, 0.34, 0.42, 0.42), 0.81, ["the less important half shares more"]),
        ((0.1, 0.1, 0.1, 0.5, 0.5, 0.5), 0.79, ["they share in opposite pairs"]),
    ],
)
def test_who_shares_first_turns_at_its_thresholds(shared, overlap, said, monkeypatch):
    monkeypatch.setattr(metrics, "superposition", lambda columns: np.append(shared, np.full(14, 9.0)))
    W1 = np.concatenate([np.eye(5), -overlap * np.eye(5)[:, 4:]], axis=1)
    assert denied(bottleneck.least_important_share_first([at_density(0.3, W1)])) == said


INSIDE, BEATS = "a peak lies inside, above both sides", "the largest T beats the best constant output"


@pytest.mark.parametrize(
    ("losses", "said"),
    [
        ({15: 1.0, 30: 1.004, 1000: 0.9, 2000: 0.999}, []),
        ({15: 1.0, 30: 1.0025, 1000: 0.9, 2000: 0.999}, [INSIDE]),
        ({10: 9.0, 15: 1.0, 30: 3.0, 1000: 0.9, 2000: 0.999}, []),  # few samples do not count
        ({15: 2.0, 30: 1.0, 1000: 1.9, 2000: 0.999}, []),  # the highest is the first, the peak is at 1000
        ({15: 2.0, 30: 1.0, 1000: 1.0025, 2000: 0.999}, [INSIDE]),
        ({15: 1.0, 30: 3.0, 1000: 0.9, 2000: 1.001}, [BEATS]),
        ({15: 1.0, 30: 1.1, 1000: 1.2, 2000: 1.3}, [INSIDE, BEATS]),
        ({15: 1.0, 30: 1.1, 100: 3.0, 1000: 0.9}, []),
        ({15: 1.0, 30: 1.1, 100: 3.0, 500: 0.9}, None),
        ({15: 1.0, 100: 3.0, 1000: 0.9}, None),
    ],
)
def test_the_peak_of_the_bottleneck_turns_at_its_thresholds(losses, said, monkeypatch):
    monkeypatch.setattr(bottleneck.theory, "held_out_baselines", lambda experiment: {"constant": 1.0})
    finding = bottleneck.loss_peaks_and_ends_below_the_constant(
        [with_features(T, 0, test_loss=loss) for T, loss in losses.items()]
    )
    assert (finding and denied(finding)) == said


@pytest.mark.parametrize(
    ("train_loss", "between", "last", "said"),
    [
        (0.51, 3, 4, []),
        (0.49, 3, 4, ["T = 200 is neither memorised nor has features"]),
        (0.51, 4, 4, ["T = 200 is neither memorised nor has features"]),
        (0.51, 3, 3, ["many samples give features"]),
    ],
)
def test_what_lies_between_memorising_and_features_turns_at_its_thresholds(train_loss, between, last, said):
    runs = [r for r in descent() if r.experiment.n_samples not in (200, 2000)]
    runs += [with_features(200, between, train_loss=train_loss), with_features(2000, last)]
    assert denied(bottleneck.memorises_then_generalises(runs)) == said
    assert bottleneck.memorises_then_generalises(runs[:-1]) is None
    assert bottleneck.memorises_then_generalises(runs[1:]) is None


ABOUT, NOTHING = "few samples have about 2 / T of a dimension each", "in between nothing stands out"
FOUR_TO_SIX, NO_OTHER = "in the end four to six features do", "and no other comes close"


@pytest.mark.parametrize(
    ("samples", "between", "last", "said"),
    [
        *(({T: 2 / T * times}, 0.149, [0.4] * 5, []) for T in (3, 5, 6) for times in (0.71, 1.39)),
        *(({T: 2 / T * times}, 0.149, [0.4] * 5, [ABOUT]) for T in (3, 5, 6) for times in (0.69, 1.41)),
        ({200: 0.149}, 0.0, [0.4] * 5, []),
        ({200: 0.151}, 0.0, [0.4] * 5, [NOTHING]),
        ({}, 0.151, [0.4] * 5, [NOTHING]),
        ({}, 0.149, [0.4] * 4, []),
        ({}, 0.149, [0.4] * 6, []),
        ({}, 0.149, [0.4] * 3, [FOUR_TO_SIX]),
        ({}, 0.149, [0.4] * 7, [FOUR_TO_SIX]),
        ({}, 0.149, [0.4, 0.3, 0.3, 0.151, 0.09], []),
        ({}, 0.149, [0.4, 0.3, 0.3, 0.3, 0.2, 0.119], []),
        ({}, 0.149, [0.4, 0.3, 0.3, 0.3, 0.2, 0.121], [NO_OTHER]),
        ({}, 0.149, [], [FOUR_TO_SIX, NO_OTHER]),
    ],
)
def test_whose_the_dimensions_are_turns_at_its_thresholds(samples, between, last, said, monkeypatch):
    known = {3: 2 / 3, 5: 2 / 5, 6: 2 / 6, 200: 0.01} | samples
    monkeypatch.setattr(probe, "hidden_vectors", lambda result: np.zeros((result.experiment.n_samples, 2)))
    monkeypatch.setattr(
        metrics,
        "dimensionality",
        lambda points: points[:, 0] if len(points) == 1000 else np.full(len(points), known[len(points)]),
    )
    runs = []
    for T in (3, 5, 6, 200, 2000):
        W1 = np.zeros((2, 1000))
        features = last if T == 2000 else [between] if T == 200 else []
        W1[0, 40 : 40 + len(features)] = features[::-1]
        runs.append(trained(DESCENT.with_(n_samples=T), {"W1": W1}))
    assert denied(bottleneck.dimensions_go_to_four_to_six_features(runs)) == said
    for missing in range(5):
        assert bottleneck.dimensions_go_to_four_to_six_features(runs[:missing] + runs[missing + 1 :]) is None


def test_three_seeds_of_four_must_agree_within_a_step_of_the_grid():
    def parts(first, tops):
        runs = [descent(LOSSES | {top: 50.0}, T) for T, top in zip(first, tops, strict=True)]
        return denied(
            bottleneck.same_size_for_all_seeds(
                [replace(r, experiment=r.experiment.with_(seed=k)) for k, sweep_ in enumerate(runs) for r in sweep_]
            )
        )

    features, peak = (f"{what} at the same T, within a grid step" for what in ("features come", "the loss peaks"))
    assert parts((500, 1000, 2000, 50), (100, 200, 500, 30)) == []
    assert parts((200, 1000, 2000, 50), (100, 200, 500, 30)) == [features]
    assert parts((500, 1000, 2000, 50), (50, 200, 500, 30)) == [peak]
    assert parts((5000, 5000, 2000, 50), (100, 200, 500, 30)) == [features]  # no features in two of them


@pytest.mark.parametrize(
    ("losses", "count", "matters"),
    [
        ((1.01, 1.01, 1.01, 1.01), 5, True),
        ((1.01, 1.01, 1.01, 0.5), 5, True),  # three quarters of the seeds are enough
        ((1.01, 1.01, 0.5, 0.5), 5, False),
        ((0.99, 0.99, 0.99, 0.99), 5, False),
        ((0.249, 0.249, 0.249, 0.249), 5, True),
        ((0.251, 0.251, 0.251, 0.251), 5, False),
        ((0.5, 0.5, 0.5, 0.5), 3, True),
        ((0.5, 0.5, 0.5, 0.5), 4, False),
        ((0.5, 0.5, 0.5, 0.5), 7, True),
    ],
)
def test_a_schedule_matters_from_a_factor_of_two_or_from_two_features_on(losses, count, matters):
    runs = [
        result
        for seed, loss in enumerate(losses)
        for result in schedules(
            lambda T, loss=loss: with_features(T, count, test_loss=loss), (200, 500, 1000), seed, test_loss=0.5
        )
    ]
    finding = bottleneck.schedule_matters(runs)
    assert finding.verdict == ("holds" if matters else "fails")
    assert set(finding.parts.values()) == {matters}


def test_the_largest_difference_that_a_schedule_makes_is_told():
    runs = schedules(lambda T: with_features(T, 3, test_loss=20.0 if T == 500 else 1.5), test_loss=0.5)
    assert bottleneck.schedule_matters(runs).measured == (
        "a constant rate instead of a schedule, medians over seeds: at the same peak 20 instead of 0.5 test loss at "
        "T = 500; over the same travel 20 instead of 0.5 test loss at T = 500"
    )
    same = schedules(lambda T: with_features(T, 5))
    assert "over the same travel nothing differs as much" in bottleneck.schedule_matters(same).measured


def test_the_train_losses_of_a_schedule_are_medians_over_seeds():
    runs = []
    for seed, usual in enumerate((0.1, 0.2, 9.0)):
        for result in schedules(lambda T: with_features(T, 0, train_loss=0.3), train_loss=usual):
            runs.append(replace(result, experiment=result.experiment.with_(seed=seed)))
    finding = bottleneck.schedule_memorises_better(runs)
    assert finding.verdict == "holds"
    assert finding.measured.startswith("median train loss 0.2 against 0.3 and 0.3 at T = 10; 0.2 against")


@pytest.mark.parametrize(
    ("columns", "hidden", "top", "said"),
    [
        ((1.0, 1.0, 1.41), (1.0, 1.0, 1.41), 500, []),
        ((1.0, 1.0, 1.43), (1.0, 1.0, 1.41), 500, ["W1 is no square"]),
        ((1.0, 1.0, 1.41), (1.43, 1.0, 1.0), 500, ["the hidden vectors are no square"]),
        ((1.0, 1.0, 1.0), (1.0, 1.0, 1.0), 100, []),
        ((1.0, 1.0, 1.0), (1.0, 1.0, 1.0), 15, ["the test loss peaks inside"]),
        ((1.0, 1.0, 1.0), (1.0, 1.0, 1.0), 2000, ["the test loss peaks inside"]),
    ],
)
def test_that_there_is_no_square_is_a_mean_over_three_sizes(columns, hidden, top, said, monkeypatch):
    left = {"columns": list(columns), "hidden": list(hidden)}
    ring = np.array([[1.0, 0], [0, 1], [-1, 0], [0, -1]])
    monkeypatch.setattr(probe, "hidden_vectors", lambda result: ring)
    monkeypatch.setattr(metrics, "squareness", lambda points: left["hidden" if len(points) == 4 else "columns"].pop(0))
    losses = {15: 1.0, 100: 5.0, 200: 5.0, 500: 6.0, 1000: 5.5, 2000: 1.0} | {top: 20.0}
    losses = dict.fromkeys(losses, 1.0) | {15: 20.0} if top == 15 else losses
    runs = [trained(UNTIED.with_(n_samples=T), test_loss=loss) for T, loss in losses.items()]
    assert denied(bottleneck.untied_has_no_squares(runs)) == said


def test_every_claim_of_the_bottleneck_says_what_the_post_says():
    for claim in bottleneck.CLAIMS:
        if not claim.own:
            assert re.fullmatch(r"[A-Z][^.]+.*[^.]\.", claim.post_says), claim.id


# ---- the real evidence: verdicts do not hang on the processor

# Quick evidence that is shipped for four seeds, and on which all four vote alike: one that flips does not turn them.
QUICK = ("dense_keeps_the_most_important", "sparser_stores_more", "least_important_share_first", "first_bias_lifts")
QUICK += ("second_bias_levels", "entropy_is_a_dictionary", "entropy_grows", "entropy_cosines", "entropy_biases")
QUICK += ("weight_decay_counteracts", "entropy_cosines_over_decay", "simple_networks_are_readable")


@pytest.fixture(scope="module")
def train_once():
    return functools.cache(train)


@pytest.mark.processor
@pytest.mark.parametrize("id", QUICK)
def test_networks_trained_here_get_a_claim_the_verdict_that_the_shipped_ones_get(id, train_once):
    claim, shipped = CLAIMS[id], Store(None, GALLERY)
    evidence = [experiment for seed in range(SEEDS) for experiment in claim.evidence("quick", seed)]
    theirs = judge(claim, [shipped.get(experiment) for experiment in evidence])
    assert judge(claim, [train_once(experiment) for experiment in evidence]).verdict == theirs.verdict


# ---- minutes: the real evidence


@pytest.mark.slow
@pytest.mark.parametrize("id", CLAIMS)
def test_quick_evidence_is_enough_for_a_verdict(id, capsys):
    assert run(id, "--json", "--seeds", str(SEEDS), "--jobs", "2") == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["verdict"] in VERDICTS
    assert row["verdict"] == publishing.published()[id]["recipes"][CLAIMS[id].recipes[0]]["verdict"]


def test_every_size_of_the_bottlenecks_evidence_is_on_the_grid():
    grid = {experiment.n_samples for experiment in sweep(DESCENT, n_samples=settings.SAMPLE_SIZES)}
    assert {e.n_samples for e in CLAIMS["double_descent"].evidence("paper", 0)} == grid
