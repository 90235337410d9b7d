"""What lies in a packed result, read without the store's own code, and what of it is refused; rows of the cache."""

import errno
import hashlib
import io
import json
import sqlite3
import struct
import zlib
from dataclasses import asdict, replace

import numpy as np
import pytest

from toyviz import history
from toyviz import store as store_module
from toyviz.experiment import Experiment
from toyviz.model import initial_parameters
from toyviz.result import Result
from toyviz.store import BytesDisk, pack, unpack

TINY = Experiment(n_features=6, n_hidden=2, steps=50, batch_size=4)
SIZES = {"I32": np.int32, "F32": np.float32, "F16": np.float16, "I64": np.int64, "F64": np.float64, "U8": np.uint8}


def made(experiment=TINY, frames=20):
    """A result with a history of so many frames that nobody has trained."""
    rng = np.random.default_rng(experiment.n_hidden)
    start = initial_parameters(experiment)
    history = {
        name: np.stack([values, *(rng.normal(size=(frames - 1, *values.shape)))]).astype(np.float32)
        for name, values in start.items()
    }
    result = Result(
        experiment,
        {name: values[-1] for name, values in history.items()},
        np.array([1, 3, experiment.steps]),
        np.array([3, 2, 1], np.float32),
        np.arange(frames),
        history,
        {"train_loss": None, "test_loss": 0.5, "train_accuracy": None, "test_accuracy": 0.25},
        frame_metrics={"test_loss": rng.uniform(size=frames), "big_features": np.arange(frames) % 7.0},
        provenance={"engine": "none", "note": "as it was"},
    )
    result.frame_metrics["test_loss"][1:4] = np.nan  # not measured
    return result


def taken_apart(blob):
    """The metadata and the arrays of a safetensors file, by the format's own description."""
    (length,) = struct.unpack("<Q", blob[:8])
    header, body = json.loads(blob[8 : 8 + length]), blob[8 + length :]
    about = json.loads(header.pop("__metadata__")["result"])
    arrays = {}
    for name, entry in header.items():
        first, last = entry["data_offsets"]
        arrays[name] = np.frombuffer(body[first:last], SIZES[entry["dtype"]]).reshape(entry["shape"])
    return about, arrays


def put_together(about, arrays):
    """A safetensors file of these, with the right digest."""
    from safetensors.numpy import save

    text = json.dumps(about | {"sha256": "0" * 64})
    blob = save({name: np.ascontiguousarray(values) for name, values in arrays.items()}, metadata={"result": text})
    return blob.replace(b"0" * 64, hashlib.sha256(blob).hexdigest().encode(), 1)


def test_a_packed_result_holds_every_array_once_with_steps_in_32_bits():
    result = made()
    about, arrays = taken_apart(pack(result))
    assert about["key"] == TINY.key
    assert about["experiment"] == asdict(TINY)
    assert about["metrics"] == result.metrics
    assert about["provenance"] == result.provenance
    assert about["display"] is False
    expected = {
        "loss_steps": result.loss_steps.astype(np.int32),
        "losses": result.losses,
        "frame_steps": result.frame_steps.astype(np.int32),
        **{f"parameters.{name}": values for name, values in result.parameters.items()},
        **{f"frames.{name}": values for name, values in result.frames.items()},
        "frame_metrics.test_loss": result.frame_metrics["test_loss"],
        "frame_metrics.big_features": result.frame_metrics["big_features"],
    }
    assert arrays.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(arrays[name], values, strict=True)


def decoded(about, arrays):
    """The inner frames of a short history, by what toyviz.history says of it."""
    last = {name.partition(".")[2]: values for name, values in arrays.items() if name.startswith("parameters.")}
    inner, numbers = len(arrays["frame_steps"]) - 2, sum(values.size for values in last.values())
    moved = np.frombuffer(zlib.decompress(arrays["codes"].tobytes()), np.uint8).reshape(numbers, inner).astype(int)
    found, begin = {}, 0
    for name, values in last.items():
        low, step, doubled = about["grids"][name]
        doubled += [0] * (inner - len(doubled))
        levels = np.clip(np.rint((values.astype(np.float64) - low) / step), 0, 255).ravel().astype(int)
        rows = []
        for k in reversed(range(inner)):
            levels = (levels - moved[begin : begin + values.size, k]) % 256
            rows.append((low + step * levels).astype(np.float32).reshape(values.shape) / 2 ** doubled[k])
        begin += values.size
        found[name] = np.array(rows[::-1], np.float32).reshape(inner, *values.shape)
    return found


