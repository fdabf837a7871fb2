"""The database: its schema, its statements, its migrations."""
