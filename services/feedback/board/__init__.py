"""公示栏: what anybody may read of closed cases."""
