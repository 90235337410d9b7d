"""`python -m toyviz.export.state_dict`: safetensors in, a PyTorch state_dict out. It alone loads torch."""

from __future__ import annotations

import io
import sys

import torch
from safetensors.torch import load


def main() -> None:
    """Read the tensors from stdin, and write what torch.load(file, weights_only=True) reads to stdout."""
    written = io.BytesIO()
    torch.save(load(sys.stdin.buffer.read()), written)
    sys.stdout.buffer.write(written.getbuffer())


if __name__ == "__main__":
    main()
