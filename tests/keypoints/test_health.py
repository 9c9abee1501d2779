"""Alarms: each fault alone raises its alarm and names its keypoints; healthy tracks raise none."""

import torch

from articulate.keypoints.health import check_keypoints
from articulate.keypoints.watch import HealthWatch
from articulate.seeds import torch_generator


def healthy() -> tuple[torch.Tensor, torch.Tensor]:
    xy = torch.rand(100, 5, 2, generator=torch_generator(0, "health")) * 1.6 - 0.8
    return xy, torch.full((100, 5), 0.9)


def test_healthy_tracks_raise_nothing_even_with_missing_frames() -> None:
    xy, score = healthy()
    xy[3] = float("nan")
    assert check_keypoints(xy, score) == []
    assert check_keypoints(xy[:1], score[:1]) == []


def test_each_fault_is_found_and_explained() -> None:
    xy, score = healthy()
    xy[:, 1] = torch.tensor([0.01, -0.02])
    xy[:, 2] = torch.tensor([0.7, 0.7])
    xy[:, 4] = xy[:, 3] + 0.005
    score[:, 0] = 0.02
    alarms = {a.fault: a for a in check_keypoints(xy, score)}
    assert {f: a.keypoints for f, a in alarms.items()} == {
        "centre_stuck": (1,), "dead": (2,), "merged": (3, 4), "unsure": (0,),
    }  # fmt: skip
    assert "keypoint 1 stays in the middle" in alarms["centre_stuck"].message
    assert "keypoints 3, 4 lie on each other" in alarms["merged"].message


def test_heatmaps_of_a_single_cell_are_named_and_wider_ones_not() -> None:
    xy, score = healthy()
    covariance = torch.eye(2).expand(100, 5, 2, 2) * (2 / 64) ** 2
    assert check_keypoints(xy, score, covariance=covariance) == []
    covariance = torch.where(torch.arange(5)[:, None, None] == 3, 1.0e-9, covariance)
    (alarm,) = check_keypoints(xy, score, covariance=covariance)
    assert (alarm.fault, alarm.keypoints) == ("saturated", (3,)) and "keypoint 3 is a single cell" in alarm.message


def test_a_still_video_has_no_dead_keypoints() -> None:
    xy = torch.rand(1, 5, 2, generator=torch_generator(1, "still")).expand(50, -1, -1) + 0.2
    assert check_keypoints(xy, torch.ones(50, 5)) == []


def test_alarms_show_during_training_once_each_and_not_at_the_start() -> None:
    said: list[str] = []
    watch = HealthWatch(said.append, every=10, after=0.25)
    xy, score = healthy()
    xy[:, 1] = 0
    assert watch.look(xy, score, 9, 0.1) == {} and watch.look(xy, score, 30, 0.4) == {}
    assert watch.look(xy, score, 39, 0.4)["keypoints.centre_stuck"] == 1
    assert len(said) == 1 and said[0].startswith("keypoints, step 40: keypoint 1 stays in the middle")
    watch.look(xy, score, 49, 0.5)
    assert len(said) == 1
    xy[:, 2] = 0
    watch.look(xy, score, 59, 0.6)
    assert len(said) == 3 and "keypoints 1, 2 stay in the middle" in said[1] and "lie on each other" in said[2]
    xy[:, 4] = xy[:, 3]
    watch.look(xy, score, 69, 0.7)
    watch.look(xy, score, 79, 0.8)
    assert len(said) == 4 and "keypoints 3, 4 lie on each other" in said[3]


def test_a_detector_that_seeds_teach_is_judged_at_the_end() -> None:
    said: list[str] = []
    watch = HealthWatch(said.append, every=10, at_end=True)
    xy, score = healthy()
    xy[:, 1] = 0
    assert watch.look(xy, score, 39, 0.4)["keypoints.centre_stuck"] == 1 and not said
    watch.tell(xy, score, "all frames")
    assert len(said) == 1 and said[0].startswith("keypoints, all frames: keypoint 1 stays in the middle")
