"""What people see: the live board and each case's timeline. It owns no log; it reads the others'."""
