"""Adapters to and from elsewhere: imported ones, exports, model cards, Hub repositories."""
