"""First guesses for animals seen from above: the body, its axis, its limbs."""
