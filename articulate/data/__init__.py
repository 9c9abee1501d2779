"""Clips: the store on disk, batches of frames from it, and the foreground that makes its masks."""
