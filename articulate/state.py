"""The state that stages read from and add to: at most one record of each type, and a clear word about absent ones."""

from dataclasses import fields, replace
from typing import TypeVar

import torch
from jaxtyping import Int
from torch import Tensor

from articulate.errors import ConfigError
from articulate.records import Record

AnyRecord = TypeVar("AnyRecord", bound=Record)


class State:
    """Records keyed by their type. `state[Tracks]` gives the tracks or says what there is instead."""

    def __init__(self, *records: Record) -> None:
        self._records: dict[type[Record], Record] = {}
        for record in records:
            self.add(record)

    def add(self, record: Record) -> None:
        """Put `record` in, in place of an earlier one of its type."""
        self._records[type(record)] = record

    def __contains__(self, kind: type[Record]) -> bool:
        return kind in self._records

    def __getitem__(self, kind: type[AnyRecord]) -> AnyRecord:
        if kind not in self._records:
            have = ", ".join(k.__name__ for k in self._records) or "nothing"
            raise ConfigError(f"{kind.__name__} is not available yet (have: {have})")
        record = self._records[kind]
        assert isinstance(record, kind)
        return record

    def records(self) -> tuple[Record, ...]:
        """The records that are there, in the order in which they came."""
        return tuple(self._records.values())

    def to(self, device: torch.device | str) -> "State":
        """The same state on `device`."""
        return State(*(record.to(device) for record in self.records()))

    def rows(self, rows: Int[Tensor, "B T"], num_rows: int) -> "State":
        """The state of a whole run (B = 1, T = `num_rows`) at the frames `rows` of a batch."""
        return State(*(take_rows(record, rows, num_rows) for record in self.records()))


def take_rows(record: AnyRecord, rows: Int[Tensor, "B T"], num_rows: int) -> AnyRecord:
    """A whole-run record at the frames `rows`: fields [1, num_rows, ...] become [B, T, ...], fields [1, ...] [B, ...]."""
    changed: dict[str, object] = {}
    for f in fields(record):
        value = getattr(record, f.name)
        if isinstance(value, Record):
            changed[f.name] = take_rows(value, rows, num_rows)
        elif isinstance(value, Tensor) and value.shape[:2] == (1, num_rows):
            changed[f.name] = value[0, rows]
        elif isinstance(value, Tensor) and value.ndim > 1 and value.shape[0] == 1:
            changed[f.name] = value.expand(rows.shape[0], *value.shape[1:])
    return replace(record, **changed)
