"""What starts runs by itself. Each module decides which frames are due, and why; none computes anything."""
