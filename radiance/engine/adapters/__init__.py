"""LoRA adapters in memory and in files: slots, cache, foreign formats, export."""
