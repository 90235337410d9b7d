"""A network that was taken along comes back as it was; whatever else is handed in is refused with a reason."""

import io
import json
import pickle
import re
import zipfile
from dataclasses import replace
from urllib.parse import urlencode

import numpy as np
import pytest
from safetensors.numpy import save

from toyviz import probe, studies
from toyviz.experiment import Experiment
from toyviz.export import checked, imported, network_files
from toyviz.export.refused import Refused
from toyviz.store import GALLERY, Store, pack, unpack
from toyviz.train import train
from toyviz.ui import downloads

SMALL = Experiment(n_hidden=2, n_features=12, n_samples=5, sparsity=0.8, normalize=True, steps=30, lr=1e-2)
KINDS = {
    "bottleneck": SMALL,
    "mlp": SMALL.with_(arch="mlp", bias_init="linear_uniform"),
    "fish": Experiment(arch="mlp", task="reproject", n_features=12, n_embed=5, sparsity=0.8, batch_size=16, steps=30),
    "one_hots": Experiment(data="one_hot", n_hidden=2, n_features=8, steps=30),
    "minibatches": Experiment(
        arch="unembed",
        task="classify_shares",
        n_hidden=2,
        n_features=12,
        n_samples=7,
        sparsity=0.8,
        steps=30,
        minibatch=3,
    ),
    "absolute": SMALL.with_(arch="abs_output"),
}
HOME = studies.page("double_descent")
LINK = f"/double_descent?{urlencode(HOME.write(HOME.views[0], HOME.views[0].default(), 300))}"
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
    content = WRITE[form]([result], LINK)
    back = imported.read_run(content, "run.npz")
    same(back, result)
    assert back.provenance["imported"] is True
    assert back.provenance["note"] == "imported from run.npz, not trained here"
    assert imported.link_of(content) == LINK
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
    before, now = result.provenance["largest_error"], disk.provenance["largest_error"]
    rounded_again = max(np.abs(disk.frames[name] - values).max() for name, values in result.frames.items())
    assert now == pytest.approx(before + rounded_again, rel=1e-3)
    assert before > 0
    told = re.fullmatch(
        r"imported from x, not trained here; history of 24 frames, .* is off by more than ([\d.]+)",
        disk.provenance["note"],
    )
    assert now <= float(told[1]) <= 1.1 * now


def test_a_short_history_whose_error_is_not_known_tells_none(store):
    view = studies.page("double_descent").views[0]
    result = Store(None, GALLERY).get(view.plan(view.default()).opened[0])
    del result.provenance["largest_error"]  # as a file from before it was told
    imported.keep(imported.read_run(network_files.npz([result], ""), "x"), store)
    told = Store(store.runs).get(result.experiment).provenance
    assert told["note"].endswith("frames, the inner ones rounded to 8 bits")
    assert "largest_error" not in told


