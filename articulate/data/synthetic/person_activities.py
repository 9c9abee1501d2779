"""What the person does: each activity adds joint angles (degrees) to a `MotionBuilder`.

Limbs that hang down swing forward by a negative angle about x; the functions `arm` and `leg` hide these signs, so that
every activity is written as forward, outward and bend, the same for both sides.
"""

import numpy as np

from articulate.data.synthetic.motion import MotionBuilder

OUTWARD = {"L": 1.0, "R": -1.0}


def arm(motion: MotionBuilder, side: str, forward=0.0, outward=0.0, bend=0.0, twist=0.0) -> None:
    """Upper arm forward and outward from hanging, twisted inward about itself; elbow bent."""
    sign = OUTWARD[side]
    motion.add(f"{side}Elbow", x=-1.0 * forward, y=-sign * twist, z=sign * outward)
    motion.add(f"{side}Wrist", x=-1.0 * bend)


def leg(motion: MotionBuilder, side: str, forward=0.0, outward=0.0, bend=0.0) -> None:
    """Thigh forward and outward from hanging; knee bent."""
    motion.add(f"{side}Knee", x=-1.0 * forward, z=OUTWARD[side] * outward)
    motion.add(f"{side}Foot", x=1.0 * bend)


def trunk(motion: MotionBuilder, lean=0.0, twist=0.0, side=0.0) -> None:
    """Lean forward, turn and bend sideways, shared between the two spine bones."""
    for joint in ("Spine", "Thorax"):
        motion.add(joint, x=0.5 * lean, y=0.5 * twist, z=0.5 * side)


def alive(motion: MotionBuilder, size: float = 0.05) -> None:
    """Small sway of everything, so that no joint is ever frozen."""
    motion.wobble(size, 0.5)
    for side in "LR":
        arm(motion, side, outward=8.0 + 3.0 * motion.normal(0.3), bend=12.0 + 6.0 * motion.normal(0.3))
        leg(motion, side, outward=4.0, bend=4.0)
    motion.add("Head", x=5.0 * motion.normal(0.4), y=18.0 * motion.normal(0.3))


def stride(motion: MotionBuilder, frequency: float, swing: float, lift: float, arm_bend: float, lean: float) -> None:
    """Alternating legs with opposite arms; the knee bends while its thigh swings forward."""
    phase = motion.phase(frequency)
    for side, shift in (("L", 0.0), ("R", np.pi)):
        own = phase + shift
        leg(motion, side, swing * np.sin(own) + 0.15 * lift, 0.0, lift * (0.5 + 0.5 * np.cos(own + 0.4)) ** 2)
        arm(motion, side, -0.9 * swing * np.sin(own), 0.0, arm_bend + 0.3 * swing * np.sin(own + np.pi))
    trunk(motion, lean, 0.25 * swing * np.sin(phase), 2.0 * np.cos(phase))
    motion.root_angles[:, 1] += np.radians(-0.2 * swing * np.sin(phase))
    motion.root_angles[:, 2] += np.radians(2.5 * np.cos(phase))
    alive(motion, 0.03)


def walk(motion: MotionBuilder) -> None:
    """Walking on the spot."""
    stride(motion, motion.draw(0.75, 1.0), motion.draw(24, 32), motion.draw(50, 62), 12.0, motion.draw(2, 8))


def run(motion: MotionBuilder) -> None:
    """Running on the spot, elbows bent."""
    stride(motion, motion.draw(1.2, 1.5), motion.draw(38, 46), motion.draw(90, 110), 80.0, motion.draw(10, 16))
    motion.root_translation[:, 1] += 25.0 * motion.normal(2.0)


def wave(motion: MotionBuilder) -> None:
    """One raised arm that waves; the body sways."""
    side = "L" if motion.coin() else "R"
    up = motion.between(0.55, 1.0, 0.25)
    swing = 28.0 * np.sin(motion.phase(motion.draw(1.0, 1.5)))
    arm(motion, side, forward=10.0, outward=118.0 * up, bend=55.0 + swing, twist=70.0)
    other = "R" if side == "L" else "L"
    arm(motion, other, outward=motion.between(0, 25, 0.3), bend=motion.between(5, 60, 0.3))
    trunk(motion, 0.0, motion.between(-12, 12, 0.3), motion.between(-8, 8, 0.3))
    alive(motion)


def reach(motion: MotionBuilder) -> None:
    """Both hands go to smoothly changing places around the body."""
    for side in "LR":
        arm(
            motion,
            side,
            forward=motion.between(0, 130, 0.35),
            outward=motion.between(-5, 70, 0.3),
            bend=motion.between(0, 95, 0.4),
        )
        leg(motion, side, forward=motion.between(-5, 25, 0.3), bend=motion.between(0, 35, 0.3))
    trunk(motion, motion.between(-5, 40, 0.3), motion.between(-25, 25, 0.3), motion.between(-12, 12, 0.3))
    alive(motion)


