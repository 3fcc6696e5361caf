"""A board behind ssh: the connection, what is put there, and what it says of its clock and its heat."""
