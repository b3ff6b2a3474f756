"""Files to raw tables and back: CSV, Excel, Parquet; atomic output."""

from .atomic import new_folder, output_folder, write_atomic
from .csv_write import csv_text, write_csv
from .read import read_table

__all__ = ["csv_text", "new_folder", "output_folder", "read_table", "write_atomic", "write_csv"]
