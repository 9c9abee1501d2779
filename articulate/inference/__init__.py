"""A trained model on new video: frames as in training, detection, lifting, many videos with resuming."""
