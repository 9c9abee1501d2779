"""First guesses for bodies of one colour: a jointed puppet fitted to outlines."""
