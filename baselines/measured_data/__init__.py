"""The measured series of the preset `stockholm-measured`, built from public sources."""
