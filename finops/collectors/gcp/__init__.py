"""What Google Cloud delivers, through its own client libraries."""
