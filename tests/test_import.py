"""A network that was taken along comes back as it was; whatever else is handed in is refused with a reason."""

import io
import json
import pickle
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import save

from toyviz import studies
from toyviz.experiment import Experiment
from toyviz.export import imported, network_files
from toyviz.export.refused import Refused
from toyviz.store import GALLERY, Store
from toyviz.train import train
from toyviz.ui import downloads

SMALL = Experiment(n_hidden=2, n_features=12, n_samples=5, sparsity=0.8, normalize=True, steps=30, lr=1e-2)
KINDS = {
    "bottleneck": SMALL,
    "mlp": SMALL.with_(arch="mlp", bias_init="linear_uniform"),
    "fish": Experiment(arch="mlp", task="reproject", n_features=12, n_embed=5, sparsity=0.8, batch_size=16, steps=30),
    "one_hots": Experiment(data="one_hot", n_hidden=2, n_features=8, steps=30),
}
WRITE = {"npz": network_files.npz, "safetensors": network_files.safetensors}


@pytest.fixture(scope="module")
def trained():
    return train(SMALL)


def parts(result):
    """The arrays of a file, and what it says beside them: to be changed and written again."""
    return network_files.whole_run(result), network_files.described(result, "/link")


def written(arrays, about):
    return save({name: np.ascontiguousarray(values) for name, values in arrays.items()}, {"about": json.dumps(about)})


def refused(content, said, status=400):
    with pytest.raises(Refused, match=said) as refusal:
        imported.read_run(content, "run.npz")
    assert refusal.value.status == status
    assert len(str(refusal.value)) < 500


def same(one, other):
    assert one.experiment == other.experiment
    assert one.metrics == other.metrics
    assert one.shortened == other.shortened
    for name in ("loss_steps", "losses", "frame_steps"):
        assert np.array_equal(getattr(one, name), getattr(other, name)), name
    for name in ("parameters", "frames", "frame_metrics"):
        ours, theirs = getattr(one, name), getattr(other, name)
        assert ours.keys() == theirs.keys()
        assert all(np.array_equal(ours[key], theirs[key], equal_nan=True) for key in ours), name


@pytest.mark.parametrize("form", WRITE)
@pytest.mark.parametrize("kind", KINDS)
def test_a_network_comes_back_as_it_was(kind, form, store):
    result = train(KINDS[kind])
    content = WRITE[form]([result], "/double_descent?T=5")
    back = imported.read_run(content, "run.npz")
    same(back, result)
    assert back.provenance["imported"] is True
    assert back.provenance["note"] == "imported from run.npz, not trained here"
    assert imported.link_of(content) == "/double_descent?T=5"
    imported.keep(back, store)
    assert store.get(result.experiment).provenance["imported"] is True
    again = network_files.npz([store.get(result.experiment)], "/link")  # and is taken along like any other
    same(imported.read_run(again, "again.npz"), result)


def test_what_is_shipped_comes_back_with_its_short_history(tmp_path, store):
    shipped = Store(None, GALLERY)
    view = studies.page("double_descent").views[0]
    result = shipped.get(view.plan(view.default()).opened[0])
    assert result.shortened
    back = imported.read_run(network_files.npz([result], ""), "x")
    same(back, result)
    imported.keep(back, store)
    disk = Store(store.runs).get(result.experiment)  # as another process reads it
    assert disk.shortened
    assert np.array_equal(disk.W1, result.W1)


def test_what_is_stored_is_never_overwritten(trained, store):
    store.put(trained)
    with pytest.raises(Refused, match="has a network of this experiment already") as refusal:
        imported.keep(imported.read_run(network_files.npz([trained], ""), "x"), store)
    assert refusal.value.status == 409
    assert "imported" not in store.get(trained.experiment).provenance


