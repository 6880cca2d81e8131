from radiance.platform import load_fast_blas

load_fast_blas()  # before anything imports MLX, whatever a bench imports first
