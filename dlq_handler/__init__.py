"""What failed, and the way back: due lanes in order, letters shown and sent back once."""
