"""Results for people: the HTML page and the terminal's table."""