@pytest.mark.parametrize("frames", [24, 5, 2])
def test_a_short_history_is_coded_in_8_bits_and_tells_its_largest_error(frames):
    result = made(frames=40)
    blob = pack(result, display=True, frames=frames)
    about, arrays = taken_apart(blob)
    assert about["display"] is True
    steps = [round(39 * place / (frames - 1)) for place in range(frames)]
    assert arrays["frame_steps"].tolist() == steps
    assert {name for name in arrays if name.startswith("frames.")} == set()
    shown, error = unpack(blob), 0.0
    for name, inner in decoded(about, arrays).items():
        every = result.frames[name][steps]
        np.testing.assert_array_equal(shown.frames[name][1:-1], inner, strict=True)
        np.testing.assert_array_equal(shown.frames[name][[0, -1]], every[[0, -1]], strict=True)
        np.testing.assert_array_equal(arrays[f"parameters.{name}"], every[-1], strict=True)
        if frames > 2:
            off = np.abs(inner.astype(float) - every[1:-1]).max()
            assert off <= np.ptp(every[1:-1]) / 255 / 2 * 1.0001
            error = max(error, off)
    assert about["provenance"]["largest_error"] == pytest.approx(error, rel=1e-12)
    note = about["provenance"]["note"]
    if frames == 2:
        assert (error, note) == (0, "history of 2 frames")
    else:
        told = float(
            note.removeprefix(
                f"history of {frames} frames, the inner ones rounded to 8 bits: no number is off by more than "
            )
        )
        assert error <= told <= 1.1 * error
    for name, values in result.frame_metrics.items():
        np.testing.assert_array_equal(arrays[f"frame_metrics.{name}"], values[steps], strict=True)
    assert result.provenance["note"] == "as it was"


@pytest.mark.parametrize(
    ("n_features", "n_hidden", "least", "most"),
    [
        (1000, 4, 24, 24),  # 5,000 numbers: all, whatever they take; these are noise, which is not compressed
        (1200, 4, 18, 22),  # 6,000 in nearly a byte each
        (10_000, 4, 3, 4),
        (16_000, 8, 2, 2),  # one frame takes more
    ],
)
def test_a_wide_network_keeps_as_many_frames_as_100_kilobytes_hold(n_features, n_hidden, least, most):
    result = made(TINY.with_(n_features=n_features, n_hidden=n_hidden), frames=30)
    _, arrays = taken_apart(pack(result, display=True))
    count = len(arrays["frame_steps"])
    assert least <= count <= most
    assert count == 24 or len(arrays["codes"]) <= 100_000
    np.testing.assert_array_equal(np.linspace(0, 29, count).round(), arrays["frame_steps"])


def test_the_first_short_histories_in_16_bits_are_still_read():
    result = made()
    about, arrays = taken_apart(pack(result))
    kept = [0, 4, 8, 12, 19]
    older = {
        **{name: values for name, values in arrays.items() if not name.startswith(("frames.", "frame_metrics."))},
        **{f"frames.{name}": values[kept[1:-1]].astype(np.float16) for name, values in result.frames.items()},
        "frame_steps": result.frame_steps[kept].astype(np.int32),
    }
    assert older["loss_steps"].dtype == np.int32
    shown = unpack(put_together(about | {"display": True}, older))
    assert shown.shortened
    assert shown.frame_steps.tolist() == kept
    np.testing.assert_array_equal(shown.loss_steps, result.loss_steps)
    for name, values in result.frames.items():
        np.testing.assert_array_equal(shown.frames[name][[0, -1]], values[[0, -1]], strict=True)
        np.testing.assert_array_equal(shown.frames[name][1:-1], values[kept[1:-1]].astype(np.float16))
    with pytest.raises(ValueError, match=r"frames.W1 must be float32 \(3, 2, 6\); got int64"):
        unpack(put_together(about | {"display": True}, older | {"frames.W1": older["frames.W1"].astype(np.int64)}))


