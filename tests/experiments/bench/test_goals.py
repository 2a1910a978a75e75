"""Goals, tables and figures of made-up measurements."""

import io
import math
import re

import pytest
import torch
from matplotlib.figure import Figure
from rich.console import Console

from experiments.bench import calls, functions, goals, growth, models, plot, table
from experiments.bench.timing import Race
from experiments.lessons.figures.style import styled
from experiments.training import recipes
from manualnet.check.properties.memory import Kept
from manualnet.check.spec import Sample
from manualnet.specs import SPECS


def _measured(function, size, manual, twin, label="", dtype="float32"):
    sample = Sample((torch.ones(2, 3).requires_grad_(),))
    lap = [{"forward": manual / 2, "backward": manual / 2}], [{"forward": twin / 2, "backward": twin / 2}]
    return calls.Measured(calls.Call(function, dtype, size, sample, label), Race(*lap), Kept(24, 0), Kept(48, 24))


def _step(model, precision, ratio, live):
    config = recipes.recipe(model)
    laps = Race([{"step": ratio}], [{"step": 1.0}])
    return models.Measured(config, precision, laps, 10**9, models.Height(live, 0, None), models.Height(100, 0, None))


def test_goals_are_the_limits_that_were_set():
    large, small = 4 * 2**20, 4096
    measured = [
        _measured("relu", large, 1.05, 1.0),
        _measured("gelu", large, 1.25, 1.0),
        _measured("gelu", 4 * large, 1.5, 1.0),
        _measured("add", small, 30e-6, 10e-6),
        _measured("sum", small, 40e-6, 10e-6),
    ]
    found = {g.name: g for g in goals.of_functions(measured)}
    slow, other, small_ = found.values()
    assert (slow.measured, slow.limit, slow.holds, slow.detail) == (1.5, 1.3, False, "1 of 2 above, most gelu float32")
    assert (other.measured, other.limit, other.holds) == (1.05, 1.1, True)
    assert (small_.measured, small_.limit, small_.holds) == (pytest.approx(30e-6), 25e-6, False)
    assert [goals.misses(m) for m in measured] == [False, False, True, False, True]
    assert goals.of_functions([]) == goals.of_calls([]) == goals.of_models([]) == []


def test_the_calls_goal_is_a_geometric_mean():
    [goal] = goals.of_calls([_measured("relu", 1, 1.0, 2.0), _measured("relu", 1, 8.0, 1.0)])
    assert goal.measured == pytest.approx(math.sqrt(0.5 * 8))
    assert goal.detail == "2 calls of 1 function"


@pytest.mark.parametrize(("model", "precision", "limit"), [("mlp", "bfloat16", 1.0), ("convnet", "float32", 1.0)])
def test_a_steps_goal(model, precision, limit):
    goal = goals.of_models([_step(model, precision, 1.0, 40)])[0]
    assert (goal.measured, goal.limit, goal.holds) == (1.0, limit, True)


def test_convnet_in_bfloat16_has_a_goal_of_its_own_and_one_for_memory():
    time, space = goals.of_models([_step("convnet", "bfloat16", 0.96, 50)])
    assert (time.limit, time.holds, space.measured, space.holds) == (0.95, False, 0.5, True)


def test_tables_fit_80_columns_and_figures_are_drawn():
    sizes = functions.SIZES
    many = [_measured(n, s, 2.5e-3, 1e-4, dtype=d) for d in ("float32", "bfloat16") for n in SPECS for s in sizes]
    labelled = [_measured("binary_cross_entropy_with_logits", 99, 0.123, 0.1, "two_layer")]
    steps = [_step(model, "bfloat16", 12.34, 10**10) for model in ("linear", "two_layer", "mlp", "convnet")]
    grown = [growth.Growth("convnet", "batch_size", [steps[3]] * 3)]
    console = Console(width=80, record=True, file=io.StringIO())
    for shown in (*table.functions(many), table.of_models(labelled, "bfloat16"), *table.steps(steps, 1e12)):
        console.print(shown)
    console.print(table.growth(grown))
    console.print(table.goals(goals.of_models(steps)))
    text = console.export_text()
    assert not re.search(r"[\d.]…", text)  # no number is cut
    assert max(map(len, text.splitlines())) <= 80
    assert text.count("maxout") == 2
    with styled():
        for figure in (plot.functions(many), plot.steps(steps), plot.growth(grown)):
            assert isinstance(figure, Figure)
            assert figure.axes[0].lines
