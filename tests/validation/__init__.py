"""The page that shows what the models are worth: `python -m tests.validation` writes it."""
