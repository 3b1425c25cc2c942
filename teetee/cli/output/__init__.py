"""What the command prints, for people and for programs."""
