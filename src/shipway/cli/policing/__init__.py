"""``shipway policy``, and what policies ask of a machine: facts, secrets, images."""
