"""The optimum's parts: a relaxation as its lower bound, a dynamic programme that reaches it."""
