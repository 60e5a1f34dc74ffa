"""What people and programs see: ``api`` (HTTP and server-sent events) and ``report`` (one self-contained HTML file)."""
