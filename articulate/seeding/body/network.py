"""A small network that reads keypoints off pictures in the body's frame, taught by the seeds themselves.

Seeds found frame by frame err at random: a limb under a wing, a neighbour's leg, a second animal that touches. What the
network learns from all of them together is what they have in common (self-training; Scudder 1965, Lee 2013). Pictures
are shown with their mirror images, moved a little, and with other animals laid over them. Body coordinates.
"""

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn
from torch.nn import functional

from articulate.seeding.body.frame import BodyPose, body_from_image, image_from_body, sampling_grid

SIDE = 64  # pixels of a body picture
CELLS = 32  # cells of a heatmap
INSIDE = 0.97  # points farther out than this are not in the picture
SIGMA = 1.0  # deviation of a target, in cells


class BodyNetwork(nn.Module):
    """Body pictures to one heatmap of logits per keypoint: three steps down, two up with what was seen before added."""

    def __init__(self, num_keypoints: int, width: int = 16) -> None:
        super().__init__()
        w = width
        self.first = nn.Conv2d(1, w, 5, 2, 2)
        self.second = nn.Conv2d(w, 2 * w, 3, 2, 1)
        self.third = nn.Conv2d(2 * w, 4 * w, 3, 2, 1)
        self.deep = nn.Conv2d(4 * w, 4 * w, 3, 1, 1)
        self.up = nn.Conv2d(4 * w, 2 * w, 1)
        self.middle = nn.Conv2d(2 * w, 2 * w, 3, 1, 1)
        self.wide = nn.Conv2d(2 * w, w, 1)
        self.last = nn.Conv2d(w, 2 * w, 3, 1, 1)
        self.out = nn.Conv2d(2 * w, num_keypoints, 1)

    def forward(self, pictures: Float[Tensor, "B 1 H W"]) -> Float[Tensor, "B K h w"]:
        """Logits at half the size of the pictures."""
        half = functional.leaky_relu(self.first(pictures), 0.1)
        quarter = functional.leaky_relu(self.second(half), 0.1)
        eighth = functional.leaky_relu(self.third(quarter), 0.1)
        deep = functional.leaky_relu(self.deep(eighth), 0.1) + eighth
        up = functional.interpolate(self.up(deep), scale_factor=2.0, mode="nearest") + quarter
        up = functional.leaky_relu(self.middle(up), 0.1)
        up = functional.interpolate(self.wide(up), scale_factor=2.0, mode="nearest") + half
        return self.out(functional.leaky_relu(self.last(up), 0.1))


def target_maps(points: Float[Tensor, "B K 2"]) -> Float[Tensor, "B K N"]:
    """Gaussians of SIGMA cells at the points, each summing to 1 (uniform for points far outside)."""
    axis = torch.arange(CELLS)
    place = ((points + 1) * CELLS - 1) / 2
    weight = torch.exp(-((place[..., None] - axis) ** 2) / (2 * SIGMA**2))  # B K 2 CELLS
    maps = (weight[..., 1, :, None] * weight[..., 0, None, :]).flatten(2) + 1e-9
    return maps / maps.sum(-1, keepdim=True)


