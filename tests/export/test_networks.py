"""Networks as ONNX give the numbers of PyTorch in onnxruntime, for any number of images."""

import jaxtyping
import numpy as np
import pytest
import torch

from articulate.errors import ExportError
from articulate.export.networks import DetectorOutputs, write_networks, write_onnx
from articulate.keypoints.detector import KeypointDetector, KeypointDetectorConfig
from articulate.lifting.registry import build_lifter, default_config


@pytest.fixture
def runtime(monkeypatch):
    # While the exporter traces, sizes are tensors, which the run-time checks of tests would refuse as no integers.
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    pytest.importorskip("onnx", reason="the extra `onnx` is not installed")
    return pytest.importorskip("onnxruntime", reason="the extra `onnx` is not installed")


@pytest.mark.parametrize(("kind", "network"), [("rigid_bones", "hourglass"), ("views", "centred")])
def test_detector_and_lifter(runtime, tmp_path, kind, network):
    generator = torch.Generator().manual_seed(1)
    detector = KeypointDetector(KeypointDetectorConfig(num_keypoints=5, network=network)).eval()
    lifter = build_lifter(5, default_config(kind), generator).eval()
    first, second = write_networks(tmp_path, detector, 32, 5, lifter)
    images = torch.rand(7, 3, 32, 32, generator=generator)
    session = runtime.InferenceSession(str(first), providers=["CPUExecutionProvider"])
    with torch.no_grad():
        wanted = detector(images)
        found = session.run(["xy", "score", "covariance"], {"images": images.numpy()})
        for a, b in zip(found, (wanted.xy, wanted.score, wanted.covariance), strict=True):
            assert np.abs(a - b.numpy()).max() < 1e-4
        xy, score = torch.rand(7, 5, 2, generator=generator) - 0.5, torch.ones(7, 5)
        session = runtime.InferenceSession(str(second), providers=["CPUExecutionProvider"])
        (joints,) = session.run(["joints"], {"xy": xy.numpy(), "score": score.numpy()})
        assert np.abs(joints - lifter(xy, score).numpy()).max() < 1e-4


def test_a_file_that_computes_something_else_is_not_kept(runtime, tmp_path, monkeypatch):
    monkeypatch.setattr("articulate.export.networks.largest_difference", lambda *_: 0.5)
    module = DetectorOutputs(KeypointDetector(KeypointDetectorConfig(num_keypoints=3)))
    with pytest.raises(ExportError, match="differs from the network by 0.5"):
        write_onnx(module, [torch.rand(2, 3, 16, 16)], tmp_path / "d.onnx", ["images"], ["xy", "score", "covariance"])
    assert list(tmp_path.iterdir()) == []
