"""The command line: `python -m toyviz --help`. Results on stdout, progress on stderr.

Exit codes: 0; 1 a training failed, or a package is missing; 2 bad input, told in one sentence; 130 stopped by Ctrl-C,
143 by a signal to end. What is heavy is imported where it is used, so that a list or a refusal comes at once.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlencode

from toyviz import cost, settings
from toyviz.experiment import FIELD_NAMES, Experiment, parse, sweep

if TYPE_CHECKING:
    from toyviz.claims import Claim
    from toyviz.claims.report import Asked
    from toyviz.cluster import Cluster
    from toyviz.figures import Figure
    from toyviz.result import Result
    from toyviz.train import Frame
    from toyviz.view import Opened, Page, Plan

ROOT = Path(__file__).parents[1]
ENGINES = ("auto", "fused", "reference", "batched")
DEVICES = ("cpu", "cuda")
_RECIPES = f"{{{','.join(settings.RECIPES)}}}"
METRICS = ("train_loss", "test_loss", "train_accuracy", "test_accuracy")
CLEAR_LINE = "\r\x1b[K"
TOLD_FROM = 10.0  # seconds of expected training from which it is told what they take
REPORT_SECONDS = 2  # between two lines of progress where stderr is no terminal


def main(words: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    _open_closed_streams()
    try:
        arguments = _parser().parse_args(words)
        _refuse_jobs(arguments)
        with _cluster(arguments) as arguments.cluster:
            code: int = arguments.run(arguments)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        _tell("stopped")
        return 130
    except BrokenPipeError:  # whoever read stdout has gone, as in `list | head -1`
        _drop_output()
        return 0
    except OSError as error:
        what = repr(error.filename) if error.filename else "the output"
        _tell(f"{what} could not be read or written: {error.strerror or error}")
        _drop_output()
        return 1
    except MemoryError:
        _tell(cost.NO_MEMORY)
        return 1
    except ModuleNotFoundError as error:
        if (error.name or "toyviz").split(".")[0] == "toyviz":
            raise
        _tell(f"this needs the package {error.name}, which is not installed: see requirements.txt")
        return 1


def _open_closed_streams() -> None:
    """Where stdin, stdout or stderr is closed, open /dev/null in its place: for us and for the processes we start."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere == number:
                os.set_inheritable(number, True)
            else:
                os.dup2(nowhere, number)
                os.close(nowhere)
            setattr(sys, name, open(number, "w" if number else "r", encoding="utf-8", closefd=False))  # noqa: SIM115


