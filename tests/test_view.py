"""What a visitor can choose, how that stands in an address, and what an address opens: for every view that there is."""

import math
import sys
from dataclasses import replace
from urllib.parse import parse_qs, quote

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from toyviz import control, figures, studies
from toyviz import settings as named
from toyviz.claims import CLAIMS
from toyviz.control import MOST_UNKNOWN, MOST_VALUES, Alias, Choice, Control, numbers
from toyviz.experiment import Experiment, sweep
from toyviz.result import Result
from toyviz.view import Page, Plan, View, link

PAGES = studies.pages()
VIEWS = {f"{page.id}, {view.id}": (page, view) for page in PAGES.values() for view in page.views}
CONTROLS = {}  # each once, though several views share it
for name, (_, each_view) in VIEWS.items():
    CONTROLS |= {f"{name}, {e.id}": e for e in each_view.every_control if not any(e is c for c in CONTROLS.values())}
SIZES = (3, 5, 6, 8, 10, 15, 30, 50, 100, 200, 500, 1000, 2000)  # those of before
BASE = Experiment(n_samples=5, steps=10)
TRY = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
every_view = pytest.mark.parametrize(("page", "view"), VIEWS.values(), ids=VIEWS)


def single(each):
    """Any one value that a control takes."""
    values = st.sampled_from(list(each.values.values()))
    if not each.is_number:
        return values
    low, high = each.bounds
    inner = (
        st.integers(math.ceil(low), math.floor(high)) if each.is_whole else st.floats(low, high, allow_subnormal=False)
    )
    return values | inner


def value(each):
    """Any value of a control."""
    if not each.several:
        return single(each)
    return st.sets(single(each), min_size=1, max_size=9).map(sorted if each.is_number else list).map(tuple)


def choices(view):
    """Any choice of a view."""
    return st.fixed_dictionaries({each.id: value(each) for each in view.every_control}).map(Choice)


def outcome(function, *given):
    """What a function returns, and no sentence; or None and the sentence with which it refuses."""
    try:
        return function(*given), ""
    except ValueError as error:
        return None, str(error)


def values_in_order(each, chosen):
    """As a control keeps several values that are no numbers: in the order in which it offers them."""
    return tuple(v for v in each.values.values() if v in chosen) if each.several and not each.is_number else chosen


SIZE = numbers("size", "Size", (3, 10), 3, bounds=(1, 100))
RATE = numbers("rate", "Rate", (0.01, 0.1), None, bounds=(0.0, 1.0), own="own")
SIZES_OF = numbers("sizes", "Sizes", (3, 10, 5), (3, 10), bounds=(1, 1000), several=True)
KINDS = Control("kinds", "Kinds", {"a": ("x", 1.0), "b": ("y", 2.0), "c": None}, (None,), several=True)


# one control


@pytest.mark.parametrize("each", CONTROLS.values(), ids=CONTROLS)
@TRY
@given(data=st.data())
def test_what_a_control_writes_it_reads_again(each, data):
    chosen = values_in_order(each, data.draw(value(each)))
    read = each.read(each.write(chosen))
    assert read == chosen
    assert type(read) is type(chosen)


@pytest.mark.parametrize("each", CONTROLS.values(), ids=CONTROLS)
@TRY
@given(text=st.text() | st.floats(allow_subnormal=False).map(str) | st.integers().map(str))
def test_a_control_reads_any_text_as_a_value_of_its_own_or_refuses_it_in_a_sentence(each, text):
    read, sentence = outcome(each.read, text)
    if sentence:
        assert sentence.startswith((f"{each.id} ", f"{each.id}="))
        assert sentence.isprintable()
    else:
        assert each.read(each.write(read)) == read


@pytest.mark.parametrize("each", CONTROLS.values(), ids=CONTROLS)
def test_the_default_of_a_control_is_among_its_values_or_within_its_range(each):
    assert each.read(each.write(each.default)) == each.default
    assert set(each.labels) <= set(each.values)


