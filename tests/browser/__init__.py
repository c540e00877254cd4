"""What people and sites see, in a real Chromium."""
