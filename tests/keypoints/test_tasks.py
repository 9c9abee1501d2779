"""Every task: trains, reaches the keypoints, keeps its promises; multi-task detects everything in one pass."""

import pytest
import torch
from pydantic import ValidationError

from articulate.errors import ConfigError
from articulate.keypoints.detector import Detection, KeypointDetector, KeypointDetectorConfig
from articulate.keypoints.multi_task import MultiTask, MultiTaskConfig
from articulate.keypoints.soft_argmax import draw_gaussians, read_heatmaps
from articulate.keypoints.tasks import TASKS, Frame, Views
from articulate.keypoints.tasks.delaunay import barycentric, pixel_triangles
from articulate.keypoints.tasks.distractor import shuffle_with_distractors
from articulate.keypoints.tasks.masked_inpainting import random_patches
from articulate.keypoints.tasks.tps_equivariance import crowding
from articulate.losses import Balancer, LossTerm
from articulate.seeds import torch_generator

DETECTOR = KeypointDetectorConfig(num_keypoints=4, width=0.3)


def detect_at(xy: torch.Tensor, size: tuple[int, int] = (16, 16)) -> Detection:
    heatmaps = draw_gaussians(xy, size, 1.0).clamp_min(1e-20).log()
    return Detection(heatmaps, *read_heatmaps(heatmaps))


@pytest.mark.parametrize("name", list(TASKS))
def test_every_task_reaches_the_detector_and_repeats(name: str) -> None:
    config = MultiTaskConfig(tasks={name: {"width": 0.2}}, shapes=())
    torch.manual_seed(0)
    detector, tasks = KeypointDetector(DETECTOR), MultiTask(config, DETECTOR, (16, 16))
    images = torch.rand(4, 3, 16, 16, generator=torch_generator(0, "images"))
    result = tasks(detector, images, torch_generator(1, "task"))
    assert list(result.losses) == config.loss_names()
    result.losses[name].backward()
    assert detector.hourglass.conv1.weight.grad is not None
    assert detector.hourglass.conv1.weight.grad.abs().sum() > 0
    assert torch.isfinite(detector.hourglass.conv1.weight.grad).all()
    assert all(torch.isfinite(m) and not m.requires_grad for m in result.metrics.values())
    again = tasks(detector, images, torch_generator(1, "task"))
    assert torch.equal(again.losses[name], result.losses[name])


@pytest.mark.parametrize("name", ["difference_map", "delaunay"])
def test_video_tasks_take_the_partner_frame(name: str) -> None:
    task = TASKS[name](TASKS[name].Config(width=0.2), Frame(4, 3, (16, 16)))
    partner = torch.rand(3, 3, 16, 16)
    views = task.views(torch.rand(3, 3, 16, 16), torch_generator(0, "v"), partner)
    assert views is not None and torch.equal(views.images, partner) and views.warp is None


def test_distractors_are_other_images_and_places_are_fair() -> None:
    images = torch.arange(8.0).view(8, 1, 1, 1).expand(8, 1, 2, 2)
    places = []
    for seed in range(40):
        shown, answer = shuffle_with_distractors(images, 8, 3, torch_generator(seed, "d"))
        values = shown[..., 0, 0, 0]
        assert torch.equal(values.gather(1, answer[:, None])[:, 0], torch.arange(8.0))
        assert int((values == torch.arange(8.0)[:, None]).sum()) == 8
        places.append(answer)
    share = torch.bincount(torch.cat(places), minlength=3) / 320
    assert (share - 1 / 3).abs().max() < 0.1


