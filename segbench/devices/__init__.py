"""What the command knows about devices without torch: which are there, which to take, what they hold."""
