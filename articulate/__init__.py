"""articulate: from unlabelled video of one articulated thing to its keypoints, its tree of limbs and its 3D motion."""

__version__ = "0.1.0"
