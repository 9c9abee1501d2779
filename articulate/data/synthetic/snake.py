"""The snake: a chain of 12 joints that slithers, sidewinds, coils and strikes; millimetres."""

import numpy as np

from articulate.data.synthetic.family import Family, build_family
from articulate.data.synthetic.motion import MotionBuilder

NUM_JOINTS = 12


def chain(motion: MotionBuilder) -> list[tuple[int, str]]:
    """The joints that bend, from the neck to the tail."""
    return list(enumerate(motion.family.names))[2:]


def serpentine(motion: MotionBuilder, frequency: float, bend: float, waves: float, rise: float) -> None:
    """Serpenoid curve: a wave of bending that runs from head to tail (Hirose 1993), with slow turns and lifts."""
    phase, turn = motion.phase(frequency), 9.0 * motion.normal(0.25)
    for i, joint in chain(motion):
        own = phase - 2 * np.pi * waves * (i - 1) / (NUM_JOINTS - 1)
        motion.add(joint, x=rise * np.cos(own) + 2.0 * motion.normal(0.4), y=bend * np.sin(own) + turn)


def slither(motion: MotionBuilder) -> None:
    """Flat serpentine crawling."""
    serpentine(motion, motion.draw(0.5, 0.9), motion.draw(26, 36), motion.draw(1.0, 1.4), 0.0)


def sidewind(motion: MotionBuilder) -> None:
    """Serpentine with a vertical wave a quarter behind."""
    serpentine(motion, motion.draw(0.5, 0.8), motion.draw(24, 32), motion.draw(0.9, 1.2), 10.0)


def coil(motion: MotionBuilder) -> None:
    """Curls up one way and the other."""
    curl = motion.between(-38, 38, 0.25)
    for i, joint in chain(motion):
        motion.add(joint, x=4.0 * motion.normal(0.3), y=curl * (0.5 + 0.5 * i / NUM_JOINTS) + 7.0 * motion.normal(0.4))


def strike(motion: MotionBuilder) -> None:
    """Front part raised, swaying; the rest in a slow wave."""
    serpentine(motion, 0.35, 26.0, 1.1, 0.0)
    raised = motion.between(0.5, 1.0, 0.4)
    for joint, lift in (("S3", 14.0), ("S4", 26.0), ("S5", 24.0)):
        motion.add(joint, x=-lift * raised)
    motion.root_angles[:, 0] += np.radians(-10.0 * raised)


def snake() -> Family:
    """The family `snake`. The head is the root and points forward (z); the body trails behind."""
    limits = {"x": (-32, 32), "y": (-48, 48)}
    joints: list[tuple] = [("Head", None, (0, 0, 0), {}, None)]
    for i in range(1, NUM_JOINTS):
        thickness = [44.0 * (1.0 - 0.75 * (max(j - 3, 0) / (NUM_JOINTS - 4)) ** 2) for j in (i - 1, i)]
        radii = (48.0, 38.0) if i == 1 else (thickness[0], thickness[1])
        name = "Tail" if i == NUM_JOINTS - 1 else f"S{i}"
        joints.append((name, joints[-1][0], (0, 0, -125.0), {} if i == 1 else limits, radii))
    return build_family(
        "snake",
        joints,
        {"slither": slither, "sidewind": sidewind, "coil": coil, "strike": strike},
        reference_size=1400.0,
        elevation=55.0,
        hue_start=0.25,
    )
