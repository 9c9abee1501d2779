"""What every metric means, in one line each; the report shows no number without its meaning."""

MEANINGS: dict[str, dict[str, tuple[str, str]]] = {
    "keypoints": {
        "error_image": ("On-joint error, % of image", "mean distance of a keypoint from its landmark; lower is better"),
        "error_body": ("On-joint error, % of body", "the same over the diagonal of the body's box"),
        "pck_05": ("Within 5 % of body", "share of landmarks with their keypoint that near; unmatched ones are misses"),
        "pck_10": ("Within 10 % of body", "the same with twice the radius"),
        "regressed_image": ("Regressed error, % of image", "after a linear map from all keypoints to the landmarks"),
        "moving": ("Keypoints that move", "keypoints that the regression may use; others stay within half a pixel"),
        "regressed_body": ("Regressed error, % of body", "the same over the body; low values can hide useless points"),
        "switches_per_1000": ("Identity switches", "times a landmark changes its keypoint, per 1000 frames"),
        "left_right_flips": ("Left/right flips, %", "share of frames and pairs in which left and right are exchanged"),
        "matched": ("Landmarks matched", "landmarks that own a keypoint"),
    },
    "tree": {
        "precision": ("Right limbs, share of found", "found limbs that are limbs"),
        "recall": ("Right limbs, share of true", "true limbs that were found"),
        "f1": ("F1 of limbs", "both in one number; 1 is perfect"),
        "rigid_f1": ("F1 up to rigid groups", "inside one rigid body any tree is as good"),
        "exact": ("Exact tree", "1 when every limb is right"),
    },
    "pose3d": {
        "mpjpe_d": ("3D error, % of diagonal", "mean distance per joint after centring, over the body's 3D diagonal"),
        "n_mpjpe_d": ("3D error after scaling", "the same with the best scale of every pose"),
        "pa_mpjpe_d": ("3D error after alignment", "with the best rotation and scale, no reflection"),
        "mpjpe_mm": ("3D error, mm", "where the data has millimetres"),
        "sign_accuracy": ("Right depth signs", "share of bones that lean the right way; 0.5 is a coin toss"),
    },
}

LABEL_FREE: dict[str, tuple[str, str]] = {
    "frames": ("Frames", "of all clips together"),
    "lost_frames": ("Lost frames", "could not be decoded; they are empty rows"),
    "on_animal": ("Keypoints on the subject, %", "mean share of frames in which a keypoint lies on the foreground"),
    "num_dead": ("Dead keypoints", "missing, standing still, off the subject or doubles of others"),
    "jitter_image": ("Jitter, % of image", "distance from the midpoint of the neighbours in time"),
    "edge_stability": ("Stability of limbs", "mean share of resamples that hold a found limb"),
    "rigidity_3d_mean": ("Spread of 3D bone lengths, %", "0 for rigid limbs"),
    "reprojection_image": ("Re-projection, % of image", "distance of projected 3D joints from the 2D keypoints"),
}

FLOOR_NAMES = {
    "mean_pose": "mean pose",
    "centroid_axes": "centroid + axes",
    "extremities": "extremities",
    "mean_distance": "nearest (found points)",
    "variance": "variance (found points)",
    "mix": "mix (found points)",
    "mean_distance_of_true_2d": "nearest (true points)",
    "variance_of_true_2d": "variance (true points)",
    "mix_of_true_2d": "mix (true points)",
    "flat": "flat",
    "random_signs": "random signs",
    "oracle_signs": "true signs",
}


def number(value: object) -> str:
    """A number as the report shows it; a dash for none."""
    if not isinstance(value, int | float):
        return "–"
    if isinstance(value, int) or abs(value) >= 100 or (abs(value) >= 10 and float(value).is_integer()):
        return f"{value:.0f}"
    return f"{value:.2g}" if abs(value) < 0.1 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def metric_tables(metrics: dict) -> list[dict]:
    """Tables of ours beside the floors, one per part that was measured against ground truth."""
    titles = {"keypoints": "Keypoints", "tree": "Tree", "pose3d": "3D pose"}
    tables = []
    for part, title in titles.items():
        if part not in metrics:
            continue
        ours, floors = metrics[part]["ours"], metrics[part]["floors"]
        rows = [
            {
                "name": name,
                "meaning": meaning,
                "values": [number(ours.get(key)), *(number(scores.get(key)) for scores in floors.values())],
            }
            for key, (name, meaning) in MEANINGS[part].items()
            if key in ours
        ]
        tables.append({"title": title, "columns": ["this run", *(FLOOR_NAMES.get(f, f) for f in floors)], "rows": rows})
    return tables


def label_free_rows(free: dict) -> list[dict]:
    """Label-free metrics with their meaning."""
    return [
        {"name": name, "meaning": meaning, "value": number(free.get(key))}
        for key, (name, meaning) in LABEL_FREE.items()
        if free.get(key) is not None
    ]