@pytest.mark.parametrize(
    ("each", "text", "sentence"),
    [
        (SIZE, "0", "size=0 is not possible: 1 to 100"),
        (SIZE, "101", "size=101 is not possible: 1 to 100"),
        (SIZE, "2.5", "size=2.5 is not a whole number: 1 to 100"),
        (SIZE, "nan", "size=nan is not possible: 1 to 100"),
        (SIZE, "1e999", "size=1e999 is not possible: 1 to 100"),
        (SIZE, "many", "size=many is not a number: 1 to 100"),
        (SIZE, "", "size= is not a number: 1 to 100"),
        (SIZE, "9" * 99, f"size={'9' * 40}... is not possible: 1 to 100"),
        (SIZE, "3\x00\n", "size=3? is not a number: 1 to 100"),
        (RATE, "1.5", "rate=1.5 is not possible: 0 to 1 or own"),
        (RATE, "none", "rate=none is not a number: 0 to 1 or own"),
        (SIZES_OF, "3,2000", "sizes=2000 is not possible: 1 to 1000"),
        (SIZES_OF, " , ;", "sizes needs at least one value: 1 to 1000"),
        (SIZES_OF, ",".join(map(str, range(1, 66))), f"sizes takes at most {MOST_VALUES} values; got 65"),
        (KINDS, "a,d", "kinds=d is not possible: one of a, b, c"),
    ],
)
def test_a_refusal_names_the_control_the_value_and_what_is_allowed(each, text, sentence):
    assert outcome(each.read, text) == (None, sentence)


def test_several_values_are_ascending_and_each_once_however_they_are_written():
    assert SIZES_OF.read("10; 3,350 ,3") == (3, 10, 350)
    assert KINDS.read("c,a") == (("x", 1.0), None)
    assert KINDS.write((("x", 1.0), None)) == "a,c"
    assert SIZES_OF.read("1e2") == (100,)


def test_true_and_one_are_two_values():
    each = Control("each", "Each", {"yes": True, "1": 1, "0.0": 0.0, "no": False}, True)
    assert [each.name(value) for value in (True, 1, 0.0, False)] == ["yes", "1", "0.0", "no"]


def test_a_label_is_what_is_read_and_no_name():
    each = Control("each", "Each", {"a": 1, "b": 2}, 1, labels={"a": "the first"})
    assert (each.text(1), each.text(2)) == ("the first", "b")
    with pytest.raises(ValueError, match="each=the first is not possible: one of a, b"):
        each.read("the first")


# a choice


def test_a_choice_is_a_mapping_whose_values_are_attributes_and_cannot_be_changed():
    choice = Choice({"T": 5, "network": "mlp"})
    assert (choice.T, choice["network"], dict(choice)) == (5, "mlp", {"T": 5, "network": "mlp"})
    assert choice.with_(T=6) == {"T": 6, "network": "mlp"}
    assert choice | {"lr": None} == {"T": 5, "network": "mlp", "lr": None}
    assert choice.T == 5
    with pytest.raises(AttributeError, match="no control is called 'm'"):
        _ = choice.m
    with pytest.raises(ValueError, match="no control is called 'm'; there are T, network"):
        choice.with_(m=2)
    with pytest.raises(TypeError):
        choice["T"] = 6


def test_what_an_address_leaves_out_or_says_wrongly_is_at_its_start():
    choice, sentences = control.read([SIZE, RATE, SIZES_OF], {"size": "many", "sizes": "7", "siz": "3"})
    assert choice == {"size": 3, "rate": None, "sizes": (7,)}
    assert sentences == (
        "size=many is not a number: 1 to 100; shown: 3",
        "nothing here is called siz",
    )
    assert control.read([SIZE, RATE], {}, lambda each: 4 if each is SIZE else 0.5) == ({"size": 4, "rate": 0.5}, ())


def test_an_address_full_of_strange_names_is_told_in_a_few_sentences():
    _, sentences = control.read([SIZE], {f"name{k}": "" for k in range(1000)})
    assert len(sentences) == MOST_UNKNOWN + 1
    assert sentences[-1] == f"nor are {1000 - MOST_UNKNOWN} other names known here"


