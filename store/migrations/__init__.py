"""Alembic steps, numbered; `_pre_` runs before the deploy, `_post_` after."""