def _drop_output() -> None:
    """Let what is still to be written to stdout go nowhere: Python writes it when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def refuse(sentence: object) -> NoReturn:
    """End with exit code 2 and one sentence on stderr."""
    _tell(sentence)
    raise SystemExit(2)


def _tell(sentence: object) -> None:
    """One line on stderr, over the line of progress that a terminal may show, whatever characters were handed in."""
    line = "".join(each if each.isprintable() else repr(each)[1:-1] for each in str(sentence))
    _write_error(f"{CLEAR_LINE if sys.stderr.isatty() else ''}{line}\n")


def _write_error(text: str) -> None:
    """Text on stderr. Where that cannot be written, a full disk say, it is lost: no training ends for it."""
    with contextlib.suppress(OSError):
        sys.stderr.write(text)
        sys.stderr.flush()


# ---- train


def _train(arguments: argparse.Namespace) -> int:
    experiment = _linked(arguments).opened[0] if arguments.link is not None else _experiment(arguments)
    _refuse_engine([experiment], arguments)
    _refuse_unwritable(arguments.out)
    store = _Store(arguments)
    result = store.get(experiment)
    cached = result is not None
    if result is None:
        _refuse_costly([experiment], arguments)
        _tell_cost([experiment], arguments)
        progress = _Progress(arguments.name, experiment.steps)
        outcome = _attempt(experiment, arguments.engine, progress.frame, arguments.device)
        if isinstance(outcome, str):
            _tell(outcome)
            return 1
        result = outcome
        store.put(result)
    if arguments.out:
        from toyviz.export import network_files

        try:
            network_files.write_npz(arguments.out, result)
        except OSError as error:
            refuse(f"--out {str(arguments.out)!r} could not be written: {error.strerror or error}")
    answer = _answer(result, cached)
    answer |= {"experiment": asdict(experiment), "metrics": {name: answer.pop(name) for name in METRICS}}
    print(json.dumps(answer, allow_nan=False))
    return 0


def _answer(result: Result, cached: bool) -> dict[str, Any]:
    """What is said of every run: its key, whether it was stored, the engine, the seconds of training, the metrics.

    A shipped result does not tell its seconds.
    """
    return {
        "key": result.experiment.key,
        "cached": cached,
        "engine": result.provenance["engine"],
        "seconds": result.provenance.get("seconds"),
        **{name: result.metrics[name] for name in METRICS},
    }


def _attempt(
    experiment: Experiment, engine: str, on_frame: Callable[[Frame], None] | None = None, device: str = "cpu"
) -> Result | str:
    """The trained network, or the sentence that says why there is none."""
    from toyviz.train import TrainingFailed, train

    try:
        return train(experiment, engine=engine, device=device, on_frame=on_frame)
    except TrainingFailed as error:
        return str(error)
    except MemoryError:
        return cost.NO_MEMORY


class _Store:
    """The store as the command line uses it: it holds what the engine "auto" gives, and nothing else.

    An engine asked for by name takes a stored result only if that engine trained it, and stores nothing.
    """

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.engine, self.store, self.display = arguments.engine, None, arguments.display
        self.told: str | None = None  # the store's problem, which is told once
        if not arguments.no_cache:
            from toyviz.store import default_store

            self.store = default_store()

    def get(self, experiment: Experiment) -> Result | None:
        result = self.store.get(experiment) if self.store else None
        if result is not None and self.engine not in ("auto", result.provenance["engine"]):
            return None
        return result

    def put(self, result: Result) -> None:
        if not self.store or self.engine != "auto" or self.store.put(result, display=self.display):
            return
        if self.store.problem != self.told:
            self.told = self.store.problem
            _tell(self.told)


class _Progress:
    """Steps, loss and time left on stderr: one line that is written over in a terminal, else a line every 2 s."""

    def __init__(self, label: str, steps: int) -> None:
        self.label, self.steps = label, steps
        self.first: tuple[float, int] | None = None  # when the first frame came, and its step: start-up is no training
        self.told = time.monotonic()

    def frame(self, frame: Frame) -> None:
        now, terminal = time.monotonic(), sys.stderr.isatty()
        began, first = self.first = self.first or (now, frame.step)
        if frame.step == self.steps:
            _write_error(CLEAR_LINE if terminal else "")
        elif frame.step > first and (terminal or now - self.told >= REPORT_SECONDS):
            self.told = now
            left = (now - began) * (self.steps - frame.step) / (frame.step - first)
            line = f"{self.label}: step {frame.step} of {self.steps}, loss {frame.loss:.4g}, {left:.0f} s left"
            _write_error(f"{CLEAR_LINE}{line}" if terminal else f"{line}\n")


# ---- sweep


def _sweep(arguments: argparse.Namespace) -> int:
    swept, experiments = _of_link(arguments) if arguments.link is not None else _combinations(arguments)
    _refuse_engine(experiments, arguments)
    _refuse_unwritable(arguments.out)
    _refuse_costly(experiments, arguments)
    rows: dict[str, dict[str, Any]] = {}
    told = 0
    table = _Table(swept, experiments, arguments.out, arguments.json)
    try:
        for key, outcome, cached in _outcomes(experiments, arguments):
            rows[key] = _row(key, outcome, cached)
            while told < len(experiments) and experiments[told].key in rows:
                table.write(experiments[told], rows[experiments[told].key])
                told += 1
    except BrokenExecutor:
        _tell("a training process died, perhaps for want of memory: try fewer --jobs")
        return 1
    return 1 if any("error" in row for row in rows.values()) else 0


def _row(key: str, outcome: Result | str, cached: bool) -> dict[str, Any]:
    return {"key": key, "cached": cached, "error": outcome} if isinstance(outcome, str) else _answer(outcome, cached)


def _combinations(arguments: argparse.Namespace) -> tuple[list[str], list[Experiment]]:
    """The fields that are swept, and every network."""
    if not arguments.over:
        _require(arguments, *(["NAME"] if arguments.name is None else []), "--over")
    base, values = _experiment(arguments), _swept(arguments)
    count = math.prod(map(len, values.values())) * (arguments.seeds or 1)
    _refuse_over("sweep_networks", count, "networks of a sweep")
    if arguments.seeds is not None:
        values["seed"] = range(base.seed, base.seed + arguments.seeds)
    try:
        return list(values), sweep(base, count, **values)
    except ValueError as error:
        refuse(error)


def _of_link(arguments: argparse.Namespace) -> tuple[list[str], list[Experiment]]:
    """The fields in which the networks of a link differ, and all of these."""
    for option in ("over", "seeds"):
        if getattr(arguments, option):
            refuse(f"--link and --{option} cannot be given together: the link says what is swept")
    experiments = list(_linked(arguments).experiments)
    _refuse_over("sweep_networks", len(experiments), "networks of a sweep")
    return _different(experiments), experiments


def _different(experiments: Sequence[Experiment]) -> list[str]:
    """The fields in which some networks differ."""
    return [name for name in FIELD_NAMES if len({getattr(each, name) for each in experiments}) > 1]


def _swept(arguments: argparse.Namespace) -> dict[str, Sequence[Any]]:
    """Every --over field with its values. A field that is also --set is swept."""
    values: dict[str, Sequence[Any]] = {}
    for name, text in _pairs("--over", arguments.over):
        if name in values:
            refuse(f"{name} is given to --over twice")
        values[name] = [_value(name, part) for part in text.split(",")]
    if arguments.seeds is not None and "seed" in values:
        refuse("seed is given twice: by --over and by --seeds")
    return values


def _outcomes(experiments: list[Experiment], arguments: argparse.Namespace) -> Iterator[tuple[str, Result | str, bool]]:
    """The key of each experiment with its result or a sentence, and whether it was stored; in the order of the end.

    Only this process writes to the store, whatever the number of jobs.
    """
    store = _Store(arguments)
    missing: dict[str, Experiment] = {}
    for experiment in experiments:
        result = store.get(experiment)
        if result is not None:
            yield experiment.key, result, True
        else:
            missing[experiment.key] = experiment
    _tell_cost(missing.values(), arguments)
    train = _train_side_by_side if arguments.jobs > 1 and len(missing) > 1 else _train_in_turn
    train = _train_on_cluster if arguments.cluster else train
    for done, (experiment, outcome) in enumerate(train(missing.values(), arguments), 1):
        if not isinstance(outcome, str):
            store.put(outcome)
        _tell(f"{arguments.name}: {done} of {len(missing)} trained")
        yield experiment.key, outcome, False


def _train_in_turn(
    experiments: Collection[Experiment], arguments: argparse.Namespace
) -> Iterator[tuple[Experiment, Result | str]]:
    if (arguments.engine, arguments.device) in (("auto", "cuda"), ("batched", "cpu"), ("batched", "cuda")):
        yield from _train_at_once(experiments, arguments)
        return
    for experiment in experiments:
        progress = _Progress(arguments.name, experiment.steps)
        yield experiment, _attempt(experiment, arguments.engine, progress.frame, arguments.device)


def _train_at_once(
    experiments: Collection[Experiment], arguments: argparse.Namespace
) -> Iterator[tuple[Experiment, Result | str]]:
    """Those of one shape as one tensor, as many as the device has room for."""
    from toyviz.train import batched, train_many

    for group in batched.groups(experiments, batched.room(arguments.device)):
        progress = _Progress(f"{arguments.name}, {len(group)} at once", group[0].steps)
        try:
            outcomes: Sequence[Result | Exception] = train_many(group, device=arguments.device, on_frame=progress.frame)
        except MemoryError:
            outcomes = [MemoryError(cost.NO_MEMORY)] * len(group)
        for experiment, outcome in zip(group, outcomes, strict=True):
            yield experiment, str(outcome) if isinstance(outcome, Exception) else outcome


def _train_side_by_side(
    experiments: Collection[Experiment], arguments: argparse.Namespace
) -> Iterator[tuple[Experiment, Result | str]]:
    import joblib

    jobs = min(arguments.jobs, len(experiments))
    with joblib.parallel_config("loky", inner_max_num_threads=1):
        pool = joblib.Parallel(n_jobs=jobs, batch_size=1, max_nbytes=None, return_as="generator_unordered")
        yield from pool(joblib.delayed(_named_attempt)(experiment, arguments.engine) for experiment in experiments)


def _train_on_cluster(
    experiments: Collection[Experiment], arguments: argparse.Namespace
) -> Iterator[tuple[Experiment, Result | str]]:
    yield from arguments.cluster.outcomes(experiments, arguments.engine)


def _named_attempt(experiment: Experiment, engine: str) -> tuple[Experiment, Result | str]:
    return experiment, _attempt(experiment, engine)


class _Table:
    """The rows of a sweep, each written as soon as it is known: aligned or as JSON lines on stdout, and as .csv."""

    def __init__(self, swept: list[str], experiments: list[Experiment], path: Path | None, as_json: bool) -> None:
        self.swept, self.path, self.as_json = swept, path, as_json
        self.columns = [*swept, "key", "cached", "engine", "seconds", *METRICS, "error"]
        shown = [[_cell(getattr(experiment, name)) for experiment in experiments] for name in swept]
        self.widths = [max(map(len, [name, *cells])) for name, cells in zip(swept, shown, strict=True)]
        self.widths += [16, 6, 9, 8, 14, 14, 14, 14, 0]
        self._csv(self.columns, "w")
        if not as_json:
            self._line(self.columns)

    def write(self, experiment: Experiment, told: dict[str, Any]) -> None:
        swept = {name: getattr(experiment, name) for name in self.swept}
        row = {name: (swept | told).get(name) for name in self.columns}
        self._csv(row.values(), "a")
        if self.as_json:
            print(json.dumps(row, allow_nan=False), flush=True)
        else:
            self._line(_cell(value) for value in row.values())

    def _csv(self, cells: Iterable[Any], mode: str) -> None:
        if self.path:
            try:
                with self.path.open(mode, newline="", encoding="utf-8") as file:
                    csv.writer(file, lineterminator="\n").writerow(cells)
            except OSError as error:
                refuse(f"--out {str(self.path)!r} could not be written: {error.strerror or error}")

    def _line(self, cells: Iterable[str]) -> None:
        print("  ".join(cell.rjust(width) for cell, width in zip(cells, self.widths, strict=True)).rstrip(), flush=True)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


# ---- claims


def _claims(arguments: argparse.Namespace) -> int:
    from toyviz.claims import CLAIMS, FIRST_SEED, SEEDS, report
    from toyviz.claims import published as telling

    unknown = [name for name in arguments.ids if name not in CLAIMS]
    if unknown:
        refuse(f"{unknown[0]!r} is not a claim; the claims are {', '.join(CLAIMS)}")
    if arguments.publish and arguments.seeds < SEEDS:
        refuse(f"--seeds must be at least {SEEDS} to publish; got {arguments.seeds}")
    if arguments.publish and arguments.first_seed < FIRST_SEED:
        refuse(f"--first-seed must be at least {FIRST_SEED} to publish; got {arguments.first_seed}")
    names = dict.fromkeys(arguments.ids or CLAIMS)
    if arguments.published:
        _tell_claims((row for name, row in telling.published().items() if name in names), arguments.json)
        return 0
    wanted = _wanted(arguments, [CLAIMS[name] for name in names])
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
    once = _of_seed(wanted, seeds, seeds[0])
    _refuse_over(
        "sweep_networks", len(once) * arguments.seeds, f"networks of these claims over {arguments.seeds} seeds"
    )
    _of_seed(wanted, seeds, seeds[-1])
    if arguments.grid:
        _tell_grid(report.grid(wanted, seeds), arguments.json)
        return 0
    _refuse_costly(once.values(), arguments)
    return _judge_claims(wanted, seeds, arguments)


def _of_seed(wanted: Sequence[tuple[Claim, str]], seeds: range, seed: int) -> dict[str, Experiment]:
    """The networks of one of the seeds by their keys. Refuses seeds that are too large: claims make larger ones of
    them, where each setting has several starts."""
    try:
        return {each.key: each for claim, recipe in wanted for each in claim.networks(recipe, seed)}
    except ValueError as error:
        refuse(f"--first-seed {seeds[0]} with --seeds {len(seeds)} is not possible: {error}")


def _wanted(arguments: argparse.Namespace, claims: Sequence[Claim]) -> list[tuple[Claim, str]]:
    """Each claim with each recipe that it is asked under and that can apply to it."""
    if arguments.recipe:
        wanted = [(claim, arguments.recipe) for claim in claims if arguments.recipe in claim.recipes]
        if not wanted or len(arguments.ids) > len(wanted):
            which = next(claim for claim in claims if arguments.recipe not in claim.recipes)
            refuse(f"--recipe must be one of {', '.join(which.recipes)} for {which.id}; got {arguments.recipe!r}")
        return wanted
    if arguments.publish or arguments.grid:
        return [(claim, recipe) for claim in claims for recipe in claim.recipes]
    return [(claim, claim.recipes[0]) for claim in claims]


def _judge_claims(wanted: Sequence[tuple[Claim, str]], seeds: range, arguments: argparse.Namespace) -> int:
    """Train what is missing, tell each claim's verdicts, and publish them where that is asked."""
    from toyviz.claims import published as telling
    from toyviz.claims import report

    def train(claim: Claim, experiments: list[Experiment]) -> Iterator[Result | str]:
        arguments.name = claim.id
        return (outcome for _, outcome, _ in _outcomes(experiments, arguments))

    rows: list[dict[str, Any]] = []
    problems: list[str] = []

    def told() -> Iterator[dict[str, Any]]:
        for claim, recipe, verdict in report.verdicts(wanted, seeds, train):
            if isinstance(verdict, str):
                problems.append(verdict)
                _tell(verdict)
            else:
                rows.append(telling.row(claim, {recipe: verdict._asdict()}))
                yield rows[-1]

    try:
        _tell_claims(told(), arguments.json)
    except BrokenExecutor:
        _tell("a training process died, perhaps for want of memory: try fewer --jobs")
        return 1
    if arguments.publish:
        telling.publish(rows)
    return 1 if problems else 0


