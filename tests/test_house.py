"""Who may import whom, what the server must never load, and docs that are in step with the code."""

import ast
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from toyviz import live, settings, studies, view
from toyviz.__main__ import _parser, pages
from toyviz.experiment import ARCHS, FIELD_NAMES, TASKS
from toyviz.sweep import Sweep

ROOT = Path(__file__).parents[1]
TEXTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
DOCS = "\n".join(path.read_text(encoding="utf-8") for path in TEXTS)
SOURCES = sorted([ROOT / "app.py", *ROOT.glob("pages/**/*.py"), *ROOT.glob("toyviz/**/*.py")])
PURE = (
    "data",
    "schedules",
    "model",
    "metrics",
    "theory",
    "charts",
    "control",
    "view",
    "sweep",
    "studies",
    "live",
    "figures",
)


def module_name(path):
    """toyviz/charts/loss.py is toyviz.charts.loss; toyviz/charts/__init__.py is toyviz.charts."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_name(path) for path in SOURCES}


def imports(path):
    """Every module that a file imports, wherever in it: "from toyviz import data" is toyviz.data."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are written out in full"
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            inner = names & MODULES
            found |= inner | ({node.module} if names - inner else set())
    return found


IMPORTS = {module_name(path): imports(path) for path in SOURCES}


def within(name, *rooms):
    """Is the module one of these, or inside one of them?"""
    return any(name == room or name.startswith(f"{room}.") for room in rooms)


def who_imports(*rooms):
    """The modules that import something of these rooms, those inside them aside."""
    return {
        name
        for name, used in IMPORTS.items()
        if not within(name, *rooms) and any(within(each, *rooms) for each in used)
    }


def test_the_import_reader_sees_every_form_of_import(tmp_path):
    path = tmp_path / "x.py"
    lines = [
        "import numpy as np",
        "from toyviz import data, store",
        "def f():",
        "    from toyviz.experiment import sweep",
    ]
    path.write_text("\n".join([*lines, "    import torch.nn"]))
    assert imports(path) == {"numpy", "toyviz.data", "toyviz.store", "toyviz.experiment", "torch.nn"}


def test_the_experiment_imports_nothing_of_toyviz():
    assert not {used for used in IMPORTS["toyviz.experiment"] if within(used, "toyviz")}


@pytest.mark.parametrize("room", PURE)
def test_the_pure_rooms_know_no_training_no_store_no_jobs_and_no_streamlit(room):
    forbidden = [f"toyviz.{name}" for name in ("train", "store", "jobs", "worker", "runtime", "ui", "__main__")]
    used = set().union(*(IMPORTS[name] for name in IMPORTS if within(name, f"toyviz.{room}")))
    assert used
    assert not {each for each in used if within(each, *forbidden, "streamlit", "diskcache", "joblib")}


def test_charts_take_arrays_and_frames_and_know_no_network():
    used = set().union(*(IMPORTS[name] for name in IMPORTS if within(name, "toyviz.charts")))
    assert {each for each in used if within(each, "toyviz") and not within(each, "toyviz.charts")} <= {"toyviz.metrics"}


def test_only_the_pages_and_what_they_share_import_streamlit():
    allowed = {"app", "toyviz.runtime"} | {name for name in MODULES if within(name, "pages", "toyviz.ui")}
    assert who_imports("streamlit") <= allowed


def test_only_training_imports_torch_or_numba():
    rooms = ("toyviz.train", "toyviz.worker", "toyviz.bench", "toyviz.export.state_dict")
    assert {name for name in who_imports("torch", "numba", "llvmlite") if not within(name, *rooms)} == set()


def test_pages_train_through_the_queue_alone():
    trains = ("torch", "numba", "diskcache", "joblib", "toyviz.train", "toyviz.worker", "toyviz.store", "toyviz.jobs")
    assert {name for name in who_imports(*trains) if within(name, "pages", "app", "toyviz.ui")} == set()


def test_the_store_and_the_queue_do_not_import_training():
    assert not {"toyviz.store", "toyviz.jobs", "toyviz.runtime"} & who_imports("toyviz.train", "toyviz.worker")


def test_only_the_store_knows_its_database_and_only_the_command_line_joblib():
    assert who_imports("diskcache", "sqlite3") <= {"toyviz.store"}
    assert who_imports("joblib") <= {"toyviz.__main__"}


