"""`python -m toyviz.export.draw`: a job a line is drawn, until the input ends. Nothing is loaded from anywhere."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import vl_convert

VEGA_LITE = "6.4"
NOWHERE = ["file:///nowhere/"]  # the only address that a specification may load data from


def main() -> None:
    """Answer each job by a line of JSON, {"bytes": n, "error": null}, and n bytes."""
    out = os.fdopen(os.dup(1), "wb")  # ours alone: whatever else prints goes to stderr
    os.dup2(2, 1)
    for line in sys.stdin.buffer:
        body, error = b"", None
        try:
            body = _drawn(json.loads(line))
        except Exception as problem:  # of whatever kind: it is told, and the next job is another one
            error = str(problem).strip().split("\n")[0] or type(problem).__name__
        out.write(json.dumps({"bytes": len(body), "error": error}).encode() + b"\n" + body)
        out.flush()


def _drawn(job: dict[str, Any]) -> bytes:
    if job["to"] == "svg":
        drawn: str = vl_convert.vegalite_to_svg(job["spec"], vl_version=VEGA_LITE, allowed_base_urls=NOWHERE)
        return drawn.encode()
    if job["to"] == "png":
        return bytes(vl_convert.svg_to_png(job["svg"], scale=job["scale"]))
    if job["to"] == "pdf":
        return bytes(vl_convert.svg_to_pdf(job["svg"]))
    return b""


if __name__ == "__main__":
    main()
