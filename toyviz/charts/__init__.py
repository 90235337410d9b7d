"""What is drawn: arrays and data frames in, Vega-Lite out.

A figure is a specification that never changes, built once with Altair against named data sets, and the data of this
moment. So drawing again sends new data to a chart that stands, and costs no building and no checking.
"""

from toyviz.charts.chart import RAYS, Chart
from toyviz.charts.clock import POSITIONS
from toyviz.charts.dictionary import Side, bars, cosine_histograms, lines, matrices, planes, size_map
from toyviz.charts.final_layer import (
    CLASSES,
    logit_plane,
    logit_stages,
    over_samples,
    shape,
    shapes_over_samples,
    squareness_turned,
    votes,
)
from toyviz.charts.fish import FISH, components, fish_shapes, over_hidden_size, recovery, response
from toyviz.charts.geometry import FEATURES, SAMPLES, closeup, dimensionality, limit, panels
from toyviz.charts.limits import IMPORTANCES, predictions, residuals
from toyviz.charts.loss import loss_close_to_one, loss_over_samples, norms_over_samples
from toyviz.charts.mlp_block import Lift, horseshoe, starts
from toyviz.charts.neurons import neuron_weights, spread, stacks
from toyviz.charts.overlap import norm_bars, overlaps, summary
from toyviz.charts.sizes import Picture, over_sizes
from toyviz.charts.superposition import by_start, dimensions_per_feature, phases
from toyviz.charts.training import training_curve
from toyviz.charts.vectors import Group, outstanding, plane, planes_of_kinds

__all__ = [
    "CLASSES",
    "FEATURES",
    "FISH",
    "IMPORTANCES",
    "POSITIONS",
    "RAYS",
    "SAMPLES",
    "Chart",
    "Group",
    "Lift",
    "Picture",
    "Side",
    "bars",
    "by_start",
    "closeup",
    "components",
    "cosine_histograms",
    "dimensionality",
    "dimensions_per_feature",
    "fish_shapes",
    "horseshoe",
    "limit",
    "lines",
    "logit_plane",
    "logit_stages",
    "loss_close_to_one",
    "loss_over_samples",
    "matrices",
    "neuron_weights",
    "norm_bars",
    "norms_over_samples",
    "outstanding",
    "over_hidden_size",
    "over_samples",
    "over_sizes",
    "overlaps",
    "panels",
    "phases",
    "plane",
    "planes",
    "planes_of_kinds",
    "predictions",
    "recovery",
    "residuals",
    "response",
    "shape",
    "shapes_over_samples",
    "size_map",
    "spread",
    "squareness_turned",
    "stacks",
    "starts",
    "summary",
    "training_curve",
    "votes",
]