# a plan


def test_a_plan_has_what_is_opened_first_and_each_network_once():
    three = [BASE.with_(seed=seed) for seed in (0, 1, 2)]
    plan = Plan([*three, *three], [three[2], three[0]])
    assert plan.experiments == (three[2], three[0], three[1])
    assert plan.opened == (three[2], three[0])


def test_a_sweep_has_what_is_nearest_to_the_opened_network_first():
    plan = Plan.over(BASE, {"seed": range(2), "n_samples": [30, 3, 3]}, n_samples=30, seed=1)
    assert [(each.n_samples, each.seed) for each in plan.experiments] == [(30, 1), (30, 0), (3, 1), (3, 0)]
    assert plan.opened == (BASE.with_(n_samples=30, seed=1),)


def test_what_is_opened_outside_of_a_sweep_is_added_to_it_alone():
    plan = Plan.over(BASE, {"seed": range(2), "n_samples": [3]}, n_samples=7, seed=5)
    assert [(each.n_samples, each.seed) for each in plan.experiments] == [(7, 5), (3, 0), (3, 1)]
    assert plan.experiments[0] == plan.opened[0] == BASE.with_(n_samples=7, seed=5)
    alone = Plan.over(BASE, {"seed": range(2)}, lr=0.5)
    assert alone.opened == (BASE.with_(lr=0.5),)
    assert len(alone.experiments) == 3


def trained(experiment, test_loss):
    """A result of which nothing but its test loss is known."""
    nothing = np.empty(0, int)
    return Result(experiment, {}, nothing, nothing, nothing, {}, {"test_loss": test_loss})


def test_a_seed_of_none_is_the_best_of_the_seeds_once_all_of_them_are_trained():
    plan = Plan.over(BASE, {"seed": range(3), "n_samples": [3, 30]}, n_samples=7, seed=None)
    rivals = tuple(BASE.with_(n_samples=7, seed=seed) for seed in range(3))
    assert (plan.opened, plan.rivals, plan.experiments[:3]) == (rivals[:1], (rivals,), rivals)
    assert len(plan.experiments) == 9
    known = {each: trained(each, loss) for each, loss in zip(rivals, (3.0, 1.0, 2.0), strict=True)}
    assert plan.settled({**known, rivals[2]: None}.get).opened == rivals[:1]
    settled = plan.settled(known.get)
    assert (settled.opened, settled.rivals, set(settled.experiments)) == (rivals[1:2], (rivals,), set(plan.experiments))
    assert settled.settled({}.get).opened == rivals[1:2]
    last = Plan(plan.experiments, plan.opened, plan.rivals, lambda result: -result.experiment.seed)
    assert last.settled(known.get).opened == rivals[2:]
    asked = Plan.over(BASE, {"seed": range(3)}, seed=0)
    assert (asked.rivals, asked.settled(known.get)) == ((), asked)


def test_the_fields_of_all_networks_of_a_plan_can_be_changed():
    plan = Plan.over(BASE, {"seed": range(3), "n_samples": (5, 7)}, n_samples=7, seed=None)
    changed = plan.with_(steps=3)
    assert changed == Plan.over(BASE.with_(steps=3), {"seed": range(3), "n_samples": (5, 7)}, n_samples=7, seed=None)
    assert changed.rivals != plan.rivals


def test_plans_beside_each_other_take_turns_and_each_has_its_own_rivals():
    one = Plan.over(BASE, {"seed": range(2)}, seed=None)
    other = Plan.over(BASE.with_(lr=0.5), {"seed": range(2)}, seed=1)
    both = Plan.beside([one, other])
    assert both.opened == (*one.opened, *other.opened)
    assert both.rivals == (*one.rivals, ())
    assert [(each.lr, each.seed) for each in both.experiments] == [(BASE.lr, 0), (0.5, 1), (BASE.lr, 1), (0.5, 0)]
    known = {each: trained(each, -each.seed) for each in both.experiments}
    assert [each.seed for each in both.settled(known.get).opened] == [1, 1]
    assert Plan.beside([other, other]).rivals == ()


