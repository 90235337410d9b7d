"""python -m tests.seconds: how long every fourth shipped network trains, for the estimate to be held against.

Writes tests/seconds.json: the instruction set, and seconds of the processor by key, on one core, kernels compiled
before. It is a measurement of one machine; tests read it and measure nothing.
"""

import json
import time
from pathlib import Path

from toyviz import gallery
from toyviz.train import train
from toyviz.train.fused import Trainer, compiled

FILE = Path(__file__).with_suffix(".json")


def main() -> None:
    """Train them one after the other and write what they took."""
    seconds = {}
    for experiment in gallery.wanted()[::4]:
        Trainer(experiment).advance(0, 1)
        began = time.process_time()
        train(experiment)
        seconds[experiment.key] = round(time.process_time() - began, 3)
    FILE.write_text(json.dumps({"instruction_set": compiled.instruction_set(), "seconds": seconds}, indent=0) + "\n")


if __name__ == "__main__":
    main()
