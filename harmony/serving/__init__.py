"""What keeps the page up: turns at the devices, workers, health, logs, shutdown, diagnosis."""
