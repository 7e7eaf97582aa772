"""What the commands say about a file: text out, nothing printed."""
