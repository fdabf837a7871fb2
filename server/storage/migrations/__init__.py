"""Versions of the database's schema, by Alembic; `server.store` upgrades a database to the last."""