def test_middle_frame_is_winnable_with_points_that_follow_the_image() -> None:
    task = TASKS["middle_frame"](TASKS["middle_frame"].Config(width=0.1), Frame(4, 1, (8, 8)))
    optimiser = torch.optim.Adam(task.parameters(), lr=3e-3)
    generator = torch_generator(0, "middle")
    accuracy = []
    for _ in range(40):
        xy = torch.rand(64, 4, 2, generator=generator) * 1.2 - 0.6
        images = torch.zeros(64, 1, 8, 8)
        views = task.views(images, generator)
        assert views is not None and views.warp is not None
        moved = torch.cat([views.warp.scaled(0.5).warped_points(xy), views.warp.warped_points(xy)])
        at = Detection(torch.zeros(64, 4, 8, 8), xy, xy[..., 0], torch.zeros(64, 4, 2, 2))
        seen = Detection(torch.zeros(128, 4, 8, 8), moved, moved[..., 0], torch.zeros(128, 4, 2, 2))
        cleaned = torch.zeros(64, 4, 8, 8)
        result = task(at, images, generator, cleaned=cleaned, views=views.with_detection(seen))
        optimiser.zero_grad()
        result.losses["middle_frame"].backward()
        optimiser.step()
        accuracy.append(result.metrics["middle_frame_accuracy"])
    assert torch.stack(accuracy[-10:]).mean() > 0.9


def test_equivariance_vanishes_for_points_that_follow_the_warp() -> None:
    task = TASKS["tps_equivariance"](TASKS["tps_equivariance"].Config(diversity=0.0), Frame(4, 1, (16, 16)))
    images = torch.rand(3, 1, 16, 16)
    views = task.views(images, torch_generator(0, "t"))
    assert views is not None and views.warp is not None
    xy = torch.rand(3, 4, 2) - 0.5
    at = Detection(torch.zeros(3, 4, 16, 16), views.warp.source_points(xy), xy[..., 0], torch.zeros(3, 4, 2, 2))
    seen = Detection(torch.zeros(3, 4, 16, 16), xy, xy[..., 0], torch.zeros(3, 4, 2, 2))
    generator = torch_generator(0, "t")
    result = task(at, images, generator, cleaned=torch.zeros(3, 4, 16, 16), views=views.with_detection(seen))
    assert result.losses["tps_equivariance"] < 1e-10
    assert crowding(torch.zeros(1, 4, 2), 0.1) == 1 and crowding(torch.eye(2)[None] * 5, 0.1) < 1e-6


def test_delaunay_of_a_square_covers_it_and_moves_affinely() -> None:
    square = torch.tensor([[[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]]])
    corners, inside, pixels = pixel_triangles(square, (16, 16))
    assert torch.equal(inside[0] > 0, (pixels.abs() < 0.5).all(-1))
    triangle = square[0][corners[0]][None]
    weights = barycentric(triangle, pixels)
    assert torch.allclose((weights[..., None] * triangle).sum(-2)[0], pixels, atol=1e-5)
    line = torch.tensor([[[-0.5, 0.0], [0.0, 0.0], [0.5, 0.0], [0.7, 0.0]]])
    assert pixel_triangles(line, (16, 16))[1].sum() == 0


def test_delaunay_error_is_zero_between_equal_frames() -> None:
    task = TASKS["delaunay"](TASKS["delaunay"].Config(), Frame(4, 1, (16, 16)))
    images = torch.rand(2, 1, 16, 16)
    detection = detect_at((torch.rand(2, 4, 2) - 0.5) * 1.2)
    views = Views(images, detection=detection)
    cleaned = draw_gaussians(detection.xy, (16, 16), 1.0)
    result = task(detection, images, torch_generator(0, "x"), cleaned=cleaned, views=views)
    assert result.losses["delaunay"] < 1e-6 and result.metrics["mesh_coverage"] > 0


def test_textured_patches_return_to_where_they_were_cut() -> None:
    task = TASKS["textured_reconstruction"](
        TASKS["textured_reconstruction"].Config(diameter_px=5, global_size=0), Frame(1, 1, (16, 16))
    )
    # Pixel (8, 5) as a keypoint, a patch that is 1 in its centre only: exactly that pixel is painted.
    xy = torch.tensor([[[(2 * 8 + 1) / 16 - 1, (2 * 5 + 1) / 16 - 1]]])
    patch = torch.zeros(1, 1, 5, 5)
    patch[0, 0, 2, 2] = 1
    pasted = task.paste(patch, xy, (16, 16))
    assert pasted[0, 0, 5, 8] == pytest.approx(1, abs=1e-5) and float(pasted.sum()) == pytest.approx(1, abs=1e-4)


