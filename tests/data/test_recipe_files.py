"""Recipes from raw files to a store: exact pixels and numbers, every bad input in one message."""

import errno
import gzip
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from articulate.data.npy_stream import NpyStream
from articulate.data.store import ClipStore
from articulate.errors import ConfigError, DataError
from articulate.video import VideoWriter

DATASETS = Path(__file__).parents[2] / "datasets"


def recipe(name: str):
    spec = importlib.util.spec_from_file_location(f"tested_{name}", DATASETS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def arena(
    index: int, num_frames: int = 60, height: int = 90, width: int = 120
) -> tuple[np.ndarray, tuple[float, float]]:
    """A dark disc that wanders over a bright arena with a dark wall, and the disc's centre."""
    y, x = np.mgrid[:height, :width]
    image = np.full((height, width), 200.0)
    image[:, :6] = 60
    phase = 2 * np.pi * index / num_frames
    centre = (60 + 35 * np.cos(phase), 45 + 25 * np.sin(2 * phase))
    image[(x - centre[0]) ** 2 + (y - centre[1]) ** 2 < 81] = 40
    image *= 1 + 0.05 * np.sin(index)  # the light flickers
    return np.repeat(image.clip(0, 255).astype(np.uint8)[..., None], 3, axis=2), centre


def film(path: Path, num_frames: int = 60) -> Path:
    with VideoWriter(path, 25, quality=10) as writer:
        for i in range(num_frames):
            writer.write(arena(i, num_frames)[0])
    return path


def make(name: str, out: Path, **options) -> ClipStore:
    module = recipe(name)
    module.make(module.Options(**options), out, lambda text: None)
    return ClipStore.open(out)


def test_crop_follows_and_leads_back_to_the_video(tmp_path):
    store = make("video_folder", tmp_path / "s", videos=[str(film(tmp_path / "v.mp4"))], size=48)
    assert store.has_masks and store.background(0).shape == (90, 120, 3)
    mask, back = store.masks(0), store.source_from_store(0)
    assert len(set(back[:, 0])) == 1 and back[0, 0] < 1  # one scale per clip, smaller than the view
    for t in range(60):
        y, x = np.nonzero(mask[t] > 0)
        found = back[t, 0] * (np.array([x.mean(), y.mean()]) + 0.5) - 0.5 + back[t, 1:]
        assert np.linalg.norm(found - arena(t)[1]) < 1.5
        area = len(x) * back[t, 0] ** 2
        assert 0.8 < area / (np.pi * 81) < 1.5


def test_whole_view_center_and_given_crop(tmp_path):
    path = str(film(tmp_path / "v.mp4", 5))
    whole = make("video_folder", tmp_path / "a", videos=[path], size=60, crop="none", foreground="none")
    np.testing.assert_allclose(whole.source_from_store(0)[0], [2, 0, -15])
    given = make("video_folder", tmp_path / "b", videos=[path], size=32, crop=[40, 20, 32, 32], foreground="none")
    np.testing.assert_allclose(given.source_from_store(0)[0], [1, 40, 20])
    assert np.abs(given.frames(0)[0].astype(int) - arena(0, 5)[0][20:52, 40:72]).mean() < 4
    middle = make("video_folder", tmp_path / "c", videos=[path], size=45, crop="center", foreground="none")
    np.testing.assert_allclose(middle.source_from_store(0)[0], [2, 15, 0])
    assert whole.masks(0) is None and any("few hundred" in text for text in whole.warnings)


def test_range_step_blocks_and_grey(tmp_path):
    path = str(film(tmp_path / "v.mp4"))
    options = {"videos": [path], "size": 32, "crop": "none", "foreground": "none"}
    store = make("video_folder", tmp_path / "a", start=10, stop=50, step=3, greyscale=True, **options)
    assert store.frame_index(0).tolist() == list(range(10, 50, 3)) and store.clips[0].fps == pytest.approx(25 / 3)
    assert np.ptp(store.frames(0), axis=3).max() == 0
    thinned = make("video_folder", tmp_path / "b", max_frames=12, **options).frame_index(0)
    assert len(thinned) == 12
    module = recipe("video_folder")
    many = module.chosen_frames(module.frame_range(10000, module.Options(videos=["v"]), Path("v")), 640)
    assert len(many) == len(set(many)) == 640 and many[-1] == 9999 and (np.diff(many) == 1).sum() == 630


def test_several_videos_share_the_frames_and_short_ones_leave_theirs(tmp_path):
    films = [str(film(tmp_path / f"{n}.mp4", n)) for n in (60, 10, 50)]
    options = {"videos": films, "size": 32, "crop": "none", "foreground": "none"}
    store = make("video_folder", tmp_path / "s", max_frames=70, **options)
    assert [clip.num_frames for clip in store.clips] == [30, 10, 30]
    assert store.frame_index(2).tolist()[0] == 0 and store.frame_index(2).tolist()[-1] == 29  # one block is enough
    shares = recipe("video_folder").fair_shares
    assert shares([2330, 20000, 500], 2000) == [750, 750, 500] and shares([5, 9], None) == [5, 9]
    assert sum(shares([700, 700, 700, 20000], 2001)) == 2001


def test_undecodable_stretch_reaches_the_store(tmp_path):
    path = tmp_path / "v.mp4"
    film(path)
    import av

    with av.open(str(path)) as container:
        packets = [(p.pts, p.pos, p.size) for p in container.demux(video=0) if p.size]
    data = bytearray(path.read_bytes())
    for _, position, size in sorted(packets)[30:36]:
        data[position : position + size] = bytes(size)
    path.write_bytes(data)
    store = make("video_folder", tmp_path / "s", videos=[str(path)], size=32)
    valid = store.valid(0)
    assert len(valid) == 60 and not valid[30:36].any() and valid[:26].all() and valid[40:].all()
    assert store.clips[0].undecodable == (~valid).sum() and store.frame_index(0).tolist() == list(range(60))


def test_three_frames_and_picture_folder(tmp_path):
    assert make("video_folder", tmp_path / "a", videos=[str(film(tmp_path / "v.mp4", 3))], size=32).num_frames == 3
    (tmp_path / "pictures").mkdir()
    for i in range(12):
        Image.fromarray(arena(i, 12)[0]).save(tmp_path / "pictures" / f"frame{i}.png")
    (tmp_path / "pictures" / "frame5.png").write_bytes(b"broken")
    store = make(
        "video_folder", tmp_path / "b", videos=[str(tmp_path / "pictures")], size=30, crop="none", foreground="none"
    )
    assert store.valid(0).tolist() == [i != 5 for i in range(12)]
    assert np.abs(store.frames(0)[10].astype(int).mean() - make_level(arena(10, 12)[0])) < 3


def make_level(image: np.ndarray) -> float:
    """Mean level of the letterboxed picture: 15 of 120 rows above and below hold the edge's median."""
    edge = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
    return float(image.mean() * 0.75 + np.median(edge) * 0.25)


@pytest.mark.parametrize("content", [None, b"", b"I am a text.\n" * 50])
def test_bad_videos_change_nothing(tmp_path, content):
    bad = tmp_path / "bad.mp4"
    if content is not None:
        bad.write_bytes(content)
    good = film(tmp_path / "good.mp4", 6)
    with pytest.raises(DataError, match="bad.mp4"):
        make("video_folder", tmp_path / "s", videos=[str(good), str(bad)])
    assert not (tmp_path / "s").exists()
    with pytest.raises(DataError, match=r"nothing\*.avi: no file matches"):
        make("video_folder", tmp_path / "s", videos=[str(tmp_path / "nothing*.avi")])


def test_full_disk_keeps_the_old_store(tmp_path, monkeypatch):
    options = {"videos": [str(film(tmp_path / "v.mp4", 6))], "size": 32}
    before = make("video_folder", tmp_path / "s", **options).fingerprint

    def full(self, rows):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(NpyStream, "append", full)
    with pytest.raises(DataError, match="the disk is full"):
        make("video_folder", tmp_path / "s", **options)
    assert ClipStore.open(tmp_path / "s").fingerprint == before


def test_contradicting_options(tmp_path):
    path = str(film(tmp_path / "v.mp4", 4))
    with pytest.raises(ConfigError, match="leave none of its 4 frames"):
        make("video_folder", tmp_path / "s", videos=[path], start=10)
    with pytest.raises(ConfigError, match="crop=follow needs a foreground"):
        make("video_folder", tmp_path / "s", videos=[path], crop="follow", foreground="none")


def test_command_line(tmp_path):
    path = film(tmp_path / "v.mp4", 5)

    def run(*words):
        command = [sys.executable, str(DATASETS / "video_folder.py"), *words]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    done = run("--out", str(tmp_path / "s"), f"videos=[{path.parent}/*.mp4]", "size=32")
    assert done.returncode == 0 and ClipStore.open(tmp_path / "s").num_frames == 5, done.stderr
    wrong = run("--out", str(tmp_path / "t"), f"videos=[{path}]", "sise=32")
    assert wrong.returncode == 2 and "sise" in wrong.stderr and "known: videos, size" in wrong.stderr
    assert "Traceback" not in wrong.stderr
    absent = run("--out", str(tmp_path / "t"), "videos=[absent.mp4]")
    assert absent.returncode == 3 and absent.stderr.count("\n") == 1


def idx(array: np.ndarray) -> bytes:
    """The idx format: magic, big-endian sizes, bytes."""
    sizes = b"".join(n.to_bytes(4, "big") for n in array.shape)
    return gzip.compress(bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes())


def test_idx_files_as_distributed(tmp_path):
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (7, 28, 28), dtype=np.uint8), np.arange(7, dtype=np.uint8)
    for stem, array in (("train-images-idx3-ubyte", images), ("train-labels-idx1-ubyte", labels)):
        (tmp_path / f"{stem}.gz").write_bytes(idx(array))
    store = make("images", tmp_path / "s", source=str(tmp_path), size=28, mask=True)
    np.testing.assert_array_equal(store.frames(0)[..., 1], images)
    np.testing.assert_array_equal(store.masks(0), images)
    assert not store.clips[0].ordered
    with np.load(store.truth_path(0)) as truth:
        assert truth["label"].tolist() == list(range(7))
    with pytest.raises(DataError, match="lacks t10k-images-idx3-ubyte.gz"):
        make("images", tmp_path / "t", source=str(tmp_path), part="test")
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(b"\0\0\x08\x03" + bytes(40)))
    with pytest.raises(DataError, match="train-images-idx3-ubyte.gz: truncated"):
        make("images", tmp_path / "t", source=str(tmp_path))


