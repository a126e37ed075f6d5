"""One consumer per channel: raw documents in, signed statements out. Stateless; runs while the database is down."""
