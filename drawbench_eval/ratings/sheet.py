"""A file as cells of text, each row with the physical line on which it begins.

A line ends at a line feed, a carriage return or both, as text editors count; a quoted cell may hold several.
Rows that are not as wide as the header, are no CSV or hold bytes of another encoding are kept as faults.
"""

import csv
import difflib
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from drawbench_eval.files import sha256_bytes
from drawbench_eval.ratings.layout import FileFormat
from drawbench_eval.ratings.spreadsheet import unescape

if TYPE_CHECKING:
    import _csv

Texts = NDArray[np.object_]
_NOT_DECODED = re.compile("[\udc80-\udcff]")


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Why a row or a judgement cannot be used: the column and the cell where that shows."""

    column: str
    value: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """`rows` are as wide as the header, those of `faults` (by row index) blank; `lines` [n] say where."""

    path: Path
    sha256: str
    header: tuple[str, ...]
    rows: Sequence[Sequence[str]]
    lines: NDArray[np.int64]
    faults: Mapping[int, Fault]

    @cached_property
    def _columns(self) -> Sequence[Texts]:
        table = np.empty((len(self.rows), len(self.header)), dtype=object)
        if self.rows:
            table[:] = self.rows
        return list(table.T)

    def column(self, name: str, key: str) -> Texts:
        """The cells of a column, [n]. Raises ValueError, opening with `key`, when it is absent."""
        found = [index for index, header in enumerate(self.header) if header == name]
        if len(found) > 1:
            raise ValueError(f"{key}: {self.path} has {len(found)} columns {name!r}; their names must differ")
        if not found:
            close = difflib.get_close_matches(name, self.header, n=3)
            said = f"did you mean {' or '.join(close)}?" if close else f"it has {self.known_columns()}"
            raise ValueError(f"{key}: {self.path} has no column {name!r}; {said}")
        return self._columns[found[0]]

    def known_columns(self) -> str:
        """The header for messages, cut where it is long."""
        shown = ", ".join(self.header[:20])
        return f"{shown} and {len(self.header) - 20} more" if len(self.header) > 20 else shown


def read_sheet(path: Path, file: FileFormat) -> Sheet:
    """The cells of a `.parquet` file, or of a text file under any other name.

    Raises ValueError where there is no table at all: no header, an encoding that does not fit, a quote that
    never closes.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror}); name a file of ratings") from error
    if path.suffix.lower() == ".parquet":
        header, rows = _parquet(path, data)
        return _sheet(path, data, header, list(enumerate(rows, start=1)), {}, file.trim)
    return _delimited(path, data, file)


def _sheet(
    path: Path,
    data: bytes,
    header: Sequence[str],
    rows: list[tuple[int, list[str]]],
    faults: dict[int, Fault],
    trim: bool,
) -> Sheet:
    if trim:
        rows = [(line, [cell.strip() for cell in cells]) for line, cells in rows]
    return Sheet(
        path=path,
        sha256=sha256_bytes(data),
        header=tuple(name.strip() for name in header),
        rows=[cells for _, cells in rows],
        lines=np.array([line for line, _ in rows], dtype=np.int64),
        faults=faults,
    )


def _parquet(path: Path, data: bytes) -> tuple[list[str], list[list[str]]]:
    import pyarrow
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.read_table(pyarrow.BufferReader(data))
    except (pyarrow.ArrowException, OSError) as error:
        raise ValueError(f"{path}: not a Parquet file ({str(error).splitlines()[0]})") from error
    columns = []
    for name, column in zip(table.column_names, table.columns, strict=True):
        try:
            texts = column.cast(pyarrow.string()).to_pylist()
        except pyarrow.ArrowException as error:
            raise ValueError(
                f"{path}: column {name} holds {column.type}; ratings are text, numbers, times or "
                "true and false"
            ) from error
        columns.append(["" if text is None else text for text in texts])
    return table.column_names, [list(cells) for cells in zip(*columns, strict=True)]


def _delimited(path: Path, data: bytes, file: FileFormat) -> Sheet:
    text = _decode(path, data, file.encoding)
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=file.delimiter,
        quotechar=file.quote,
        quoting=csv.QUOTE_MINIMAL if file.quote else csv.QUOTE_NONE,
        strict=True,
    )
    records = _records(path, reader)
    header_line, _, header = next(records, (1, 1, []))
    if isinstance(header, str) or not any(name.strip() for name in header):
        raise ValueError(f"{path} line {header_line}: not a header; the first line must name the columns")
    if any(_NOT_DECODED.search(name) or "\0" in name for name in header):
        raise ValueError(
            f"{path} line {header_line}: its column names are not {file.encoding} text; "
            "set ratings.file.encoding to what the file is written in"
        )
    rows: list[tuple[int, list[str]]] = []
    faults: dict[int, Fault] = {}
    for line, last, cells in records:
        fault = _fault(cells, header, file, f" (lines {line} to {last})" if last > line else "")
        if fault is None and not isinstance(cells, str):
            kept = [unescape(cell) for cell in cells] if file.escaped else cells
        else:
            assert fault is not None
            faults[len(rows)] = fault
            kept = [""] * len(header)
        rows.append((line, kept))
    return _sheet(path, data, header, rows, faults, file.trim)


def _decode(path: Path, data: bytes, encoding: str) -> str:
    if data.startswith(b"PK\x03\x04"):
        raise ValueError(f"{path}: an archive, such as an Excel workbook; export its sheet as CSV")
    if encoding.lower().replace("_", "-") in ("utf-8", "utf8"):
        encoding = "utf-8-sig"
    try:
        return data.decode(encoding, errors="surrogateescape")
    except UnicodeError as error:
        raise ValueError(
            f"{path}: not {encoding} text ({error}); set ratings.file.encoding to what the file is written in"
        ) from error


def _records(path: Path, reader: "_csv.Reader") -> Iterator[tuple[int, int, list[str] | str]]:
    """Each row's first and last line, and its cells or what is wrong with it. Empty lines are no rows."""
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if "unexpected end of data" in str(error):
                raise ValueError(
                    f"{path} line {line}: a quote opens in this row and never closes; mend it, or "
                    "set ratings.file.quote=null where quotes are text"
                ) from error
            yield line, reader.line_num, str(error)
            continue
        if cells:
            yield line, reader.line_num, cells


def _fault(cells: list[str] | str, header: Sequence[str], file: FileFormat, span: str) -> Fault | None:
    if isinstance(cells, str):
        return Fault(column="", value="", reason=f"not CSV ({cells}){span}")
    reason = f"{len(cells)} cells where the header has {len(header)}{span}"
    if len(cells) < len(header):
        reason += "; the row breaks off, or goes on from the line before"
        return Fault(column=header[len(cells)].strip(), value=_readable(cells[-1]), reason=reason)
    if len(cells) > len(header):
        return Fault(column="", value=_readable(cells[len(header)]), reason=reason)
    together = "".join(cells)
    if together.isascii() or not _NOT_DECODED.search(together):
        return None
    for name, cell in zip(header, cells, strict=True):
        if _NOT_DECODED.search(cell):
            reason = (
                f"bytes that are not {file.encoding}; it mixes encodings, or ratings.file.encoding is another"
            )
            return Fault(column=name.strip(), value=_readable(cell), reason=reason)
    return None


def _readable(cell: str) -> str:
    """The cell with bytes that could not be decoded written as backslash escapes."""
    return cell.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
