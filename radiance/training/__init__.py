from radiance.platform import load_fast_blas

load_fast_blas()
