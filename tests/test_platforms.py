"""What docs/platforms.md says of systems and Pythons, asked of PyPI: has everything a wheel for each of them?"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOC = (ROOT / "docs" / "platforms.md").read_text(encoding="utf-8")
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
SYSTEMS = {  # as docs/platforms.md calls them, and as uv does
    "Linux, x86-64": "x86_64-manylinux_2_28",
    "Linux, ARM64": "aarch64-manylinux_2_28",
    "macOS 14 or newer, ARM64": "aarch64-apple-darwin",
    "Windows, x86-64": "x86_64-pc-windows-msvc",
}
INTEL_MAC = "x86_64-apple-darwin"
MACOS = {"MACOSX_DEPLOYMENT_TARGET": "14.0"}  # uv takes an older one if it is not told


def resolved(system, python):
    """What uv says to installing requirements.txt there, from wheels alone."""
    words = ["--quiet", "--no-config", "--only-binary", ":all:", "--python-platform", system]
    return subprocess.run(
        [sys.executable, "-m", "uv", "pip", "compile", *words, "--python-version", python, "requirements.txt"],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if not name.startswith("UV_")} | MACOS,
        capture_output=True,
        text=True,
    )


def test_the_document_names_the_systems_and_pythons_that_are_asked_for():
    assert re.findall(r"^\| (\w.*?) \|", DOC, re.MULTILINE)[1:] == list(SYSTEMS)
    assert f"Python {PYTHONS[0]} to {PYTHONS[-1]}" in DOC


@pytest.mark.network
@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("system", SYSTEMS)
def test_everything_that_the_app_needs_has_a_wheel(system, python):
    done = resolved(SYSTEMS[system], python)
    assert done.returncode == 0, done.stderr
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").split()
    assert set(lines) <= set(re.findall(r"^\S+==\S+", done.stdout, re.MULTILINE))


@pytest.mark.network
@pytest.mark.parametrize("python", PYTHONS)
def test_an_intel_mac_has_none_of_pytorch(python):
    done = resolved(INTEL_MAC, python)
    assert done.returncode != 0
    assert re.search(r"torch==\S+ has no wheels with a matching platform tag", done.stderr), done.stderr
