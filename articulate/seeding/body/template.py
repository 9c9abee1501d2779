"""Frames of a body brought into register with their common mean: rigid congealing, and windows that move on their own.

Body coordinates as in `body/frame.py`. Registration is the Gauss-Newton step of Lucas & Kanade (1981) with the
gradient of the mean (Baker & Matthews 2004) and Cauchy weights; the mean is taken anew in between (congealing,
Learned-Miller 2006).
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, UInt8
from scipy import ndimage
from torch import Tensor

from articulate.seeding.body.frame import BodyPose, body_grid, rotations, sampling_grid


@dataclass(frozen=True)
class Template:
    """Mean body picture, how much each pixel counts, and the change of the mean under (du, dv, turn)."""

    mean: Float[Tensor, "H W"]
    weight: Float[Tensor, "H W"]
    jacobian: Float[Tensor, "H W 3"]
    noise: float


def template_of(pictures: Float[Tensor, "T H W"], origin: Float[Tensor, " 2"] | None = None) -> Template:
    """Template of registered pictures (grey levels). Pixels that vary much (limbs, wings) count little.

    The median over frames is the mean, so that a few bad frames do not smear it; turns are about `origin`.
    """
    mean = pictures.median(0).values
    spread = 1.4826 * (pictures - mean).abs().median(0).values
    size = mean.shape[0]
    noise = max(float(spread[spread > 0].median()) if (spread > 0).any() else 1.0, 2.0)
    step = 2.0 / size
    down, right = torch.gradient(mean, spacing=step)
    grid = body_grid(size) - (0.0 if origin is None else origin)
    turn = grid[..., 0] * down - grid[..., 1] * right
    return Template(mean, 1 / (noise**2 + spread**2), torch.stack([right, down, turn], -1), noise)


def gauss_newton_step(
    pictures: Float[Tensor, "B H W"], template: Template, window: Float[Tensor, "H W"], stiffness: float
) -> Float[Tensor, "B 3"]:
    """Change of pose (du, dv, turn) that brings pictures closer to the template."""
    residual = template.mean - pictures
    weight = template.weight * window / (1 + residual.square() * template.weight / 4)
    jacobian = template.jacobian.reshape(-1, 3)
    weighted = weight.flatten(1)
    outer = (jacobian[:, :, None] * jacobian[:, None, :]).reshape(-1, 9)
    hessian = (weighted @ outer).reshape(-1, 3, 3)
    right = (weighted * residual.flatten(1)) @ jacobian
    scale = hessian.diagonal(dim1=-2, dim2=-1).mean(-1)
    damping = (stiffness * scale + 1e-6)[:, None, None] * torch.eye(3)
    return torch.linalg.solve(hessian + damping, right[..., None])[..., 0]


def read_body(
    contrast: UInt8[np.ndarray, "T S S"], pose: BodyPose, part: slice, size: int, blur: float
) -> Float[Tensor, "B H W"]:
    """Blurred body pictures (grey levels, 0 = background) of the frames `part`."""
    source = torch.from_numpy(contrast[part].astype(np.float32) - 128)[:, None]
    centre, angle = torch.from_numpy(pose.centre[part]).float(), torch.from_numpy(pose.angle[part]).float()
    grid = sampling_grid(centre, angle, pose.reach, size, contrast.shape[1])
    picture = torch.nn.functional.grid_sample(source, grid, align_corners=False)[:, 0]
    return torch.from_numpy(ndimage.gaussian_filter(picture.numpy(), (0, blur, blur)))


def congeal(
    contrast: UInt8[np.ndarray, "T S S"],
    pose: BodyPose,
    *,
    size: int = 48,
    rounds: int = 3,
    steps: int = 5,
    sampled: int = 300,
    largest: float = 0.3,
) -> BodyPose:
    """The pose that registers every frame with the mean of all; steps that wander off (`largest`) are not taken."""
    start = pose
    some = np.unique(np.linspace(0, len(contrast) - 1, sampled).astype(int))
    window = body_window(size)
    for turn in range(rounds):
        blur = 1.5 if turn == 0 else 0.8
        few = BodyPose(pose.centre[some], pose.angle[some], pose.reach)
        template = template_of(read_body(contrast[some], few, slice(None), size, blur))
        for _ in range(steps):
            pose = one_step(contrast, pose, template, window, size, blur)
        far = np.linalg.norm(pose.centre - start.centre, axis=1) > largest * pose.reach
        far |= np.abs(np.sin((pose.angle - start.angle) / 2)) > largest
        pose = BodyPose(
            np.where(far[:, None], start.centre, pose.centre), np.where(far, start.angle, pose.angle), pose.reach
        )
    return pose


def one_step(
    contrast: UInt8[np.ndarray, "T S S"],
    pose: BodyPose,
    template: Template,
    window: Float[Tensor, "H W"],
    size: int,
    blur: float,
    stiffness: float = 0.01,
    chunk: int = 256,
) -> BodyPose:
    """One Gauss-Newton step of every frame."""
    centre, angle = pose.centre.copy(), pose.angle.copy()
    for begin in range(0, len(contrast), chunk):
        part = slice(begin, begin + chunk)
        pictures = read_body(contrast, pose, part, size, blur)
        change = gauss_newton_step(pictures, template, window, stiffness).numpy().astype(np.float64)
        change = np.clip(change, -0.1, 0.1)
        centre[part] += pose.reach * np.einsum("tij,tj->ti", rotations(angle[part]), change[:, :2])
        angle[part] += change[:, 2]
    return replace(pose, centre=centre, angle=angle)


def body_window(size: int) -> Float[Tensor, "H W"]:
    """How much each place of the body's frame counts in registration: the trunk much, the surroundings little."""
    grid = body_grid(size)
    return torch.exp(-0.5 * (grid[..., 0] / 0.6).square() - 0.5 * (grid[..., 1] / 0.4).square())


def agreement(pictures: Float[Tensor, "B H W"], template: Template) -> Float[np.ndarray, " B"]:
    """Correlation of body pictures with the template, in [-1, 1]: pixels that vary between frames count little."""
    weight, mean = template.weight, template.mean
    top = (weight * pictures * mean).sum((1, 2))
    bottom = (weight * pictures.square()).sum((1, 2)) * (weight * mean.square()).sum()
    return (top / bottom.sqrt().clamp(min=1e-9)).numpy().astype(np.float64)
