"""One base model over several processes of `mlx.launch`."""
