"""From pixels to keypoints: hourglass, soft-argmax, cleaned heatmaps, self-supervised tasks, health alarms."""
