"""Video in and out: exact frame numbers, bad files in one clear message each, round trips."""

from pathlib import Path

import av
import numpy as np
import pytest

from articulate.errors import DataError, ExportError
from articulate.video import Video, VideoWriter


def scene(index: int, height: int = 64, width: int = 96) -> np.ndarray:
    """A grey frame whose level tells its number, with a moving white square."""
    image = np.full((height, width, 3), 20 + 5 * index, np.uint8)
    image[10:20, index : index + 10] = 250
    return image


def level(image: np.ndarray) -> int:
    """The number that `scene` wrote into the grey level."""
    return round((float(np.median(image)) - 20) / 5)


def make(path: Path, num_frames: int = 40, gop: int = 10, **size: int) -> Path:
    container = av.open(str(path), "w")
    stream = container.add_stream("libx264", rate=25, options={"crf": "8", "g": str(gop)})
    height, width = scene(0, **size).shape[:2]
    stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
    for i in range(num_frames):
        container.mux(stream.encode(av.VideoFrame.from_ndarray(scene(i, **size), format="rgb24")))
    container.mux(stream.encode())
    container.close()
    return path


def packets(path: Path) -> list[tuple[int, int, int]]:
    """(rank in time, position, size) of every packet."""
    with av.open(str(path)) as container:
        found = [(p.pts, p.pos, p.size) for p in container.demux(video=0) if p.size]
    ranks = {stamp: i for i, stamp in enumerate(sorted(f[0] for f in found))}
    return [(ranks[stamp], position, size) for stamp, position, size in found]


def corrupt(path: Path, ranks: range) -> Path:
    data = bytearray(path.read_bytes())
    for rank, position, size in packets(path):
        if rank in ranks:
            data[position : position + size] = bytes(size)
    path.write_bytes(data)
    return path


def test_every_frame_once_in_order(tmp_path):
    video = Video(make(tmp_path / "v.mp4"))
    assert (video.info.num_frames, video.info.width, video.info.height, video.info.fps) == (40, 96, 64, 25.0)
    assert not video.info.variable_frame_rate
    frames = list(video.frames())
    assert [f.index for f in frames] == list(range(40)) and [level(f.image) for f in frames] == list(range(40))


@pytest.mark.parametrize(("start", "stop", "step"), [(0, 40, 3), (13, 29, 1), (25, None, 7), (39, 40, 1), (12, 12, 1)])
def test_range_and_step(tmp_path, start, stop, step):
    frames = list(Video(make(tmp_path / "v.mp4")).frames(start, stop, step))
    expected = list(range(start, stop or 40, step))
    assert [f.index for f in frames] == expected == [level(f.image) for f in frames]


def test_chosen_frames(tmp_path):
    video = Video(make(tmp_path / "v.mp4"))
    frames = list(video.at([38, 0, 17, 18]))
    assert [f.index for f in frames] == [0, 17, 18, 38] == [level(f.image) for f in frames]


@pytest.mark.parametrize("gop", [10, 250])
def test_undecodable_stretch_is_missed_at_its_true_numbers(tmp_path, gop):
    video = Video(corrupt(make(tmp_path / "v.mp4", gop=gop), range(14, 18)))
    frames = list(video.frames())
    assert [f.index for f in frames] == list(range(40))
    missing = [f.index for f in frames if f.image is None]
    assert set(range(14, 18)) <= set(missing) <= set(range(10, 20)), missing
    assert [level(f.image) for f in frames if f.index < 14 and f.image is not None] == list(range(min(missing)))
    if gop == 10:  # with a key frame behind the stretch the rest is exact again
        assert [level(f.image) for f in frames if f.index >= 20] == list(range(20, 40))
    assert [f.index for f in video.frames(15, 30, 5)] == [15, 20, 25]


def test_three_frames_and_one(tmp_path):
    assert [level(f.image) for f in Video(make(tmp_path / "v.mp4", 3)).frames()] == [0, 1, 2]
    assert Video(make(tmp_path / "w.mp4", 1)).info.num_frames == 1