def _tell_claims(rows: Iterable[dict[str, Any]], as_json: bool) -> None:
    """A line for each claim and recipe as soon as it is judged, or one JSON list of all of them."""
    if as_json:
        print(json.dumps(list(rows), allow_nan=False, ensure_ascii=False))
        return
    from toyviz.claims.published import told

    for row in rows:
        for recipe, found in row["recipes"].items():
            seeds = "1 seed" if found["seeds"] == 1 else f"{found['seeds']} seeds"
            print(f"{found['verdict']:<7}{row['id']:<34}{seeds}, {recipe}: {told(row, recipe)}", flush=True)


def _tell_grid(lines: Sequence[Asked], as_json: bool) -> None:
    """What would be trained, and the hours of one core that it takes."""
    if as_json:
        print(json.dumps([line._asdict() for line in lines]))
        return
    print(f"{'claim':<34}{'recipe':<13}{'seeds':>5}{'networks':>10}{'hours':>8}")
    for line in lines:
        print(f"{line.claim:<34}{line.recipe:<13}{line.seeds:>5}{line.networks:>10,}{line.hours:>8.2f}")
    print(f"{'together':<34}{'':<28}{sum(line.hours for line in lines):>8.2f}")


# ---- list


def _list(arguments: argparse.Namespace) -> int:
    from toyviz import studies
    from toyviz.figures import figures

    of_views = studies.pages()
    listed = {
        "experiments": [{"name": name, **asdict(setting)} for name, setting in settings.EXPERIMENTS.items()],
        "pages": [page | {"views": _view_rows(of_views.get(page["name"]))} for page in pages()],
        "figures": [_figure_row(name, figure) for name, figure in figures().items()],
    }
    if arguments.json:
        print(json.dumps(listed))
        return 0
    width = max(len(row.get("name") or row["id"]) for rows in listed.values() for row in rows)
    for kind, rows in listed.items():
        print(kind)
        for row in rows:
            place = row.get("path") or row.get("page")
            print(f"  {row.get('name') or row['id']:<{width}}  {row['title']}{f'  ({place})' if place else ''}")
    return 0


