"""The front door: settings, the command line, and the only place that chooses the parts."""