@every_view
@TRY
@given(data=st.data())
def test_any_choice_has_a_plan_with_the_opened_networks_first_or_a_sentence_why_not(page, view, data):
    few = {each.id: tuple(each.values.values())[:3] for each in view.every_control if each.several}
    choice = data.draw(choices(view)) | few
    choice |= {"seeds": min(choice["seeds"], 3)} if "seeds" in choice else {}
    plan, sentence = outcome(view.plan, choice)
    if not sentence:
        assert plan.experiments[: len(plan.opened)] == plan.opened
        assert len(set(plan.experiments)) == len(plan.experiments)
        assert view.named(choice) in named.EXPERIMENTS


# addresses


@every_view
@TRY
@given(data=st.data())
def test_the_address_of_any_choice_is_complete_and_opens_that_choice(page, view, data):
    choice, step = data.draw(choices(view)), data.draw(st.none() | st.integers(0, 999_999_999))
    choice = Choice({each.id: values_in_order(each, choice[each.id]) for each in view.every_control})
    address = page.write(view, choice, step)
    assert page.read(address) == (view, choice, step, (), None, False)
    assert set(address) == {"view", "v", *choice} | ({"step"} if step is not None else set())
    text = "&".join(f"{name}={quote(value)}" for name, value in address.items())
    assert link(f"https://host:1/some/{page.id}?{text}#top") == (page.id, parse_qs(text))
    assert page.read(parse_qs(text)) == (view, choice, step, (), None, False)


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_an_empty_address_opens_the_first_view_at_its_defaults(page):
    assert page.read({}) == (page.views[0], page.views[0].default(), None, (), None, False)


def names(page):
    return sorted({"v", "view", "step", page.first_parameter, *(e.id for v in page.views for e in v.every_control)})


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
@settings(TRY, max_examples=300)
@given(data=st.data())
def test_any_address_opens_something_that_can_be_written_again(page, data):
    known = st.sampled_from([*names(page), *(alias for view in page.views for alias in view.aliases)])
    views = st.sampled_from([text for view in page.views for text in (view.id, view.first_name)])
    texts = (
        st.text()
        | st.floats(allow_subnormal=False).map(str)
        | st.integers().map(str)
        | st.sampled_from(["1", "2", "own", ","])
        | views
    )
    address = data.draw(st.dictionaries(known | st.text(), texts | st.lists(texts, min_size=1, max_size=3), max_size=9))
    opened = page.read(address)
    assert all(sentence.isprintable() and len(sentence) < 300 for sentence in opened.not_understood)
    written = page.write(*opened[:3], opened.pinned, opened.present)
    assert page.read(written) == opened._replace(not_understood=())


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_what_an_address_says_of_view_step_and_version_is_told_where_it_is_not_understood(page):
    (first, *_), ids = page.views, ", ".join(view.id for view in page.views)
    assert page.read({"view": "nope", "v": "2"})[:4] == (
        first,
        first.default(),
        None,
        (f"view=nope is not possible: one of {ids}; shown: {first.id}",),
    )
    told = "step=-1 is not possible: a whole number from 0; shown: the end"
    assert page.read({"step": "-1", "v": "2"})[2:4] == (None, (told,))
    assert page.read({"v": "3"})[2:4] == (None, ("v=3 is not possible: 2; read as 2",))
    for step in ("1e3", "²", "9" * 10, "", "0x1"):
        assert page.read({"step": step, "v": "2"}).step is None
    assert page.read({"step": "0", "v": "2"}).step == 0


def small(*controls, **more):
    """A view with these controls, of one network."""
    given = {"id": "small", "title": "Small", "place": 1, "opens": (), "stage": (), "named": lambda choice: "mlp"}
    nothing = lambda *_: iter(())  # noqa: E731
    plan = lambda choice: Plan([], [BASE])  # noqa: E731
    return View(controls=controls, plan=plan, show=nothing, inside=nothing, **(given | more))


