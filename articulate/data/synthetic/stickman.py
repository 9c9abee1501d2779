"""The 2D stickman of Harris 2024, section 5.5: a root, a hip and a head in one line, two arms and two legs.

Lengths are in image units (the frame is 2 wide). The root (mid shoulder) moves over the frame, the hip is a fixed
distance straight below, the head straight above, and each arm and leg is one bone at an angle within a range.
"""

import numpy as np

from articulate.data.synthetic.family import Family, build_family
from articulate.data.synthetic.motion import MotionBuilder

TORSO, HEAD, ARM, LEG = 0.44, 0.24, 0.42, 0.50
ARM_RANGE = (25, 150)  # degrees outward from hanging
LEG_RANGE = (8, 60)


def pose(motion: MotionBuilder) -> None:
    """Root anywhere in the frame that keeps the figure inside; every limb at its own smoothly changing angle."""
    motion.root_translation[:, 0] = motion.between(-0.52, 0.52, 0.5)
    motion.root_translation[:, 1] = motion.between(0.0, 0.50, 0.5)
    for joint, (low, high), sign in (
        ("LHand", ARM_RANGE, 1.0),
        ("RHand", ARM_RANGE, -1.0),
        ("LFoot", LEG_RANGE, 1.0),
        ("RFoot", LEG_RANGE, -1.0),
    ):
        motion.add(joint, z=sign * motion.between(low + 2, high - 2, 0.6))


def stickman2d() -> Family:
    """The family `stickman2d`, K = 7."""
    joints = [
        ("Root", None, (0, 0, 0), {}, None),
        ("Head", "Root", (0, HEAD, 0), {}, (0.05, 0.10)),
        ("Hip", "Root", (0, -TORSO, 0), {}, (0.09, 0.08)),
        ("LHand", "Root", (0, -ARM, 0), {"z": ARM_RANGE}, (0.055, 0.04)),
        ("RHand", "Root", (0, -ARM, 0), {"z": (-ARM_RANGE[1], -ARM_RANGE[0])}, (0.055, 0.04)),
        ("LFoot", "Hip", (0, -LEG, 0), {"z": LEG_RANGE}, (0.07, 0.045)),
        ("RFoot", "Hip", (0, -LEG, 0), {"z": (-LEG_RANGE[1], -LEG_RANGE[0])}, (0.07, 0.045)),
    ]
    assert np.isclose(HEAD + TORSO + LEG, 1.18), "the root's range in `pose` keeps a figure of this height in frame"
    return build_family(
        "stickman2d",
        joints,
        {"pose": pose},
        pairs=[("LHand", "RHand"), ("LFoot", "RFoot")],
        reference_size=2.0,
        units="frame half-width",
        planar=True,
        grounded=False,
        hue_start=0.02,
    )
