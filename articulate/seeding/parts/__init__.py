"""First guesses for bodies with coloured parts: parts, their contacts, the tree between them."""