def _view_rows(page: Page | None) -> list[dict[str, str]]:
    """What is told of each view of a page; nothing where the page is not made of views."""
    return [{"id": view.id, "title": view.title} for view in page.views] if page else []


def _figure_row(id: str, figure: Figure) -> dict[str, Any]:
    """A figure of the post as the JSON tells it."""
    return {"id": id, **figure._asdict(), "experiments": list(figure.experiments), "address": dict(figure.address)}


def pages() -> list[dict[str, str]]:
    """Every page of the app's menu, in its order."""
    from toyviz.menu import entries

    found = (each for each in entries() if not each.address)
    return [{"name": each.name, "title": each.title, "path": each.path} for each in found]


# ---- links


def _link(arguments: argparse.Namespace) -> int:
    page, opened, plans = _opened(arguments.address)
    plan, not_settled = _settled(plans, _stored)
    address = page.write(opened.view, opened.choice, opened.step, opened.pinned, opened.present)
    a = opened.pinned or opened.choice
    differ_in_a = [each for each in opened.view.every_control if a[each.id] != opened.choice[each.id]]
    link = f"/{page.id}?{urlencode(address)}"
    if arguments.json:
        told = {
            "page": page.id,
            "view": opened.view.id,
            "choice": {each.id: each.write(opened.choice[each.id]) for each in opened.view.every_control},
            "a": {each.id: each.write(a[each.id]) for each in differ_in_a} if opened.pinned else None,
            "step": opened.step,
            "address": address,
            "link": link,
            "opened": [_keyed(each) for each in plan.opened],
            "experiments": [_keyed(each) for each in plan.experiments],
            "not_settled": not_settled,
            "not_understood": list(opened.not_understood),
        }
        print(json.dumps(told, allow_nan=False))
        return 0
    differ = _different(plan.experiments)
    print(f"page: {page.title}\nview: {opened.view.title}")
    for each in opened.view.every_control:
        print(f"  {each.label}: {each.write(opened.choice[each.id])}")
    if opened.pinned:
        print("beside A:" + ("" if differ_in_a else " the same"))
    for each in differ_in_a:
        print(f"  {each.label}: {each.write(a[each.id])}")
    print(f"step: {'the end' if opened.step is None else opened.step}")
    print(f"networks: {len(plan.experiments)}" + (f", by {', '.join(differ)}" if differ else ""))
    for experiment in plan.opened:
        values = [f"{name} {_cell(getattr(experiment, name))}" for name in differ]
        print(f"opened: {', '.join([experiment.key, *values])}")
    print(f"link: {link}")
    for kind, sentences in (("not settled", not_settled), ("not understood", opened.not_understood)):
        for sentence in sentences:
            print(f"{kind}: {sentence}")
    return 0


