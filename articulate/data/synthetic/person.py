"""The person: 16 joints with the names and the order of Human3.6M, adult lengths in millimetres.

Lengths are close to the mean of the Human3.6M subjects (hip 132, thigh 443, shank 454, spine 233 + 257, upper arm 279,
forearm 252); limits follow ordinary ranges of motion of a healthy adult, in degrees.
"""

from articulate.data.synthetic.family import Family, build_family
from articulate.data.synthetic.person_activities import ACTIVITIES

THIGH = {"x": (-125, 30), "y": (-30, 30), "z": (-12, 50)}
SHANK = {"x": (0, 140)}
BACK = {"x": (-18, 38), "y": (-25, 25), "z": (-22, 22)}
UPPER_ARM = {"x": (-175, 50), "y": (-85, 85), "z": (-15, 165)}
FOREARM = {"x": (-145, 0)}


def mirrored(limits: dict[str, tuple[int, int]]) -> dict[str, tuple[int, int]]:
    """Limits of the right side: twist and abduction change sign."""
    return {axis: (low, high) if axis == "x" else (-high, -low) for axis, (low, high) in limits.items()}


def person() -> Family:
    """The family `person`."""
    joints = [
        ("Hip", None, (0, 0, 0), {}, None),
        ("RHip", "Hip", (-132, 0, 0), {}, (86, 82)),
        ("RKnee", "RHip", (0, -443, 0), mirrored(THIGH), (84, 56)),
        ("RFoot", "RKnee", (0, -454, 0), SHANK, (56, 36)),
        ("LHip", "Hip", (132, 0, 0), {}, (86, 82)),
        ("LKnee", "LHip", (0, -443, 0), THIGH, (84, 56)),
        ("LFoot", "LKnee", (0, -454, 0), SHANK, (56, 36)),
        ("Spine", "Hip", (0, 233, -12), BACK, (110, 106)),
        ("Thorax", "Spine", (0, 257, 12), BACK, (108, 92)),
        ("Head", "Thorax", (0, 215, 30), {"x": (-35, 40), "y": (-60, 60), "z": (-28, 28)}, (48, 98)),
        ("LShoulder", "Thorax", (150, -22, 0), {"y": (-12, 12), "z": (-8, 22)}, (82, 60)),
        ("LElbow", "LShoulder", (0, -279, 0), UPPER_ARM, (54, 42)),
        ("LWrist", "LElbow", (0, -252, 0), FOREARM, (42, 30)),
        ("RShoulder", "Thorax", (-150, -22, 0), mirrored({"y": (-12, 12), "z": (-8, 22)}), (82, 60)),
        ("RElbow", "RShoulder", (0, -279, 0), mirrored(UPPER_ARM), (54, 42)),
        ("RWrist", "RElbow", (0, -252, 0), FOREARM, (42, 30)),
    ]
    parts = ("Hip", "Knee", "Foot", "Shoulder", "Elbow", "Wrist")
    return build_family(
        "person",
        joints,
        ACTIVITIES,
        pairs=[("L" + part, "R" + part) for part in parts],
        reference_size=1850.0,
        hue_start=0.02,
    )
