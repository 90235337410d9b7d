"""A page without views, as small as one can be: what tests of such pages open."""

from toyviz import charts, settings, tables, ui
from toyviz.experiment import sparsity_of, sweep

ui.title("Small", "What is seen of a page without views?")
recipe = ui.control("recipe", "quick")
densities = ui.control("density", (1.0, 0.1))
seeds = ui.control("seeds", 2)
sizes = {
    "n_features": ui.control("n_features", 5, choices=(5, 10)),
    "n_hidden": ui.control("n_hidden", 2, choices=(2, 3)),
    "importance_decay": ui.control("importance_decay", 0.7),
}
bias_init, bias_offset = settings.BIAS_STARTS[ui.control("bias", "0")]
base = settings.EXPERIMENTS["superposition"].at(recipe)
base = base.with_(**sizes, bias_init=bias_init, bias_offset=bias_offset)


def curve(result, frame=-1):
    figure = charts.training_curve(result.loss_steps, result.losses, int(result.frame_steps[frame]))
    ui.draw(figure, key=f"curve-{result.experiment.key}")


def show(results):
    for result in results[:3]:
        curve(result)


def watch(experiment, job):
    ui.draw(charts.training_curve(*job.losses), key="live-curve")
    ui.notes(f"**In training:** seed {experiment.seed}. {ui.step(job)}", "Anything else.")


wanted = sorted(sweep(base, seed=range(seeds), sparsity=list(map(sparsity_of, densities))), key=lambda e: e.seed)
results = ui.trained(wanted, show, watch, at_once=recipe == "quick")
if results:
    ui.replay(results[0], lambda frame: curve(results[0], frame))
    ui.behind("superposition", results[0], tables.runs(results))
