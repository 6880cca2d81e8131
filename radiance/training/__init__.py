"""One training of a LoRA adapter: examples, gradients, projection, optimizer, steps."""

from radiance.platform import load_fast_blas

load_fast_blas()
