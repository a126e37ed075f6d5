"""The commands, one group a module: each has `register(app)` and is found by `ordermend.cli`."""
