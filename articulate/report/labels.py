"""Short names of keypoints, for pictures and tables."""

import re
from collections.abc import Sequence


def short_names(names: Sequence[str]) -> list[str]:
    """`7` for `keypoint_07`; names that somebody gave stay."""
    found = [re.fullmatch(r"keypoint_0*(\d+)", name) for name in names]
    return [name if match is None else match.group(1) for name, match in zip(names, found, strict=True)]
