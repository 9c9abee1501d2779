"""DeepLabCut tables (csv and h5), with the configuration stub that its tools ask for. One table per video.

The table is written by pandas: three header rows (scorer, bodyparts, coords), one row per true frame number.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Int
from torch import Tensor

from articulate.export.writing import atomic, clip_path, provenance_text, require, write_text
from articulate.result import Result

SCORER = "articulate"
CHUNK = 500  # frames whose text is made at once: it takes ten times the memory of their numbers


def table(result: Result, rows: Int[Tensor, " N"]) -> pd.DataFrame:
    """x, y (pixels of the original video) and likelihood of every keypoint in these rows, by true frame number."""
    xy, score = result.pixels(rows).cpu().numpy(), result.confidence[rows].double().cpu().numpy()
    values = np.concatenate([xy, score[..., None]], -1).reshape(len(rows), -1)
    columns = pd.MultiIndex.from_product(
        [[SCORER], list(result.names), ["x", "y", "likelihood"]], names=["scorer", "bodyparts", "coords"]
    )
    return pd.DataFrame(values, index=result.frame[rows].cpu().numpy(), columns=columns)


def write_config_stub(result: Result, path: Path) -> Path:
    """A DeepLabCut `config.yaml` with these body parts, skeleton and videos (JSON strings are valid YAML)."""
    videos = {clip.source or clip.name: f"0, {clip.source_size[0]}, 0, {clip.source_size[1]}" for clip in result.clips}
    lines = [
        f"# {provenance_text(result)}",
        'Task: "articulate"',
        f'scorer: "{SCORER}"',
        "multianimalproject: false",
        "video_sets:",
        *[f"  {json.dumps(name)}:\n    crop: {json.dumps(crop)}" for name, crop in videos.items()],
        "bodyparts:",
        *[f"- {json.dumps(name)}" for name in result.names],
        "skeleton:",
        *[f"- [{json.dumps(result.names[a])}, {json.dumps(result.names[b])}]" for a, b in result.edges.tolist()],
        "skeleton_color: black",
        "pcutoff: 0.6",
        "dotsize: 6",
        "alphavalue: 0.7",
        "colormap: rainbow",
    ]
    return write_text(path, "\n".join(lines) + "\n")


def write_dlc_csv(result: Result, path: Path) -> list[Path]:
    """DeepLabCut csv of every clip, and `config.yaml` beside it as `STEM_config.yaml`."""
    written = []
    for number in range(len(result.clips)):
        target = clip_path(result, path, number)
        with atomic(target) as partial:
            for part in result.rows(number).split(CHUNK):
                table(result, part).to_csv(partial, mode="a", header=not partial.exists())
        written.append(target)
    return [*written, write_config_stub(result, path.with_name(f"{path.stem}_config.yaml"))]


def write_dlc_h5(result: Result, path: Path) -> list[Path]:
    """DeepLabCut h5 (key `df_with_missing`) of every clip, and the configuration stub.

    pandas 3.1 marks its tables with a version that older pandas refuse to open; the layout is the same, so the mark of
    the older layout is put back.
    """
    tables = require("tables", "hdf5", "the DeepLabCut h5 format")
    written = []
    for number in range(len(result.clips)):
        target = clip_path(result, path, number)
        with atomic(target) as partial:
            table(result, result.rows(number)).to_hdf(partial, key="df_with_missing", format="table", mode="w")
            with tables.open_file(str(partial), "a") as file:
                attributes = file.get_node("/df_with_missing")._v_attrs
                attributes.pandas_version = "0.15.2"
                attributes.articulate_provenance = provenance_text(result)
        written.append(target)
    return [*written, write_config_stub(result, path.with_name(f"{path.stem}_config.yaml"))]
