"""The public API, `/api/v1`: what agents' tools and the console's pages ask and send."""
