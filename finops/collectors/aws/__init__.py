"""What Amazon Web Services delivers, through boto3."""
