"""What Prometheus watches, and when it calls somebody."""
