"""The robot arm: a fixed base, three links, a wrist and a gripper of two fingers; millimetres."""

import numpy as np

from articulate.data.synthetic.family import Family, build_family
from articulate.data.synthetic.motion import MotionBuilder


def explore(motion: MotionBuilder) -> None:
    """Every joint follows its own smooth random path over most of its range."""
    for joint, axis, half in (("Shoulder", "y", 150), ("Elbow", "x", 60), ("Wrist", "x", 95), ("Hand", "x", 85)):
        motion.add(joint, **{axis: motion.between(-half, half, 0.3)})
    motion.add("Elbow", z=motion.between(-35, 35, 0.3))
    motion.add("Hand", y=motion.between(-120, 120, 0.3))
    grip(motion, motion.between(0.0, 1.0, 0.4))


def pick(motion: MotionBuilder) -> None:
    """Down to the table, close, up, turn, down, open."""
    phase = motion.phase(motion.draw(0.18, 0.26))
    down = 0.5 - 0.5 * np.cos(2 * phase)
    motion.add("Shoulder", y=motion.draw(-60, 60) + 55.0 * np.tanh(2.0 * np.sin(phase)))
    motion.add("Elbow", x=12.0 + 38.0 * down)
    motion.add("Wrist", x=55.0 + 28.0 * down)
    motion.add("Hand", x=70.0 - 8.0 * down, y=40.0 * motion.normal(0.2))
    grip(motion, 0.5 + 0.5 * np.tanh(2.5 * np.cos(phase)))
    motion.wobble(0.03, 0.5)


def sweep(motion: MotionBuilder) -> None:
    """Stretched out, sweeping from side to side while it rises and falls."""
    phase = motion.phase(motion.draw(0.25, 0.4))
    motion.add("Shoulder", y=95.0 * np.sin(phase))
    motion.add("Elbow", x=motion.between(10, 62, 0.3))
    motion.add("Wrist", x=motion.between(-10, 70, 0.35))
    motion.add("Hand", x=motion.between(-50, 60, 0.5), y=motion.between(-90, 90, 0.4))
    grip(motion, motion.between(0.0, 1.0, 0.5))


def grip(motion: MotionBuilder, opening) -> None:
    """Open both fingers, 0 closed to 1 wide."""
    motion.add("LFinger", z=-18.0 + 40.0 * opening)
    motion.add("RFinger", z=18.0 - 40.0 * opening)


def arm() -> Family:
    """The family `arm`; the base stands on the table and turns about the vertical."""
    joints = [
        ("Base", None, (0, 0, 0), {}, None),
        ("Shoulder", "Base", (0, 260, 0), {"y": (-170, 170)}, (105, 78)),
        ("Elbow", "Shoulder", (0, 400, 0), {"x": (-75, 75), "z": (-45, 45)}, (72, 56)),
        ("Wrist", "Elbow", (0, 330, 0), {"x": (-125, 125)}, (56, 42)),
        ("Hand", "Wrist", (0, 170, 0), {"x": (-105, 105), "y": (-150, 150)}, (42, 46)),
        ("LFinger", "Hand", (62, 125, 0), {"z": (-22, 26)}, (26, 16)),
        ("RFinger", "Hand", (-62, 125, 0), {"z": (-26, 22)}, (26, 16)),
    ]
    return build_family(
        "arm",
        joints,
        {"explore": explore, "pick": pick, "sweep": sweep},
        pairs=[("LFinger", "RFinger")],
        reference_size=1350.0,
        elevation=15.0,
        grounded=False,
        hue_start=0.55,
    )
