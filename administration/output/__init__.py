"""What a command prints: tables for people, JSON for programs."""
