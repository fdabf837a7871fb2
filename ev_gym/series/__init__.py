"""What surrounds a house over time: load, price, temperature, sun."""
