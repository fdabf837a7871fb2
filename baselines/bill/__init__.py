"""What a household's year would cost: its invoices under tariffs and policies, side by side."""
