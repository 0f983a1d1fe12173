"""All rows that break a contract, in a file that grows as they are found, and read from it again.

The file is streams of Arrow's, one after the other: of the rows in order, once for each time that the data were gone
through, then of their places in files. A stream has one schema; where the next rows have another, another stream
begins. Of rows of which some values alone are kept, these are lists. Rows that are not the table's, as a check made
them, have streams of their own among the others.
"""
