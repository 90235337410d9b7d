"""The post's experiments by name: a quick size that is live, the post's size, and what each is swept over.

Tags say where a number comes from: [S] the post, [TDD] Henighan et al. 2023, [TMS] Elhage et al. 2022, [NB] its
notebook, [ARENA] the ARENA course, [R] our choice, since no source states it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from toyviz.experiment import Experiment, sweep

SAMPLE_SIZES = (3, 5, 6, 8, 10, 15, 30, 50, 100, 200, 500, 1000, 2000)  # T [ARENA]
DENSITIES = (1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001)  # 1 - S [NB]
NEURON_DENSITIES = (1.0, 0.75, 0.35, 0.15, 0.1, 0.06, 0.02, 0.01)  # 1 and [ARENA]
STARTS = 100  # random starts of which the best is shown; [TMS] has 1000
SPARSITIES = tuple(round(1 - density, 6) for density in DENSITIES)

# Sum of lr = 25 in both: an AdamW step moves a weight by about lr, so fewer steps must be larger.
QUICK_RECIPE: dict[str, Any] = {"schedule": "warmup_cosine", "steps": 5_000, "warmup": 250, "lr": 1e-2}  # [R]
PAPER_RECIPE: dict[str, Any] = {"schedule": "warmup_cosine", "steps": 50_000, "warmup": 2_500, "lr": 1e-3}  # [TDD]
RECIPES = {"quick": QUICK_RECIPE, "paper": PAPER_RECIPE}


@dataclass(frozen=True)
class Setting:
    """A named experiment of the post."""

    title: str
    quick: Experiment
    post: Experiment
    over: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)  # the post's sweep


def _setting(title: str, base: dict[str, Any], quick: dict[str, Any], post: dict[str, Any], **over: Any) -> Setting:
    return Setting(title, Experiment(**(base | quick)), Experiment(**(base | post)), over)


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
        sparsity=SPARSITIES,
    ),
    "double_descent": _setting(
        "Bottleneck: double descent", _MEMORISED, QUICK_RECIPE, PAPER_RECIPE, n_samples=SAMPLE_SIZES
    ),
    "double_descent_untied": _setting(
        "Bottleneck: double descent with W1 and W2",
        _MEMORISED | {"arch": "relu_output_untied"},
        QUICK_RECIPE,
        PAPER_RECIPE,
        n_samples=SAMPLE_SIZES,
    ),
    "limits": _setting(
        "Bottleneck: limits of reconstruction",
        {"n_features": 64, "n_hidden": 8, "sparsity": 0.9},
        {"steps": 2_000, "lr": 5e-3},  # [R]
        {"steps": 10_000, "lr": 1e-3},  # [NB]
        sparsity=(0.0, 0.9, 0.99),
        n_features=(8, 16, 32, 64, 128, 256),
        n_hidden=(2, 4, 8, 16, 32, 64),
    ),
    "limits_one_hot": _setting(
        "Bottleneck: limits of reconstruction without noise",
        {"data": "one_hot", "n_features": 64, "n_hidden": 8},
        {"steps": 2_000, "lr": 5e-3},  # [R]
        {"steps": 10_000, "lr": 1e-3},  # [R]
        n_features=(8, 16, 32, 64, 128, 256),
        n_hidden=(2, 4, 8, 16, 32, 64),
    ),
    "privileged_basis": _setting(
        "MLP block: ReLU hidden layer",
        {"arch": "relu_hidden", "n_features": 10, "n_hidden": 5, "importance_decay": 0.75},  # [S, TMS]
        {"steps": 3_000, "lr": 3e-3},  # [R]
        {"steps": 10_000, "lr": 1e-3},  # [R]
        sparsity=tuple(round(1 - density, 6) for density in NEURON_DENSITIES),
    ),
    "mlp": _setting(
        "MLP block: double descent, as the post writes it",
        _MEMORISED | _LINEAR_DEFAULT | {"arch": "mlp"},
        QUICK_RECIPE,
        PAPER_RECIPE,
        n_samples=SAMPLE_SIZES,
    ),
    "mlp_relu_output": _setting(
        "MLP block: double descent with a ReLU on the output",
        _MEMORISED | _LINEAR_DEFAULT | {"arch": "mlp_relu_output"},
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


@dataclass(frozen=True)
class Figure:
    """A figure of the post, and where the app has it."""

    title: str
    page: str  # its file under pages/, without folder and ending
    experiments: tuple[str, ...]


FIGURES: dict[str, Figure] = {  # numbered in the post's order
    "F2": Figure("Overlaps and lengths of the features over density", "superposition", ("superposition",)),
    "F3": Figure("Test loss over the size of the training set", "double_descent", ("double_descent",)),
    "F4": Figure("Columns of W1 and hidden vectors over T", "double_descent", ("double_descent",)),
    "F5": Figure("Dimensionality of features and samples over T", "double_descent", ("double_descent",)),
    "F9": Figure("W1 over density, ReLU on the hidden layer", "privileged_basis", ("privileged_basis",)),
    "F10": Figure("Stack plots: what each neuron stands for", "privileged_basis", ("privileged_basis",)),
    "F22": Figure("Cross-entropy and accuracy over T", "unembedding", ("unembedding",)),
    "F23": Figure("Columns of W1, hidden vectors and rows of W2 over T", "unembedding", ("unembedding",)),
    "F24": Figure("T = 500: the square, the rose and the circle", "unembedding", ("unembedding",)),
    "F25": Figure("The two terms of every class's logit", "unembedding", ("unembedding",)),
    "F26": Figure("The sum of the terms, and the bias", "unembedding", ("unembedding",)),
    "F27": Figure("The weighted vote that makes a hidden vector", "unembedding", ("unembedding",)),
    "F28": Figure("Squares from a Xavier start", "unembedding", ("unembedding_xavier",)),
    "F43": Figure("Shapes and losses with soft labels", "unembedding", ("unembedding_soft",)),
}


def gallery() -> list[Experiment]:
    """What the pages show at their defaults: trained beforehand and shipped, so that the first visit need not wait."""
    return [
        *sweep(EXPERIMENTS["double_descent"].quick, seed=range(4), n_samples=SAMPLE_SIZES),
        *sweep(EXPERIMENTS["superposition"].quick, seed=range(8), sparsity=SPARSITIES),
        *sweep(EXPERIMENTS["unembedding"].quick, seed=range(2), n_samples=SAMPLE_SIZES),
        *(EXPERIMENTS[name].quick for name in ("unembedding_soft", "unembedding_xavier", "unembedding_tied")),
        EXPERIMENTS["unembedding_sgd"].quick,
        EXPERIMENTS["unembedding_sgd"].quick.with_(init="xavier_normal", bias_init="zeros"),
        EXPERIMENTS["double_descent_untied"].quick.with_(n_samples=500),
        *sweep(EXPERIMENTS["privileged_basis"].quick, seed=range(STARTS), **EXPERIMENTS["privileged_basis"].over),
    ]
