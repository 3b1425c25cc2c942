"""The process itself: settings, start-up, main loop, shutdown, and what runs beside requests."""
