"""The reader's side: the front end, escaping, screen readers, tables, and the files that keep progress."""
