"""Who drives, when and how far; all randomness stands here."""
