"""Foreground: which pixels belong to the subject, and a crop that follows it."""
