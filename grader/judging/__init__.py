"""From a submission to rows of verdicts: the judge, what its messages say, many submissions at once, the store of results."""