def test_npz_and_picture_classes(tmp_path, shared_data):
    store = make(
        "images", tmp_path / "s", source=str(shared_data / "mnist" / "mnist_20k.npz"), part="test", max_images=50
    )
    assert store.num_frames == 50 and store.frames(0).max() > 200
    for name in ("boot", "bag"):
        (tmp_path / "set" / name).mkdir(parents=True)
        Image.fromarray(np.full((20, 10, 3), 90, np.uint8)).save(tmp_path / "set" / name / "1.png")
    store = make("images", tmp_path / "t", source=str(tmp_path / "set"), size=16)
    with np.load(store.truth_path(0)) as truth:
        assert truth["label"].tolist() == [0, 1]
    with pytest.raises(DataError, match="no such file or folder"):
        make("images", tmp_path / "u", source=str(tmp_path / "absent"))


def fabricate_h36m(root: Path, subject: str, with_pose: bool = True) -> np.ndarray:
    """A raw tree of one video and its poses (npz in place of cdf); joint j of 32 lies at (j, 2 j) plus the frame."""
    folder = root / subject
    (folder / "Videos").mkdir(parents=True)
    film(folder / "Videos" / "Walking 1.54138969.mp4", 20)
    pose = np.stack([np.arange(32) + 10.0, 2.0 * np.arange(32) + 5], axis=1)[None] + np.arange(20)[:, None, None] / 10
    if with_pose:
        for kind, values in (("D2_Positions", pose), ("D3_Positions_mono", np.tile(pose[..., :1], 3))):
            (folder / "MyPoseFeatures" / kind).mkdir(parents=True)
            path = folder / "MyPoseFeatures" / kind / "Walking 1.54138969.npz"
            np.savez(path, Pose=values.reshape(1, 20, -1))
    return pose


