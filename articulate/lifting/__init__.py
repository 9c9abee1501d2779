"""From 2D keypoints to 3D joints: lifters trained on many frames, a solver for one clip, bones along a tree."""
