"""What is drawn: arrays and data frames in, Vega-Lite out.

A figure is a specification that never changes, built once with Altair against named data sets, and the data of this
moment. So drawing again sends new data to a chart that stands, and costs no building and no checking.
"""

from toyviz.charts.figure import RAYS, Figure
from toyviz.charts.geometry import FEATURES, SAMPLES, closeup, dimensionality, limit, panels
from toyviz.charts.loss import loss_close_to_one, loss_over_samples, norms_over_samples
from toyviz.charts.overlap import norm_bars, overlaps, summary
from toyviz.charts.training import training_curve

__all__ = [
    "FEATURES",
    "RAYS",
    "SAMPLES",
    "Figure",
    "closeup",
    "dimensionality",
    "limit",
    "loss_close_to_one",
    "loss_over_samples",
    "norm_bars",
    "norms_over_samples",
    "overlaps",
    "panels",
    "summary",
    "training_curve",
]