def test_first_addresses_are_read_with_the_names_and_the_defaults_of_their_view():
    one = small(
        SIZE,
        SIZES_OF,
        first_name="The small one",
        aliases={"length": Alias("size", {"a, b": "7", "short": "5"}), "gone": Alias("")},
        first_defaults={"size": "9", "sizes": "20,30"},
        first_among={"size": "sizes"},
    )
    other = small(SIZE, SIZES_OF, id="other", place=2, aliases={"length": Alias("sizes")})
    page = Page("page", "Page", "What?", "icon", 1, (one, other), "which")

    def read(**address):
        view, choice, _, sentences = page.read(address)[:4]
        return view.id, choice.size, choice.sizes, sentences

    assert read(which="The small one", length="short") == ("small", 5, (20, 30), ())
    assert read(length="a, b", gone="yes") == ("small", 7, (20, 30), ())
    assert read(which="other", length=["4", "6"]) == ("other", 3, (4, 6), ())
    assert read(sizes=["9", "30"]) == ("small", 9, (9, 30), ())
    assert read(sizes=["50", "40"]) == ("small", 40, (40, 50), ())  # 9 was not among them
    assert read(sizes="40", size="50") == ("small", 50, (40,), ())
    assert read(which="small", v="2") == ("small", 3, (3, 10), ("nothing here is called which",))
    assert read(length="5", v="2") == ("small", 3, (3, 10), ("nothing here is called length",))
    assert read(sizes="40", v="2") == ("small", 3, (40,), ())
    told = "view=no is not possible: one of small, other; shown: small"
    assert read(which="no") == ("small", 20, (20, 30), (told,))  # as in those: 9 is not among 20 and 30


@pytest.mark.parametrize("id", ["view", "v", "step", "values", "with_"])
def test_no_control_may_hide_another_or_what_an_address_or_a_choice_has(id):
    with pytest.raises(ValueError, match=f"no control of view 'small' may be called '{id}'"):
        small(replace(SIZE, id=id))
    with pytest.raises(ValueError, match="no control of view 'small' may be called 'size'"):
        small(SIZE, RATE, opens=(SIZE,))


@every_view
def test_what_the_first_addresses_called_things_leads_to_controls_and_values_that_are_there(page, view):
    of = {each.id: each for each in view.every_control}
    if view.first_name:  # what they left out must not change with today's defaults
        assert set(of) <= set(view.first_defaults)
    for id, text in view.first_defaults.items():
        assert id not in of or of[id].write(of[id].read(text)) == text
    for opened, swept in view.first_among.items():
        assert (of[opened].several, of[swept.removeprefix("-")].several) == (False, True)
    for alias in view.aliases.values():
        assert alias.id not in of or set(alias.names.values()) & set(of[alias.id].values) or not alias.names


@pytest.mark.parametrize("text", ["http://[", "//[::1"])
def test_what_cannot_be_a_link_is_refused_in_a_sentence(text):
    with pytest.raises(ValueError, match="is no address"):
        link(text)


def test_an_empty_value_of_a_link_is_not_passed_over():
    assert link("double_descent?T=&seed") == ("double_descent", {"T": [""], "seed": [""]})


@TRY
@given(st.text())
def test_any_text_is_a_link_or_refused_in_a_sentence(text):
    found, sentence = outcome(link, text)
    assert sentence.isprintable()
    assert sentence or all(isinstance(each, list) for each in found[1].values())


# links of before there were views: what the page of then had trained, written out


def descent(network="double_descent", sizes=SIZES, seeds=range(4), recipe="quick", **changes):
    return sweep(named.EXPERIMENTS[network].at(recipe).with_(**changes), seed=seeds, n_samples=sizes)


def both(network, scale, seed=0, **changes):
    starts = f"{scale}_uniform", f"{scale}_normal"
    return [e for init in starts for e in descent(network, (5, 30, 100, 500), [seed], init=init, **changes)]


def rates(sizes, seeds, network="double_descent", lr=0.01, **changes):
    usual = descent(network, sizes, seeds, **changes)
    constant = {"schedule": "constant", "warmup": 0}
    return usual + [each.with_(lr=rate, **constant) for rate in (lr, lr / 2) for each in usual]


