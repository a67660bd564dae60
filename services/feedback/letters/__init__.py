"""告知书: what reporters are told, pulled by a gateway."""
