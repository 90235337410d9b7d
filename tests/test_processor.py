"""What another processor may change and what not: provenance, kept kernels, and the same bits on an equal one."""

import json
import os
import platform
import shutil
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from conftest import again, opened_below
from streamlit.testing.v1 import AppTest

from toyviz import data
from toyviz.experiment import Experiment
from toyviz.settings import EXPERIMENTS
from toyviz.store import Store, pack, unpack
from toyviz.train import instruction_set, train

ROOT = Path(__file__).parents[1]
TINY = Experiment(n_features=7, n_hidden=2, n_samples=11, sparsity=0.6, steps=30, lr=0.01)


def told(code, *words, **environment):
    """What a new process prints as JSON, compiling for the processor that it has unless the environment says else."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("NUMBA_CPU_")}
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, words)],
        cwd=ROOT,
        env=own | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


# the instruction set

LOOK = """
import json, numba
from toyviz.train import instruction_set
from toyviz.train.fused import compiled
print(json.dumps({"text": instruction_set("fused"), "folder": numba.config.CACHE_DIR}))
"""


@pytest.fixture(scope="module")
def machines():
    """This machine, the same once more, and two that are others."""
    return [
        told(LOOK, NUMBA_CACHE_DIR="", **other)
        for other in ({}, {}, {"NUMBA_CPU_NAME": "generic"}, {"NUMBA_CPU_FEATURES": "+fma"})
    ]


def test_another_processor_has_another_text_and_an_equal_one_the_same(machines):
    here, again, generic, fewer = (machine["text"] for machine in machines)
    assert here == again
    assert len({here, generic, fewer}) == 3
    assert generic.split()[1:] == ["generic"]
    assert fewer.split()[-1] == "fma"
    assert max(map(len, (here, generic, fewer))) < 80


def test_each_processor_keeps_its_kernels_in_a_folder_of_its_own(machines):
    here, again, generic, fewer = (machine["folder"] for machine in machines)
    assert here == again
    assert len({here, generic, fewer}) == 3
    assert "generic" in Path(generic).name


@pytest.mark.parametrize("engine", ["fused", "reference"])
def test_a_result_says_what_trained_it(engine):
    said = train(TINY, engine=engine).provenance["instruction_set"]
    assert said == instruction_set(engine)
    assert said.split()[0].lower() in (platform.machine().lower(), "x86_64", "aarch64")
    assert len(said.split()) > 1


def test_the_reference_says_what_pytorch_computes_with():
    code = "import json; from toyviz.train import instruction_set; print(json.dumps(instruction_set('reference')))"
    plain = told(code, ATEN_CPU_CAPABILITY="default")
    assert plain == f"{platform.machine()} DEFAULT"


def test_a_result_from_before_it_was_recorded_is_read_as_ever(store):
    result = train(TINY)
    old = {name: value for name, value in result.provenance.items() if name != "instruction_set"}
    assert len(old) == len(result.provenance) - 1
    kept = unpack(pack(replace(result, provenance=old)))
    assert kept.provenance == old
    np.testing.assert_array_equal(kept.W1, result.W1)
    store.put(replace(result, provenance=old))
    assert "instruction_set" not in Store(store.runs).get(TINY).provenance


@pytest.mark.parametrize(
    ("about", "device", "said"),
    [
        ({"device": "cpu", "instruction_set": "x86_64 znver3 fma"}, "cpu", "x86_64 znver3 fma"),
        ({"device": "cuda", "instruction_set": "NVIDIA A100 sm_80"}, "cuda", "NVIDIA A100 sm_80"),
        ({}, "not recorded", "not recorded"),
    ],
)
def test_a_page_tells_the_device_and_the_instruction_set_of_a_network(about, device, said):
    def page(result):
        from toyviz import tables, ui

        ui.behind("double_descent", result, tables.runs([result]))

    app = AppTest.from_function(page, args=(replace(train(TINY), provenance=about),), default_timeout=300)
    assert "device" not in "".join(each.value for each in again(app).markdown)
    opened_below(app)
    assert f"- device: {device}\n- instruction set: {said}\n" in "".join(each.value for each in app.markdown)


# kept kernels

KERNEL = """
import json, sys
sys.path.insert(0, sys.argv[1])
from a_kernel import double
assert double(2.0) == 4.0
print(json.dumps({"taken": sum(double.stats.cache_hits.values()), "made": sum(double.stats.cache_misses.values())}))
"""
TAKEN, MADE = {"taken": 1, "made": 0}, {"taken": 0, "made": 1}


def test_a_kernel_of_another_processor_is_never_taken_not_even_from_a_folder_that_was_copied(tmp_path):
    (tmp_path / "a_kernel.py").write_text(
        "from toyviz.train.fused.compiled import kernel\n\n\n@kernel\ndef double(x):\n    return x + x\n"
    )

    def run(folder, **other):
        return told(KERNEL, tmp_path, NUMBA_CACHE_DIR=str(tmp_path / folder), **other)

    generic = {"NUMBA_CPU_NAME": "generic"}
    assert run("theirs", **generic) == MADE
    assert run("theirs", **generic) == TAKEN
    shutil.copytree(tmp_path / "theirs", tmp_path / "ours")
    assert run("ours") == MADE
    assert run("ours") == TAKEN
    assert run("ours", **generic) == TAKEN  # as they are told apart by what they are for, both can lie there
    assert run("ours", NUMBA_CPU_FEATURES="+fma") == MADE


# bits


@pytest.mark.processor
def test_another_process_on_an_equal_instruction_set_trains_the_same_bits(tmp_path):
    code = """
import json, sys
from pathlib import Path
from toyviz.experiment import Experiment
from toyviz.store import pack
from toyviz.train import train
result = train(Experiment(**json.loads(sys.argv[1])))
print(json.dumps({"set": result.provenance["instruction_set"], "written": Path(sys.argv[2]).write_bytes(pack(result))}))
"""
    memorised = EXPERIMENTS["double_descent"].quick.with_(n_samples=5, seed=3)
    there = told(
        code,
        json.dumps(asdict(memorised)),
        tmp_path / "there",
        **{name: value for name, value in os.environ.items() if name.startswith("NUMBA_CPU_")},
    )
    assert there["set"] == instruction_set("fused")
    result, other = train(memorised), unpack((tmp_path / "there").read_bytes())
    np.testing.assert_array_equal(other.losses, result.losses)
    for name, values in result.parameters.items():
        np.testing.assert_array_equal(other.parameters[name], values)


def test_importance_is_that_of_doubles_whatever_numpy_does_with_floats():
    decay = EXPERIMENTS["superposition"].quick.importance_decay
    expected = np.array([float(np.float32(decay)) ** i for i in range(20)]).astype(np.float32)
    np.testing.assert_array_equal(data.importance(EXPERIMENTS["superposition"].quick), expected)