def test_the_frames_of_a_short_history_are_decoded_when_they_are_looked_at_and_once(monkeypatch):
    drawn = []
    real = history.initial_parameters
    monkeypatch.setattr(history, "initial_parameters", lambda experiment: drawn.append(1) or real(experiment))
    shown = unpack(pack(made(), display=True))
    assert list(shown.frames) == ["W1", "b2"]
    assert (len(shown.frames), shown.W1.shape, drawn) == (2, (2, 6), [])
    assert shown.frames["W1"] is shown.frames["W1"]
    assert shown.frame(3)["b2"].shape == (6,)
    assert drawn == [1]
    assert not shown.frames["W1"].flags.writeable


def test_frames_that_are_far_smaller_than_the_last_are_not_rounded_to_a_lattice():
    result = made()
    for values in result.frames.values():
        values[1:-1] *= np.geomspace(1e-4, 1, 18).reshape(-1, *[1] * (values.ndim - 1))
    about, arrays = taken_apart(pack(result, display=True))
    shown = unpack(pack(result, display=True)).frames["W1"]
    off = np.abs(shown - result.frames["W1"]).max(axis=(1, 2))[1:-1]
    reach = np.abs(result.frames["W1"]).max(axis=(1, 2))[1:-1]
    low, step, doubled = about["grids"]["W1"]
    room = min(-low, low + 255 * step)
    assert (
        off <= 1.0001 * reach * (step / 2) / (room / history.FAR_SMALLER / 2)
    ).all()  # doubled once more, it were too large
    assert off.max() > 50 * off.min()
    assert doubled[0] > 7
    assert len(doubled) < 18
    assert (np.ldexp(reach[: len(doubled)], doubled) <= np.ptp(result.frames["W1"][1:-1])).all()
    flat = about["grids"] | {"W1": [low, step, []]}
    assert unpack(put_together(about | {"grids": flat}, arrays)).frames["W1"][1] == pytest.approx(
        2.0 ** doubled[0] * shown[1]
    )


def grids_with(about, grid):
    return about | {"grids": about["grids"] | {"b2": grid}}


def test_codes_that_are_not_those_of_the_network_are_refused():
    about, arrays = taken_apart(pack(made(), display=True))
    plain = zlib.decompress(arrays["codes"].tobytes())
    for codes, told in (
        (b"noise", "cannot be decompressed"),
        (zlib.compress(plain[:-1]), "must have 324 bytes; got 323"),
        (zlib.compress(plain + b"x"), "must have 324 bytes; got 325"),
        (zlib.compress(bytes(10**7)), "must have 324 bytes; got 325"),
        (arrays["codes"].tobytes()[:-6], "must have 324 bytes"),
    ):
        with pytest.raises(ValueError, match=f"not a result that can be used: .*{told}"):
            unpack(put_together(about, arrays | {"codes": np.frombuffer(codes, np.uint8)}))
    two = np.frombuffer(zlib.compress(bytes(8)), np.uint8)
    with pytest.raises(ValueError, match="must have 12 bytes; got 8"):
        unpack(put_together(about, arrays | {"loss_steps": two}))
    with pytest.raises(ValueError, match="grids must be of W1, b2; got W1"):
        unpack(put_together(about | {"grids": {"W1": [0, 1]}}, arrays))
    for grid in ([0.0, 0.0], [0.0, -1.0], [1e400, 1.0], [0.0, 1e400], [0.0, 1e38]):
        with pytest.raises(ValueError, match="grids must be finite, and their steps above 0"):
            unpack(put_together(grids_with(about, [*grid, []]), arrays))
    for doubled in ([0] * 19, [-1], [65], [0.5]):
        with pytest.raises(ValueError, match="doublings must be 18 whole numbers from 0 to 64 at most"):
            unpack(put_together(grids_with(about, [0.0, 1.0, doubled]), arrays))
    with pytest.raises(ValueError, match="not a result that can be used"):
        unpack(put_together(grids_with(about, [0.0, 1.0]), arrays))


