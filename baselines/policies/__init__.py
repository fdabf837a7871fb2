"""What a policy is, how its name is read, and the rules that need no plan."""
