"""What a benchmark measured, where, and how it is printed."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from flexispd.develop.models import pixel_precision

COLUMNS_MAX = 10
"""A table with more columns is printed on its side: a row for each of them."""

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class BenchResult:
    """
    One table.

    Attributes:
        bench: Name of the benchmark.
        rows: Column -> value, the same columns in every row; units stand at the end of a column's name. None where a
            method has no such figure.
        machine: Where it was measured.
        notes: Sentences: what was measured on, what the figures add up to, what was left out and why.
    """

    bench: str
    rows: Sequence[Row]
    machine: str = field(default_factory=lambda: machine())
    notes: Sequence[str] = ()

    def as_json(self) -> dict[str, Any]:
        """The result as JSON-ready values."""
        rows = [dict(row) for row in self.rows]
        return {"bench": self.bench, "machine": self.machine, "rows": rows, "notes": list(self.notes)}

    def as_table(self) -> str:
        """The result as aligned text with the machine in its heading and the notes below."""
        cells = self._cells()
        widths = [max(len(line[i]) for line in cells) for i in range(len(cells[0]))]
        lines = ["  ".join(text.ljust(w) for text, w in zip(line, widths, strict=True)).rstrip() for line in cells]
        return "\n".join([f"# {self.bench}: {self.machine}", *lines, *self.notes])

    def as_markdown(self) -> str:
        """The result as a Markdown table with the machine above and the notes below, as it stands in a document."""
        head, *body = ["| " + " | ".join(text.replace("|", "\\|") for text in line) + " |" for line in self._cells()]
        rule = "|" + "---|" * len(self._cells()[0])
        notes = ["", *(f"- {note}" for note in self.notes)] if self.notes else []
        return "\n".join([f"On {self.machine}:", "", head, rule, *body, *notes])

    def _cells(self) -> list[list[str]]:
        """The table as texts, its heading first."""
        columns = list(self.rows[0])
        cells = [columns, *([_cell(row[c]) for c in columns] for row in self.rows)]
        return [list(line) for line in zip(*cells, strict=True)] if len(columns) > COLUMNS_MAX else cells


def machine() -> str:
    """The processor, with what its networks compute in if that is not float32, the threads of torch, and torch."""
    names = [
        line.partition(":")[2].strip()
        for line in _text(Path("/proc/cpuinfo")).splitlines()
        if line.startswith("model name")
    ]
    name = names[0] if names else platform.processor() or platform.machine()
    threads = torch.get_num_threads()
    precision = ", bfloat16" if pixel_precision(torch.device("cpu")) == torch.bfloat16 else ""
    return f"{name}{precision}, {threads} {'thread' if threads == 1 else 'threads'}, torch {torch.__version__}"


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _cell(value: str | int | float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