@pytest.mark.parametrize("display", [False, True])
def test_what_was_measured_of_each_frame_comes_back_and_older_results_have_none(display):
    blob = pack(made(), display=display)
    shown = unpack(blob)
    for name, values in made().frame_metrics.items():
        np.testing.assert_array_equal(shown.frame_metrics[name], values[shown.frame_steps], strict=True)
        assert not shown.frame_metrics[name].flags.writeable
    assert list(shown.frame_metrics) == ["test_loss", "big_features"]
    about, arrays = taken_apart(blob)
    older = {name: values for name, values in arrays.items() if not name.startswith("frame_metrics.")}
    assert unpack(put_together(about, older)).frame_metrics == {}
    for wrong, told in (
        ({"frame_metrics.test_loss": np.zeros(3)}, r"frame_metrics.test_loss must be float64 \(\d+,\); got .*\(3,\)"),
        ({"frame_metrics.test_loss": arrays["frame_metrics.test_loss"].astype(np.float32)}, "must be float64"),
        ({"frame_metrics.test_loss": np.full(len(shown.frame_steps), np.inf)}, "test_loss must be finite"),
        ({"frame_metrics.speed": arrays["frame_metrics.test_loss"]}, "it must hold .*; got .*frame_metrics.speed"),
    ):
        with pytest.raises(ValueError, match=told):
            unpack(put_together(about, arrays | wrong))


def test_a_short_history_is_shown_whole():
    shown = unpack(pack(made(frames=5), display=True))
    assert shown.frame_steps.tolist() == [0, 1, 2, 3, 4]
    assert shown.metrics == made().metrics
    assert shown.provenance["engine"] == "none"
    assert len(shown.frames["W1"]) == 5


@pytest.mark.parametrize("largest", [1e-30, 65_000, -3e38])
def test_a_frame_far_from_the_others_is_kept_within_the_error_that_is_told(largest):
    result = made()
    result.frames["b2"][7, 3] = largest
    shown = unpack(pack(result, display=True))
    for name, values in result.frames.items():
        assert np.abs(shown.frames[name].astype(float) - values).max() <= shown.provenance["largest_error"]


def test_inner_frames_that_are_all_one_number_come_back_exact():
    result = made()
    result.frames["b2"][1:-1] = 0.3
    np.testing.assert_array_equal(unpack(pack(result, display=True)).frames["b2"], result.frames["b2"])


def test_what_is_unpacked_counts_steps_in_64_bits_and_can_be_changed_nowhere():
    for display in (False, True):
        shown = unpack(pack(made(), display=display))
        assert shown.loss_steps.dtype == shown.frame_steps.dtype == np.int64
        assert shown.losses.dtype == np.float32
        assert {values.dtype for values in shown.frames.values()} == {np.dtype(np.float32)}
        every = (*shown.parameters.values(), *shown.frames.values())
        for values in (shown.loss_steps, shown.frame_steps, shown.losses, *every):
            assert not values.flags.writeable


def last_replaced(values, number):
    """The same array but for its last number."""
    changed = values.copy()
    changed.flat[-1] = number
    return changed


WRONG = {
    "frame_steps of 16 bits": ("frame_steps", lambda values: values.astype(np.float16)),
    "frame_steps too few": ("frame_steps", lambda values: values[1:]),
    "frame_steps in a column": ("frame_steps", lambda values: values[:, None]),
    "loss_steps too few": ("loss_steps", lambda values: values[1:]),
    "losses too few": ("losses", lambda values: values[1:]),
    "losses of 16 bits": ("losses", lambda values: values.astype(np.float16)),
    "a loss infinite": ("losses", lambda values: last_replaced(values, np.inf)),
    "weights of 16 bits": ("parameters.W1", lambda values: values.astype(np.float16)),
    "weights turned": ("parameters.W1", lambda values: values.T),
    "a weight infinite": ("parameters.b2", lambda values: last_replaced(values, -np.inf)),
    "frames too few": ("frames.W1", lambda values: values[1:]),
    "a frame without a number": ("frames.W1", lambda values: last_replaced(values, np.nan)),
}
COUNTED_BY = {"frame_steps too few": "frames.W1", "loss_steps too few": "losses"}  # these tell how many there must be


