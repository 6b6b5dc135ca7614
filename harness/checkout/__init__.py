"""`harness run` as a process of this or any other checkout, and the search for the commit that moved a metric."""
