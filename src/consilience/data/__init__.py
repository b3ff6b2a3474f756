"""Any table to records: the columns of a review's tables, the data checks, formulas to designs."""