@pytest.mark.parametrize("engine", ["auto", "reference"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_frame_is_held_against_what_it_tells_whatever_is_trained(kind, engine):
    """A curve of single steps, then of stretches; each engine, whose own numbers stay far inside what is allowed."""
    result = train(KINDS[kind].with_(steps=700), engine=engine)
    imported.read_run(network_files.npz([result], ""), "x")
    arrays, about = parts(result)
    for name in (each for each in arrays if each.startswith("frame_metrics.") and each.endswith("_loss")):
        values = arrays[name].copy()
        values[11] *= 1.01
        refused(written(arrays | {name: values}, about), f"{name} is")
    arrays["losses"] = arrays["losses"].copy()
    if (
        result.experiment.fresh or result.experiment.minibatch
    ):  # another set at each step: nothing of the curve is in the frames
        arrays["losses"][:] = 99
        imported.read_run(written(arrays, about), "x")
        return
    ends = arrays["loss_steps"].tolist()
    stretches = ((k, set(range(ends[k - 1], ends[k]))) for k in range(1, len(ends)))
    late = next(k for k, steps in stretches if len(steps) > 1 and steps & set(arrays["frame_steps"].tolist()))
    arrays["losses"][late] = 0
    refused(written(arrays, about), f"losses has 0 at step {ends[late]}, but .* ask for at least")


def test_the_projections_of_a_fish_are_its_own():
    arrays, about = parts(train(KINDS["fish"]))
    for name, said in (("E", "E must be the random"), ("E2", "E2 must be the second random")):
        refused(written(arrays | {name: arrays[name] * 2}, about), said)
    refused(written(arrays | {"X": arrays["W1"]}, about), "its arrays are others: X too many")  # on fresh batches


def test_a_run_that_does_not_tell_its_seconds_is_read_as_shipped_ones_are(trained):
    about = {name: value for name, value in trained.provenance.items() if name != "seconds"}
    back = imported.read_run(network_files.npz([replace(trained, provenance=about)], ""), "x")
    assert "seconds" not in back.provenance


def test_of_a_short_history_the_ends_are_measured():
    result = unpack(pack(train(SMALL.with_(steps=200)), display=True))
    imported.read_run(network_files.npz([result], ""), "x")
    arrays, about = parts(result)
    arrays["frame_metrics.test_loss"] = arrays["frame_metrics.test_loss"].copy()
    arrays["frame_metrics.test_loss"][0] *= 2
    refused(written(arrays, about), "frame_metrics.test_loss is .* at step 0")


def test_a_large_network_has_fewer_frames_measured(trained, monkeypatch):
    looked = []
    measure = probe.evaluate_frame
    monkeypatch.setattr(probe, "evaluate_frame", lambda *given: looked.append(1) or measure(*given))
    for seconds, frames in ((20, len(trained.frame_steps)), (0, 2)):
        monkeypatch.setattr(checked, "SECONDS", seconds)
        imported.read_run(network_files.npz([trained], ""), "x")
        assert len(looked) == frames
        looked.clear()


@pytest.mark.parametrize(
    "link", ["javascript:alert(1)", "http://evil.example/", "//x/claims", "/double_descent?T=x", 7]
)
def test_a_link_that_is_none_of_ours_is_not_told(trained, link):
    assert imported.link_of(network_files.npz([trained], link)) == ""
    elsewhere = network_files.npz([trained], f"https://evil.example{LINK}")
    assert imported.link_of(elsewhere) == LINK  # the page of that name here


def test_what_is_stored_is_never_overwritten(trained, store):
    store.put(trained)
    with pytest.raises(Refused, match="has a network of this experiment already") as refusal:
        imported.keep(imported.read_run(network_files.npz([trained], ""), "x"), store)
    assert refusal.value.status == 409
    assert "imported" not in store.get(trained.experiment).provenance


CHANGES = {
    "another weight": (lambda a, b: a["W1"].__setitem__((0, 0), 9.0), "does not end with W1"),
    "other weights": (
        lambda a, b: [each.__imul__(2) for each in (a["W1"], a["W2"], a["frames.W1"][-1])], "its weights have"
    ),
    "other frames": (lambda a, b: a["frames.W1"][5:20].__imul__(-3), "frame_metrics.train_loss is .* at step 5, but"),
    "another test loss of frames": (
        lambda a, b: a["frame_metrics.test_loss"].__setitem__(slice(5, 20), 12345),
        "frame_metrics.test_loss is 12345 at step 5, but the frame there has",
    ),
    "another accuracy of a frame": (
        lambda a, b: a["frame_metrics.test_accuracy"].__setitem__(7, 0.123), "frame_metrics.test_accuracy is 0.123"
    ),
    "more big features": (
        lambda a, b: a["frame_metrics.big_features"].__iadd__(2), "frame_metrics.big_features is"
    ),
    "another loss curve": (lambda a, b: a["losses"].__setitem__(slice(5, 20), 99), "losses has 99 at step 6"),
    "a loss below zero": (lambda a, b: a["losses"].__setitem__(3, -1), "losses must be 0 or more"),
    "other samples": (lambda a, b: a["X"].__setitem__((0, 0), 7), "X must be the training samples"),
    "no samples": (lambda a, b: a.pop("X"), "its arrays are others: X missing"),
    "fewer samples": (lambda a, b: a.update(X=a["X"][1:]), "X must have the shape"),
    "a W2 that is not tied": (lambda a, b: a["W2"].__imul__(1.01), "W2 must be W1 transposed"),
    "a W2 of another type": (lambda a, b: a.update(W2=a["W2"].astype(np.float64)), "W2 must be W1 transposed"),
    "a bias that is not trained": (lambda a, b: a["b1"].__setitem__(0, 1), "b1 must be zeros"),
    "losses that are whole": (
        lambda a, b: a.update(losses=a["losses"].astype(np.int64)), "losses must be an array of floating-point numbers"
    ),
    "steps that are not whole": (
        lambda a, b: a.update(loss_steps=a["loss_steps"] + 0.5), "loss_steps must be an array of whole numbers"
    ),
    "more frames than are kept": (
        lambda a, b: a.update({n: np.concatenate([v, v]) for n, v in a.items() if n.startswith("frame")}), "at most 40"
    ),
    "another start": (lambda a, b: a["frames.W1"].__setitem__(0, 0.5), "does not begin with the start"),
    "not finite": (lambda a, b: a["losses"].__setitem__(0, np.nan), "losses must be finite"),
    "another shape": (lambda a, b: a.update(W1=a["W1"][:, :-1]), "W1 must be float32"),
    "another type": (lambda a, b: a.update(W1=a["W1"].astype(np.float64)), "W1 must be float32"),
    "an array less": (lambda a, b: a.pop("losses"), "its arrays are others: losses missing"),
    "an array more": (lambda a, b: a.update(more=np.zeros(1)), "its arrays are others: more too many"),
    "steps in disorder": (lambda a, b: a.update(frame_steps=a["frame_steps"][::-1].copy()), "frame_steps must rise"),
    "another key": (lambda a, b: b.update(key="0" * 16), "its key is"),
    "another experiment": (lambda a, b: b["experiment"].update(seed=1), "its key is"),
    "no such field": (lambda a, b: b["experiment"].update(colour="red"), "'colour' is not a field"),
    "a loss that is not its own": (lambda a, b: b["metrics"].update(test_loss=0.1), "it tells a test_loss of 0.1"),
    "a loss that is no number": (lambda a, b: b["metrics"].update(test_loss="good"), "its test_loss is no number"),
    "a metric less": (lambda a, b: b["metrics"].pop("test_loss"), "its metrics lack test_loss"),
    "metrics of another form": (lambda a, b: b.update(metrics=[1]), "it does not say its metrics"),
    "nothing of where it is from": (lambda a, b: b.pop("provenance"), "it does not say its provenance"),
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
    for strange in (
        b"",
        b"PK\x03\x04nothing",
        b"\xff" * 100,
        b"# toyviz\n\nA text.\n" * 9,
        b"\x02" + b"\0" * 7 + b"[]",
    ):
        refused(strange, f"^{imported.NOT_OURS}: it is neither a .npz nor a .safetensors, or it is damaged$")
    refused(save({"W1": np.zeros(3)}), "it has no 'about'")
    refused(save({"W1": np.zeros(3)}, {"about": "{"}), "its 'about' is no JSON")
    refused(network_files.npz([trained, trained], ""), "it holds a sweep of 2")
    refused(b"\0" * (imported.LARGEST + 1), "^run.npz is larger than the 67 MB that a run may have$", 413)
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
    refused(whole.getvalue(), "W3 is a pickle, which is never read")
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