CONSTANT = {"schedule": "constant", "warmup": 0}
AT_RANK = (3, 5, 6, 7, 8, 9, 10, 12, 15, 20, 30, 100, 2000)
LIFTED = {"init": "xavier_normal", "bias_init": "zeros", "bias_offset": 0.1}
NORMAL = {"init": "linear_normal", "bias_init": "linear_normal"}
OVER_T, BIAS, START = "descent=Over T", "descent=What the bias does", "descent=What is left of the start"
MAPS, RATES = "descent=Hidden size and T", "descent=The learning rate"
OLD = [  # address, view, networks, and of what is opened the T and what else tells it
    (OVER_T, "over_t", descent(), {"n_samples": 10, "seed": 0}),
    ("seeds=4", "over_t", descent(), {"n_samples": 10, "seed": 0}),
    ("T=100&seed=2", "over_t", descent(), {"n_samples": 100, "seed": 2}),
    ("block=MLP, as the post writes it&stage=W1 x", "over_t", descent("mlp"), {"n_samples": 10, "seed": 0}),
    ("block=MLP, ReLU on the output&T=5", "over_t", descent("mlp_relu_output"), {"n_samples": 5}),
    (
        "block=bottleneck, W1 and W2&n_samples=500&n_samples=3&seeds=2&common_scale=true",
        "over_t",
        descent("double_descent_untied", (3, 500), range(2)),
        {"n_samples": 3, "seed": 0},  # 10 was not to be chosen
    ),
    ("n_samples=5000&n_samples=10&seeds=1", "over_t", descent(sizes=(10, 5000), seeds=[0]), {"n_samples": 10}),
    (
        f"{OVER_T}&block=MLP, as the post writes it&start=Xavier, normal, biases at 0.1&n_hidden=8&"
        + "&".join(f"n_samples={T}" for T in AT_RANK),
        "over_t",
        descent("mlp", AT_RANK, n_hidden=8, **LIFTED),
        {"n_samples": 10, "seed": 0},
    ),
    (
        "recipe=paper&n_features=200&sparsity=0.9&weight_decay=0.1&normalize=false&schedule=constant&n_hidden=3",
        "over_t",
        descent(
            recipe="paper", n_features=200, sparsity=0.9, weight_decay=0.1, normalize=False, n_hidden=3, **CONSTANT
        ),
        {"n_samples": 10},
    ),
    ("schedule=warm-up and cosine&start=as usual for this network", "over_t", descent(), {"n_samples": 10}),
    (BIAS, "bias", descent("mlp_relu_output", seeds=[0]), {"n_samples": 100, "seed": 0}),
    (
        f"{BIAS}&biased_block=MLP, as the post writes it&T=30&seed=3&seeds=8&start=nn.Linear, normal",
        "bias",
        descent("mlp", seeds=[3], **NORMAL),
        {"n_samples": 30, "seed": 3},
    ),
    (
        f"{BIAS}&n_samples=15&n_samples=50&n_hidden=4",
        "bias",
        descent("mlp_relu_output", (15, 50), [0], n_hidden=4),
        {"n_samples": 15},
    ),
    (START, "start", both("mlp_relu_output", "xavier"), {"seed": 0}),
    (f"{START}&untied_block=MLP, as the post writes it&seed=2", "start", both("mlp", "linear", seed=2), {"seed": 2}),
    (
        f"{START}&untied_block=bottleneck, W1 and W2&weight_decay=0&seeds=2",
        "start",
        both("double_descent_untied", "xavier", weight_decay=0.0),
        {"seed": 0},
    ),
    (
        MAPS,
        "sizes",
        sweep(
            named.EXPERIMENTS["mlp_relu_output"].quick,
            n_hidden=(2, 3, 4, 8, 16),
            n_samples=(100, 200, 500, 1000, 2000, 5000),
        ),
        {"n_samples": 500, "n_hidden": 2, "seed": 0},
    ),
    (
        f"{MAPS}&sized_block=bottleneck, one matrix&map_samples=10&map_samples=30&widths=6&widths=3&map_seeds=2&seed=1",
        "sizes",
        sweep(named.EXPERIMENTS["double_descent"].quick, n_hidden=(3, 6), n_samples=(10, 30), seed=(0, 1)),
        {"n_samples": 10, "n_hidden": 3, "seed": 1},
    ),
    (f"{MAPS}&T=1000&m=8&stage=after the ReLU", "sizes", None, {"n_samples": 1000, "n_hidden": 8, "seed": 0}),
    (
        RATES,
        "schedule",
        rates((10, 30, 100, 200, 500, 1000, 2000), range(2)),
        {"n_samples": 1000, "seed": 0},
    ),
    (
        f"{RATES}&block=MLP, ReLU on the output&schedule_samples=30&schedule_samples=100&schedule_seeds=1&n_hidden=3",
        "schedule",
        rates((30, 100), [0], "mlp_relu_output", n_hidden=3),
        {"n_samples": 30, "seed": 0},
    ),
]


