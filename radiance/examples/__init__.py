"""The examples that people send: checked, stored, replayed, corrected."""
