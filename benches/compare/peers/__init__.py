"""One file for each library; nothing here is imported by another."""
