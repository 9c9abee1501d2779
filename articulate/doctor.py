"""Is this machine ready? Versions, threads, codecs, write permission, optional extras, GPU; one line each."""

import os
import platform
import shutil
import tempfile
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path
from typing import Literal

LIBRARIES = ("torch", "numpy", "scipy", "networkx", "numba", "av", "pydantic", "pandas", "safetensors")
EXTRAS = {
    "hdf5": ("h5py", "tables"),
    "sleap": ("sleap_io",),
    "nwb": ("pynwb", "ndx_pose"),
    "gltf": ("pygltflib", "trimesh"),
    "mujoco": ("mujoco",),
    "onnx": ("onnx", "onnxruntime"),
}
GIVES = {
    "hdf5": "DeepLabCut and SLEAP .h5",
    "sleap": "SLEAP .slp",
    "nwb": "Neurodata Without Borders",
    "gltf": "animated .glb",
    "mujoco": "opening MJCF and URDF",
    "onnx": "detector and lifter as ONNX",
}
DECODERS = ("h264", "hevc", "mpeg4", "mjpeg", "vp9", "av1")
OLDEST_PYTHON = (3, 11)
LITTLE_SPACE = 2e9  # bytes


@dataclass(frozen=True)
class Finding:
    """One line of the examination; `level` is ok, note or problem."""

    level: str
    what: str
    text: str


def examine(folder: Path) -> list[Finding]:
    """Everything that a run needs or may want, looked at now."""
    return [*python_and_libraries(), *machine(folder), *codecs(), *extras()]


def python_and_libraries() -> list[Finding]:
    """Versions; a missing library is a problem."""
    version = platform.python_version()
    recent = tuple(map(int, version.split(".")[:2])) >= OLDEST_PYTHON
    found = [Finding("ok" if recent else "problem", "python", version if recent else f"{version}, 3.11 is needed")]
    for name in LIBRARIES:
        try:
            found.append(Finding("ok", name, metadata.version(name)))
        except metadata.PackageNotFoundError:
            found.append(Finding("problem", name, f"not installed: pip install {name}"))
    return found


def machine(folder: Path) -> list[Finding]:
    """Cores and threads, GPU, and whether `folder` can be written."""
    import torch

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    found = [Finding("ok", "threads", f"{cores} cores, {torch.get_num_threads()} threads of PyTorch")]
    if torch.cuda.is_available():
        found.append(Finding("ok", "gpu", torch.cuda.get_device_name(0)))
    elif torch.backends.mps.is_available():
        found.append(Finding("ok", "gpu", "Apple (mps)"))
    else:
        found.append(Finding("note", "gpu", "none that this PyTorch can use; runs take the CPU"))
    try:
        with tempfile.NamedTemporaryFile(dir=folder):
            pass
    except OSError as error:
        return [*found, Finding("problem", "writing", f"{folder}: {error.strerror}; runs are written to `runs=FOLDER`")]
    free = shutil.disk_usage(folder).free
    level = "ok" if free > LITTLE_SPACE else "problem"
    return [*found, Finding(level, "writing", f"{folder} can be written, {free / 1e9:.1f} GB free")]


def codecs() -> list[Finding]:
    """Which videos can be read, and whether overlays can be written."""
    import av

    readable = [name for name in DECODERS if can_use(name, "r")]
    missing = [name for name in DECODERS if name not in readable]
    text = ", ".join(readable) + (f"; cannot read {', '.join(missing)}" if missing else "")
    found = [Finding("ok" if not missing else "note", "video", f"reads {text} (PyAV {av.__version__})")]
    writes = can_use("libx264", "w")
    said = "writes H.264" if writes else "cannot write H.264: overlays are not possible with this build of PyAV"
    return [*found, Finding("ok" if writes else "problem", "overlay", said)]


def can_use(name: str, mode: Literal["r", "w"]) -> bool:
    """Whether FFmpeg inside PyAV has this codec for reading or writing."""
    import av

    try:
        av.codec.Codec(name, mode)
    except av.codec.codec.UnknownCodecError:
        return False
    return True


def extras() -> list[Finding]:
    """Optional formats: there, or the line that adds them."""
    found = []
    for extra, modules in EXTRAS.items():
        absent = [module for module in modules if util.find_spec(module) is None]
        if absent:
            line = f"{GIVES[extra]} needs {', '.join(absent)}: pip install 'articulate-models[{extra}]'"
            found.append(Finding("note", extra, line))
        else:
            found.append(Finding("ok", extra, GIVES[extra]))
    return found
