"""``shipway cost``: prices and use in, money out."""
