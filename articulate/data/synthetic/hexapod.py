"""The six-legged animal: 21 joints, tripod and wave gaits; millimetres of a large beetle."""

import numpy as np

from articulate.data.synthetic.family import Family, build_family
from articulate.data.synthetic.motion import MotionBuilder

SIDES = (("L", 1.0), ("R", -1.0))
SEGMENTS = ("Front", "Middle", "Rear")
# Share of the cycle by which each leg lags (tripod: three legs at a time; wave: from rear to front).
TRIPOD = {"LFront": 0.0, "RMiddle": 0.0, "LRear": 0.0, "RFront": 0.5, "LMiddle": 0.5, "RRear": 0.5}
WAVE = {"LRear": 0.0, "LMiddle": 1 / 6, "LFront": 2 / 6, "RRear": 0.5, "RMiddle": 4 / 6, "RFront": 5 / 6}


def leg(motion: MotionBuilder, name: str, swing=0.0, lift=0.0, stretch=0.0) -> None:
    """Whole leg forward by `swing` and up by `lift`; `stretch` opens the knee."""
    sign = 1.0 if name.startswith("L") else -1.0
    motion.add(f"{name}Knee", y=-sign * swing, z=sign * lift)
    motion.add(f"{name}Foot", z=sign * stretch)


def body(motion: MotionBuilder) -> None:
    """Head and abdomen move a little, everything is alive."""
    motion.add("Head", x=9.0 * motion.normal(0.6), y=14.0 * motion.normal(0.5))
    motion.add("Abdomen", x=7.0 * motion.normal(0.5), y=8.0 * motion.normal(0.4))
    motion.wobble(0.06, 0.6)


def gait(motion: MotionBuilder, lags: dict[str, float], frequency: float) -> None:
    """Cyclic legs, lifted while they swing forward."""
    phase = motion.phase(frequency)
    swing, lift = motion.draw(18, 26), motion.draw(22, 34)
    for name, lag in lags.items():
        own = phase - 2 * np.pi * lag
        up = (0.5 + 0.5 * np.cos(own)) ** 2
        leg(motion, name, swing * np.sin(own), lift * up, 0.5 * lift * up)
    body(motion)


def tripod(motion: MotionBuilder) -> None:
    """Fast walk, three legs at a time."""
    gait(motion, TRIPOD, motion.draw(0.9, 1.4))


def wave_gait(motion: MotionBuilder) -> None:
    """Slow walk, one leg after the other."""
    gait(motion, WAVE, motion.draw(0.5, 0.8))


def groom(motion: MotionBuilder) -> None:
    """Standing; the front legs are raised and rub each other."""
    rub = motion.phase(motion.draw(1.0, 1.5))
    for side, sign in SIDES:
        leg(motion, f"{side}Front", 28.0 + 10.0 * sign * np.sin(rub), motion.between(10, 38, 0.4), -20.0)
        for segment in SEGMENTS[1:]:
            leg(motion, side + segment, motion.between(-10, 10, 0.4), motion.between(-4, 10, 0.4))
    motion.root_angles[:, 0] += np.radians(-7.0)
    body(motion)


def explore(motion: MotionBuilder) -> None:
    """Every leg feels around on its own."""
    for side, _ in SIDES:
        for segment in SEGMENTS:
            leg(
                motion,
                side + segment,
                motion.between(-28, 28, 0.5),
                motion.between(-6, 36, 0.5),
                motion.between(-15, 30, 0.5),
            )
    body(motion)


ACTIVITIES = {"tripod": tripod, "wave_gait": wave_gait, "groom": groom, "explore": explore}


def hexapod() -> Family:
    """The family `hexapod`. The thorax is the root, the head points forward (z)."""
    joints: list[tuple] = [
        ("Thorax", None, (0, 0, 0), {}, None),
        ("Head", "Thorax", (0, 4, 27), {"x": (-30, 30), "y": (-40, 40)}, (10.5, 7.5)),
        ("Abdomen", "Thorax", (0, 3, -40), {"x": (-25, 25), "y": (-25, 25)}, (11, 13)),
    ]
    forward = {"Front": 13.0, "Middle": 0.0, "Rear": -13.0}
    splay = {"Front": 40.0, "Middle": 0.0, "Rear": -42.0}
    for side, sign in SIDES:
        knee_limits = {"y": (-45, 45), "z": (-12, 55) if sign > 0 else (-55, 12)}
        foot_limits = {"z": (-35, 45) if sign > 0 else (-45, 35)}
        for segment in SEGMENTS:
            angle = np.radians(splay[segment])
            hip = (sign * 9.0, 0.0, forward[segment])
            out = np.array([sign * np.cos(angle), 0.0, np.sin(angle)])
            up = np.array([0.0, 1.0, 0.0])
            name = side + segment
            joints += [
                (
                    f"{name}Hip",
                    "Thorax",
                    hip,
                    {},
                    (9, 5),
                ),
                (f"{name}Knee", f"{name}Hip", tuple(27.0 * out + 11.0 * up), knee_limits, (4.6, 3.4)),
                (f"{name}Foot", f"{name}Knee", tuple(17.0 * out - 33.0 * up), foot_limits, (3.4, 1.9)),
            ]
    parts = [segment + part for segment in SEGMENTS for part in ("Hip", "Knee", "Foot")]
    return build_family(
        "hexapod",
        joints,
        ACTIVITIES,
        pairs=[("L" + part, "R" + part) for part in parts],
        reference_size=130.0,
        elevation=40.0,
        hue_start=0.3,
    )
