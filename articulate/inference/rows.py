"""What is found per frame of one video, in memory or on disk, where it survives the end of the process."""

import json
import shutil
from pathlib import Path

import numpy as np

from articulate.runs import write_atomic


class Rows:
    """What is found per frame, in memory or in a folder; `done` counts the frames that are complete there."""

    def __init__(self, num_frames: int, num_keypoints: int, folder: Path | None = None, key: str = "") -> None:
        self.folder, self.key, self.done = folder, key, 0
        if folder is not None:
            self.done = self.frames_of_earlier_work()
        shapes: dict[str, tuple[type, tuple[int, ...]]] = {
            "xy": (np.float32, (num_keypoints, 2)),
            "score": (np.float32, (num_keypoints,)),
            "covariance": (np.float32, (num_keypoints, 2, 2)),
            "source_from_store": (np.float64, (3,)),
            "valid": (np.bool_, ()),
            "centres": (np.float64, (4,)),
        }
        self.arrays = {name: self.array(name, dtype, (num_frames, *rest)) for name, (dtype, rest) in shapes.items()}

    def array(self, name: str, dtype: type, shape: tuple[int, ...]) -> np.ndarray:
        """One array of all frames, on disk where there is a folder."""
        if self.folder is None:
            return np.zeros(shape, dtype)
        mode = "r+" if self.done else "w+"
        path = self.folder / f"{name}.npy"
        return np.lib.format.open_memmap(path, mode=mode, dtype=dtype, shape=shape)  # type: ignore[no-untyped-call]

    def frames_of_earlier_work(self) -> int:
        """Complete frames of an earlier attempt with the same model, video and settings; else the folder is emptied."""
        assert self.folder is not None
        state = self.folder / "progress.json"
        if state.is_file():
            said = json.loads(state.read_text())
            if said["key"] == self.key:
                return int(said["done"])
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        return 0

    def write(self, first: int, **values: np.ndarray) -> None:
        """Put a batch in."""
        for name, value in values.items():
            self.arrays[name][first : first + len(value)] = value
            self.done = first + len(value)

    def keep(self) -> None:
        """Let what is complete survive the process."""
        if self.folder is None:
            return
        for name, array in self.arrays.items():
            array.flush()  # type: ignore[attr-defined]
            # Mapped anew, because pages that were touched count as memory for as long as they are mapped.
            self.arrays[name] = np.lib.format.open_memmap(self.folder / f"{name}.npy", mode="r+")  # type: ignore[no-untyped-call]
        write_atomic(self.folder / "progress.json", json.dumps({"key": self.key, "done": self.done}))

    def close(self) -> None:
        """Forget the arrays: pages of a file that was read count as memory for as long as it is mapped."""
        self.arrays.clear()
