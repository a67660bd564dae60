"""考核表: computed, published, disputed; what is behind each figure."""