SHORT = {
    "codes of 32 bits": ("codes", lambda values: values.astype(np.int32)),
    "codes in a row": ("codes", lambda values: values[None]),
    "coded steps of 32 bits": ("loss_steps", lambda values: values.astype(np.int32)),
}


@pytest.mark.parametrize(
    ("case", "display"),
    [(case, False) for case in WRONG]
    + [(case, True) for case in WRONG if not WRONG[case][0].startswith(("frames.", "loss_steps")) and "few" not in case]
    + [(case, True) for case in SHORT],
)
def test_an_array_of_another_form_is_refused_by_name(case, display):
    name, change = (WRONG | SHORT)[case]
    about, arrays = taken_apart(pack(made(), display=display))
    told = COUNTED_BY.get(case, name)
    with pytest.raises(ValueError, match=f"^not a result that can be used: {told} must be"):
        unpack(put_together(about, arrays | {name: change(arrays[name])}))
    assert unpack(put_together(about, arrays)).experiment == TINY


def test_rounded_frames_are_taken_in_a_short_history_alone():
    about, arrays = taken_apart(pack(made()))
    rounded = arrays | {"frames.W1": arrays["frames.W1"].astype(np.float16)}
    with pytest.raises(ValueError, match=r"frames.W1 must be float32 \(20, 2, 6\); got float16 \(20, 2, 6\)"):
        unpack(put_together(about, rounded))


@pytest.mark.parametrize("name", ["parameters.W1", "parameters.b2", "frames.b2"])
def test_an_array_too_many_or_too_few_is_told(name):
    about, arrays = taken_apart(pack(made()))
    with pytest.raises(
        ValueError, match=r"it must hold frame_metrics.big_features, .*frame_steps, frames.W1, .*; got .*, more"
    ):
        unpack(put_together(about, arrays | {"more": np.ones(3)}))
    del arrays[name]
    with pytest.raises(
        ValueError, match=r"it must hold .*frame_steps, frames.W1, frames.b2, loss_steps, losses, parameters.W1, "
    ):
        unpack(put_together(about, arrays))


def test_a_result_under_the_key_of_another_is_refused():
    about, arrays = taken_apart(pack(made()))
    with pytest.raises(ValueError, match="it was written by another version of the engine"):
        unpack(put_together(about | {"key": "0" * 16}, arrays))


def test_weights_whose_bytes_look_like_the_place_of_the_digest_come_back():
    result = made(TINY.with_(n_features=40))
    zeros = np.frombuffer(b"0" * 4 * result.W1.size, np.float32).reshape(result.W1.shape)
    alike = replace(result, parameters=result.parameters | {"W1": zeros})
    assert b"0" * 64 in pack(alike)
    np.testing.assert_array_equal(unpack(pack(alike)).W1, zeros)


@pytest.mark.parametrize("metric", [float("inf"), float("nan")])
def test_a_metric_without_a_value_is_named(metric):
    with pytest.raises(ValueError, match=r"metrics must be finite numbers or none; got {'test_loss': (inf|nan)}"):
        pack(replace(made(), metrics={"test_loss": metric}))


# rows of the cache


@pytest.fixture
def disk(tmp_path):
    return BytesDisk(str(tmp_path), min_file_size=100)


