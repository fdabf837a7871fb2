"""The episodes of each suite, and what `mpc-0` paid in them."""
