"""The two games: fair judges, which learn from few images; and first heatmaps that show the image."""

import torch

from articulate.keypoints.detector import KeypointDetector, KeypointDetectorConfig
from articulate.keypoints.hourglass import Hourglass
from articulate.keypoints.multi_task import MultiTask, MultiTaskConfig
from articulate.keypoints.soft_argmax import draw_gaussians
from articulate.keypoints.tasks import TASKS, Frame
from articulate.keypoints.tasks.middle_frame import turned_copies
from articulate.seeds import torch_generator


def spots(number: int, generator: torch.Generator) -> torch.Tensor:
    """Images of one blurred dot each."""
    return draw_gaussians(torch.rand(number, 1, 2, generator=generator) * 1.4 - 0.7, (16, 16), 1.5)


def test_the_distractor_game_leaves_chance_within_a_thousand_images() -> None:
    """Judge and detector start from nothing; the judge that sees all images at once is still guessing by then."""
    torch.manual_seed(0)
    config = KeypointDetectorConfig(num_keypoints=2, channels=1, width=0.3, start="kaiming", temperature=0.3)
    detector = KeypointDetector(config)
    tasks = MultiTask(MultiTaskConfig(tasks={"distractor": {"width": 0.05}}, shapes=()), config, (16, 16))
    optimiser = torch.optim.Adam([*detector.parameters(), *tasks.parameters()], lr=5e-3)
    generator, won = torch_generator(0, "steps"), []
    for _ in range(40):
        result = tasks(detector, spots(24, generator), generator)
        optimiser.zero_grad()
        result.losses["distractor"].backward()
        optimiser.step()
        won.append(float(result.metrics["distractor_accuracy"]))
    assert sum(won[-20:]) / 20 > 0.85


def test_the_judge_of_each_image_does_not_care_about_their_order() -> None:
    task = TASKS["distractor"](TASKS["distractor"].Config(width=0.1, num_images=3), Frame(2, 1, (16, 16)))
    generator = torch_generator(0, "order")
    shown, cleaned = torch.rand(4, 3, 1, 16, 16, generator=generator), torch.rand(4, 2, 16, 16, generator=generator)
    order = torch.tensor([2, 0, 1])
    assert torch.allclose(task.scores(cleaned, shown[:, order]), task.scores(cleaned, shown)[:, order], atol=1e-6)


def test_a_judge_whose_units_are_all_shut_can_still_learn() -> None:
    task = TASKS["distractor"](TASKS["distractor"].Config(width=0.1), Frame(2, 1, (16, 16)))
    with torch.no_grad():
        task.features[-2].bias.fill_(-100.0)
    shown, cleaned = torch.rand(4, 2, 1, 16, 16), torch.rand(4, 2, 16, 16).requires_grad_()
    scores = task.scores(cleaned, shown)
    (gradient,) = torch.autograd.grad((scores[:, 0] - scores[:, 1]).sum(), cleaned)
    assert gradient.abs().sum() > 0


def test_the_judge_of_each_frame_turns_with_the_frames() -> None:
    task = TASKS["middle_frame"](TASKS["middle_frame"].Config(width=0.05), Frame(2, 1, (16, 16)))
    poses = torch.rand(5, 3, 4, generator=torch_generator(0, "poses"))
    assert torch.allclose(task.scores(poses.roll(1, 1)), task.scores(poses).roll(1, 1), atol=1e-6)


def test_turned_copies_of_a_game_keep_its_middle_and_its_shapes() -> None:
    """The middle of a straight movement stays half way, and distances within a pose stay, whatever turn and mirror."""
    first, last = torch.rand(2, 6, 4, 2, generator=torch_generator(0, "poses"))
    poses = torch.stack([first, 0.5 * (first + last), last], 1)
    copies = turned_copies(poses, 3, torch_generator(0, "copies"))
    assert torch.equal(copies[:6], poses) and len(copies) == 18
    assert torch.allclose(copies[:, 1], 0.5 * (copies[:, 0] + copies[:, 2]), atol=1e-6)
    assert torch.allclose(torch.cdist(copies, copies), torch.cdist(poses, poses).repeat(3, 1, 1, 1), atol=1e-5)
    assert not torch.allclose(copies[6:12], poses, atol=0.05)


def test_the_judge_of_normalised_games_does_not_see_how_strong_a_warp_is() -> None:
    task = TASKS["middle_frame"](TASKS["middle_frame"].Config(width=0.05), Frame(2, 1, (16, 16)))
    poses = torch.rand(5, 3, 4, generator=torch_generator(0, "poses"))
    weaker = poses.mean(1, keepdim=True) + 0.1 * (poses - poses.mean(1, keepdim=True))
    assert torch.allclose(task.prepared(weaker), task.prepared(poses), atol=1e-4)


def test_first_heatmaps_differ_from_image_to_image() -> None:
    images = torch.rand(16, 1, 28, 28, generator=torch_generator(0, "images")).round()
    spread = {}
    for start in ("torch", "kaiming"):
        torch.manual_seed(0)
        with torch.no_grad():
            spread[start] = float(Hourglass(5, channels=1, start=start)(images).std(0).mean())
    # Flat to within hundredths of a logit, and of the order of one.
    assert spread["torch"] < 0.05 and 0.2 < spread["kaiming"] < 2
