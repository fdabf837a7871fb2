"""The scripts that derive the calibrated figures from a folder of measured series.

``python -m ev_gym.calibration FOLDER`` writes the JSON files of `ev_gym.calibrated` anew.
"""
