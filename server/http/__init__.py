"""What every request passes: reading, documenting, guarding, counting, refusing."""
