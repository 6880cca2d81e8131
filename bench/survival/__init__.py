"""What a service is put through by ``bench.reliability``, row by row."""
