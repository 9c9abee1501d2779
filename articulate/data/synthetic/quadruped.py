"""The quadruped: a dog-sized animal of 18 joints with walking, trotting and bounding gaits; millimetres."""

import numpy as np

from articulate.data.synthetic.family import Family, build_family
from articulate.data.synthetic.motion import MotionBuilder

# Share of the cycle by which each foot lags the left hind foot (lateral-sequence walk, diagonal trot, bound).
WALK = {"LHind": 0.0, "LFore": 0.25, "RHind": 0.5, "RFore": 0.75}
TROT = {"LHind": 0.0, "RFore": 0.0, "RHind": 0.5, "LFore": 0.5}
BOUND = {"LHind": 0.0, "RHind": 0.08, "LFore": 0.45, "RFore": 0.53}


def leg(motion: MotionBuilder, name: str, swing=0.0, fold=0.0) -> None:
    """Whole leg forward by `swing`; `fold` bends the lower bones and lifts the paw (hock back, elbow back)."""
    bend = 1.0 if name.endswith("Hind") else -1.0
    motion.add(f"{name}Knee", x=-1.0 * swing - 0.45 * bend * fold)
    motion.add(f"{name}Ankle", x=1.0 * bend * fold)
    motion.add(f"{name}Paw", x=-0.6 * bend * fold)


def head_and_tail(motion: MotionBuilder, nod: float = 10.0) -> None:
    """Head looking around, tail wagging."""
    motion.add("Head", x=nod * motion.normal(0.5), y=16.0 * motion.normal(0.4))
    motion.add("Nose", x=0.6 * nod * motion.normal(0.6), y=8.0 * motion.normal(0.4))
    wag = motion.phase(motion.draw(1.0, 1.8))
    motion.add("TailMid", x=12.0 * motion.normal(0.3), y=22.0 * np.sin(wag))
    motion.add("TailTip", y=22.0 * np.sin(wag - 0.9))
    motion.wobble(0.04, 0.5)


def gait(motion: MotionBuilder, lags: dict[str, float], frequency: float, swing: float, fold: float) -> None:
    """Cyclic legs: sin swing, folded while swinging forward; the back turns and bends with the hind legs."""
    phase = motion.phase(frequency)
    for name, lag in lags.items():
        own = phase - 2 * np.pi * lag
        leg(motion, name, swing * np.sin(own), fold * (0.5 + 0.5 * np.cos(own + 0.3)) ** 2)
    motion.add("Chest", y=5.0 * np.sin(phase), z=3.0 * np.cos(phase))
    head_and_tail(motion)


def walk(motion: MotionBuilder) -> None:
    """Four-beat walk."""
    gait(motion, WALK, motion.draw(0.7, 1.0), motion.draw(20, 26), motion.draw(40, 55))


def trot(motion: MotionBuilder) -> None:
    """Diagonal legs together, with a bounce."""
    gait(motion, TROT, motion.draw(1.2, 1.6), motion.draw(24, 30), motion.draw(50, 70))


def bound(motion: MotionBuilder) -> None:
    """Hind legs together, then fore legs; the back arches."""
    frequency = motion.draw(0.9, 1.2)
    gait(motion, BOUND, frequency, motion.draw(30, 38), motion.draw(60, 80))
    arch = np.sin(motion.phase(frequency))
    motion.add("Chest", x=9.0 * arch)
    motion.root_angles[:, 0] += np.radians(7.0 * arch)


def look(motion: MotionBuilder) -> None:
    """Standing, head up and down and to both sides, one fore paw lifted at times."""
    for name in WALK:
        leg(motion, name, motion.between(-8, 8, 0.3), motion.between(0, 12, 0.3))
    leg(motion, "LFore" if motion.coin() else "RFore", motion.between(-5, 30, 0.3), motion.between(0, 70, 0.3))
    motion.add("Head", x=motion.between(-20, 35, 0.3), y=motion.between(-40, 40, 0.3))
    motion.add("Chest", x=motion.between(-6, 8, 0.3), y=motion.between(-8, 8, 0.3))
    head_and_tail(motion)


def stretch(motion: MotionBuilder) -> None:
    """Play bow: chest down, fore legs forward, then up again."""
    depth = motion.pulse(0.4) * motion.between(0.6, 1.0, 0.2)
    for side in "LR":
        leg(motion, f"{side}Fore", 50.0 * depth, 25.0 * depth)
        leg(motion, f"{side}Hind", -12.0 * depth, 10.0 * depth)
    motion.add("Head", x=-25.0 * depth)
    motion.root_angles[:, 0] += np.radians(18.0 * depth)
    head_and_tail(motion)


ACTIVITIES = {"walk": walk, "trot": trot, "bound": bound, "look": look, "stretch": stretch}


def quadruped() -> Family:
    """The family `quadruped`. The trunk points forward (z) from the pelvis."""
    upper, lower, paw = {"x": (-70, 70), "z": (-10, 10)}, {"x": (-95, 95)}, {"x": (-70, 70)}
    joints: list[tuple] = [
        ("Pelvis", None, (0, 0, 0), {}, None),
        ("Chest", "Pelvis", (0, -5, 430), {"x": (-20, 20), "y": (-18, 18), "z": (-12, 12)}, (92, 112)),
        ("Head", "Chest", (0, 190, 190), {"x": (-45, 55), "y": (-55, 55), "z": (-20, 20)}, (78, 70)),
        ("Nose", "Head", (0, -45, 135), {"x": (-25, 25), "y": (-20, 20)}, (66, 34)),
        ("TailMid", "Pelvis", (0, 60, -170), {"x": (-45, 45), "y": (-45, 45)}, (34, 24)),
        ("TailTip", "TailMid", (0, 70, -150), {"x": (-35, 35), "y": (-45, 45)}, (24, 16)),
    ]
    for side, sign in (("L", 1), ("R", -1)):
        joints += [
            (f"{side}HindHip", "Pelvis", (sign * 78, -40, 10), {}, (88, 84)),
            (f"{side}HindKnee", f"{side}HindHip", (0, -190, 70), upper, (82, 50)),
            (f"{side}HindAnkle", f"{side}HindKnee", (0, -180, -95), lower, (48, 30)),
            (f"{side}HindPaw", f"{side}HindAnkle", (0, -140, 30), paw, (30, 28)),
            (f"{side}ForeShoulder", "Chest", (sign * 85, -70, 25), {}, (88, 66)),
            (f"{side}ForeKnee", f"{side}ForeShoulder", (0, -170, -35), upper, (64, 42)),
            (f"{side}ForeAnkle", f"{side}ForeKnee", (0, -175, 20), lower, (40, 29)),
            (f"{side}ForePaw", f"{side}ForeAnkle", (0, -110, 15), paw, (29, 27)),
        ]
    parts = [name[1:] for name in (row[0] for row in joints) if name.startswith(("LHind", "LFore"))]
    return build_family(
        "quadruped",
        joints,
        ACTIVITIES,
        pairs=[("L" + part, "R" + part) for part in parts],
        reference_size=1180.0,
        elevation=12.0,
        hue_start=0.08,
    )
