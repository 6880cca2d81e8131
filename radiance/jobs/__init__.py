"""Durable jobs: the queue with its leases, learning cycles, uploads and fine-tuning jobs."""
