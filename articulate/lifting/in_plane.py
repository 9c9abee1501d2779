"""Does the body turn within the picture, as one that is seen from above? Such turns carry no depth."""

import numpy as np
from jaxtyping import Float

# Share of one direction in the body's long axis below which the body turns all around in the picture.
TURNS_ALL_AROUND = 0.5
STATEMENT = (
    "The body turns all around within the picture, as if seen from above: such turns say nothing about depth, and no "
    "sign of depth is trusted."
)


def seen_from_above(xy: Float[np.ndarray, "T K 2"]) -> bool:
    """Whether the long axis of the keypoints points everywhere in the picture, as it does for a camera that looks down.

    |mean of w exp(2 i angle)| / mean of w, where w is how much longer than wide the body is: 1 for one direction, 0 for
    all alike. A subject that never turns looks upright, whatever the camera did.
    """
    known = xy[np.isfinite(xy).all((1, 2))]
    if not len(known):
        return False
    offset = known - known.mean(1, keepdims=True)
    xx, yy, both = (offset[..., 0] ** 2).mean(1), (offset[..., 1] ** 2).mean(1), offset.prod(-1).mean(1)
    doubled = (xx - yy) + 2j * both  # length: difference of the principal variances; angle: twice that of the long axis
    size = np.sqrt(xx + yy).clip(1e-12)
    return bool(np.abs((doubled / size).mean()) < TURNS_ALL_AROUND * (np.abs(doubled) / size).mean())