def test_edge_map_draws_the_segment() -> None:
    task = TASKS["masked_inpainting"](TASKS["masked_inpainting"].Config(), Frame(2, 1, (16, 16)))
    ends = torch.tensor([[[-0.5, 1 / 16], [0.5, 1 / 16]]])
    edges = task.edge_map(ends, (16, 16))[0, 0]
    top = float(torch.nn.functional.softplus(torch.tensor(-1.0)))
    assert torch.allclose(edges[8, 4:12], torch.full((8,), top), atol=1e-4)
    assert edges[2].max() < 1e-6
    shown = random_patches(torch.zeros(64, 1, 16, 16), 0.8, 4, torch_generator(0, "p"))
    assert abs(float(shown.mean()) - 0.2) < 0.05


def test_one_pass_equals_separate_passes() -> None:
    torch.manual_seed(0)
    config = MultiTaskConfig(tasks={"middle_frame": {}, "tps_equivariance": {}, "reconstruction": {}})
    detector, tasks = KeypointDetector(DETECTOR), MultiTask(config, DETECTOR, (16, 16))
    images = torch.rand(3, 3, 16, 16)
    result = tasks(detector, images, torch_generator(0, "x"))
    generator = torch_generator(0, "x")
    views = {name: tasks.task(name).views(images, generator) for name in tasks.tasks}
    detection = detector(images)
    cleaned = draw_gaussians(detection.xy, (16, 16), 1.0)
    for name in config.tasks:
        view = views[name]
        alone = view.with_detection(detector(view.images)) if view is not None else None
        losses = tasks.task(name)(detection, images, generator, cleaned=cleaned, views=alone).losses
        assert torch.allclose(losses[name], result.losses[name], atol=1e-5)


def test_few_steps_of_all_tasks_lower_the_reconstruction_error() -> None:
    torch.manual_seed(0)
    detector_config = KeypointDetectorConfig(num_keypoints=2, channels=1, width=0.3)
    config = MultiTaskConfig(tasks={"reconstruction": {"width": 0.3}, "distractor": {"width": 0.1}})
    detector, tasks = KeypointDetector(detector_config), MultiTask(config, detector_config, (16, 16))
    balancer = Balancer({n: LossTerm() for n in config.loss_names()}, "exponential")
    optimiser = torch.optim.Adam([*detector.parameters(), *tasks.parameters()], lr=5e-3)
    generator, errors = torch_generator(0, "steps"), []
    for step in range(30):
        xy = torch.rand(16, 1, 2, generator=generator) * 1.4 - 0.7
        result = tasks(detector, draw_gaussians(xy, (16, 16), 1.5), generator)
        optimiser.zero_grad()
        balancer(result.losses, step).total.backward()
        optimiser.step()
        errors.append(float(result.metrics["reconstruction_mse"]))
    assert sum(errors[-5:]) < 0.6 * sum(errors[:5])


def test_mistakes_are_named() -> None:
    with pytest.raises(ValidationError, match="'juggling' is not known.*reconstruction"):
        MultiTaskConfig(tasks={"juggling": {}})
    with pytest.raises(ValidationError, match="num_imagse"):
        MultiTaskConfig(tasks={"distractor": {"num_imagse": 3}})
    tasks = MultiTask(MultiTaskConfig(tasks={"reconstruction": {}}), DETECTOR, (16, 16))
    with pytest.raises(ConfigError, match=r"\(16, 20\).*\(16, 16\)"):
        tasks(KeypointDetector(DETECTOR), torch.rand(2, 3, 16, 20), torch_generator(0, "x"))
