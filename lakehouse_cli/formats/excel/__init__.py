"""Excel workbooks: the cells of one sheet, typed by the declared columns, exactly or refused by address."""
