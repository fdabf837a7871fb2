"""One policy in one household: the run, its bill in words, its files and its picture."""