def test_h36m_from_a_fabricated_tree(tmp_path):
    pose = fabricate_h36m(tmp_path / "raw", "S9")
    fabricate_h36m(tmp_path / "raw", "S11")
    store = make("h36m", tmp_path / "s", root=str(tmp_path / "raw"), split="test", size=48, step=2)
    assert [c.name for c in store.clips] == ["S9_Walking_1.54138969", "S11_Walking_1.54138969"]
    assert store.frame_index(0).tolist() == list(range(0, 20, 2)) and store.clips[0].fps == 12.5
    with np.load(store.truth_path(0)) as truth:
        assert (
            truth["xy"].shape == (10, 16, 2)
            and truth["xyz"].shape == (10, 16, 3)
            and str(truth["activity"]) == "Walking 1"
        )
        back = store.source_from_store(0)
        pixels = (truth["xy"] + 1) * 24 * back[:, None, :1] - 0.5 + back[:, None, 1:]
        kept = [0, 1, 2, 3, 6, 7, 8, 12, 13, 15, 17, 18, 19, 25, 26, 27]
        np.testing.assert_allclose(pixels, pose[::2][:, kept], atol=1e-9)
        assert truth["kp_names"][truth["parents"][2]] == "RHip" and (truth["parents"] == -1).sum() == 1


