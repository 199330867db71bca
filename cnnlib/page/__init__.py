"""What is in front of the reader: the front end, escaping, screen readers, tables, and the files that keep progress."""
