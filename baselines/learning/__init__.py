"""Agents that learn: adapters to libraries, training, and what it leaves as policies."""
