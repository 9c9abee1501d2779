"""First guesses of keypoints and tree that need no training: from the appearance of parts."""

from articulate.seeding.config import SeedConfig
from articulate.seeding.seeds import Seeds, find_seeds

__all__ = ["SeedConfig", "Seeds", "find_seeds"]
