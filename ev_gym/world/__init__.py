"""A scenario on its series, as the tables that compiled code reads."""
