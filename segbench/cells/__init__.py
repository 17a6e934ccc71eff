"""One case in a fresh process: started, listened to, timed out, killed, and its outcome named."""
