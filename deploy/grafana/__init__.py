"""The dashboards as code: `python -m deploy.documents write` makes their JSON. Nothing that runs needs them."""
