"""A `.npy` file that grows: rows are appended as they come, the length goes into the header at the end."""

from pathlib import Path
from typing import BinaryIO

import numpy as np

HEADER_BYTES = 128  # fixed, so that the final shape can be written over the first one


class NpyStream:
    """Writes rows of one dtype and shape to `path`; memory does not grow with the number of rows."""

    def __init__(self, path: Path, row_shape: tuple[int, ...], dtype: str = "uint8"):
        self.row_shape, self.dtype, self.num_rows = row_shape, np.dtype(dtype), 0
        self.file: BinaryIO = open(path, "wb")  # noqa: SIM115 (closed by `close`)
        self.file.write(self._header())

    def append(self, rows: np.ndarray) -> None:
        """Add `rows` [N, *row_shape]."""
        assert rows.shape[1:] == self.row_shape, (rows.shape, self.row_shape)
        self.file.write(np.ascontiguousarray(rows, dtype=self.dtype).data)
        self.num_rows += len(rows)

    def close(self) -> None:
        """Fix the length in the header; the file can then be memory-mapped by `numpy.load`."""
        if self.file.closed:
            return
        try:
            self.file.flush()
            self.file.seek(0)
            self.file.write(self._header())
        finally:
            self.file.close()

    def _header(self) -> bytes:
        shape = (self.num_rows, *self.row_shape)
        text = repr({"descr": self.dtype.str, "fortran_order": False, "shape": shape})
        room = HEADER_BYTES - 10  # magic (6), version (2), length of the text (2)
        return b"\x93NUMPY\x01\x00" + room.to_bytes(2, "little") + text.ljust(room - 1).encode() + b"\n"
