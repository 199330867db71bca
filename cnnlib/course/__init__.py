"""What belongs to the book as a whole: time estimates, budget, claims, and the networks at the size of the book."""