def squat(motion: MotionBuilder) -> None:
    """Knee bends with the arms stretched forward."""
    depth = motion.pulse(motion.draw(0.35, 0.5)) * motion.between(0.7, 1.0, 0.2)
    for side in "LR":
        leg(motion, side, forward=92.0 * depth, outward=18.0 * depth, bend=112.0 * depth)
        arm(motion, side, forward=85.0 * depth, outward=5.0, bend=8.0)
    trunk(motion, 48.0 * depth)
    motion.root_angles[:, 0] += np.radians(12.0 * depth)
    alive(motion)


def jump(motion: MotionBuilder) -> None:
    """Crouch, leap with the arms up and the legs apart, land."""
    phase = motion.phase(motion.draw(0.6, 0.75))
    flight = np.maximum(np.sin(phase), 0.0) ** 2
    crouch = (0.5 - 0.5 * np.sin(phase)) ** 2
    wide = motion.draw(5.0, 28.0)
    for side in "LR":
        leg(motion, side, 55.0 * crouch, wide * flight, 95.0 * crouch + 10.0 * flight)
        arm(motion, side, -35.0 * crouch, 125.0 * flight, 25.0 * crouch)
    trunk(motion, 45.0 * crouch - 5.0 * flight)
    motion.root_translation[:, 1] += 260.0 * flight
    alive(motion)


def dance(motion: MotionBuilder) -> None:
    """Bouncing knees, swinging hips, free arms, a turning chest."""
    beat = motion.phase(motion.draw(0.8, 1.1))
    for side, shift in (("L", 0.0), ("R", np.pi)):
        step = (0.5 + 0.5 * np.sin(beat + shift)) ** 2
        leg(motion, side, 10.0 + 45.0 * step, motion.between(0, 22, 0.4), 15.0 + 70.0 * step)
        arm(
            motion,
            side,
            forward=motion.between(-25, 90, 0.5),
            outward=motion.between(5, 120, 0.45),
            bend=motion.between(5, 110, 0.5),
            twist=motion.between(-50, 50, 0.3),
        )
    motion.root_angles[:, 2] += np.radians(6.0 * np.sin(beat))
    motion.root_angles[:, 1] += np.radians(8.0 * motion.normal(0.4))
    trunk(motion, motion.between(-8, 20, 0.4), 22.0 * motion.normal(0.5), -12.0 * np.sin(beat))
    alive(motion)


def gesture(motion: MotionBuilder) -> None:
    """Standing and talking with both hands, looking around."""
    for side in "LR":
        arm(
            motion,
            side,
            forward=motion.between(0, 55, 0.6),
            outward=motion.between(0, 35, 0.5),
            bend=motion.between(35, 125, 0.6),
            twist=motion.between(-30, 50, 0.5),
        )
        leg(motion, side, outward=3.0, bend=motion.between(0, 18, 0.2))
    trunk(motion, motion.between(-5, 12, 0.3), motion.between(-18, 18, 0.3), motion.between(-6, 6, 0.2))
    alive(motion)


def kick(motion: MotionBuilder) -> None:
    """One leg kicks forward while the arms balance."""
    side = "L" if motion.coin() else "R"
    phase = motion.phase(motion.draw(0.5, 0.65))
    leg(motion, side, forward=25.0 + 50.0 * np.sin(phase), bend=40.0 + 40.0 * np.sin(phase + 2.2))
    leg(motion, "R" if side == "L" else "L", forward=8.0, bend=15.0 + 8.0 * np.sin(phase))
    for arm_side in "LR":
        arm(motion, arm_side, motion.between(-10, 50, 0.4), motion.between(25, 80, 0.4), motion.between(5, 60, 0.4))
    trunk(motion, -8.0 * np.sin(phase), motion.between(-12, 12, 0.3))
    alive(motion)


def stretch(motion: MotionBuilder) -> None:
    """Arms overhead, bending sideways and forward by turns."""
    up = motion.between(0.35, 1.0, 0.3)
    for side in "LR":
        arm(motion, side, forward=15.0, outward=150.0 * up, bend=motion.between(0, 55, 0.3))
        leg(motion, side, outward=motion.between(2, 20, 0.2), bend=motion.between(0, 15, 0.2))
    trunk(motion, motion.between(-15, 45, 0.25), motion.between(-15, 15, 0.25), motion.between(-32, 32, 0.3))
    alive(motion)


ACTIVITIES = {
    "walk": walk,
    "run": run,
    "wave": wave,
    "reach": reach,
    "squat": squat,
    "jump": jump,
    "dance": dance,
    "gesture": gesture,
    "kick": kick,
    "stretch": stretch,
}
