"""Data sets of charts as they go to the browser: Arrow's form, every column in the fewest bytes that lose nothing."""

from __future__ import annotations

import weakref

import numpy as np
import pandas as pd
import pyarrow as pa

WHOLE = (np.int8, np.int16, np.int32)  # what whole numbers are tried as
FEW = 0.5  # of the rows: a column with no more different texts is sent as numbers of a list of these


def as_sent(frame: pd.DataFrame) -> bytes:
    """The frame as an Arrow stream without its index; worked out once, as long as there is the frame."""
    known = _known.get(id(frame))
    if known is not None and known[0]() is frame:
        return known[1]
    number = id(frame)
    there = weakref.ref(frame, lambda gone: _known.pop(number, None))
    table = pa.table({str(name): _column(frame[name]) for name in frame})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    sent = sink.getvalue().to_pybytes()
    _known[number] = there, sent
    return sent


_known: dict[int, tuple[weakref.ref[pd.DataFrame], bytes]] = {}  # by the frame's id


def _column(values: pd.Series) -> pa.Array:
    """The same values in fewer bytes: of any type that a browser reads as the same number or text."""
    if values.dtype.kind == "i":
        return pa.array(_whole(values.to_numpy()))
    if values.dtype.kind == "f":
        wide = values.to_numpy(np.float64)
        narrow = wide.astype(np.float32)
        return pa.array(narrow if np.array_equal(narrow, wide, equal_nan=True) else wide)
    if values.dtype.kind == "b":
        return pa.array(values.to_numpy())
    column = pa.array(values, from_pandas=True)
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return column
    listed = column.cast(pa.string()).dictionary_encode()
    if len(listed.dictionary) > FEW * len(column):
        return column.cast(pa.string())
    numbers = pa.from_numpy_dtype(_whole(np.array([len(listed.dictionary)])).dtype)
    return pa.DictionaryArray.from_arrays(listed.indices.cast(numbers), listed.dictionary)


def _whole(values: np.ndarray) -> np.ndarray:
    """Whole numbers in the narrowest type that holds them all."""
    low, high = values.min(initial=0), values.max(initial=0)
    fits = (kind for kind in WHOLE if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max)
    return values.astype(next(fits, values.dtype))
