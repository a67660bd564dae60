"""What docker-compose.yml needs beside the images: the image's share of the lock, the health check, the .env."""
