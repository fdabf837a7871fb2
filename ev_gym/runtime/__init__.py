"""How scalar code runs: compiled or interpreted, on threads, with counted random numbers."""
