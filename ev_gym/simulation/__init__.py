"""The simulation of households: their state, a step, its results, and what a policy sees."""
