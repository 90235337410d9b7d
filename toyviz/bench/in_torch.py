"""The reference as a peer: eager PyTorch, and several networks in one tensor as public notebooks train them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from toyviz import data
from toyviz.experiment import Experiment
from toyviz.model import initial_parameters
from toyviz.train import reference


class References:
    """Networks that are trained one after the other, as the engine "reference" does."""

    def __init__(self, experiments: Sequence[Experiment]) -> None:
        self.trainers = [reference.Trainer(experiment) for experiment in experiments]

    def advance(self, first: int, last: int) -> None:
        """Take steps first ... last - 1 of each."""
        for trainer in self.trainers:
            trainer.advance(first, last)


class BatchedEinsum:
    """Bottlenecks on fresh batches, all in one tensor: the fairest known PyTorch version of several sparsities."""

    def __init__(self, experiments: Sequence[Experiment]) -> None:
        torch.set_num_threads(1)
        base, k = experiments[0], len(experiments)
        starts = [initial_parameters(experiment) for experiment in experiments]
        self.W = torch.tensor(np.stack([start["W1"] for start in starts]), requires_grad=True)
        self.b = torch.tensor(np.stack([start["b2"] for start in starts]), requires_grad=True)
        self.importance = torch.from_numpy(data.importance(base))
        self.active = torch.tensor([experiment.feature_probability for experiment in experiments])[:, None, None]
        self.shape = (k, base.batch_size, base.n_features)
        self.optimizer = torch.optim.AdamW([self.W, self.b], lr=base.lr, weight_decay=base.weight_decay)

    def advance(self, first: int, last: int) -> None:
        """Take as many steps of all."""
        for _ in range(first, last):
            X = torch.where(torch.rand(self.shape) < self.active, torch.rand(self.shape), torch.zeros(()))
            hidden = torch.einsum("kmn,ksn->ksm", self.W, X)
            output = (torch.einsum("kmn,ksm->ksn", self.W, hidden) + self.b[:, None]).relu()
            loss = (self.importance * (output - X) ** 2).sum(dim=2).mean(dim=1).sum()  # each network its own gradient
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
