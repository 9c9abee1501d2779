"""MuJoCo bodies as data: any MJCF model, posed at random and rendered in a process of its own."""