@pytest.mark.parametrize(("address", "id", "networks", "opened"), OLD, ids=[row[0] for row in OLD])
def test_a_link_of_before_there_were_views_opens_the_networks_that_it_did(address, id, networks, opened):
    name, parameters = link(f"http://localhost:8501/double_descent?{address}")
    found = PAGES[name].read(parameters)
    assert found.view.id == id
    assert found.not_understood == ()
    plan = found.view.plan(found.choice)
    if networks is not None:
        assert set(plan.experiments) == set(networks)
    for experiment in plan.opened:
        assert {field: getattr(experiment, field) for field in opened} == opened


def test_every_view_of_before_has_a_link_in_the_table():
    assert {row[1] for row in OLD} == {view.id for view in PAGES["double_descent"].views if view.first_name}


# ids are no labels


def reworded(view):
    """The view with every word changed that a visitor reads of it and of its controls."""

    def other(each):
        labels = {name: f"other {place}" for place, name in enumerate(each.values)}
        return replace(each, label="Other", help="Other.", labels=labels)

    controls, opens = (tuple(map(other, group)) for group in (view.controls, view.opens))
    return replace(view, title="Other", controls=controls, opens=opens)


def test_other_words_for_views_and_controls_break_no_link_no_figure_and_no_claim(monkeypatch):
    shown = [id for id, claim in CLAIMS.items() if claim.page in PAGES]
    assert shown

    def opens():
        pages, rows = studies.pages(), {id: figure.address for id, figure in figures.figures().items()}
        old = [pages["double_descent"].read(parse_qs(row[0])) for row in OLD]
        where = [studies.evidence(CLAIMS[id]) for id in shown]
        return rows, [(view.id, *rest) for view, *rest in old], [(p.id, v.id, choice) for p, v, choice in where]

    before = opens()
    for page in PAGES.values():
        for name, module in list(sys.modules.items()):
            if name.startswith(f"toyviz.studies.{page.id}.") and hasattr(module, "VIEW"):
                monkeypatch.setattr(module, "VIEW", reworded(module.VIEW))
    assert {view.title for page in studies.pages().values() for view in page.views} == {"Other"}
    assert opens() == before


# a folder of views


FILE = """
from dataclasses import replace
from toyviz.studies.double_descent.{like} import VIEW as LIKE
VIEW = replace(LIKE, id={id!r}, place={place}, figures={{}}, first_name="")
"""


def test_two_views_of_a_page_cannot_have_one_id_or_one_place(add_view):
    first = PAGES["double_descent"].views[0]
    add_view("of_one_id", FILE.format(like=first.id, id=first.id, place=98))
    with pytest.raises(ValueError, match="two views of double_descent have the same id"):
        studies.page("double_descent")


def test_two_views_of_a_page_cannot_have_one_place(add_view):
    first = PAGES["double_descent"].views[0]
    add_view("of_one_place", FILE.format(like=first.id, id="another", place=first.place))
    with pytest.raises(ValueError, match="two views of double_descent have the same place"):
        studies.page("double_descent")
