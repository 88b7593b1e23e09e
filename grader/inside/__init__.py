"""What runs inside the jail, beside the border. Nothing here is believed by the judge."""
