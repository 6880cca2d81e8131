"""The one thread that owns MLX: serving and training over one copy of the base model."""

from radiance.platform import load_fast_blas

load_fast_blas()
