"""Measures that need the body's own frame: aligned poses, distance from the centre, local rigidity."""

import torch
from jaxtyping import Float
from torch import Tensor


def align_poses(
    points: Float[Tensor, "N K D"], iterations: int = 3
) -> tuple[Float[Tensor, "N K D"], Float[Tensor, "N D D"]]:
    """Poses turned and shifted onto their median shape, and the rotations used (row vectors: pose @ rotation).

    Generalised Procrustes analysis without scale (Gower 1975), proper rotations alone (Kabsch 1976). Finite points.
    """
    centred = points - points.mean(dim=1, keepdim=True)
    reference = centred[0]
    for _ in range(iterations):
        left, _, right = torch.linalg.svd(torch.einsum("nkc,kd->ncd", centred, reference))
        sign = torch.sign(torch.linalg.det(left @ right))
        left = torch.cat([left[..., :-1], left[..., -1:] * sign[:, None, None]], dim=-1)
        rotation = left @ right
        aligned = torch.einsum("nkc,ncd->nkd", centred, rotation)
        reference = aligned.median(dim=0).values
    return aligned, rotation


def centrality_cost(points: Float[Tensor, "N K 2"]) -> Float[Tensor, "K K"]:
    """Product of the two keypoints' distances from the body's centre, to the power of how far it turns in the plane.

    An animal seen from above turns through all headings, and its limbs hang on a hub that motion cannot single out of
    the rigid trunk: prefer edges close to the centre. A figure seen from the side keeps its up: the power is
    1 - R, R the length of the mean heading vector (Mardia 1972), so the matrix is then almost constant. Distances are
    not taken below 3 % of the body's size.
    """
    aligned, rotation = align_poses(points)
    upright = torch.linalg.vector_norm(rotation[:, 0].mean(dim=0))
    shape = aligned.median(dim=0).values
    size = torch.linalg.vector_norm(shape.amax(dim=0) - shape.amin(dim=0))
    centre = torch.linalg.vector_norm(shape - shape.median(dim=0).values, dim=-1).clamp_min(0.03 * float(size))
    turning = (1 - upright).clamp(0, 1)
    return (centre[:, None] * centre[None, :]) ** turning


def joint_fit_residual(points: Float[Tensor, "N K D"], partners: int = 3) -> Float[Tensor, "K K"]:
    """How well j moves rigidly with the body that i belongs to (root mean square, unit of the points); the smaller way.

    The body of i is i and the `partners` keypoints whose distance to it varies least; each frame is aligned on that
    body, and j's departure from its median place is measured. Symmetric by the minimum over both ways.
    """
    distances = torch.linalg.vector_norm(points[:, :, None] - points[:, None, :], dim=-1)
    bodies = distances.var(dim=0).argsort(dim=1)[:, : partners + 1]
    rows = []
    for body in bodies:
        centre = points[:, body].mean(dim=1, keepdim=True)
        _, rotation = align_poses(points[:, body])
        local = torch.einsum("nkc,ncd->nkd", points - centre, rotation)
        rows.append((local - local.median(dim=0).values).square().sum(dim=-1).mean(dim=0).sqrt())
    residual = torch.stack(rows)
    return torch.minimum(residual, residual.mT)
