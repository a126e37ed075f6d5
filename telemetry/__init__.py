"""What a process says about itself: metrics, logs, health. Imports nothing of ours."""