def test_nothing_pickles():
    pickling = ("pickle", "cloudpickle", "dill", "shelve", "marshal")
    assert who_imports(*pickling) == set()
    for path in SOURCES:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"allow_pickle\s*=\s*True|torch\.load\((?!.*weights_only=True)", text), path
        # PyTorch's own format is one, of tensors alone: it is written in a process of its own, and never read here.
        assert ("torch.save(" in text) == (module_name(path) == "toyviz.export.state_dict"), path


def test_the_modules_of_the_server_load_neither_torch_nor_a_compiler():
    offline = ("toyviz.train", "toyviz.worker", "toyviz.bench", "toyviz.gallery", "toyviz.__main__")
    offline += ("pages", "app", "toyviz.ui.main", "toyviz.export.state_dict", "toyviz.export.draw")  # run, not imported
    server = sorted(name for name in MODULES if not within(name, *offline))
    assert {"toyviz.ui", "toyviz.jobs", "toyviz.store", "toyviz.charts", "toyviz.theory"} <= set(server)
    code = f"import sys, {', '.join(server)}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    assert "streamlit" in loaded
    assert not {"torch", "numba", "llvmlite", "joblib", "vl_convert", "distributed", "dask"} & set(loaded)


def test_no_file_has_a_name_that_says_nothing():
    empty = {"utils", "util", "helpers", "helper", "common", "base", "core", "components", "misc"}
    assert not {path.stem for path in [*SOURCES, *ROOT.glob("tests/*.py")]} & empty


LONGEST = 50  # lines of a function


def test_no_function_is_longer_than_one_can_read():
    longer = {
        f"{module_name(path)}.{node.name}"
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno - node.lineno >= LONGEST
    }
    assert longer == set()


def test_no_page_lies_where_streamlit_would_find_it_behind_the_menu():
    assert list(ROOT.glob("pages/*.py")) == []


def test_every_page_file_is_in_the_menu():
    assert {page["path"] for page in pages()} == {
        path.relative_to(ROOT).as_posix() for path in ROOT.glob("pages/*/*.py")
    }


def pinned(name):
    """The packages of a requirements file; every one must have an exact version."""
    lines = (ROOT / name).read_text(encoding="utf-8").split("\n")
    lines = [line for line in lines if line and not line.startswith(("#", "-r "))]
    assert all(re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.]*", line) for line in lines), lines
    return {line.split("==")[0] for line in lines}


PINNED = set().union(*map(pinned, ("requirements.txt", "requirements-cluster.txt", "requirements-dev.txt")))
OF_MODULES = {"vl_convert": "vl-convert-python"}  # packages whose modules are called otherwise


def third_party(used):
    found = {name.split(".")[0] for name in used}
    return (
        {OF_MODULES.get(name, name) for name in found} - set(sys.stdlib_module_names) - {"toyviz", "tests", "conftest"}
    )


def test_the_app_needs_the_packages_that_it_imports_and_no_others():
    apart = ("toyviz.bench", "toyviz.cluster")
    of_app = [name for name in IMPORTS if not within(name, *apart)]
    assert third_party(used for name in of_app for used in IMPORTS[name]) == pinned("requirements.txt")


