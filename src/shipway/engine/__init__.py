"""The only loop: event -> append -> evolve -> dispatch commands. Decides nothing; ``rollout`` does."""
