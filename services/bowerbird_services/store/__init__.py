"""Where the rows of tables lie and what computes over them: files and SQL, and no HTTP."""
