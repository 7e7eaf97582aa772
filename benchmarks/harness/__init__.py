"""What starts, loads and weighs the contestants."""
