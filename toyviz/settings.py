"""The post's experiments by name: how each recipe trains them, and what they are swept over.

Tags say where a number comes from: [S] the post, [TDD] Henighan et al. 2023, [TMS] Elhage et al. 2022, [NB] its
notebook, [ARENA] the ARENA course, [R] our choice, since no source states it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from toyviz.experiment import Experiment, sparsity_of, sweep

SAMPLE_SIZES = (  # T [ARENA], and around n = 1000, where the MLP as the post writes it has its peak
    *(3, 5, 6, 8, 10, 15, 30, 50, 100, 200, 500, 850, 1000, 1150, 1300, 2000),
)
PAPER_SIZES = (200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000)  # T at n = 10,000 [TDD]
DENSITIES = (1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001)  # 1 - S [NB]
NEURON_DENSITIES = (1.0, 0.75, 0.35, 0.15, 0.1, 0.06, 0.02, 0.01)  # 1 and [ARENA]
STARTS = 100  # random starts of which the best is shown; [TMS] has 1000
MAP_SIZES = (5, 10, 30, 100, 200, 500, 1000, 2000)  # T and m of the maps [R]
MAP_WIDTHS = (2, 3, 4, 8, 16)
MAP_COLUMNS = (100, 200, 500, 1000, 2000, 5000)  # T that the page's maps open with: where every peak but m = 16's is
START_SIZES = (5, 30, 100, 500)  # T at which the columns of features that are never active are shown [R]
LIMIT_SIZES = (8, 16, 32, 64, 128, 256)  # n, m and S of the limits of reconstruction [R]
LIMIT_WIDTHS = (2, 4, 8, 16, 32, 64)
LIMIT_SPARSITIES = (0.0, 0.9, 0.99)
SCHEDULE_SIZES = (10, 30, 100, 200, 500, 1000, 2000)  # T at which learning rates are compared [R]
FISH_FEATURES = (64, 128, 256, 512)  # F, B and H of the three fish [R]
FISH_EMBEDS = (8, 32, 64, 128)
FISH_HIDDEN = (4, 16, 32, 64, 128, 256)
SPARSITIES = tuple(map(sparsity_of, DENSITIES))
BIAS_STARTS: dict[str, tuple[str, float]] = {  # bias_init and bias_offset [R]: the post names no start but 0
    "0": ("zeros", 0.0),
    "normal": ("normal", 0.0),
    "uniform": ("linear_uniform", 0.0),
    "-1": ("zeros", -1.0),
    "1": ("zeros", 1.0),
}

# Sum of lr = 25 in both: an AdamW step moves a weight by about lr, so fewer steps must be larger.
QUICK_RECIPE: dict[str, Any] = {"schedule": "warmup_cosine", "steps": 5_000, "warmup": 250, "lr": 1e-2}  # [R]
PAPER_RECIPE: dict[str, Any] = {"schedule": "warmup_cosine", "steps": 50_000, "warmup": 2_500, "lr": 1e-3}  # [TDD]

# AdamW as PyTorch has it, at a constant rate: what shows the second peak of the literal MLP, near T = n [R].
PLAIN_RECIPE: dict[str, Any] = {
    **{"optimizer": "adamw", "schedule": "constant", "warmup": 0},
    **{"steps": 3_000, "lr": 1e-3, "weight_decay": 0.01},
}
PLAIN_EARLY_STEPS = 600  # where the shapes of the first, sign-like phase of Adam are still there [R]

# What a public script says of the post's own notebook; the start is that of the setting. It keeps the best of several
# starts: so many have one vote [R].
NOTEBOOK_RECIPE: dict[str, Any] = {
    **{"optimizer": "adamw", "schedule": "warmup_from_tenth", "warmup": 750},
    **{"steps": 3_000, "lr": 5e-3, "weight_decay": 0.01},
}
NOTEBOOK_STARTS = 4
RECIPES = ("quick", "paper", "plain", "plain-early", "notebook")


@dataclass(frozen=True)
class Setting:
    """A named experiment of the post."""

    title: str
    quick: Experiment
    paper: Experiment
    over: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)  # the post's sweep
    start_is_named: bool = False  # by the post: no recipe changes it

    def at(self, recipe: str) -> Experiment:
        """The experiment trained by this recipe, one of RECIPES.

        "plain" is what one gets who sets nothing in PyTorch, from its own start where the post names none;
        "plain-early" the same, stopped early. "notebook" changes the training, not the start. Raises ValueError for
        another name.
        """
        if recipe not in RECIPES:
            raise ValueError(f"recipe must be one of {', '.join(RECIPES)}; got {recipe!r}")
        if recipe == "quick":
            return self.quick
        if recipe == "paper":
            return self.paper
        if recipe == "notebook":
            return self.quick.with_(**NOTEBOOK_RECIPE)
        trained = PLAIN_RECIPE | ({"steps": PLAIN_EARLY_STEPS} if recipe == "plain-early" else {})
        if self.start_is_named:
            return self.quick.with_(**trained)
        row = self.quick.arch_row
        biases = "linear_uniform" if row.hidden_bias or row.output_bias else "zeros"
        return self.quick.with_(init="linear_uniform", bias_init=biases, bias_offset=0.0, **trained)


def _setting(
    title: str,
    base: dict[str, Any],
    quick: dict[str, Any],
    paper: dict[str, Any],
    start_is_named: bool = False,
    **over: Any,
) -> Setting:
    return Setting(title, Experiment(**(base | quick)), Experiment(**(base | paper)), over, start_is_named)


_MEMORISED = {"n_features": 1000, "n_hidden": 2, "sparsity": 0.99, "normalize": True, "n_samples": 100}  # [S]
_LINEAR_DEFAULT = {"init": "linear_uniform", "bias_init": "linear_uniform"}  # nn.Linear's own start [S]
_FISH = {  # [S] for the data; grids and recipe [R]
    **_LINEAR_DEFAULT,
    "arch": "mlp",
    "n_features": 256,
    "n_embed": 32,
    "n_hidden": 64,
    "n_samples": 1000,
    "sparsity": 0.99,
    "normalize": True,
    "schedule": "warmup_cosine",
    "lr": 3e-3,
}
_FISH_QUICK, _FISH_POST = {"steps": 1_500}, {"steps": 5_000}
_ONE_HOT = {**_LINEAR_DEFAULT, "arch": "mlp", "data": "one_hot", "n_features": 20, "n_hidden": 10}  # [S]
_CLASSES = {"task": "classify_hard", "data": "one_hot"}
_UNEMBEDDING = _MEMORISED | _LINEAR_DEFAULT | {"arch": "unembed", "task": "classify_hard", "n_samples": 500}  # [S]
# Gentle steps: W1 fills its square the better, the smaller they are. 5,000 steps up to 1e-2 give it rounded corners.
_UNEMBEDDING_QUICK = {"steps": 10_000, "lr": 2e-3}  # [R]
# SGD learns T = 500 as well as AdamW does from a peak of 10 on; at 0.1 it hardly starts. Its decay would be of the
# gradient, not of the weight, and so it has none.
_SGD_QUICK = QUICK_RECIPE | {"optimizer": "sgd", "lr": 10.0, "weight_decay": 0.0}  # [R]
_SGD_POST = PAPER_RECIPE | {"optimizer": "sgd", "lr": 10.0, "weight_decay": 0.0}  # [R]

EXPERIMENTS: dict[str, Setting] = {
    "superposition": _setting(
        "Bottleneck: features in superposition",
        {"n_features": 20, "n_hidden": 5, "importance_decay": 0.7},  # [S, TMS]
        {"steps": 3_000, "lr": 3e-3},  # [R]
        {"steps": 10_000, "lr": 1e-3},  # [NB]
        start_is_named=True,  # the post warns of any bias but 0, and follows the papers in the rest
        sparsity=SPARSITIES,
    ),
    "double_descent": _setting(
        "Bottleneck: double descent",
        _MEMORISED,
        QUICK_RECIPE,
        PAPER_RECIPE,
        start_is_named=True,  # Xavier's, as in the paper
        n_samples=SAMPLE_SIZES,
    ),
    "double_descent_10000": _setting(
        "Bottleneck: double descent at the size of the paper",
        _MEMORISED | {"n_features": 10_000, "sparsity": 0.999, "n_samples": 200},  # [TDD]
        QUICK_RECIPE,
        PAPER_RECIPE,
        start_is_named=True,
        n_samples=PAPER_SIZES,
    ),
    "double_descent_untied": _setting(
        "Bottleneck: double descent with W1 and W2",
        _MEMORISED | {"arch": "relu_output_untied"},
        QUICK_RECIPE,
        PAPER_RECIPE,
        n_samples=SAMPLE_SIZES,
    ),
    # [R] What a public script says of the post's own loss: the sum of I (x - |x'|)^2, with x' = W1'W1 x + b2.
    "double_descent_abs": _setting(
        "Bottleneck: double descent with |x'| instead of the ReLU",
        _MEMORISED | {"arch": "abs_output"},
        QUICK_RECIPE,
        PAPER_RECIPE,
        start_is_named=True,
        n_samples=SAMPLE_SIZES,
    ),
    "superposition_linear": _setting(
        "Bottleneck: the same without the ReLU, the control",
        {"arch": "unembed_tied", "n_features": 20, "n_hidden": 5, "importance_decay": 0.7},  # [TMS]
        {"steps": 3_000, "lr": 3e-3},  # [R]
        {"steps": 10_000, "lr": 1e-3},  # [NB]
        sparsity=SPARSITIES,
    ),
    "dimensions_per_feature": _setting(
        "Bottleneck: how many dimensions a feature gets",
        {"n_features": 200, "n_hidden": 20},  # [NB, ARENA]
        {"steps": 3_000, "lr": 3e-3},  # [R]
        {"steps": 10_000, "lr": 1e-3},  # [NB]
        sparsity=tuple(sparsity_of(round(20 ** (-k / 19), 6)) for k in range(20)),  # [ARENA]
    ),
    "phase_diagram": _setting(
        "Bottleneck: one feature more than there are dimensions",
        {"n_features": 2, "n_hidden": 1},  # [TMS]
        {"steps": 3_000, "lr": 3e-3},  # [R]
        {"steps": 10_000, "lr": 1e-3},  # [R]
        importance_decay=tuple(round(10 ** (-k / 5), 6) for k in range(6)),  # [TMS]: 0.1 ... 10, by symmetry
        sparsity=tuple(sparsity_of(round(10 ** (-k / 4.5), 6)) for k in range(10)),  # [TMS]: density 1 ... 0.01
    ),
    "limits": _setting(
        "Bottleneck: limits of reconstruction",
        {"n_features": 64, "n_hidden": 8, "sparsity": 0.9},
        {"steps": 2_000, "lr": 5e-3},  # [R]
        {"steps": 10_000, "lr": 1e-3},  # [NB]
        start_is_named=True,  # the post warns of any bias but 0, and follows the papers in the rest
        sparsity=LIMIT_SPARSITIES,
        n_features=LIMIT_SIZES,
        n_hidden=LIMIT_WIDTHS,
    ),
    "limits_one_hot": _setting(
        "Bottleneck: limits of reconstruction without noise",
        {"data": "one_hot", "n_features": 64, "n_hidden": 8},
        {"steps": 2_000, "lr": 5e-3},  # [R]
        {"steps": 10_000, "lr": 1e-3},  # [R]
        start_is_named=True,  # the post warns of any bias but 0, and follows the papers in the rest
        n_features=LIMIT_SIZES,
        n_hidden=LIMIT_WIDTHS,
    ),
    "stairs": _setting(
        "Bottleneck: a few one-hots in the plane, learned stair by stair",
        {"data": "one_hot", "n_features": 8, "n_hidden": 2, "weight_decay": 0.0},
        # [R] SGD stays longest at the plateaus, and without decay their losses are those of the closed form.
        {"optimizer": "sgd", "lr": 0.02, "steps": 200_000},
        {"optimizer": "sgd", "lr": 0.02, "steps": 200_000},
    ),
    "privileged_basis": _setting(
        "MLP block: ReLU hidden layer",
        {"arch": "relu_hidden", "n_features": 10, "n_hidden": 5, "importance_decay": 0.75},  # [S, TMS]
        {"steps": 3_000, "lr": 3e-3},  # [R]
        {"steps": 10_000, "lr": 1e-3},  # [R]
        sparsity=tuple(map(sparsity_of, NEURON_DENSITIES)),
    ),
    "mlp": _setting(
        "MLP block: double descent, as the post writes it",
        _MEMORISED | _LINEAR_DEFAULT | {"arch": "mlp"},
        QUICK_RECIPE,
        PAPER_RECIPE,
        n_samples=SAMPLE_SIZES,
    ),
    "mlp_at_its_rank": _setting(
        "MLP block: the double descent of the MLP as the post writes it",
        # [R] Small weights and live units: from nn.Linear's start, the large b2 hides it (seeds 10 to 13).
        _MEMORISED | {"arch": "mlp", "n_hidden": 8, "init": "xavier_normal", "bias_offset": 0.1},
        QUICK_RECIPE,
        PAPER_RECIPE,
        n_samples=(3, 5, 6, 7, 8, 9, 10, 12, 15, 20, 30, 100, 2000),
    ),
    "mlp_relu_output": _setting(
        "MLP block: double descent with a ReLU on the output",
        # [R] Uniform as nn.Linear's start, but with Xavier's width and biases at 0: from nn.Linear's own start b2 is
        # large, hidden units die, and nothing is memorised (seeds 10 to 13, T = 5 to 2000).
        _MEMORISED | {"arch": "mlp_relu_output", "init": "xavier_uniform"},
        QUICK_RECIPE,
        PAPER_RECIPE,
        n_samples=SAMPLE_SIZES,
    ),
    "big_fish": _setting("MLP block: big fish", _FISH | {"task": "big_fish"}, _FISH_QUICK, _FISH_POST),
    "small_fish": _setting("MLP block: small fish", _FISH | {"task": "small_fish"}, _FISH_QUICK, _FISH_POST),
    "reproject": _setting("MLP block: re-projector", _FISH | {"task": "reproject"}, _FISH_QUICK, _FISH_POST),
    "unembedding": _setting(
        "Final layer: toy unembedding", _UNEMBEDDING, _UNEMBEDDING_QUICK, PAPER_RECIPE, n_samples=SAMPLE_SIZES
    ),
    "unembedding_soft": _setting(
        "Final layer: toy unembedding with soft labels",
        _UNEMBEDDING | {"task": "classify_soft"},
        _UNEMBEDDING_QUICK,
        PAPER_RECIPE,
        n_samples=SAMPLE_SIZES,
    ),
    "unembedding_xavier": _setting(
        "Final layer: toy unembedding from a Xavier start",
        _UNEMBEDDING | {"init": "xavier_normal", "bias_init": "zeros"},
        _UNEMBEDDING_QUICK,
        PAPER_RECIPE,
        start_is_named=True,
        n_samples=SAMPLE_SIZES,
    ),
    "unembedding_tied": _setting(
        "Final layer: toy unembedding with W2 = W1ᵀ",
        _UNEMBEDDING | {"arch": "unembed_tied"},
        _UNEMBEDDING_QUICK,
        PAPER_RECIPE,
        n_samples=SAMPLE_SIZES,
    ),
    "unembedding_sgd": _setting(
        "Final layer: toy unembedding trained by SGD", _UNEMBEDDING, _SGD_QUICK, _SGD_POST, n_samples=SAMPLE_SIZES
    ),
    # The rates, steps and decays below are [R]: searched on the seeds 10 to 41, reported on others. Biases that start
    # at 0 lose no neuron; with PyTorch's own start most networks of ten lose one, and end above the lowest loss.
    "dictionary": _setting(
        "Appendix: a dictionary of one-hots, squared error",
        _ONE_HOT | {"bias_init": "zeros", "lr": 1e-3, "weight_decay": 0.1, "steps": 3_000},
        {},
        {},
        n_hidden=(10,),
    ),
    "dictionary_cross_entropy": _setting(
        "Appendix: a dictionary of one-hots, cross-entropy",
        _ONE_HOT | _CLASSES | {"lr": 1e-3},  # PyTorch's own AdamW: 1e-3 and 0.01
        {"steps": 1_000},
        {"steps": 3_000},
        steps=(1_000, 3_000),  # [S]
    ),
    "dictionary_64": _setting(
        "Appendix: 64 one-hots through two neurons",
        _ONE_HOT | _CLASSES | {"n_features": 64, "n_hidden": 2, "lr": 1e-2, "steps": 10_000},
        {},
        {},
    ),
    "dictionary_antipodal": _setting(
        "Appendix: a dictionary of antipodal inputs",
        _ONE_HOT
        | _CLASSES
        | {"data": "antipodal", "n_features": 10, "bias_init": "zeros", "weight_decay": 1.0, "lr": 3e-3},
        {"steps": 10_000},
        {"steps": 10_000},
        n_features=(10, 20),
    ),
    "dictionary_sizes": _setting(
        "Appendix: hidden size against dataset size, squared error",
        _ONE_HOT | {"bias_init": "zeros", "lr": 1e-3, "steps": 3_000},
        {},
        {},
        n_features=(4, 8, 16, 32, 64),
        n_hidden=(2, 4, 8, 16, 32, 64),
    ),
    "dictionary_sizes_cross_entropy": _setting(
        "Appendix: hidden size against dataset size, cross-entropy",
        _ONE_HOT | _CLASSES | {"bias_init": "zeros", "lr": 0.1, "weight_decay": 0.0, "steps": 3_000},
        {},
        {},
        n_features=(4, 8, 16, 32, 64),
        n_hidden=(2, 4, 8, 16, 32, 64),
    ),
    "starting_as_dictionary": _setting(
        "Appendix: starting as a lookup table",
        {
            **_LINEAR_DEFAULT,
            "arch": "mlp_relu_output",
            "n_features": 100,
            "n_hidden": 25,
            "n_samples": 50,
            "sparsity": 0.9,
            "normalize": True,
            "lr": 1e-3,
            "steps": 5_000,
        },
        {},
        {},
        init=("linear_uniform", "training_points", "kmeans_centres", "one_hots", "lookup_table"),
    ),
}


DESCENTS = {  # the named experiment of each network that the double descent page offers
    "relu_output": "double_descent",
    "relu_output_untied": "double_descent_untied",
    "abs_output": "double_descent_abs",
    "mlp": "mlp",
    "mlp_relu_output": "mlp_relu_output",
}


FISH = ("big_fish", "small_fish", "reproject")


def decreasing_importance(n_features: int) -> float:
    """The decay whose powers are 100 ** -linspace(0, 1, n): feature 0 weighs 1, the last one 0.01 [S]. For n > 1."""
    return round(100 ** (-1 / (n_features - 1)), 9)


def limits(
    base: Experiment,
    decreasing: Iterable[bool] = (True, False),
    sizes: Iterable[int] = LIMIT_SIZES,
    widths: Iterable[int] = LIMIT_WIDTHS,
    **over: Iterable[Any],
) -> list[Experiment]:
    """Every n and m with m <= n over this base, the importance decreasing or uniform; the small ones first."""
    widths, decreasing = tuple(widths), tuple(decreasing)
    return [
        experiment
        for n in sizes
        for m in widths
        for fading in decreasing
        if m <= n
        for experiment in sweep(
            base.with_(n_features=n, n_hidden=m, importance_decay=decreasing_importance(n) if fading else 1.0), **over
        )
    ]


def fish(size: str = "quick", **over: Any) -> list[Experiment]:
    """The three fish over these fields, the small networks first: all see the same samples through the same E."""
    every = [e for name in FISH for e in sweep(EXPERIMENTS[name].at(size), **over)]
    return sorted(every, key=lambda e: (e.seed, e.n_hidden, e.n_embed))
