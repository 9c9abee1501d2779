"""From moving keypoints to a tree of limbs: statistics of pairs, costs, exact spanning trees, rooting."""

from articulate.skeleton.as_written import as_written
from articulate.skeleton.costs import ConnectivityConfig, limb_cost, mixed_cost
from articulate.skeleton.discover import Diagnostics, discover_skeleton, tree_cost
from articulate.skeleton.mask_support import segment_support
from articulate.skeleton.predictor import TreePredictor, fit_predictor, tree_log_likelihood
from articulate.skeleton.rooting import RootedTree, mirrored_pairs, root_tree
from articulate.skeleton.spanning import (
    edges_to_mask,
    minimum_spanning_tree,
    spanning_edges,
    tree_edges,
    tree_marginals,
)
from articulate.skeleton.statistics import LimbStatistics, PairStatistics, pair_statistics
from articulate.skeleton.tracker import TreeTracker
from articulate.skeleton.windows import window_trees

__all__ = [
    "ConnectivityConfig",
    "Diagnostics",
    "LimbStatistics",
    "PairStatistics",
    "RootedTree",
    "TreePredictor",
    "TreeTracker",
    "as_written",
    "discover_skeleton",
    "edges_to_mask",
    "fit_predictor",
    "limb_cost",
    "minimum_spanning_tree",
    "mirrored_pairs",
    "mixed_cost",
    "pair_statistics",
    "root_tree",
    "segment_support",
    "spanning_edges",
    "tree_cost",
    "tree_edges",
    "tree_log_likelihood",
    "tree_marginals",
    "window_trees",
]
