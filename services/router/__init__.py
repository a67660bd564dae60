"""派单: the router owns the case. It alone decides what stage a case is in and who must act."""