def _keyed(experiment: Experiment) -> dict[str, Any]:
    return {"key": experiment.key, "experiment": asdict(experiment)}


def _opened(text: str) -> tuple[Page, Opened, list[Plan]]:
    """The page that a link leads to, what it opens there, and the networks of that, then of A where it has one."""
    from toyviz import control, studies, view

    try:
        name, address = view.link(text)
    except ValueError as error:
        refuse(error)
    of_views, every = studies.pages(), [page["name"] for page in pages()]
    if name not in every:
        refuse(f"{control.quotable(name)!r} is not a page; the pages are {', '.join(every)}")
    if name not in of_views:
        refuse(f"{name} is not made of views, so its links hold no networks: those of {', '.join(of_views)} do")
    page = of_views[name]
    opened = page.read(address)
    try:
        return page, opened, [opened.view.plan(each) for each in (opened.choice, opened.pinned) if each is not None]
    except ValueError as error:
        refuse(f"this link cannot be trained: {error}")


def _stored(experiment: Experiment) -> Result | None:
    """The result of this experiment that is in the store: only who has rivals to settle has it opened."""
    from toyviz.store import default_store

    return default_store().get(experiment)


def _settled(plans: Sequence[Plan], known: Callable[[Experiment], Result | None]) -> tuple[Plan, list[str]]:
    """The networks of all plans, the best of its rivals opened in each; a sentence where that is not known yet."""
    from toyviz import comparison

    unknown = [
        f"{group[0].key} is the first of {len(group)}: which is the best is known once all of them are trained"
        for plan in plans
        for group in plan.rivals
        if any(known(each) is None for each in group)
    ]
    first, *more = (plan.settled(known) for plan in plans)
    return (comparison.joined(more[0], first) if more else first), list(dict.fromkeys(unknown))


def _linked(arguments: argparse.Namespace) -> Plan:
    """The networks of --link with the --set fields changed; refuses a link of which something was not understood."""
    for given, option in ((arguments.name, "NAME"), (arguments.recipe, "--recipe")):
        if given is not None:
            refuse(f"--link and {option} cannot be given together: the link says which networks they are")
    _, opened, plans = _opened(arguments.link)
    if opened.not_understood:
        refuse(f"this link is not understood: {'; '.join(opened.not_understood)}. To see what it opens: link ADDRESS")
    arguments.name = opened.view.named(opened.choice)
    values = _set(arguments)
    try:
        plan, not_settled = _settled([plan.with_(**values) for plan in plans], _Store(arguments).get)
    except ValueError as error:
        refuse(error)
    if arguments.command == "train":
        for sentence in not_settled:
            _tell(sentence)
    return plan


# ---- export, import


def _export(arguments: argparse.Namespace) -> int:
    from toyviz import view
    from toyviz.export import formats
    from toyviz.export.render import RENDERER
    from toyviz.store import default_store

    _refuse_unwritable(arguments.out)
    options = {name: getattr(arguments, name) for name in ("figure", "theme", "width", "height", "scale", "take")}
    try:
        name, address = view.link(arguments.address)
        given: dict[str, Any] = {**address, **{each: value for each, value in options.items() if value is not None}}
        given |= {"as": arguments.form or "svg"} | ({"step": arguments.step} if arguments.step is not None else {})
        asked = formats.read(name, given)
        if arguments.list:
            print(json.dumps(formats.contents(asked, default_store()), ensure_ascii=False))
            return 0
        made = formats.export(asked, default_store())
    except ValueError as error:
        refuse(error)
    finally:
        RENDERER.close()
    path = arguments.out or Path(made.name)
    try:
        path.write_bytes(made.content)
    except OSError as error:
        refuse(f"--out {str(path)!r} could not be written: {error.strerror or error}")
    print(path)
    return 0