def test_a_small_value_lies_in_the_row_and_a_large_one_in_a_file_of_its_owner(disk, tmp_path):
    small, large = b"x" * 99, b"x" * 100
    assert disk.store(small, False) == (0, 1, None, small)
    size, mode, filename, value = disk.store(large, False)
    assert (size, mode, value) == (100, 2, None)
    path = tmp_path / filename
    assert path.read_bytes() == large
    assert path.stat().st_mode & 0o777 == 0o600
    assert disk.fetch(1, None, small, False) == small
    assert disk.fetch(2, filename, None, False) == large
    disk.remove(filename)
    assert not path.exists()
    with pytest.raises(FileNotFoundError):
        disk.fetch(2, filename, None, False)


def test_two_values_can_share_a_folder(disk, tmp_path, monkeypatch):
    names = iter(["aa/bb/one.val", "aa/bb/two.val"])
    monkeypatch.setattr(disk, "filename", lambda *_: (name := next(names), str(tmp_path / name)))
    stored = [disk.store(value * 100, False)[2] for value in (b"1", b"2")]
    assert [disk.fetch(2, name, None, False)[:1] for name in stored] == [b"1", b"2"]


def test_a_value_that_the_disk_cannot_take_leaves_no_file(disk, tmp_path, monkeypatch):
    class Full(io.FileIO):
        def write(self, value):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(store_module, "open", Full, raising=False)
    with pytest.raises(OSError, match="No space left"):
        disk.store(b"x" * 100, False)
    assert not list(tmp_path.rglob("*.val"))


@pytest.mark.parametrize("mode", [0, 3, 4])
def test_a_row_that_is_not_stored_as_bytes_is_not_read(disk, mode):
    with pytest.raises(ValueError, match=f"it is not stored as bytes \\(mode {mode}\\)"):
        disk.fetch(mode, None, b"bytes", False)


@pytest.mark.parametrize("mode", [1, 2])
def test_nothing_is_read_from_or_written_to_an_open_file(disk, mode, tmp_path):
    _, _, filename, _ = disk.store(b"x" * 100, False)
    with pytest.raises(ValueError, match="it is not stored as bytes"):
        disk.fetch(mode, filename, b"bytes", True)
    with pytest.raises(TypeError, match="a value of the cache must be bytes"):
        disk.store(b"bytes", True)


@pytest.mark.parametrize("value", ["text", 1, None, bytearray(b"bytes"), memoryview(b"bytes")])
def test_a_value_of_another_kind_is_neither_read_nor_stored(disk, value):
    with pytest.raises(ValueError, match=f"it is {type(value).__name__}, not bytes"):
        disk.fetch(1, None, value, False)
    with pytest.raises(TypeError, match=f"must be bytes; got {type(value).__name__}"):
        disk.store(value, False)


def test_a_key_is_text_on_the_way_in_and_out(disk):
    assert disk.put("key") == ("key", True)
    assert disk.get("key", True) == "key"
    for key in (b"key", 1, None, ("key",)):
        with pytest.raises(TypeError, match=f"a key of the cache must be text; got {type(key).__name__}"):
            disk.put(key)
    for key, raw in (("key", False), (b"key", True), (sqlite3.Binary(b"key"), False), (1, True)):
        with pytest.raises(ValueError, match="its key is no text"):
            disk.get(key, raw)


@pytest.mark.parametrize("filename", ["../outside.val", "/etc/hostname", "", ".", None, 3])
def test_a_file_outside_the_cache_is_neither_read_nor_removed(tmp_path, filename):
    (tmp_path / "cache-of-another").mkdir()
    disk = BytesDisk(str(tmp_path / "cache"))
    outside = tmp_path / "outside.val"
    outside.write_bytes(b"x")
    with pytest.raises(ValueError, match="its file lies outside the cache"):
        disk.fetch(2, filename, None, False)
    disk.remove(filename)
    assert outside.exists()


def test_a_folder_whose_name_only_begins_like_the_caches_is_outside(tmp_path):
    (tmp_path / "cache-of-another").mkdir()
    secret = tmp_path / "cache-of-another" / "secret"
    secret.write_bytes(b"x")
    disk = BytesDisk(str(tmp_path / "cache"))
    with pytest.raises(ValueError, match="its file lies outside the cache"):
        disk.fetch(2, "../cache-of-another/secret", None, False)
