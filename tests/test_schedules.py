"""The learning rate of every step, against the formulas of the papers and against PyTorch's own schedule."""

import math

import numpy as np
import pytest

from toyviz import settings
from toyviz.experiment import SCHEDULES, Experiment
from toyviz.schedules import learning_rates


@pytest.mark.parametrize("recipe", [settings.QUICK_RECIPE, settings.PAPER_RECIPE], ids=["quick", "paper"])
def test_both_recipes_give_an_adam_step_the_same_distance_to_travel(recipe):
    assert learning_rates(Experiment(**recipe)).sum() == pytest.approx(25.0, abs=1e-6)


def test_the_papers_schedule_peaks_after_the_warm_up_and_ends_at_zero():
    rates = learning_rates(Experiment(**settings.PAPER_RECIPE))
    assert len(rates) == 50_000
    assert rates[0] == pytest.approx(1e-3 / 2_500)
    assert rates.argmax() == 2_500 - 1
    assert rates.max() == pytest.approx(1e-3)
    assert rates[(2_500 + 50_000) // 2 - 1] == pytest.approx(0.5e-3)
    assert rates[-1] == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(("steps", "warmup"), [(40, 10), (7, 1), (30, 0), (5, 4)])
def test_warm_up_and_cosine_equal_the_schedules_of_pytorch(torch, steps, warmup):
    rates = learning_rates(Experiment(schedule="warmup_cosine", steps=steps, warmup=warmup, lr=0.3))
    np.testing.assert_allclose(rates[:warmup], np.linspace(0, 0.3, warmup + 1)[1:], rtol=1e-12)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.3)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps - warmup)
    for rate in rates[warmup:]:
        optimizer.step()
        cosine.step()
        assert rate == pytest.approx(optimizer.param_groups[0]["lr"], abs=1e-12)


def test_a_quarter_cosine_is_that_of_the_course():
    rates = learning_rates(Experiment(schedule="quarter_cosine", steps=50, lr=0.2))
    assert rates == pytest.approx([0.2 * math.cos(0.5 * math.pi * step / 49) for step in range(50)])
    assert learning_rates(Experiment(schedule="quarter_cosine", steps=2, lr=0.2)) == pytest.approx([0.2, 0])


def test_a_constant_rate_is_constant():
    np.testing.assert_array_equal(learning_rates(Experiment(steps=5, lr=0.2)), [0.2] * 5)


@pytest.mark.parametrize("steps", [1, 2, 3, 100])
@pytest.mark.parametrize(
    ("schedule", "warmup"), [(name, 0) for name in SCHEDULES] + [("warmup_cosine", steps) for steps in (1, 3, 500)]
)
def test_every_schedule_has_one_finite_rate_a_step_and_none_above_the_peak(schedule, warmup, steps):
    rates = learning_rates(Experiment(schedule=schedule, steps=steps, lr=0.5, warmup=warmup))
    assert rates.shape == (steps,)
    assert (rates > -1e-15).all()  # a cosine of pi / 2 is not quite zero
    assert (rates <= 0.5).all()
