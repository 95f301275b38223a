"""A CSV file as chunks of text; a row with too many or too few cells is kept aside, not guessed at."""

import codecs
import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.csv as pc

from posology.errors import TableError, first_few
from posology.importing.mapping import Csv
from posology.importing.rows import REJECTED, Chunk

BLOCK = 8 << 20  # bytes read at once; also the longest row there can be
WIDEST = 4  # bytes of UTF-8 that one byte of another encoding can become


def csv_chunks(source: Csv, path: Path, table: str) -> Iterator[Chunk]:
    """The rows after the header, every cell as text; row numbers count rows with something in them.

    Raises:
        TableError: there is no header, a name stands twice, bytes are not of the encoding, or a quote is never closed.
    """
    try:
        yield from _chunks(source, path, *_names(source, path, table))
    except UnicodeError as error:  # of utf-16 without its mark too
        raise TableError(
            f"{path}: expected {source.encoding} text, got a byte that is none; name its encoding (latin-1, cp1252, …)",
            table=table,
        ) from error
    except (pa.ArrowInvalid, csv.Error, EOFError, OSError) as error:
        hint = f"is it cut off, a row longer than {BLOCK >> 20} MB, or a quote never closed?"
        raise TableError(f"{path}: expected a CSV file that can be read; {hint}", table=table) from error


def _names(source: Csv, path: Path, table: str) -> tuple[list[str], bool]:
    """The names of the columns, told or in the first line, and whether anything may follow."""
    if source.header is not None:
        names, has_rows = list(source.header), True
    else:
        with io.TextIOWrapper(io.BufferedReader(_stream(source, path)), "utf-8", newline="") as text:
            quoting: Any = {"quoting": csv.QUOTE_NONE} if source.quote is None else {"quotechar": source.quote}
            lines = csv.reader(text, delimiter=source.delimiter, **quoting)
            names = next((row for row in lines if row), [])
            has_rows = next(lines, None) is not None
    if not names:
        raise TableError(f"{path}: expected a header and rows, got an empty file", table=table)
    twice = [place + 1 for place, name in enumerate(names) if names.index(name) < place]
    if twice:
        raise TableError(f"{path}: column {first_few(twice)} has the name of one before it", table=table)
    return names, has_rows


def _chunks(source: Csv, path: Path, names: list[str], has_rows: bool) -> Iterator[Chunk]:
    aside = _Aside(first=1 if source.header else 2)
    if not has_rows:  # Arrow's reader does not end well on a header whose line does not end
        yield Chunk(pl.DataFrame(schema=dict.fromkeys(names, pl.String)), aside.number(0), aside.take())
        return
    with _stream(source, path) as stream, _reader(source, names, stream, aside) as reader:
        for batch in reader:
            frame = pl.DataFrame(pl.from_arrow(batch))
            yield Chunk(frame, aside.number(frame.height), aside.take())
        if stream.quotes.broken:
            raise EOFError
    yield Chunk(pl.DataFrame(schema=dict.fromkeys(names, pl.String)), aside.number(0), aside.take())


def _reader(source: Csv, names: list[str], stream: "_Utf8", aside: "_Aside") -> pc.CSVStreamingReader:
    return pc.open_csv(
        stream,
        read_options=pc.ReadOptions(use_threads=False, block_size=BLOCK, column_names=source.header),
        parse_options=pc.ParseOptions(
            delimiter=source.delimiter,
            quote_char=source.quote or False,
            newlines_in_values=True,
            invalid_row_handler=aside.keep,
        ),
        convert_options=pc.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            null_values=list(source.missing),
            strings_can_be_null=True,
        ),
    )


@dataclass
class _Aside:
    """Rows that are none, and the numbers of those between them.

    ``first`` is what the reader calls the first row after the header.
    """

    first: int
    next_row: int = 1
    bad: dict[int, tuple[str, str]] = field(default_factory=dict)
    taken: set[int] = field(default_factory=set)

    def keep(self, row: Any) -> str:
        """Called by the reader for each row whose cells are not as many as the names."""
        reason = f"has {row.actual_columns} cells, the header has {row.expected_columns}"
        self.bad[row.number - self.first + 1] = reason, json.dumps({"line": row.text}, ensure_ascii=False)
        return "skip"

    def number(self, rows: int) -> pl.Series:
        """The numbers of the next rows that are good."""
        skipped = self.taken | set(self.bad)
        candidates = pl.int_range(self.next_row, self.next_row + rows + len(skipped), eager=True)
        numbers = candidates.filter(~candidates.is_in(sorted(skipped))).head(rows)
        if rows:
            self.next_row = int(numbers[-1]) + 1
        return numbers

    def take(self) -> pl.DataFrame:
        """The bad rows met since the last time."""
        found = [(number, *why) for number, why in sorted(self.bad.items())]
        self.taken = {number for number in self.taken | set(self.bad) if number >= self.next_row}
        self.bad.clear()
        return pl.DataFrame(found, schema=REJECTED, orient="row")


@dataclass
class _Quotes:
    """Whether quotes open and close as they should, so that no row is read as a part of a cell."""

    quote: bytes
    around: bytes  # what may stand before a quote that opens and after one that closes
    is_open: bool = False
    torn: bool = False

    @property
    def broken(self) -> bool:
        """A quote is never closed, or what it quotes goes over lines and does not begin and end as a cell does."""
        return self.is_open or self.torn

    def look(self, text: bytes) -> None:
        """Look at more of the file; what lies across two looks is taken as right."""
        parts = text.split(self.quote)
        for place in range(not self.is_open, len(parts), 2):
            if b"\n" in parts[place] or b"\r" in parts[place]:
                before = parts[place - 1][-1:] if place else b""
                after = parts[place + 1][:1] if place + 1 < len(parts) else b""
                self.torn |= before not in self.around or after not in self.around
        self.is_open ^= len(parts) % 2 == 0


class _Utf8(io.RawIOBase):
    """A file's text as UTF-8, whatever its encoding, with an eye on its quotes."""

    def __init__(self, raw: Any, encoding: str, quotes: _Quotes) -> None:
        super().__init__()
        self._raw, self._decoder = raw, codecs.getincrementaldecoder(encoding)()
        self.quotes = quotes

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer; 0 at the end."""
        data, raw = b"", b"more"
        while raw and not data:
            raw = self._raw.read(max(1, len(buffer) // WIDEST))
            data = self._decoder.decode(raw, final=not raw).encode()
        self.quotes.look(data)
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """Let go of the file."""
        self._raw.close()
        super().close()


def _stream(source: Csv, path: Path) -> _Utf8:
    encoding = "utf-8-sig" if codecs.lookup(source.encoding).name == "utf-8" else source.encoding
    quotes = _Quotes((source.quote or "\0").encode(), f"{source.delimiter}\r\n".encode())
    return _Utf8(pa.input_stream(str(path), compression="detect"), encoding, quotes)