def test_only_the_bench_needs_jax_and_nothing_else_beside_what_the_app_has():
    assert pinned("requirements-bench.txt") == {"jax", "jaxlib"}
    assert who_imports("jax", "jaxlib") == {"toyviz.bench.in_jax"}
    of_bench = [name for name in IMPORTS if within(name, "toyviz.bench")]
    assert third_party(used for name in of_bench for used in IMPORTS[name]) - pinned("requirements.txt") == {"jax"}
    targets = re.findall(r"^([a-z-]+):(.*)## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert [name for name, needs in targets if "$(BENCH)" in needs] == ["bench"]


def test_one_module_alone_knows_dask_and_its_package_is_in_a_file_of_its_own():
    assert who_imports("distributed", "dask") == {"toyviz.cluster"}
    assert third_party(IMPORTS["toyviz.cluster"]) == pinned("requirements-cluster.txt")


def test_every_package_that_a_test_imports_is_pinned():
    used = {path.stem: third_party(imports(path)) - PINNED for path in ROOT.glob("tests/*.py")}
    assert used.pop("test_bench") == {"jax"}  # where it is not installed, that test is skipped
    assert set().union(*used.values()) == set()


# README and docs


def section(title):
    """The text of one section of the README or of the docs."""
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^##? |\Z)", DOCS, re.MULTILINE | re.DOTALL)
    assert found, f"no text has a section {title!r}"
    return found.group(1)


def mapped():
    return set(re.findall(r"^\| `([^`]+)` \|", section("Map of the code"), re.MULTILINE))


def test_the_map_has_a_line_for_every_file_of_code():
    assert {path.relative_to(ROOT).as_posix() for path in SOURCES if path.read_text()} - mapped() == set()


def test_everything_on_the_map_is_there():
    assert {name for name in mapped() if not (ROOT / name).exists()} == set()


def test_the_docs_name_every_page_in_the_menus_order():
    assert re.findall(r"^- \*\*(.+?)\*\*", section("What it shows"), re.MULTILINE) == [
        page["title"] for page in pages()
    ]
    assert re.findall(r"^\| `(pages/.+?)` ", section("Map of the code"), re.MULTILINE) == [p["path"] for p in pages()]


def test_the_docs_name_every_command_and_its_examples_can_be_read():
    commands = next(action for action in _parser()._actions if isinstance(action.choices, dict)).choices
    text = section("Command line")
    assert {name for name in commands if f"python -m toyviz {name}" not in text} == set()
    examples = re.findall(r"^\$ python -m toyviz (.*)$", text, re.MULTILINE)
    assert len(examples) >= 5
    for example in examples:
        assert _parser().parse_args(shlex.split(example)).run


def test_the_links_in_the_examples_are_understood():
    text = section("Command line")
    addresses = re.findall(r'^\$ python -m toyviz .*"(.+?)"', text, re.MULTILINE)
    assert len(addresses) >= 4
    for name, address in map(view.link, addresses):
        assert studies.page(name).read(address).not_understood == ()
        assert address["v"] == [view.VERSION]


def test_the_view_in_the_docs_is_one(add_view, untrained):
    (code,) = re.findall(r"^```python\n(.*?)^```$", section("Adding a view"), re.MULTILINE | re.DOTALL)
    add_view("of_the_readme", code)
    shown = studies.page("double_descent").views[-1]
    choice = shown.default(n_samples=(3, 5), features=50)
    plan = shown.plan(choice)
    store, waits = untrained(), live.unfinished(plan.opened[0], None)
    assert [each.n_samples for each in plan.opened] == [choice.T]
    for results, opened in ([], waits), ([store.get(each) for each in plan.experiments], store.get(plan.opened[0])):
        blocks = list(shown.show(choice, plan, Sweep(results, plan.experiments)))
        figures = {block.id for block in blocks if isinstance(block, view.Figure)}
        assert figures == set(shown.stage) == {"losses"}
        assert blocks[-1].markdown.startswith(f"{len(results)} of 4 networks")
        inside = [block.id for block in shown.inside(choice, opened)]
        assert inside[:3] == ["columns", "hidden", "curve"]


def test_the_docs_name_every_make_target_and_no_other():
    targets = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert {"run", "test", "check", "slow", "bench", "clean-cache"} <= targets
    assert set(re.findall(r"`make ([a-z-]+)", DOCS)) == targets


def test_the_docs_give_a_reason_for_every_dependency():
    text = section("Dependencies")
    for name in set().union(*(pinned(path.name) for path in ROOT.glob("requirements*.txt"))):
        assert re.search(rf"^\| [^|]*`{name}`[^|]*\| .+\|$", text, re.MULTILINE), name


def test_the_docs_explain_every_field_and_name_every_experiment():
    glossary, commands = section("Words"), section("Command line")
    assert {name for name in FIELD_NAMES if f"`{name}`" not in glossary} == set()
    assert {name for name in settings.EXPERIMENTS if f"`{name}`" not in commands} == set()
    assert {name for name in (*ARCHS, *TASKS) if f"`{name}`" not in DOCS} == set()


def test_the_links_of_readme_and_docs_lead_to_files():
    for path in TEXTS:
        links = re.findall(r"\]\((?!https?:|#)([^)#]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8"))
        assert {link for link in links if not (path.parent / link).exists()} == set(), path.name


def test_the_readme_is_short_and_leads_to_every_text_of_the_docs():
    readme = TEXTS[0].read_text(encoding="utf-8")
    assert len(readme.encode()) < 9_000
    assert {path.name for path in TEXTS[1:] if f"(docs/{path.name})" not in readme} == set()


# the promises


def test_every_promise_names_a_test_that_is_there():
    text = (ROOT / "docs/promises.md").read_text(encoding="utf-8")
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| ") and "---" not in line]
    rows = [row for row in rows if row[0] != "| promise"]
    assert len(rows) > 30
    for promise, named, _ in rows:
        tests = re.findall(r"`(tests/\w+\.py)::(\w+)`", named)
        assert tests, promise
        for path, name in tests:
            assert re.search(rf"^(def {name}\(|{name} = )", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE), (
                f"{path} has no {name}"
            )
