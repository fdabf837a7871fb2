"""Learning: adapters to libraries that train policies."""
