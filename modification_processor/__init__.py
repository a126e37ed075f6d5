"""The one writer of orders: what channels state, tickets and facts, each batch in one transaction."""
