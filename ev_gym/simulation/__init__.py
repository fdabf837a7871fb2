"""Households stepped: state, step, results, and what a policy sees."""
