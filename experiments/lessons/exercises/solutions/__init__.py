"""The exercises with their answers, one a file; a student's file is cut out of each, with the end of backward left out."""
