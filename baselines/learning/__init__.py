"""Policies that were trained, and what trains them."""
