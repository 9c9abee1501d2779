"""What a group of the schedule leaves on disk: weights, records and, last of all, the mark that it is complete."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from articulate.records import Motion, Record, Seeds, Skeleton, Tracks
from articulate.runs import RunFolder, load_checkpoint, save_checkpoint, write_atomic
from articulate.schedule import Stage
from articulate.state import State

RECORDS: dict[str, type[Record]] = {"Seeds": Seeds, "Tracks": Tracks, "Skeleton": Skeleton, "Motion": Motion}


class GroupArtefacts:
    """The files of one group: weights, records and, last of all, the mark that it is complete."""

    def __init__(self, folder: RunFolder, number: int, fingerprint: str) -> None:
        self.folder, self.number, self.fingerprint = folder, number, fingerprint

    def mark(self, folder: RunFolder) -> Path:
        """The file whose content says which group, with which fingerprint, is complete in `folder`."""
        return folder.checkpoints / f"group-{self.number}.done"

    def files(self, folder: RunFolder) -> list[Path]:
        """Weights and records of the group in `folder`."""
        weights = folder.checkpoints / f"group-{self.number}.pt"
        return [weights, *sorted(folder.records.glob(f"group-{self.number}.*.npz"))]

    def find(self, stages: Sequence[Stage], *, beside: bool) -> RunFolder | None:
        """This folder, or with `beside` another of the same root, where the group is complete with this fingerprint."""
        if not all(stage.complete() for stage in stages):
            return None
        places = [self.folder.path]
        if beside and all(stage.reusable for stage in stages):
            others = [path for path in self.folder.path.parent.iterdir() if not path.name.startswith(".")]
            places += sorted(others, key=lambda path: path.stat().st_mtime, reverse=True)
        for path in places:
            candidate = RunFolder(path)
            mark = self.mark(candidate)
            if mark.is_file() and mark.read_text() == self.fingerprint:
                return candidate
        return None

    def adopt(self, source: RunFolder, stages: Mapping[str, Stage], records: State) -> None:
        """Load weights and records of the complete group, copying them into this run's folder first."""
        if source.path != self.folder.path:
            for file in self.files(source):
                target = self.folder.path / file.relative_to(source.path)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(file, target)
            write_atomic(self.mark(self.folder), self.fingerprint)
        content = load_checkpoint(self.folder.checkpoints / f"group-{self.number}.pt")
        for name, weights in content["stages"].items():
            stages[name].load_state_dict(weights)
            stages[name].eval()
        for file in self.files(self.folder)[1:]:
            records.add(RECORDS[file.name.split(".")[1]].load(file))

    def complete(self, stages: Sequence[Stage], records: State) -> None:
        """Write what the group made, then the mark."""
        path = self.folder.checkpoints / f"group-{self.number}.pt"
        save_checkpoint(path, {"fingerprint": self.fingerprint, "stages": {s.name: s.state_dict() for s in stages}})
        made = {stage.produces for stage in stages}
        for record in records.records():
            if type(record) in made:
                record.save(self.folder.records / f"group-{self.number}.{type(record).__name__}.npz")
        write_atomic(self.mark(self.folder), self.fingerprint)
