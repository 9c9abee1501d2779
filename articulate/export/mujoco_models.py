"""The discovered model for simulators: MJCF and URDF with lengths, tree and joint ranges, z up.

Each joint is three stacked hinges at the start of its bone: two swings (ranges from the data) and the twist about the
bone, which positions do not show and which is all but locked. Ranges are exact when one swing moves at a time.
Unit: mean bone length. URDF has a fixed base, because simulators refuse floating joints below its root.
"""

import math
from pathlib import Path
from xml.etree import ElementTree as xml

import torch
from jaxtyping import Float
from torch import Tensor

from articulate.export.armature import Z_UP, Armature, armature, padded_range, residual_note
from articulate.export.writing import provenance_text, write_text
from articulate.result import Result

RADIUS = 0.06  # of a capsule, in mean bone lengths
TWIST = (-0.01, 0.01)


def numbers(values: Tensor | tuple[float, ...]) -> str:
    """Numbers as XML attributes hold them."""
    listed = values.tolist() if isinstance(values, Tensor) else values
    return " ".join(f"{v:.6g}" for v in listed)


def unit(vector: Float[Tensor, " 3"]) -> Float[Tensor, " 3"]:
    """The direction of a bone; z for one of no length."""
    length = vector.norm()
    return vector / length if length > 1e-9 else torch.tensor([0.0, 0.0, 1.0], dtype=vector.dtype)


def hinges(skeleton: Armature, bone: int) -> list[tuple[str, Float[Tensor, " 3"], tuple[float, float]]]:
    """Name, axis (in the parent's frame at rest) and range of the three hinges of a bone."""
    name = skeleton.names[bone]
    swings = [(f"{name}_swing{i + 1}", skeleton.axes[bone, i], padded_range(skeleton.ranges[bone, i])) for i in (0, 1)]
    return [*swings, (f"{name}_twist", unit(skeleton.vector[bone]), TWIST)]


def add_body(parent: xml.Element, skeleton: Armature, bone: int) -> None:
    """A body with its hinges, its capsule, the site of its keypoint, and the bodies that hang on it."""
    body = xml.SubElement(parent, "body", name=skeleton.names[bone], pos=numbers(skeleton.start[bone]))
    for name, axis, limits in hinges(skeleton, bone):
        xml.SubElement(body, "joint", name=name, axis=numbers(axis), range=numbers(limits))
    end = skeleton.vector[bone]
    if end.norm() > 1e-6:
        fromto = numbers((0.0, 0.0, 0.0, *end.tolist()))
        xml.SubElement(body, "geom", name=f"{skeleton.names[bone]}_geom", fromto=fromto)
    else:
        xml.SubElement(body, "geom", name=f"{skeleton.names[bone]}_geom", type="sphere")
    xml.SubElement(body, "site", name=skeleton.children[bone], pos=numbers(end))
    for child in skeleton.children_of(bone):
        add_body(body, skeleton, child)


def as_text(root: xml.Element, comment: str) -> str:
    """Indented XML with a comment in front."""
    xml.indent(root)
    safe = comment.replace("--", "- -")
    return f'<?xml version="1.0" encoding="utf-8"?>\n<!-- {safe} -->\n{xml.tostring(root, encoding="unicode")}\n'


