"""Metrics, matching and protocols; the only part of the library that reads ground truth."""
