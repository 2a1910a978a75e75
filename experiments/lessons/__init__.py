"""The lecture as code: its rows in ``rows``, its figures in ``figures``, and the forms in which both are shown."""
