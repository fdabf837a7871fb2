"""The physics of one household and one step: scalar code, compiled by Numba, without randomness.

In the order of the current's way: `charger` (from an action to a current), `battery` (from AC power
to stored energy), `household` (which calls these two for all cars), `meter` and `power_charge`
(from power to money), `health` (which calls `thermal` and `ageing`), and `trip` (what a drive
takes).
"""
