"""What is drawn: arrays and data frames in, Vega-Lite out.

A chart is a specification that never changes, built once with Altair against named data sets, and the data of this
moment. So drawing again sends new data to a chart that stands, and costs no building and no checking.
"""

from toyviz.charts.bars import Bars, bars
from toyviz.charts.chart import AMBER, BLUE, COLOUR_WORDS, GREEN, GREY, PURPLE, RAYS, VERMILLION, Chart, count
from toyviz.charts.clock import POSITIONS
from toyviz.charts.curves import LINE_COLOURS, clock_curve, is_clock_curve, laid_over, lines_over, lines_over_sizes
from toyviz.charts.drawings import FISH, FISH_COLOURS, components, fish_shapes
from toyviz.charts.geometry import CLASSES, FEATURES, SAMPLES, dimensionality, panels
from toyviz.charts.histograms import Histogram, histograms
from toyviz.charts.layers import Kind
from toyviz.charts.legible import legible
from toyviz.charts.logits import Logits, logit_plane, logit_stages, ranking, votes
from toyviz.charts.loss import loss_close_to_one, norms_over_samples, over_samples
from toyviz.charts.maps import Beside, Side, difference, size_map
from toyviz.charts.matrices import Matrix, matrices
from toyviz.charts.moving_lines import Line, moving_lines
from toyviz.charts.phases import phases
from toyviz.charts.pictures import LIFT_KINDS, START_KINDS, Panel, panels_over_sizes
from toyviz.charts.plane_grid import Column, Vectors, plane_grid
from toyviz.charts.plateaus import dimensions_per_feature
from toyviz.charts.portraits import OVERLAP, SHARED, Portrait, portraits
from toyviz.charts.scales import shared_scales
from toyviz.charts.scatter import IMPORTANCES, factors, predictions, residuals
from toyviz.charts.seeds import by_seed
from toyviz.charts.sizes import ALL_THREE, Picture, over_sizes
from toyviz.charts.stacks import Stack, stacks
from toyviz.charts.stairs import Flat, stairs
from toyviz.charts.strips import strips
from toyviz.charts.vectors import Group, outstanding, plane, planes_of_kinds

__all__ = [
    "ALL_THREE",
    "AMBER",
    "BLUE",
    "CLASSES",
    "COLOUR_WORDS",
    "FEATURES",
    "FISH",
    "FISH_COLOURS",
    "GREEN",
    "GREY",
    "IMPORTANCES",
    "LIFT_KINDS",
    "LINE_COLOURS",
    "OVERLAP",
    "POSITIONS",
    "PURPLE",
    "RAYS",
    "SAMPLES",
    "SHARED",
    "START_KINDS",
    "VERMILLION",
    "Bars",
    "Beside",
    "Chart",
    "Column",
    "Flat",
    "Group",
    "Histogram",
    "Kind",
    "Line",
    "Logits",
    "Matrix",
    "Panel",
    "Picture",
    "Portrait",
    "Side",
    "Stack",
    "Vectors",
    "bars",
    "by_seed",
    "clock_curve",
    "components",
    "count",
    "difference",
    "dimensionality",
    "dimensions_per_feature",
    "factors",
    "fish_shapes",
    "histograms",
    "is_clock_curve",
    "laid_over",
    "legible",
    "lines_over",
    "lines_over_sizes",
    "logit_plane",
    "logit_stages",
    "loss_close_to_one",
    "matrices",
    "moving_lines",
    "norms_over_samples",
    "outstanding",
    "over_samples",
    "over_sizes",
    "panels",
    "panels_over_sizes",
    "phases",
    "plane",
    "plane_grid",
    "planes_of_kinds",
    "portraits",
    "predictions",
    "ranking",
    "residuals",
    "shared_scales",
    "size_map",
    "stacks",
    "stairs",
    "strips",
    "votes",
]