def _import(arguments: argparse.Namespace) -> int:
    from toyviz.export import imported
    from toyviz.store import default_store

    try:
        with arguments.file.open("rb") as file:
            content = file.read(imported.LARGEST + 1)
    except OSError as error:
        refuse(f"{str(arguments.file)!r} could not be read: {error.strerror or error}")
    store = default_store()
    try:
        result = imported.read_run(content, arguments.file.name)
        imported.keep(result, store)
    except ValueError as error:
        refuse(error)
    if store.problem:
        _tell(store.problem)
    told = {"key": result.experiment.key, "link": imported.link_of(content), "experiment": asdict(result.experiment)}
    print(json.dumps(told | {"metrics": result.metrics}, allow_nan=False))
    return 1 if store.problem else 0


# ---- cache, bench, gallery


def _cache(arguments: argparse.Namespace) -> int:
    """Exit code 1 if verify finds damage."""
    from toyviz.store import default_store

    store = default_store()
    told: Any = {"removed": store.clear()} if arguments.action == "clear" else getattr(store, arguments.action)()
    print(json.dumps(told) if arguments.json else "\n".join(_flat(told)))
    return 1 if arguments.action == "verify" and (told["gallery"]["damaged"] or told["runs"]["dropped"]) else 0


def _flat(told: dict[str, Any], above: str = "") -> Iterator[str]:
    """A line for each value: "runs entries: 5"."""
    for name, value in told.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{above}{name} ")
        else:
            shown = ", ".join(value) if isinstance(value, list) else value
            yield f"{above}{name}: {'none' if shown in (None, '') else shown}"


def _bench(arguments: argparse.Namespace) -> int:
    from toyviz.bench import machine, views

    try:
        environment = machine.environment(arguments.lanes) if arguments.lanes else None
        plans = None if arguments.views is None else views.chosen(arguments.views)
    except ValueError as error:
        refuse(error)
    if environment:  # what is compiled for is decided where a process starts
        words = ["bench", *(["--json"] if arguments.json else []), *(["--views", *plans] if plans else [])]
        return subprocess.run([sys.executable, "-m", "toyviz", *words], env=environment).returncode
    if plans is None:
        from toyviz.bench import kernels  # which needs PyTorch

        kernels.run(arguments.json)
    else:
        views.run(plans, arguments.json)
    return 0


def _gallery(arguments: argparse.Namespace) -> int:
    from toyviz import gallery

    try:
        print(f"trained: {gallery.build(force=arguments.force, jobs=arguments.jobs, cluster=arguments.cluster)}")
    except RuntimeError as error:
        _tell(error)
        return 1
    return 0


# ---- reading the words


def _experiment(arguments: argparse.Namespace) -> Experiment:
    """The named experiment, trained by its recipe, with the --set fields changed."""
    if arguments.name is None:
        _require(arguments, "NAME")
    if arguments.name not in settings.EXPERIMENTS:
        refuse(f"{arguments.name!r} is not a named experiment; the names are {', '.join(settings.EXPERIMENTS)}")
    values = _set(arguments)
    try:
        return settings.EXPERIMENTS[arguments.name].at(arguments.recipe or "quick").with_(**values)
    except ValueError as error:
        refuse(error)


def _require(arguments: argparse.Namespace, *missing: str) -> NoReturn:
    """Refuse as argparse does where all of these are required, which --link makes them not."""
    program = f"python -m toyviz {arguments.command}"
    refuse(f"{program}: the following arguments are required: {', '.join(missing)}; see {program} --help")


def _set(arguments: argparse.Namespace) -> dict[str, Any]:
    """Every --set field with its value."""
    return {name: _value(name, text) for name, text in _pairs("--set", arguments.set)}


def _pairs(option: str, texts: list[str]) -> list[tuple[str, str]]:
    pairs = []
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            refuse(f"{option} must be field=value; got {text!r}")
        if name not in FIELD_NAMES:
            refuse(f"{name!r} is not a field of an experiment; the fields are {', '.join(FIELD_NAMES)}")
        pairs.append((name, value))
    return pairs


def _value(name: str, text: str) -> Any:
    try:
        return parse(name, text)
    except ValueError as error:
        refuse(error)


def _refuse_engine(experiments: Iterable[Experiment], arguments: argparse.Namespace) -> None:
    if (arguments.engine, arguments.device) != ("auto", "cpu"):
        from toyviz.train import TrainingFailed, choose_engine, refuse_device

        if arguments.device != "cpu" and getattr(arguments, "jobs", 1) > 1:
            refuse(f"--jobs must be 1 with --device cuda, which trains many networks at once; got {arguments.jobs}")
        try:
            refuse_device(arguments.device)
            for experiment in experiments:
                choose_engine(experiment, arguments.engine, arguments.device)
        except ValueError as error:
            refuse(error)
        except TrainingFailed as error:  # a package is missing
            _tell(error)
            raise SystemExit(1) from None


