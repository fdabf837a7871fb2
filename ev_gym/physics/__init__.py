"""The physics of one household and one step: scalar code, compiled by Numba, without randomness.

In the order of the current's way: `charger` (from an action to a current), `battery` (from AC power
to stored energy), `meter` (from power to money), and `household`, which calls the three.
"""