def test_h36m_says_what_is_missing(tmp_path):
    with pytest.raises(DataError, match="no Human3.6M here.*S1/Videos"):
        make("h36m", tmp_path / "s", root=str(tmp_path / "absent"))
    fabricate_h36m(tmp_path / "raw", "S9", with_pose=False)
    options = {"root": str(tmp_path / "raw"), "subjects": ["S9"]}
    with pytest.raises(DataError, match="D2_Positions/Walking 1.54138969.cdf"):
        make("h36m", tmp_path / "s", **options)
    (tmp_path / "raw" / "S9" / "MyPoseFeatures" / "D2_Positions").mkdir(parents=True)
    cdf = tmp_path / "raw" / "S9" / "MyPoseFeatures" / "D2_Positions" / "Walking 1.54138969.cdf"
    cdf.write_bytes(b"no cdf")
    with pytest.raises(DataError, match="cdflib|cannot be read as a CDF"):
        make("h36m", tmp_path / "s", **options)
    with pytest.raises(DataError, match="subject S1 of split=train"):
        make("h36m", tmp_path / "s", root=str(tmp_path / "raw"))


def test_a_subject_that_nothing_tells_from_the_scene_is_refused_until_its_place_is_painted(tmp_path):
    # It turns on the spot before coloured squares: neither an empty scene nor one background colour.
    colours = 20 + 200 * np.random.default_rng(1).integers(0, 2, (32, 32, 3)).astype(np.uint8)
    scene = colours.repeat(2, axis=0).repeat(2, axis=1)
    (tmp_path / "spot").mkdir()
    for t in range(30):
        frame = scene.copy()
        frame[10:38, 20:44] = 255 if t % 2 else 0
        Image.fromarray(frame).save(tmp_path / "spot" / f"{t:03d}.png")
    options = {"videos": [str(tmp_path / "spot")], "size": 64}
    with pytest.raises(DataError, match=r"spot: .*white on black .* `data.mask`"):
        make("video_folder", tmp_path / "refused", **options)
    painted = np.zeros((64, 64), np.uint8)
    painted[10:38, 20:44] = 255
    Image.fromarray(painted).save(tmp_path / "painted.png")
    store = make("video_folder", tmp_path / "s", **options, crop="none", mask=str(tmp_path / "painted.png"))
    assert (np.asarray(store.masks(0)) >= 128).mean() == pytest.approx((painted > 0).mean(), abs=0.02)