def _refuse_unwritable(path: Path | None) -> None:
    if path is not None:
        from toyviz.export import writable

        try:
            writable.refuse_unwritable(path)
        except OSError as error:
            refuse(error)


def _refuse_jobs(arguments: argparse.Namespace) -> None:
    if getattr(arguments, "jobs", None):
        _refuse_over("jobs", arguments.jobs, "--jobs")


@contextlib.contextmanager
def _cluster(arguments: argparse.Namespace) -> Iterator[Cluster | None]:
    """The machines on which a command trains; None for this one."""
    backend, address = getattr(arguments, "backend", "local"), getattr(arguments, "scheduler", None)
    if backend == "local":
        if address is not None:
            refuse("--scheduler is for --backend dask alone")
        yield None
        return
    if address is None:
        refuse("--backend dask needs --scheduler tcp://HOST:PORT or tls://HOST:PORT")
    if getattr(arguments, "device", "cpu") != "cpu":
        refuse(f"--device must be cpu with --backend dask, whose workers choose their own; got {arguments.device!r}")
    if arguments.jobs not in (None, 1):
        refuse(f"--jobs must be left out with --backend dask, whose workers are the jobs; got {arguments.jobs}")
    from toyviz.cluster import Cluster

    try:
        cluster = Cluster(address, "--scheduler")
    except ValueError as error:
        refuse(error)
    with contextlib.closing(cluster):
        yield cluster


def _add_backend(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--backend", choices=("local", "dask"), default="local", help="where it trains (default: local)"
    )
    parser.add_argument(
        "--scheduler", metavar="ADDRESS", help="of --backend dask: tcp://127.0.0.1:PORT here, tls://HOST:PORT elsewhere"
    )


def _refuse_over(name: str, asked: int, what: str) -> None:
    """Refuse more than the owner's allowance of that name."""
    try:
        limit = cost.allowed(name)
    except ValueError as error:
        refuse(error)
    if asked > limit:
        refuse(f"{what} must be at most {limit:.0f} here; got {asked}: ask for fewer, or set {cost.variable(name)}")


def _refuse_costly(experiments: Iterable[Experiment], arguments: argparse.Namespace) -> None:
    """Refuse what takes more than is allowed, unless it is stored already."""
    for experiment in experiments:
        try:
            cost.refuse(experiment, arguments.engine)
        except ValueError as error:
            if _Store(arguments).get(experiment) is None:
                refuse(error)


def _tell_cost(experiments: Collection[Experiment], arguments: argparse.Namespace) -> None:
    """Say on stderr what the training to come takes, unless it is a matter of seconds, or on a GPU: no estimate."""
    if arguments.device == "cuda":
        return
    costs = [cost.expected(experiment, arguments.engine) for experiment in experiments]
    seconds = sum(each.seconds for each in costs)
    if seconds < TOLD_FROM:
        return
    cluster = getattr(arguments, "cluster", None)
    at_a_time = min(cluster.cores if cluster else getattr(arguments, "jobs", 1), len(costs))
    networks = "1 network" if len(costs) == 1 else f"{len(costs)} networks, {at_a_time} at a time"
    memory = cost.size(at_a_time * max(each.memory for each in costs))
    _tell(
        f"{arguments.name}: {networks}, expected to take about {cost.duration(seconds)} of computing, {memory} of "
        f"memory and {cost.size(sum(each.disk for each in costs))} of disk"
    )


class _Parser(argparse.ArgumentParser):
    """argparse that refuses in one sentence and takes no shortened options."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        refuse(f"{self.prog}: {message}; see {self.prog} --help")


def _recipe(text: str) -> str:
    """The name of a recipe; "post" is what "paper" was called."""
    name = "paper" if text == "post" else text
    if name not in settings.RECIPES:
        raise argparse.ArgumentTypeError(f"must be one of {', '.join(settings.RECIPES)}; got {text!r}")
    return name


def _count(text: str, least: int = 1) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 4000) or int(text) < least:
        raise argparse.ArgumentTypeError(f"must be a whole number from {least}; got {text!r}")
    return int(text)


def _seed(text: str) -> int:
    return _count(text, least=0)


class _Commands:
    """The commands, each with its words: what is under a command is added to the parser that it returns."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self._added = parser.add_subparsers(metavar="COMMAND", required=True)

    def add(self, name: str, run: Callable[[argparse.Namespace], int], about: str) -> argparse.ArgumentParser:
        added = self._added.add_parser(name, help=about, description=about)
        added.set_defaults(run=run, command=name)
        return added


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m toyviz", description="Train the networks of the post, from the command line.")
    parser.set_defaults(display=False)
    commands = _Commands(parser)
    _add_training(commands)
    _add_claims(commands)
    commands.add("list", _list, "name the experiments, pages and figures").add_argument("--json", action="store_true")
    _add_links(commands)
    _add_store(commands)
    return parser


