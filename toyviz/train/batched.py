"""Many networks of one shape as one tensor in PyTorch, on a GPU or not: the step of the reference for all at once."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

import numpy as np
import torch

from toyviz import data
from toyviz.experiment import FIELD_NAMES, Arch, Experiment
from toyviz.model import Parameters, initial_parameters, shapes
from toyviz.schedules import learning_rates
from toyviz.train.reference import MOMENTUM

BETAS, EPSILON = (0.9, 0.999), 1e-8  # of AdamW: PyTorch's own
MAY_DIFFER = (  # within a batch
    *("seed", "data_seed", "n_samples", "sparsity", "importance_decay", "init", "bias_init", "bias_offset"),
    *("lr", "schedule", "warmup", "weight_decay"),
)
LEAST_ROWS = 64  # sets of up to so many samples are of one size; of larger ones those up to the next power of two
KEPT = 126  # networks of a history, before the frames are chosen, and what a step has beside the weights
ROOM = 2e9  # bytes of a batch on the CPU
SHARE = 0.5  # of a GPU's free memory for a batch
AT_A_TIME = 2**26  # numbers of samples on which a network is measured
TRIAL_STEPS = 3  # before a step is recorded: what is worked out once is then worked out

_GOLDEN, _FIRST, _SECOND = (each - 2**64 for each in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))


def groups(experiments: Iterable[Experiment], room: float) -> list[list[Experiment]]:
    """The experiments in batches for Trainer, each of one shape and of at most `room` bytes, or of one network."""
    alike: dict[tuple[object, ...], list[Experiment]] = {}
    for experiment in experiments:
        alike.setdefault(_shape(experiment), []).append(experiment)
    batches = []
    for group in alike.values():
        most = max(1, int(room // max(map(_bytes, group))))
        batches += [group[first : first + most] for first in range(0, len(group), most)]
    return batches


def room(device: str) -> float:
    """Bytes that a batch may take on this device, "cpu" or "cuda"."""
    return SHARE * torch.cuda.mem_get_info()[0] if device == "cuda" else ROOM


def _shape(experiment: Experiment) -> tuple[object, ...]:
    """What all networks of a batch have in common."""
    same = tuple(getattr(experiment, name) for name in FIELD_NAMES if name not in MAY_DIFFER)
    return (*same, experiment.fresh, _padded(experiment))


def _padded(experiment: Experiment) -> int:
    """The next size of a training set, at most twice its own from LEAST_ROWS on; 0 for fresh batches."""
    size = experiment.training_size or 0
    return 2 ** math.ceil(math.log2(max(size, LEAST_ROWS))) if size else 0


def _bytes(experiment: Experiment) -> float:
    """About what one network takes: its history, its samples, and what a step holds until it is done."""
    parameters = sum(math.prod(shape) for shape in shapes(experiment).values())
    rows = min(experiment.step_size, _padded(experiment) or math.inf)
    held = _padded(experiment) * (experiment.n_inputs + experiment.n_outputs)
    passing = rows * (6 * experiment.n_outputs + 4 * experiment.n_hidden + experiment.n_inputs)
    drawn = 10 * rows * experiment.n_features if experiment.fresh else 0
    return 4 * (KEPT * parameters + held + passing + drawn + 4 * experiment.steps)


@contextlib.contextmanager
def _memory_told() -> Iterator[None]:
    """A device that has no room left raises MemoryError, as the CPU does."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise MemoryError(str(error)) from error


