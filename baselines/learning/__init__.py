"""Learning: this package's envs in the forms of other libraries, and data sets to learn from."""
