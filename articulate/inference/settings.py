"""What a trained model must know of its training frames, so that new video looks the same to it."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from articulate.config import StrictModel


class VideoSettings(StrictModel):
    """How frames of a video become the square pictures that the detector sees."""

    size: int = Field(ge=16, description="side of the square frames in pixels")
    shrink: int = Field(1, ge=1, description="factor by which frames are reduced before the detector")
    paint: bool = Field(True, description="grey outside the subject's mask")
    crop: Literal["auto", "none", "follow", "center"] | tuple[int, int, int, int] = "auto"
    foreground: Literal["auto", "none", "median", "running", "dark", "bright", "colour_key"] = "auto"
    key: tuple[int, int, int] | None = None
    greyscale: bool = False
    mask: str | None = Field(None, description="picture of the arena: only its white part can hold the subject")
    step: int = Field(1, ge=1, description="of the training frames; new video is read frame by frame")


OF_RECIPE = ("crop", "foreground", "key", "greyscale", "mask", "step")


def video_settings(data: Mapping[str, Any], keypoints: Mapping[str, Any], size: int) -> VideoSettings:
    """Settings from the `data` and `keypoints` sections of a resolved configuration.

    Recipes without video (generated figures, Human3.6M) say nothing of crops: new video is then treated as the recipe
    `video_folder` treats it by default.
    """
    found = {key: data[key] for key in OF_RECIPE if key in data} if data.get("recipe") == "video_folder" else {}
    paint = bool(keypoints.get("foreground", True)) and found.get("foreground") != "none"
    return VideoSettings(size=size, shrink=int(keypoints.get("shrink", 1)), paint=paint, **found)
