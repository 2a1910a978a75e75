"""The rows of the lecture, a module a part: each function works one row out, and its docstring is the row's text."""
