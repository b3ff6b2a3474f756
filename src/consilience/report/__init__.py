"""Analysis -> one self-contained HTML page, results.json, tables and figures in one folder."""
