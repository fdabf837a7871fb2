"""Versions of the database's schema, by Alembic; `store` upgrades a database to the last."""
