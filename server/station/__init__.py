"""The classic charging station: one household in real time."""
