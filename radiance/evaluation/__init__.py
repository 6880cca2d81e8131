"""What a candidate learned and what it forgot, measured on anchors and on taught examples."""

from radiance.platform import load_fast_blas

load_fast_blas()
