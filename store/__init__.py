"""PostgreSQL and only PostgreSQL: tables, migrations, and one small repository each, reading and writing in sets."""
