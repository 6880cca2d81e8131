"""The signal lab: a frozen signal model, adapted to drift under the anchors of an LLM service."""