def _add_training(commands: _Commands) -> None:
    train = commands.add("train", _train, "train one experiment, or take it from the store; one JSON object on stdout")
    over = commands.add("sweep", _sweep, "train every combination of some values; a table on stdout")
    for each in (train, over):
        each.add_argument("name", metavar="NAME", nargs="?", help="a named experiment: see list")
        each.add_argument("--link", metavar="ADDRESS", help="what a link of the app opens, instead of NAME")
        each.add_argument("--recipe", type=_recipe, metavar=_RECIPES, help="how it is trained (default: quick)")
        each.add_argument(
            "--set",
            nargs="+",
            action="extend",
            default=[],
            metavar="FIELD=VALUE",
            help="change fields of the experiment",
        )
        each.add_argument("--engine", choices=ENGINES, default="auto", help="what trains it (default: auto)")
        each.add_argument("--device", choices=DEVICES, default="cpu", help="what it is trained on (default: cpu)")
        each.add_argument("--no-cache", action="store_true", help="neither read nor write the store")
    train.add_argument("--out", type=Path, metavar="FILE.npz", help="write the weights, X and the hidden vectors")
    over.add_argument(
        "--over", nargs="+", action="extend", default=[], metavar="FIELD=A,B,C", help="fields and their values"
    )
    over.add_argument("--seeds", type=_count, metavar="K", help="K seeds each, from the experiment's seed on")
    over.add_argument("--jobs", type=_count, default=1, metavar="N", help="train N at a time (default: 1)")
    _add_backend(over)
    over.add_argument("--out", type=Path, metavar="FILE.csv", help="write the table, with all digits")
    over.add_argument("--json", action="store_true", help="one JSON object a line instead of the table")


def _add_claims(commands: _Commands) -> None:
    claims = commands.add("claims", _claims, "judge the post's claims: train their evidence, and tell their verdicts")
    claims.add_argument("ids", nargs="*", metavar="ID", help="some claims (default: all)")
    claims.add_argument(
        "--recipe", "--size", type=_recipe, metavar=_RECIPES, help="how it is trained (default: the claim's first)"
    )
    claims.add_argument("--seeds", type=_count, default=4, metavar="K", help="so many seeds (default: 4)")
    claims.add_argument("--first-seed", type=_seed, default=100, metavar="N", help="the first of them (default: 100)")
    claims.add_argument("--jobs", type=_count, default=1, metavar="N", help="train N at a time (default: 1)")
    _add_backend(claims)
    claims.add_argument("--json", action="store_true", help="one JSON list instead of the table")
    which = claims.add_mutually_exclusive_group()
    which.add_argument(
        "--publish", action="store_true", help="write CLAIMS.md and its data, each claim under each of its recipes"
    )
    which.add_argument("--grid", action="store_true", help="tell what --publish would train, and the hours that takes")
    which.add_argument("--published", action="store_true", help="tell what is published; nothing is trained")
    claims.set_defaults(
        engine="auto", device="cpu", no_cache=False, display=True
    )  # the store keeps a short history of evidence


def _add_links(commands: _Commands) -> None:
    link = commands.add("link", _link, "read a link of the app: what it opens, and the networks of that")
    link.add_argument(
        "address", metavar="ADDRESS", help='as in the browser, or without the server: "double_descent?T=5"'
    )
    link.add_argument("--json", action="store_true", help="one JSON object instead of lines")
    take = commands.add(
        "export", _export, "take along what a link shows, from what is trained: a figure, a sheet, a network"
    )
    take.add_argument("address", metavar="ADDRESS", help='as of link: "double_descent?T=5"')
    take.add_argument(
        "--as", dest="form", metavar="FORMAT", help="svg (default), png, pdf, csv, vega, npz, ...: see --list"
    )
    take.add_argument("--figure", metavar="ID", help="one figure or table (default: all of the view)")
    take.add_argument(
        "--take", metavar="{network,sweep}", help="the opened network (default), or all networks of the view"
    )
    take.add_argument("--step", metavar="N", help="the step of the training (default: the end)")
    take.add_argument("--theme", metavar="{light,dark}", help="its colours (default: light)")
    take.add_argument("--width", metavar="PIXELS", help="of a figure")
    take.add_argument("--height", metavar="PIXELS", help="of a figure")
    take.add_argument("--scale", metavar="X", help="pixels of a PNG for one of its figure (default: 2)")
    take.add_argument("--out", type=Path, metavar="FILE", help="(default: a name that says what it is, here)")
    take.add_argument("--list", action="store_true", help="tell what there is to take, and in which formats")
    bring = commands.add("import", _import, "put an exported network, .npz or .safetensors, into the store")
    bring.add_argument("file", type=Path, metavar="FILE", help="as export wrote it")


def _add_store(commands: _Commands) -> None:
    cache = commands.add("cache", _cache, "look at the store, check every stored result, or empty it")
    cache.add_argument("action", choices=("info", "verify", "clear"))
    cache.add_argument("--json", action="store_true")
    bench = commands.add("bench", _bench, "time the fast engine against PyTorch and JAX, or whole views")
    bench.add_argument("--views", nargs="*", metavar="PAGE.VIEW", help="time views instead: these, or all")
    bench.add_argument("--lanes", type=_count, metavar="{8,16}", help="compile for AVX2 (8), or for AVX-512 (16)")
    bench.add_argument("--json", action="store_true", help="one JSON object instead of the table")
    shipped = commands.add("gallery", _gallery, "train what is missing of the results that are shipped")
    shipped.add_argument("--force", action="store_true", help="train all of them again")
    shipped.add_argument("--jobs", type=_count, metavar="N", help="train N at a time (default: one a core)")
    _add_backend(shipped)


def _end(number: int, frame: object) -> NoReturn:
    raise SystemExit(128 + number)  # so that what was begun is ended: worker processes, half a file


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _end)
    sys.exit(main())
