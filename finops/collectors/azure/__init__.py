"""What Azure Cost Management delivers into blob storage."""
