"""The state that stages read from and add to: at most one record of each type, and a clear word about absent ones."""

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

    def get(self, kind: type[AnyRecord]) -> AnyRecord | None:
        """The record of this type, or None."""
        return self[kind] if kind in self._records else None

    def records(self) -> tuple[Record, ...]:
        """The records that are there, in the order in which they came."""
        return tuple(self._records.values())

    def to(self, device: torch.device | str) -> "State":
        """The same state on `device`."""
        return State(*(record.to(device) for record in self.records()))

    def take(self, rows: Int[Tensor, "B T"]) -> "State":
        """The state of a whole run (B = 1) at the frames `rows` of a batch."""
        return State(*(record.take(rows) for record in self.records()))
