"""The command `ev-gym`."""