def test_bad_files(tmp_path):
    whole = make(tmp_path / "whole.mp4").read_bytes()
    cases = {
        "missing.mp4": (None, "no such file"),
        "zero.mp4": (b"", r"empty \(0 bytes\)"),
        "truncated.mp4": (whole[: len(whole) // 2], "truncated"),
        "text.mp4": (b"Dear diary, this is no video.\n" * 200, "no video"),
        "notes.txt": (b"Dear diary, this is no video.\n" * 200, "no video"),
    }
    for name, (content, message) in cases.items():
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=f"{name}.*{message}"):
            Video(tmp_path / name)
    with pytest.raises(DataError, match="a folder"):
        Video(tmp_path)


def test_sound_without_pictures(tmp_path):
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=48000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 48000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with pytest.raises(DataError, match="holds no video frames"):
        Video(path)


def test_nothing_decodable(tmp_path):
    with pytest.raises(DataError, match="not one of its 8 frames can be decoded"):
        Video(corrupt(make(tmp_path / "v.mp4", 8), range(8)))


def test_header_that_promises_more(tmp_path):
    with VideoWriter(tmp_path / "v.mp4", 25) as writer:  # this writer puts the header first
        for i in range(40):
            writer.write(scene(i))
    data = (tmp_path / "v.mp4").read_bytes()
    (tmp_path / "v.mp4").write_bytes(data[: int(len(data) * 0.8)])
    video = Video(tmp_path / "v.mp4")
    frames = list(video.frames())
    assert video.info.truncated > 0 and len(frames) == video.info.num_frames == 40
    assert frames[0].image is not None and frames[-1].image is None


def test_variable_frame_rate(tmp_path):
    path = tmp_path / "v.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for i in range(30):
            frame = av.VideoFrame.from_ndarray(scene(i), format="rgb24")
            frame.pts = i if i < 15 else 15 + 3 * (i - 15)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    video = Video(path)
    assert video.info.variable_frame_rate
    assert [level(f.image) for f in video.frames()] == list(range(30))


def test_stored_rotation(tmp_path):
    path = make(tmp_path / "v.mp4", 3)
    identity = np.array([1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30], ">i4").tobytes()
    turned = np.array([0, 1 << 16, 0, -(1 << 16), 0, 0, 64 << 16, 0, 1 << 30], ">i4").tobytes()  # 90 degrees clockwise
    data = path.read_bytes()
    place = data.index(identity, data.index(b"tkhd"))
    path.write_bytes(data[:place] + turned + data[place + len(turned) :])
    video = Video(path)
    assert (video.info.width, video.info.height) == (64, 96)
    image = next(video.frames()).image
    expected = np.rot90(scene(0), -1)
    assert np.abs(image.astype(int) - expected).mean() < 4


@pytest.mark.parametrize("codec", ["gif", "gray"])
def test_animated_picture_and_grey_video(tmp_path, codec):
    path = tmp_path / ("v.gif" if codec == "gif" else "v.mkv")
    with av.open(str(path), "w") as container:
        stream = container.add_stream("gif" if codec == "gif" else "ffv1", rate=10)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "rgb8" if codec == "gif" else "gray"
        for i in range(5):
            frame = av.VideoFrame.from_ndarray(scene(i), format="rgb24").reformat(format=stream.pix_fmt)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    frames = list(Video(path).frames())
    assert len(frames) == 5 and frames[0].image.shape == (64, 96, 3)
    if codec == "gray":
        assert np.ptp(frames[2].image.astype(int), axis=2).max() == 0


@pytest.mark.parametrize("size", [{"height": 64, "width": 96}, {"height": 33, "width": 47}])
def test_writer_round_trip(tmp_path, size):
    path = tmp_path / "out" / "w.mp4"
    with VideoWriter(path, 29.97) as writer:
        for i in range(12):
            writer.write(scene(i, **size))
    video = Video(path)
    assert (video.info.height, video.info.width) == (
        size["height"] + size["height"] % 2,
        size["width"] + size["width"] % 2,
    )
    assert abs(video.info.fps - 29.97) < 0.01
    assert [level(f.image) for f in video.frames()] == list(range(12))
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec_context.pix_fmt == "yuv420p"


def test_writer_failures_leave_nothing(tmp_path):
    (tmp_path / "w.mp4").write_bytes(b"kept")
    with pytest.raises(ZeroDivisionError), VideoWriter(tmp_path / "w.mp4", 25) as writer:
        writer.write(scene(0))
        raise ZeroDivisionError
    with pytest.raises(ExportError, match="no frame was written"), VideoWriter(tmp_path / "w.mp4", 25):
        pass
    assert (tmp_path / "w.mp4").read_bytes() == b"kept" and len(list(tmp_path.iterdir())) == 1
