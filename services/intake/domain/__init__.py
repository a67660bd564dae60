"""Pure decisions of intake: values and `now` in, a decision or a fault with its reason out."""