class Trainer:
    """Networks of one shape in training, k of them. advance() takes steps; parameters() looks at them.

    Each differs from the others in the fields MAY_DIFFER alone; smaller training sets are filled up with samples that
    do not count. Raises ValueError for experiments of several shapes, MemoryError where the device has no room.
    """

    @_memory_told()
    def __init__(self, experiments: Sequence[Experiment], device: str = "cpu") -> None:
        _refuse_mixed(experiments)
        torch.set_num_threads(1)
        torch.set_flush_denormal(True)  # as the reference does
        self.experiments, self.device, self.first = list(experiments), torch.device(device), experiments[0]
        self._start()
        self._take_data()
        self._replay = None if self.device.type == "cpu" else self._recorded()

    @_memory_told()
    def advance(self, first: int, last: int) -> np.ndarray:
        """Take steps first ... last - 1 and return the losses before each of them, (last - first, k) float32."""
        take, orders = self._replay or self._step, self._orders(first, last)
        self.step.fill_(first)
        for index in range(last - first):
            if orders is not None:
                self.order.copy_(orders[index])
            take()
        losses: np.ndarray = self.losses[first:last].cpu().numpy().copy()
        return losses

    def parameters(self) -> Parameters:
        """A copy of the trained parameters as they are now, each (k, ...)."""
        return {name: values.detach().cpu().numpy().copy() for name, values in self.weights.items()}

    # what does not change

    def _start(self) -> None:
        """The networks before the first step, the optimizer's numbers for every step, and room for the losses."""
        starts = [initial_parameters(each) for each in self.experiments]
        self.weights = {
            name: self._tensor(np.stack([start[name] for start in starts])).requires_grad_() for name in starts[0]
        }
        moments = len(BETAS) if self.first.optimizer == "adamw" else 1
        self.moments = {name: [torch.zeros_like(w) for _ in range(moments)] for name, w in self.weights.items()}
        rates = np.stack([learning_rates(each) for each in self.experiments], axis=1)  # (steps, k) float64
        decays = np.array([each.weight_decay for each in self.experiments])
        taken = np.arange(1, len(rates) + 1)[:, None]
        if self.first.optimizer == "adamw":
            unbiased = rates / (1 - BETAS[0] ** taken)
            tables = [1 - rates * decays, unbiased, np.broadcast_to(np.sqrt(1 - BETAS[1] ** taken), rates.shape)]
        else:
            tables = [np.broadcast_to(decays, rates.shape), rates]
        self.tables = [self._tensor(each.astype(np.float32)) for each in tables]
        self.importance = self._tensor(np.stack([data.importance(each) for each in self.experiments]))[:, None]
        self.losses = self._zeros(len(rates), len(self.experiments))
        self.step = torch.zeros(1, dtype=torch.int64, device=self.device)  # where the device has come to

    def _take_data(self) -> None:
        """The training sets, filled up to the size of the largest; or where the fresh batches start."""
        experiments, e = self.experiments, self.first
        if e.fresh:
            self.rows = torch.full((len(experiments), 1), 1 / e.batch_size, device=self.device)
            starts = np.array([data.batch_start(each) for each in experiments], np.uint64).view(np.int64)
            self.starts = self._tensor(starts)[:, None]
            self.below = self._tensor(np.array([data.active_below(each) for each in experiments]))[:, None, None]
            self.cells = torch.arange(1, e.batch_size * e.n_features + 1, device=self.device)
            made = [data.embedding, data.target_embedding] if e.task_row.embedded else []
            self.embeddings = [self._tensor(np.stack([make(each) for each in experiments])) for make in made]
            return
        sizes = [each.training_size or 0 for each in experiments]
        self.inputs = self._zeros(len(experiments), max(sizes), e.n_inputs)
        self.targets = self._zeros(len(experiments), max(sizes), e.n_outputs)
        for index, each in enumerate(experiments):
            samples = data.training_samples(each)
            self.inputs[index, : sizes[index]] = self._tensor(samples.inputs)
            self.targets[index, : sizes[index]] = self._tensor(samples.targets)
        if e.minibatch is None:
            counted = np.arange(max(sizes)) < np.array(sizes)[:, None]
            self.rows = self._tensor((counted / np.array(sizes)[:, None]).astype(np.float32))
        else:
            self.order = torch.zeros((len(experiments), e.minibatch), dtype=torch.int64, device=self.device)

    def _orders(self, first: int, last: int) -> torch.Tensor | None:
        """Which samples the steps see, (steps, k, minibatch), -1 where an epoch ends with fewer."""
        size = self.first.minibatch
        if size is None:
            return None
        orders = np.full((last - first, len(self.experiments), size), -1)
        for index, each in enumerate(self.experiments):
            for step in range(first, last):
                seen = data.minibatch_rows(each, step)
                orders[step - first, index, : len(seen)] = seen
        return self._tensor(orders)

    # one step: on a GPU it is recorded, so that nothing in it may wait for a number

    def _step(self) -> None:
        losses = self._losses(*self._batch())
        gradients = torch.autograd.grad(losses.sum(), list(self.weights.values()))  # of each network its own
        with torch.no_grad():
            self.losses.index_copy_(0, self.step, losses[None])
            now = [table.index_select(0, self.step)[0] for table in self.tables]
            for (name, values), gradient in zip(self.weights.items(), gradients, strict=True):
                each = [numbers.reshape(-1, *[1] * (values.ndim - 1)) for numbers in now]
                update = _adamw if self.first.optimizer == "adamw" else _sgd
                update(values, gradient, self.moments[name], each)
            self.step += 1

    def _losses(self, inputs: torch.Tensor, targets: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """The loss of each network, (k,): see the reference; rows says how much each sample counts, (k, rows)."""
        output = _output(self.first.arch_row, self.weights, inputs)
        return (rows * _each_loss(self.first, output, targets, self.importance)).sum(dim=1)

    def _batch(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """What this step sees, (k, rows, ...) each, and how much each sample counts."""
        if self.first.fresh:
            X = self.fresh_batch()
            return *self._samples(X), self.rows.expand(X.shape[:2])
        if self.first.minibatch is None:
            return self.inputs, self.targets, self.rows
        counted = self.order >= 0
        seen = self.order.clamp(min=0)[:, :, None]
        inputs, targets = (each.gather(1, seen.expand(-1, -1, each.shape[2])) for each in (self.inputs, self.targets))
        return inputs, targets, counted / counted.sum(dim=1, keepdim=True)

    def fresh_batch(self) -> torch.Tensor:
        """X of the batch of this step for each network, (k, batch_size, n_features): data.fresh_batch, bit by bit.

        Rows of unit length are so but for rounding.
        """
        e, k = self.first, len(self.experiments)
        z = self.starts + (self.cells + self.step * len(self.cells)) * _GOLDEN  # int64 wraps around as uint64 does
        z = (z ^ _shifted(z, 30)) * _FIRST
        z = (z ^ _shifted(z, 27)) * _SECOND
        z = (z ^ _shifted(z, 31)).view(k, e.batch_size, e.n_features)
        chances = _shifted(z, 24)
        if e.data_row.grouped:
            by_group = chances.view(k, e.batch_size, -1, e.group_size)
            chances = by_group[..., :1].expand_as(by_group).reshape(z.shape)
        if e.data_row.grouped == "one":
            chances = chances - torch.arange(e.n_features, device=self.device) % e.group_size * self.below
        values = (z & 0xFFFFFF).float() * 2.0**-24
        X = torch.where((chances >= 0) & (chances < self.below), values, 0.0)
        return _over(X, X.norm(dim=2, keepdim=True)) if e.normalize else X

    def _samples(self, X: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The inputs and targets that the task makes of features: data.samples."""
        target = self.first.task_row.target
        inputs = X @ self.embeddings[0] if self.first.task_row.embedded else X
        if target == "label":
            largest = X.argmax(dim=2, keepdim=True) == torch.arange(X.shape[2], device=self.device)
            return inputs, (largest & (X > 0).any(dim=2, keepdim=True)).float()
        if target == "shares":
            return inputs, _over(X, X.sum(dim=2, keepdim=True))
        if target == "reembedded":
            return inputs, X @ self.embeddings[1]
        return inputs, {"features": X, "input": inputs}[target]

    # on a GPU

    def _recorded(self) -> Callable[[], None]:
        """One step as a CUDA graph: a call of what is returned takes it anew, without a word from Python in between."""
        beside = torch.cuda.Stream()
        beside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(beside), self._untouched():
            for _ in range(TRIAL_STEPS):
                self.step.zero_()
                self._step()
        torch.cuda.current_stream().wait_stream(beside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self._step()
        replay: Callable[[], None] = graph.replay
        return replay

    @contextlib.contextmanager
    def _untouched(self) -> Iterator[None]:
        """Steps that are taken in here leave the networks as they were."""
        changes = [*self.weights.values(), *(each for some in self.moments.values() for each in some), self.step]
        before = [each.detach().clone() for each in changes]
        yield
        with torch.no_grad():
            for each, values in zip(changes, before, strict=True):
                each.copy_(values)

    def _zeros(self, *shape: int) -> torch.Tensor:
        return torch.zeros(shape, device=self.device)

    def _tensor(self, values: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(self.device)


class Alone(Trainer):
    """The same for one network, as train() asks an engine."""

    def __init__(self, experiment: Experiment, device: str = "cpu") -> None:
        super().__init__([experiment], device)

    def advance(self, first: int, last: int) -> np.ndarray:
        """Take steps first ... last - 1 and return the loss before each of them, float32."""
        return super().advance(first, last)[:, 0]

    def parameters(self) -> Parameters:
        """A copy of the trained parameters as they are now."""
        return {name: values[0] for name, values in super().parameters().items()}


def _refuse_mixed(experiments: Collection[Experiment]) -> None:
    if len(set(map(_shape, experiments))) != 1:
        raise ValueError(
            f"the networks of a batch may differ in {', '.join(MAY_DIFFER)} alone, n_samples by less than a factor of "
            f"two beyond {LEAST_ROWS}; got {len(experiments)} networks of {len(set(map(_shape, experiments)))} shapes"
        )


# how well a network does

Prepared = list[tuple[torch.Tensor, torch.Tensor]]  # inputs and targets on the device, so many rows at a time


@_memory_told()
def prepare(samples: data.Samples | data.Blocks, device: str) -> Prepared:
    """The samples made ready for `loss_and_accuracy`."""
    whole = [samples] if isinstance(samples, data.Samples) else samples
    return [
        (inputs, targets)
        for part in whole
        for inputs, targets in zip(
            *(torch.tensor(each, device=device).split(_rows_at_a_time(part)) for each in part[1:]), strict=True
        )
    ]


@_memory_told()
def loss_and_accuracy(experiment: Experiment, parameters: Parameters, samples: Prepared) -> tuple[float, float | None]:
    """toyviz.probe.loss_and_accuracy, which is its definition, on the device where the samples are."""
    device = samples[0][0].device
    weights = {name: torch.tensor(values, device=device) for name, values in parameters.items()}
    importance = torch.tensor(data.importance(experiment), device=device)
    sums = torch.zeros(3, dtype=torch.float64, device=device)  # of losses, of samples that are right, that can be
    for inputs, targets in samples:
        output = _output(experiment.arch_row, weights, inputs)
        losses = _each_loss(experiment, output, targets, importance)
        largest, has_target = targets.argmax(dim=1, keepdim=True), (targets != 0).any(dim=1)
        others = output.scatter(1, largest, -torch.inf).amax(dim=1)
        right = (output.gather(1, largest)[:, 0] - others > 0) & has_target
        sums += torch.stack([each.sum(dtype=torch.float64) for each in (losses, right, has_target)])
    total, hits, counted = sums.tolist()
    return total / sum(len(inputs) for inputs, _ in samples), hits / counted if counted else None


def _rows_at_a_time(samples: data.Samples) -> int:
    return max(1, AT_A_TIME // max(samples.inputs.shape[1], samples.targets.shape[1]))


def _output(arch: Arch, weights: dict[str, torch.Tensor], inputs: torch.Tensor) -> torch.Tensor:
    """What the network says, (..., rows, n_outputs), of inputs (..., rows, n_inputs) and weights (..., *shape)."""
    hidden = inputs @ weights["W1"].mT
    if arch.hidden_bias:
        hidden = hidden + weights["b1"][..., None, :]
    if arch.hidden_relu:
        hidden = hidden.relu()
    output = hidden @ (weights["W1"] if arch.tied else weights["W2"].mT)
    if arch.output_bias:
        output = output + weights["b2"][..., None, :]
    if arch.output_relu:
        output = output.relu()
    return output.abs() if arch.output_abs else output


def _each_loss(
    experiment: Experiment, output: torch.Tensor, targets: torch.Tensor, importance: torch.Tensor
) -> torch.Tensor:
    """The loss of each sample, (..., rows)."""
    if experiment.task_row.loss == "cross_entropy":
        return -(targets * output.log_softmax(dim=-1)).sum(dim=-1)
    return (importance * (output - targets) ** 2).sum(dim=-1)


# one step of an optimizer


def _adamw(
    values: torch.Tensor, gradient: torch.Tensor, moments: list[torch.Tensor], now: Sequence[torch.Tensor]
) -> None:
    """torch.optim.AdamW: w (1 - lr d), then - lr / (1 - b1^s) m / (sqrt(v) / sqrt(1 - b2^s) + eps)."""
    (first, second), (shrink, rate, root) = moments, now
    values.mul_(shrink)
    first.lerp_(gradient, 1 - BETAS[0])
    second.mul_(BETAS[1]).addcmul_(gradient, gradient, value=1 - BETAS[1])
    values.sub_(rate * first / (second.sqrt() / root + EPSILON))


def _sgd(
    values: torch.Tensor, gradient: torch.Tensor, moments: list[torch.Tensor], now: Sequence[torch.Tensor]
) -> None:
    """torch.optim.SGD with momentum: u = 0.9 u + g + d w, then w - lr u."""
    (velocity,), (decay, rate) = moments, now
    velocity.mul_(MOMENTUM).add_(gradient + decay * values)
    values.sub_(rate * velocity)


def _shifted(z: torch.Tensor, by: int) -> torch.Tensor:
    """z >> by as of an unsigned number: zeros come in, not the sign."""
    return (z >> by) & (2 ** (64 - by) - 1)


def _over(X: torch.Tensor, sizes: torch.Tensor) -> torch.Tensor:
    """X over its sizes; what has the size 0 stays as it is."""
    return X / torch.where(sizes == 0, 1.0, sizes)