def write_mjcf(result: Result, path: Path) -> list[Path]:
    """Write the model as MJCF: free root, a capsule per bone, a site per keypoint. Raises ExportError without 3D."""
    skeleton = armature(result, path, Z_UP)
    root = xml.Element("mujoco", model="articulate")
    xml.SubElement(root, "compiler", angle="radian", autolimits="true")
    default = xml.SubElement(root, "default")
    xml.SubElement(default, "joint", type="hinge", damping="0.5", armature="0.01")
    # Limbs of one body overlap at their joints: collisions are off until a user knows the true radii.
    geom = {"type": "capsule", "size": f"{RADIUS}", "contype": "0", "conaffinity": "0", "rgba": "0.35 0.55 0.85 1"}
    xml.SubElement(default, "geom", attrib=geom)
    xml.SubElement(default, "site", size=f"{RADIUS * 0.7:.4g}", rgba="0.9 0.4 0.2 1")
    custom = xml.SubElement(root, "custom")
    xml.SubElement(custom, "text", name="provenance", data=provenance_text(result))
    world = xml.SubElement(root, "worldbody")
    body = xml.SubElement(world, "body", name=skeleton.root_name)
    xml.SubElement(body, "freejoint", name="root")
    xml.SubElement(body, "geom", name="root_geom", type="sphere")
    xml.SubElement(body, "site", name=skeleton.root_name)
    for bone in skeleton.children_of(-1):
        add_body(body, skeleton, bone)
    return [write_text(path, as_text(root, f"unit: mean bone length, z up; {residual_note(result)}"))]


def rpy_to(direction: Float[Tensor, " 3"]) -> str:
    """Roll, pitch, yaw that take z to `direction` (R = Rz(yaw) Ry(pitch))."""
    x, y, z = unit(direction).tolist()
    return numbers((0.0, math.atan2(math.hypot(x, y), z), math.atan2(y, x)))


def add_inertia(link: xml.Element, mass: float, at: str = "0 0 0") -> None:
    """Mass and the inertia of a small ball, which keeps every simulator's checks satisfied."""
    inertial = xml.SubElement(link, "inertial")
    xml.SubElement(inertial, "origin", xyz=at)
    xml.SubElement(inertial, "mass", value=f"{mass:.6g}")
    moment = f"{0.4 * mass * RADIUS**2:.6g}"
    xml.SubElement(inertial, "inertia", ixx=moment, iyy=moment, izz=moment, ixy="0", ixz="0", iyz="0")


def add_links(robot: xml.Element, skeleton: Armature, bone: int) -> None:
    """The three hinges and the links of a bone; two of the links are massless in spirit."""
    parent = skeleton.names[skeleton.parent[bone]] if skeleton.parent[bone] >= 0 else skeleton.root_name
    place = numbers(skeleton.start[bone])
    name, end = skeleton.names[bone], skeleton.vector[bone]
    for number, (hinge, axis, limits) in enumerate(hinges(skeleton, bone)):
        child = name if number == 2 else f"{name}_carrier{number + 1}"
        joint = xml.SubElement(robot, "joint", name=hinge, type="revolute")
        xml.SubElement(joint, "origin", xyz=place)
        xml.SubElement(joint, "parent", link=parent)
        xml.SubElement(joint, "child", link=child)
        xml.SubElement(joint, "axis", xyz=numbers(axis))
        low, high = limits
        xml.SubElement(joint, "limit", lower=f"{low:.6g}", upper=f"{high:.6g}", effort="100", velocity="100")
        link = xml.SubElement(robot, "link", name=child)
        if number < 2:
            add_inertia(link, 1e-3)
        parent, place = child, "0 0 0"
    add_inertia(link, max(0.1 * float(end.norm()), 1e-3), numbers(end / 2))
    visual = xml.SubElement(link, "visual")
    xml.SubElement(visual, "origin", xyz=numbers(end / 2), rpy=rpy_to(end))
    shape = xml.SubElement(visual, "geometry")
    xml.SubElement(shape, "cylinder", radius=f"{RADIUS}", length=f"{max(float(end.norm()), 1e-3):.6g}")


def write_urdf(result: Result, path: Path) -> list[Path]:
    """Write the model as URDF with a fixed base at the root keypoint. Raises ExportError without 3D."""
    skeleton = armature(result, path, Z_UP)
    robot = xml.Element("robot", name="articulate")
    add_inertia(xml.SubElement(robot, "link", name=skeleton.root_name), 0.1)
    for bone in range(len(skeleton.names)):
        add_links(robot, skeleton, bone)
    comment = f"unit: mean bone length, z up; {residual_note(result)}; {provenance_text(result)}"
    return [write_text(path, as_text(robot, comment))]
