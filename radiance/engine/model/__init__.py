"""The base model: loading, device, tokenizer and chat template."""
