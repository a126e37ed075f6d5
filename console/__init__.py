"""The web console and the public API: shows what the services answer, holds no rule of its own."""
