"""GGUF files as base models: head, tokenizer, configuration, and weights as mlx-lm names them."""