CHANGES = {
    "another weight": (lambda a, b: a["W1"].__setitem__((0, 0), 9.0), "does not end with W1"),
    "other weights": (lambda a, b: [each.__imul__(2) for each in (a["W1"], a["frames.W1"][-1])], "its weights have"),
    "another start": (lambda a, b: a["frames.W1"].__setitem__(0, 0.5), "does not begin with the start"),
    "not finite": (lambda a, b: a["losses"].__setitem__(0, np.nan), "losses must be finite"),
    "another shape": (lambda a, b: a.update(W1=a["W1"][:, :-1]), "W1 must be float32"),
    "another type": (lambda a, b: a.update(W1=a["W1"].astype(np.float64)), "W1 must be float32"),
    "an array less": (lambda a, b: a.pop("losses"), "its arrays are others: losses"),
    "an array more": (lambda a, b: a.update(more=np.zeros(1)), "its arrays are others: more"),
    "steps in disorder": (lambda a, b: a.update(frame_steps=a["frame_steps"][::-1].copy()), "frame_steps must rise"),
    "another key": (lambda a, b: b.update(key="0" * 16), "its key is"),
    "another experiment": (lambda a, b: b["experiment"].update(seed=1), "its key is"),
    "no such field": (lambda a, b: b["experiment"].update(colour="red"), "'colour' is not a field"),
    "a loss that is not its own": (lambda a, b: b["metrics"].update(test_loss=0.1), "it tells a test_loss of 0.1"),
    "a loss that is no number": (lambda a, b: b["metrics"].update(test_loss="good"), "this is no run"),
    "a metric less": (lambda a, b: b["metrics"].pop("test_loss"), "test_loss"),
    "nothing of where it is from": (lambda a, b: b.pop("provenance"), "provenance"),
    "another engine": (lambda a, b: b["provenance"].update(engine="![](http://x)"), "engine must be one of"),
    "no format": (lambda a, b: b.pop("format"), "does not say that it is"),
    "too large to be trained": (lambda a, b: b["experiment"].update(steps=10**6, n_features=16384), "no run"),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_not_ours_is_refused_with_its_reason(change, trained):
    arrays, about = parts(trained)
    arrays = {name: values.copy() for name, values in arrays.items()}
    about = json.loads(json.dumps(about))
    do, said = CHANGES[change]
    do(arrays, about)
    refused(written(arrays, about), said)


def test_a_file_without_a_run_is_refused(trained):
    refused(b"", "this is no run")
    refused(b"PK\x03\x04nothing", "this is no run")
    refused(b"\xff" * 100, "this is no run")
    refused(save({"W1": np.zeros(3)}), "this is no run")
    refused(network_files.npz([trained, trained], ""), "it holds a sweep of 2")
    refused(b"\0" * (imported.LARGEST + 1), "a run may have", 413)
    arrays = network_files.whole_run(trained)
    refused(written(arrays, ["x"]), "a sweep of 1")
    refused(written(arrays, "x"), "does not say that it is")


def test_no_pickle_is_read(trained, tmp_path):
    class Bomb:
        def __reduce__(self):
            return (tmp_path.joinpath("exploded").write_text, ("x",))

    arrays, about = parts(trained)
    whole = io.BytesIO()
    np.savez(whole, **arrays, about=np.array(json.dumps(about)), W3=np.array([Bomb()], dtype=object))
    refused(whole.getvalue(), "[Oo]bject arrays cannot be loaded")
    assert not (tmp_path / "exploded").exists()
    refused(pickle.dumps(about), "this is no run")


def test_a_small_file_of_large_arrays_is_refused(trained):
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("W1.npy", b"\0" * (imported.LARGEST + 1))
    assert len(whole.getvalue()) < 1_000_000
    refused(whole.getvalue(), "those of a run may have", 413)


def test_what_a_file_says_of_itself_cannot_reach_a_page_as_markdown(trained):
    about = replace(trained, provenance=trained.provenance | {"note": "![x](http://x)", "machine": "<b>x</b> [y](z)"})
    back = imported.read_run(network_files.npz([about], ""), "![x](http://evil)")
    assert back.provenance["machine"] == "bxb yz"
    assert back.provenance["note"] == "imported from xhttpevil, not trained here"


def test_a_server_takes_files_only_where_it_is_one_persons(monkeypatch, trained, store):
    monkeypatch.setattr(downloads.runtime, "store", lambda: store)
    content = network_files.npz([trained], "/link")
    for address, status in (("0.0.0.0", 403), ("127.0.0.1", 200), ("127.0.0.1", 409)):
        monkeypatch.setattr(downloads.st, "get_option", lambda name, address=address: address)
        answer = downloads._done(lambda: downloads._kept(content, "run.npz"))
        assert answer.status_code == status, answer.body
    assert store.get(trained.experiment).provenance["imported"] is True
