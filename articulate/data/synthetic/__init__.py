"""Articulated figures made by the program itself: exact skeletons, smooth motion, cameras and two renderers."""