def read_maps(logits: Float[Tensor, "B K h w"], radius: int = 2) -> tuple[Float[Tensor, "B K 2"], Float[Tensor, "B K"]]:
    """Mean of the heatmap within `radius` cells of its mode, and the mass there."""
    mass = logits.flatten(2).softmax(-1)
    mode = mass.argmax(-1)
    axis = torch.arange(CELLS)
    near_x = ((axis - (mode % CELLS)[..., None]).abs() <= radius).float()
    near_y = ((axis - (mode // CELLS)[..., None]).abs() <= radius).float()
    window = mass.unflatten(-1, (CELLS, CELLS)) * near_y[..., :, None] * near_x[..., None, :]
    total = window.sum((-1, -2))
    x, y = (window.sum(-2) * axis).sum(-1) / total, (window.sum(-1) * axis).sum(-1) / total
    return (2 * torch.stack([x, y], -1) + 1) / CELLS - 1, total


class BodyFrames:
    """Body pictures of any frames, in any disturbed pose, and the seeds in the same pose."""

    def __init__(
        self,
        grey: UInt8[np.ndarray, "T S S"],
        contrast: UInt8[np.ndarray, "T S S"],
        mask: UInt8[np.ndarray, "T S S"],
        pose: BodyPose,
    ) -> None:
        self.grey, self.contrast, self.mask, self.pose = grey, contrast, mask, pose

    def pictures(self, source: np.ndarray, rows: np.ndarray, pose: BodyPose) -> Float[Tensor, "B 1 H W"]:
        """`source` of the frames `rows` as seen in `pose`, in grey levels less 128 for pictures, of 255 for masks."""
        values = torch.from_numpy(source[rows].astype(np.float32))[:, None]
        centre, angle = torch.from_numpy(pose.centre).float(), torch.from_numpy(pose.angle).float()
        grid = sampling_grid(centre, angle, pose.reach, SIDE, source.shape[1])
        return functional.grid_sample(values, grid, align_corners=False)

    def disturbed(self, rows: np.ndarray, generator: np.random.Generator) -> BodyPose:
        """The poses of `rows`, moved, turned and scaled a little (one scale for the batch)."""
        pose, count = self.pose, len(rows)
        shift = 0.06 * pose.reach * generator.standard_normal((count, 2))
        angle = pose.angle[rows] + 0.15 * generator.standard_normal(count)
        return BodyPose(pose.centre[rows] + shift, angle, pose.reach * generator.uniform(0.93, 1.07))

    def with_others(
        self, pictures: Float[Tensor, "B 1 H W"], generator: np.random.Generator
    ) -> Float[Tensor, "B 1 H W"]:
        """Over half of the pictures another animal is laid, at any angle, half to one and a half reaches away."""
        count = len(pictures)
        rows = generator.integers(0, len(self.grey), count)
        way = generator.uniform(0, 2 * np.pi, count)
        distance = self.pose.reach * generator.uniform(0.6, 1.5, count)
        shift = distance[:, None] * np.stack([np.cos(way), np.sin(way)], -1)
        pose = BodyPose(self.pose.centre[rows] + shift, generator.uniform(0, 2 * np.pi, count), self.pose.reach)
        over = self.pictures(self.mask, rows, pose) / 255
        over = over * torch.from_numpy(generator.random(count) < 0.5)[:, None, None, None]
        return (1 - over) * pictures + over * (self.pictures(self.contrast, rows, pose) - 128) / 64


def new_network(num_keypoints: int, seed: int) -> BodyNetwork:
    """An untaught network; the global random state is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return BodyNetwork(num_keypoints)


def taught_network(
    frames: BodyFrames,
    points: Float[np.ndarray, "T K 2"],
    weight: Float[np.ndarray, "T K"],
    mirror: Int[np.ndarray, " K"],
    generator: np.random.Generator,
    steps: int,
    network: BodyNetwork | None = None,
    batch: int = 32,
    rate: float = 4e-3,
) -> BodyNetwork:
    """Network (new, or `network` taught further) that follows the points, in pixels, where their weight is not 0.

    `mirror` is the keypoint's mirror image, -1 where it has none among the keypoints.
    """
    network = network or new_network(points.shape[1], int(generator.integers(2**31)))
    optimiser = torch.optim.Adam(network.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps)
    for _ in range(steps):
        rows = generator.integers(0, len(points), batch)
        pose = frames.disturbed(rows, generator)
        pictures = frames.with_others((frames.pictures(frames.grey, rows, pose) - 128) / 64, generator)
        aim = torch.from_numpy(body_from_image(points[rows], pose)).float()
        sure = torch.from_numpy(weight[rows]).float()
        flip = torch.from_numpy(generator.random(batch) < 0.5)
        pictures = torch.where(flip[:, None, None, None], pictures.flip(2), pictures)
        aim = torch.where(flip[:, None, None], aim[:, mirror] * torch.tensor([1.0, -1.0]), aim)
        sure = torch.where(flip[:, None], sure[:, mirror] * torch.from_numpy(mirror >= 0), sure)
        sure = sure * (aim.abs().amax(-1) < INSIDE)
        log_mass = network(pictures).flatten(2).log_softmax(-1)
        loss = -(sure * (target_maps(aim) * log_mass).sum(-1)).sum() / sure.sum().clamp_min(1.0)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return network


@torch.no_grad()
def read_network(
    network: BodyNetwork, frames: BodyFrames, pose: BodyPose, mirror: Int[np.ndarray, " K"], chunk: int = 128
) -> tuple[Float[np.ndarray, "T K 2"], Float[np.ndarray, "T K"]]:
    """Keypoints of all frames in pixels, and how sure; logits of each picture and its mirror image are averaged."""
    found, sure = [], []
    both = torch.from_numpy(mirror >= 0)[:, None, None]
    for start in range(0, len(frames.grey), chunk):
        rows = np.arange(start, min(start + chunk, len(frames.grey)))
        part = BodyPose(pose.centre[rows], pose.angle[rows], pose.reach)
        pictures = (frames.pictures(frames.grey, rows, part) - 128) / 64
        logits = network(pictures)
        mirrored = network(pictures.flip(2)).flip(2)[:, torch.from_numpy(mirror)]
        points, mass = read_maps(torch.where(both, (logits + mirrored) / 2, logits))
        found.append(image_from_body(points.numpy().astype(np.float64), part))
        sure.append(mass.numpy().astype(np.float64))
    return np.concatenate(found), np.concatenate(sure)
