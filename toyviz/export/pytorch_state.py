"""A network for PyTorch: its weights as a state_dict, and a short module that loads them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import save

from toyviz.citation import CITATION
from toyviz.experiment import Experiment
from toyviz.export.refused import Refused
from toyviz.result import Result

ROOT = Path(__file__).parents[2]
SECONDS = 120.0  # that loading torch may take on a slow machine


def state_dict(result: Result) -> bytes:
    """The trained parameters by name, as torch.save writes them. Raises Refused where there is no torch."""
    command = [sys.executable, "-m", "toyviz.export.state_dict"]
    given = save({name: np.ascontiguousarray(values) for name, values in result.parameters.items()})
    try:
        done = subprocess.run(command, input=given, capture_output=True, timeout=SECONDS, cwd=ROOT)
    except subprocess.TimeoutExpired:
        raise Refused(f"writing for PyTorch took longer than {SECONDS:g} s: take the .safetensors", 503) from None
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().split("\n")
        raise Refused(f"this needs the package torch here ({lines[-1]}): take the .safetensors", 503)
    return done.stdout


def module(experiment: Experiment, file: str) -> str:
    """A file of Python that loads the state_dict: under 20 lines."""
    arch = experiment.arch_row
    hidden = "x @ self.W1.T" + (" + self.b1" if arch.hidden_bias else "")
    output = f"hidden @ {'self.W1' if arch.tied else 'self.W2.T'}" + (" + self.b2" if arch.output_bias else "")
    inputs = "x: (samples, B), features times E of the .npz" if experiment.task_row.embedded else "x: (samples, n)"
    return f'''# {CITATION}
import torch


class Network(torch.nn.Module):
    def __init__(self, state):
        super().__init__()
        for name, values in state.items():
            self.register_parameter(name, torch.nn.Parameter(values))

    def forward(self, x):  # {inputs}
        hidden = {f"({hidden}).relu()" if arch.hidden_relu else hidden}
        return {f"({output}).relu()" if arch.output_relu else f"({output}).abs()" if arch.output_abs else output}


network = Network(torch.load("{file}", weights_only=True))
'''
