"""Broker, database and token issuer on one machine, without Docker; for laptops, demonstrations and tests."""
