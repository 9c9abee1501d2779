"""Coordinates, cameras, rotations, Procrustes and thin-plate splines: pure functions of tensors."""
